// The websocket over a connection of the test's own, in simulated time.
#include "io/websocket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire.h"

namespace weir {
namespace {

using test::BenchShard;
using test::FarEnd;
using test::WireConnection;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::Bench;
using Message = WebSocket::Message;

/// A frame as it stood on the wire, taken apart without the code under test.
struct Frame {
    bool fin = false, masked = false;
    int opcode = 0;
    std::string key, payload;
};

std::vector<Frame> frames_in(std::string_view wire) {
    std::vector<Frame> out;
    const auto number = [&wire](std::size_t at) {
        return static_cast<std::size_t>(static_cast<unsigned char>(wire.at(at)));
    };
    while (!wire.empty()) {
        Frame f;
        f.fin = (number(0) & 0x80) != 0;
        f.opcode = static_cast<int>(number(0) & 0x7f);  // reserved bits would show here
        f.masked = (number(1) & 0x80) != 0;
        std::size_t size = number(1) & 0x7f, at = 2;
        const std::size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
        if (extra) size = 0;
        for (std::size_t i = 0; i < extra; ++i) size = size << 8 | number(at++);
        if (f.masked) f.key = wire.substr(at, 4);
        at += f.key.size();
        f.payload = wire.substr(at, size);
        EXPECT_EQ(f.payload.size(), size) << "a frame that is cut off";
        for (std::size_t i = 0; f.masked && i < f.payload.size(); ++i)
            f.payload[i] = static_cast<char>(f.payload[i] ^ f.key[i % 4]);
        wire.remove_prefix(std::min(wire.size(), at + size));
        out.push_back(std::move(f));
    }
    return out;
}

/// "2:abc" for each frame, "2+" when it is not the last of its message.
std::vector<std::string> brief(std::string_view wire) {
    std::vector<std::string> out;
    for (const auto& f : frames_in(wire)) out.push_back(std::to_string(f.opcode) + (f.fin ? ":" : "+") + f.payload);
    return out;
}

std::string frame(ws::Opcode opcode, std::string_view payload, bool masked) {
    std::optional<std::array<std::byte, 4>> key;
    if (masked) key = {std::byte{0x11}, std::byte{0x82}, std::byte{0xf3}, std::byte{0x04}};
    return std::string(ws::make_frame(opcode, std::as_bytes(std::span(payload)), key).text());
}

const std::string closed_1000("\x03\xe8", 2), closed_1002("\x03\xea", 2), closed_1001("\x03\xe9", 2);

class WebSocketTest : public testing::Test {
protected:
    ~WebSocketTest() override {
        socket.reset();
        bench.settle();
        EXPECT_EQ(bench.clock.waiting(), 0u) << "its timer went with the websocket";
    }
    void open(ws::Role role, WebSocket::Settings settings = {.ping = Millis(0), .pong = Millis(0)},
              std::string early = {}) {
        peer_masks = role == ws::Role::server;
        socket =
            WebSocket::create(std::make_unique<WireConnection>(shard, wire), role, Bytes::copy_of(early), settings);
        bench.settle();
    }
    /// Reads until an error comes, which is kept in `ended`.
    void start_reading() {
        bench.start(read_all());
        bench.settle();
    }
    void peer_sends(ws::Opcode opcode, std::string_view payload) {
        wire->arrive(frame(opcode, payload, peer_masks));
        bench.settle();
    }
    Task<void> read_all() {
        for (;;) {
            auto got = co_await socket->read();
            if (!got) {
                ended = got.error();
                co_return;
            }
            received.push_back((got->text ? "text " : "binary ") + std::string(got->payload.text()));
        }
    }
    Task<void> send_into(std::vector<Message> messages, std::optional<Result<>>* result) {
        auto sent = co_await socket->send_all(messages);
        *result = sent;
    }
    Task<void> close_into(std::uint16_t code, bool* done) {
        co_await socket->close(code, "bye");
        *done = true;
    }
    std::optional<Result<>> send(std::vector<Message> messages) {
        std::optional<Result<>> result;
        bench.start(send_into(std::move(messages), &result));
        bench.settle();
        return result;
    }
    std::optional<Result<>> send(std::string_view payload, bool text = false) {
        return send({Message{text, Bytes::copy_of(payload)}});
    }

    Bench bench;
    BenchShard shard{bench};
    std::shared_ptr<FarEnd> wire = std::make_shared<FarEnd>(bench);
    std::unique_ptr<WebSocket> socket;
    std::vector<std::string> received;
    std::optional<Error> ended;
    bool peer_masks = true;
};

/// relay VW-75, WIN-7: vw cut its messages into pieces of 4096 bytes, with a write each.
TEST_F(WebSocketTest, Vw75Win7AClientSendsAMessageAsOneMaskedFrameInOneWrite) {
    open(ws::Role::client);
    const std::string payload(20'000, 'v');
    ASSERT_TRUE(send(payload)->has_value());
    const auto frames = frames_in(wire->written);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_TRUE(frames[0].fin);
    EXPECT_TRUE(frames[0].masked);
    EXPECT_EQ(frames[0].opcode, 2);
    EXPECT_EQ(frames[0].payload, payload);
    EXPECT_EQ(wire->write_pieces, (std::vector<std::size_t>{1}));
}

TEST_F(WebSocketTest, AClientsKeysNeverRepeat) {
    open(ws::Role::client);
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(send("same")->has_value());
    std::vector<std::string> keys;
    for (const auto& f : frames_in(wire->written)) keys.push_back(f.key);
    ASSERT_EQ(keys.size(), 200u);
    std::sort(keys.begin(), keys.end());
    EXPECT_GE(std::unique(keys.begin(), keys.end()) - keys.begin(), 199);
}

TEST_F(WebSocketTest, AServerDoesNotMask) {
    open(ws::Role::server);
    ASSERT_TRUE(send(std::string(70'000, 'x'), true)->has_value());
    const auto frames = frames_in(wire->written);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_FALSE(frames[0].masked);
    EXPECT_EQ(frames[0].opcode, 1);
    EXPECT_EQ(frames[0].payload.size(), 70'000u);
}

/// relay WIN-1: 188-byte chunks are many; the borders stay, the system calls go.
TEST_F(WebSocketTest, Win1QueuedMessagesShareOneWriteAndFewPieces) {
    for (const auto role : {ws::Role::client, ws::Role::server}) {
        wire = std::make_shared<FarEnd>(bench);
        open(role);
        std::vector<Message> queue;
        std::vector<std::string> expected;
        for (int i = 0; i < 340; ++i) {
            const std::string payload(188, static_cast<char>('a' + i % 26));
            queue.push_back({i % 2 == 0, Bytes::copy_of(payload)});
            expected.push_back((i % 2 == 0 ? "1:" : "2:") + payload);
        }
        ASSERT_TRUE(send(queue)->has_value());
        EXPECT_EQ(brief(wire->written), expected);
        EXPECT_EQ(wire->write_pieces, (std::vector<std::size_t>{1}));
    }
}

TEST_F(WebSocketTest, MessagesOfAllSizesKeepTheirOrder) {
    for (const auto role : {ws::Role::client, ws::Role::server}) {
        wire = std::make_shared<FarEnd>(bench);
        open(role);
        std::vector<Message> queue;
        std::vector<std::string> expected;
        for (const std::size_t size :
             {0u, 1u, 125u, 126u, 2047u, 2048u, 65'535u, 65'536u, 300'000u, 5u, 400'000u, 0u}) {
            const std::string payload(size, 's');
            queue.push_back({false, Bytes::copy_of(payload)});
            expected.push_back("2:" + payload);
        }
        ASSERT_TRUE(send(queue)->has_value());
        EXPECT_EQ(brief(wire->written), expected);
    }
}

TEST_F(WebSocketTest, ReadsMessagesWithTheirKindFragmentsTogether) {
    open(ws::Role::server);
    start_reading();
    peer_sends(ws::Opcode::text, "hello");
    std::string part = frame(ws::Opcode::binary, "in ", true);
    part[0] = 0x02;  // not the last
    wire->arrive(part);
    peer_sends(ws::Opcode::ping, "?");
    peer_sends(ws::Opcode::continuation, "pieces");
    EXPECT_THAT(received, ElementsAre("text hello", "binary in pieces"));
    EXPECT_THAT(brief(wire->written), ElementsAre("10:?"));
}

TEST_F(WebSocketTest, BytesThatCameBehindTheHandshakeAreReadFirst) {
    open(ws::Role::server, {},
         frame(ws::Opcode::text, "early", true) + frame(ws::Opcode::text, "la", true).substr(0, 3));
    start_reading();
    wire->arrive(frame(ws::Opcode::text, "la", true).substr(3));
    bench.settle();
    EXPECT_THAT(received, ElementsAre("text early", "text la"));
}

TEST_F(WebSocketTest, OfManyPingsAtOnceTheNewestIsAnswered) {
    open(ws::Role::server);
    wire->arrive(frame(ws::Opcode::ping, "1", true) + frame(ws::Opcode::ping, "2", true) +
                 frame(ws::Opcode::text, "x", true) + frame(ws::Opcode::ping, "3", true));
    start_reading();
    EXPECT_THAT(brief(wire->written), ElementsAre("10:2", "10:3"));
    EXPECT_THAT(received, ElementsAre("text x"));
}

TEST_F(WebSocketTest, APongWaitsForTheMessageBeingWritten) {
    open(ws::Role::client);
    start_reading();
    wire->blocked = true;
    const std::string payload(50'000, 'm');
    std::optional<Result<>> first, second;
    bench.start(send_into({Message{false, Bytes::copy_of(payload)}}, &first));
    bench.settle();
    peer_sends(ws::Opcode::ping, "there?");
    EXPECT_EQ(wire->written, "");
    wire->unblock();
    bench.settle();
    EXPECT_THAT(brief(wire->written), ElementsAre("2:" + payload, "10:there?"));
    bench.start(send_into({Message{true, Bytes::copy_of("next")}}, &second));
    bench.settle();
    EXPECT_EQ(brief(wire->written).back(), "1:next");
    EXPECT_TRUE(first && first->has_value() && second && second->has_value());
}

TEST_F(WebSocketTest, TheReaderKeepsReadingWhileAWriterIsStuck) {
    open(ws::Role::client);
    start_reading();
    wire->blocked = true;
    std::optional<Result<>> sent;
    bench.start(send_into({Message{false, Bytes::copy_of("stuck")}}, &sent));
    bench.settle();
    peer_sends(ws::Opcode::ping, "a");
    peer_sends(ws::Opcode::text, "still heard");
    EXPECT_THAT(received, ElementsAre("text still heard"));
    wire->unblock();
    bench.settle();
}

/// relay VW-46, ASK-9
TEST_F(WebSocketTest, Vw46APingGoesOutAfterEachInterval) {
    open(ws::Role::client, {.ping = Millis(54'000), .pong = Millis(0)});
    start_reading();
    bench.advance(Millis(53'999));
    EXPECT_EQ(wire->written, "");
    bench.advance(Millis(1));
    EXPECT_THAT(brief(wire->written), ElementsAre("9:"));
    bench.advance(Millis(54'000));
    EXPECT_THAT(brief(wire->written), ElementsAre("9:", "9:"));
}

TEST_F(WebSocketTest, NoSignOfLifeEndsIt) {
    open(ws::Role::client, {.ping = Millis(54'000), .pong = Millis(60'000)});
    start_reading();
    bench.advance(Millis(54'000));
    bench.advance(Millis(5'999));
    EXPECT_FALSE(ended);
    bench.advance(Millis(1));
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->code, Errc::timed_out);
    EXPECT_TRUE(wire->shut);
    EXPECT_EQ(send("late")->error().code, Errc::timed_out);
}

/// Unlike with vw (VW-46), whatever comes is a sign of life.
TEST_F(WebSocketTest, PongsAndDataAreSignsOfLife) {
    open(ws::Role::server, {.ping = Millis(54'000), .pong = Millis(60'000)});
    start_reading();
    for (int i = 0; i < 10; ++i) {
        bench.advance(Millis(50'000));
        peer_sends(i % 2 == 0 ? ws::Opcode::pong : ws::Opcode::binary, "");
    }
    EXPECT_FALSE(ended);
    EXPECT_EQ(received.size(), 5u);
    bench.advance(Millis(60'000));
    EXPECT_TRUE(ended);
}

/// Who does not read does not see the signs.
TEST_F(WebSocketTest, ABusyOwnerIsNoLostPeer) {
    open(ws::Role::server, {.ping = Millis(54'000), .pong = Millis(60'000)});
    bench.advance(std::chrono::minutes(10));
    peer_sends(ws::Opcode::text, "waited for you");
    start_reading();
    EXPECT_THAT(received, ElementsAre("text waited for you"));
    bench.advance(Millis(59'999));
    EXPECT_FALSE(ended);
}

/// The answer to our ping is behind what it takes so slowly; the write has its own time limit.
TEST_F(WebSocketTest, APeerThatTakesWhatWeWriteIsNotLost) {
    open(ws::Role::client, {.ping = Millis(54'000), .pong = Millis(60'000)});
    start_reading();
    wire->blocked = true;
    std::optional<Result<>> sent;
    bench.start(send_into({Message{false, Bytes::copy_of("slow")}}, &sent));
    bench.settle();
    for (int i = 0; i < 10; ++i) bench.advance(Millis(20'000));
    EXPECT_FALSE(ended);
    wire->unblock();
    bench.settle();
    EXPECT_TRUE(sent && sent->has_value());
    bench.advance(Millis(59'999));
    EXPECT_FALSE(ended);
    bench.advance(Millis(1));
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->code, Errc::timed_out);
}

TEST_F(WebSocketTest, WhoIsNeverAskedMayBeSilent) {
    open(ws::Role::client, {.ping = Millis(0), .pong = Millis(60'000)});
    start_reading();
    bench.advance(std::chrono::minutes(10));
    EXPECT_FALSE(ended);
}

TEST_F(WebSocketTest, WhoIsAskedHasTimeToAnswer) {
    open(ws::Role::client, {.ping = Millis(90'000), .pong = Millis(60'000)});
    start_reading();
    bench.advance(Millis(90'000));
    EXPECT_THAT(brief(wire->written), ElementsAre("9:"));
    bench.advance(Millis(5'999));
    EXPECT_FALSE(ended);
    bench.advance(Millis(1));
    EXPECT_TRUE(ended);
}

TEST(WebSocketTimes, PongIsLaterThanPing) {
    const struct {
        int ping, pong, expected;
    } cases[] = {{54'000, 60'000, 60'000}, {0, 60'000, 0},      {54'000, 0, 0},         {60'000, 60'000, 66'000},
                 {59'000, 60'000, 65'000}, {1'000, 500, 2'000}, {1'000, 60'000, 60'000}};
    for (const auto& [ping, pong, expected] : cases)
        EXPECT_EQ(pong_time(Millis(ping), Millis(pong)), Millis(expected)) << ping << ' ' << pong;
}

TEST_F(WebSocketTest, APingThatFitsOnlyInPartIsCompletedFirst) {
    open(ws::Role::client, {.ping = Millis(1'000), .pong = Millis(0)});
    start_reading();
    wire->try_room = 1;
    bench.advance(Millis(1'000));
    EXPECT_EQ(wire->written.size(), 1u);
    ASSERT_TRUE(send("whole")->has_value());
    EXPECT_THAT(brief(wire->written), ElementsAre("9:", "2:whole"));
}

TEST_F(WebSocketTest, TheRestOfAPingGoesOutByItself) {
    open(ws::Role::client, {.ping = Millis(1'000'000), .pong = Millis(0)});
    wire->try_room = 4;
    bench.advance(Millis(1'000'000));
    EXPECT_EQ(wire->written.size(), 4u);
    bench.advance(Millis(250));
    EXPECT_THAT(brief(wire->written), ElementsAre("9:"));
}

struct CloseCase {
    const char* name;
    std::string payload;
    std::uint16_t code;
    std::string echoed, text;
};
std::ostream& operator<<(std::ostream& out, const CloseCase& c) {
    return out << c.name;
}
class PeersClose : public WebSocketTest, public testing::WithParamInterface<CloseCase> {};

TEST_P(PeersClose, IsAnsweredWithItsCode) {
    for (const auto role : {ws::Role::client, ws::Role::server}) {
        wire = std::make_shared<FarEnd>(bench);
        open(role);
        start_reading();
        EXPECT_FALSE(socket->close_code());
        peer_sends(ws::Opcode::text, "last");
        peer_sends(ws::Opcode::close, GetParam().payload);
        EXPECT_EQ(brief(wire->written), std::vector<std::string>{"8:" + GetParam().echoed});
        ASSERT_TRUE(ended);
        EXPECT_EQ(ended->code, Errc::lost_peer);
        EXPECT_THAT(ended->what, HasSubstr(GetParam().text));
        EXPECT_EQ(socket->close_code(), GetParam().code);
        EXPECT_EQ(wire->shut, role == ws::Role::server) << "the server ends the connection (RFC 6455 7.1.1)";
        EXPECT_EQ(send("after")->error().code, Errc::lost_peer);
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, PeersClose,
                         testing::Values(CloseCase{"Plain", closed_1000, 1000, closed_1000, "code 1000"},
                                         CloseCase{"Reason", closed_1001 + "going\x01", 1001, closed_1001,
                                                   "going\\x01"},
                                         CloseCase{"Empty", "", 1005, "", "closed by the peer"}),
                         testing::PrintToStringParamName());

TEST_F(WebSocketTest, CloseSaysGoodbyeAndWaitsForTheAnswerThatTheReaderSees) {
    open(ws::Role::client);
    start_reading();
    bool done = false;
    bench.start(close_into(1000, &done));
    bench.settle();
    EXPECT_EQ(brief(wire->written), std::vector<std::string>{"8:" + closed_1000 + "bye"});
    EXPECT_FALSE(done);
    peer_sends(ws::Opcode::binary, "was on its way");
    EXPECT_FALSE(done);
    peer_sends(ws::Opcode::close, closed_1000);
    EXPECT_TRUE(done);
    EXPECT_TRUE(wire->shut);
    EXPECT_TRUE(received.empty());
    EXPECT_EQ(ended->code, Errc::lost_peer);
    EXPECT_EQ(frames_in(wire->written).size(), 1u);
}

TEST_F(WebSocketTest, CloseReadsItselfWhenNobodyElseDoes) {
    open(ws::Role::server);
    bool done = false;
    bench.start(close_into(1001, &done));
    bench.settle();
    EXPECT_FALSE(done);
    peer_sends(ws::Opcode::close, closed_1001);
    EXPECT_TRUE(done);
    EXPECT_EQ(socket->close_code(), 1001);
    EXPECT_EQ(send("after")->error().code, Errc::lost_peer);
}

TEST_F(WebSocketTest, CloseGivesASilentPeerASecond) {
    for (const bool reads : {true, false}) {
        wire = std::make_shared<FarEnd>(bench);
        open(ws::Role::client);
        if (reads) start_reading();
        bool done = false;
        bench.start(close_into(1000, &done));
        bench.settle();
        bench.advance(Millis(999));
        EXPECT_FALSE(done);
        bench.advance(Millis(1));
        EXPECT_TRUE(done);
        EXPECT_TRUE(wire->shut);
    }
}

TEST_F(WebSocketTest, CloseEndsAWriterThatIsStuck) {
    open(ws::Role::client);
    wire->blocked = true;
    std::optional<Result<>> sent;
    bench.start(send_into({Message{false, Bytes::copy_of("stuck")}}, &sent));
    bool done = false;
    bench.start(close_into(1000, &done));
    bench.settle();
    EXPECT_FALSE(sent);
    bench.advance(Millis(1'000));
    EXPECT_TRUE(done);
    ASSERT_TRUE(sent);
    EXPECT_FALSE(sent->has_value());
    EXPECT_EQ(wire->written, "") << "no close frame inside a message";
}

struct BadCase {
    const char* name;
    std::string bytes;
    std::string closed;
};
std::ostream& operator<<(std::ostream& out, const BadCase& c) {
    return out << c.name;
}
class BrokenPeer : public WebSocketTest, public testing::WithParamInterface<BadCase> {};

/// relay VW-45: an unmasked frame is answered 1002, "incorrect mask flag".
TEST_P(BrokenPeer, IsToldWhyAndEnded) {
    WebSocket::Settings settings{.ping = Millis(0), .pong = Millis(0)};
    settings.limits.max_message = 1000;
    open(ws::Role::server, settings);
    wire->arrive(frame(ws::Opcode::text, "before", true) + GetParam().bytes);
    start_reading();
    EXPECT_THAT(received, ElementsAre("text before"));
    const auto frames = frames_in(wire->written);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].opcode, 8);
    EXPECT_THAT(frames[0].payload, testing::StartsWith(GetParam().closed));
    EXPECT_FALSE(ended) << "it has a moment to read that";
    wire->arrive("what it had sent meanwhile");
    wire->cut();
    bench.settle();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->code, Errc::bad_input);
    EXPECT_TRUE(wire->shut);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BrokenPeer,
    testing::Values(BadCase{"Unmasked", frame(ws::Opcode::text, "x", false), closed_1002 + "incorrect mask flag"},
                    BadCase{"TooBig", frame(ws::Opcode::binary, std::string(1001, 'x'), true), "\x03\xf1"},
                    BadCase{"NoUtf8", frame(ws::Opcode::text, "\xff\xfe", true), "\x03\xef"},
                    BadCase{"Reserved", std::string("\xf2\x80\0\0\0\0", 6), closed_1002}),
    testing::PrintToStringParamName());

/// reliability.md lesson 27
TEST_F(WebSocketTest, WhomWeDialedMayAlwaysSendALargeMessage) {
    ws::Budget budget(1000);
    const std::string big(3000, 'x');
    open(ws::Role::client, {.budget = &budget, .ping = Millis(0), .pong = Millis(0)});
    start_reading();
    wire->arrive(frame(ws::Opcode::binary, big, false).substr(0, 2000));
    bench.settle();
    wire->arrive(frame(ws::Opcode::binary, big, false).substr(2000));
    bench.settle();
    EXPECT_THAT(received, ElementsAre("binary " + big));
}

TEST_F(WebSocketTest, UnfinishedMessagesOfThoseWhoCameByThemselvesShareABudget) {
    ws::Budget budget(1000);
    const std::string big(3000, 'x');
    open(ws::Role::server, {.budget = &budget, .ping = Millis(0), .pong = Millis(0)});
    start_reading();
    wire->arrive(frame(ws::Opcode::binary, big, true).substr(0, 2000));
    bench.settle();
    const auto frames = frames_in(wire->written);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].payload.substr(0, 2), "\x03\xf5") << "1013";
    wire->cut();
    bench.settle();
    EXPECT_TRUE(ended);
    EXPECT_EQ(budget.held(), 0u);
}

TEST_F(WebSocketTest, ABrokenPeerThatStaysIsEndedAfterASecond) {
    open(ws::Role::server);
    start_reading();
    wire->arrive(frame(ws::Opcode::text, "x", false));
    bench.settle();
    bench.advance(Millis(999));
    EXPECT_FALSE(ended);
    bench.advance(Millis(1));
    EXPECT_EQ(ended->code, Errc::bad_input);
}

TEST_F(WebSocketTest, APeerThatIsCutOffIsLost) {
    open(ws::Role::server);
    start_reading();
    wire->cut();
    bench.settle();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->code, Errc::lost_peer);
    EXPECT_FALSE(socket->close_code());
}

TEST_F(WebSocketTest, AWriteThatMissedItsDeadlineEndsTheReaderToo) {
    open(ws::Role::client);
    start_reading();
    wire->write_error = Error{Errc::timed_out, "the peer took nothing for too long", "connection"};
    EXPECT_EQ(send("x")->error().code, Errc::timed_out);
    bench.settle();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->code, Errc::timed_out);
}

TEST_F(WebSocketTest, MayGoWhileItReadsWritesAndSaysGoodbye) {
    for (const bool closes : {false, true}) {
        wire = std::make_shared<FarEnd>(bench);
        open(ws::Role::client, {.ping = Millis(1'000), .pong = Millis(2'000)});
        ended.reset();
        start_reading();
        wire->blocked = true;
        std::optional<Result<>> first, second;
        bench.start(send_into({Message{false, Bytes::copy_of("stuck")}}, &first));
        bench.start(send_into({Message{false, Bytes::copy_of("behind it")}}, &second));
        bool done = !closes;
        if (closes) bench.start(close_into(1000, &done));
        bench.settle();
        socket.reset();
        bench.settle();
        ASSERT_TRUE(ended && first && second && done);
        EXPECT_EQ(ended->code, Errc::lost_peer);
        EXPECT_FALSE(first->has_value());
        EXPECT_FALSE(second->has_value());
        EXPECT_EQ(wire.use_count(), 1) << "the connection went, too";
        EXPECT_EQ(bench.clock.waiting(), 0u);
    }
}

TEST_F(WebSocketTest, ReceivesLargeMessagesThroughASmallBuffer) {
    open(ws::Role::server);
    const std::string large(700'000, 'L');
    wire->arrive(frame(ws::Opcode::binary, large, true));
    start_reading();
    ASSERT_EQ(received.size(), 1u);
    EXPECT_EQ(received[0], "binary " + large);
}

}  // namespace
}  // namespace weir
