// Websocket doors: vw's, crossbar's and practable's.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "apps/relay/doors.h"
#include "apps/relay/doors_rig.h"
#include "proto/websocket/frame.h"

namespace weir::relay {
namespace {

using namespace rig;

const Secret key("viewer-secret");
const std::string audience = "https://relay.example";

AccessSettings with_key() {
    AccessSettings s;
    s.viewer_key.secret = key;
    s.audience = audience;
    return s;
}

/// crossbar's token for a path.
std::string path_token(const std::string& path, std::int64_t expires, std::vector<std::string> scopes = {}) {
    jwt::Claims c;
    c.audience = {audience + path};
    c.expires = expires;
    c.scopes = std::move(scopes);
    return jwt::sign(c, key);
}

/// practable's token for a topic.
std::string topic_token(const std::string& topic, std::int64_t expires, std::vector<std::string> scopes,
                        const std::string& booking = "bid0") {
    jwt::Claims c;
    c.audience = {audience};
    c.topic = topic;
    c.prefix = "session";
    c.booking_id = booking;
    c.expires = expires;
    c.scopes = std::move(scopes);
    return jwt::sign(c, key);
}

ws::Headers authorised(const std::string& token) {
    ws::Headers out;
    out.emplace_back("Authorization", token);
    return out;
}

std::string member(const std::string& json, const char* name) {
    boost::system::error_code ec;
    const auto value = boost::json::parse(json, ec);
    if (ec || !value.is_object() || !value.as_object().contains(name)) return "no " + std::string(name);
    const auto& found = value.as_object().at(name);
    return found.is_string() ? std::string(found.as_string())
           : found.is_bool() ? (found.as_bool() ? "true" : "false")
                             : "?";
}

// ------------------------------------------------------------------ /ws

TEST(RelaySocket, WithoutUpgradeHeadersItSaysSo_VW14) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        const auto got = co_await rig.ask("GET /ws/video0");
        EXPECT_EQ(status_of(got), 400);
        EXPECT_EQ(body_of(got), "Bad Request\n");
        EXPECT_TRUE(has(got, "Sec-Websocket-Version: 13\r\n"));
        const auto name = co_await rig.ask("GET /ws/a_b");
        EXPECT_EQ(status_of(name), 404);
        const auto console = co_await rig.ask("GET /ws/api");
        EXPECT_EQ(status_of(console), 404);
    });
}

struct UpgradeCase {
    const char* name;
    const char* headers;
    int status;
};

TEST(RelaySocket, BrokenUpgradesAreRefused) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        const std::string good = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
        const UpgradeCase cases[] = {
            {"no key", "", 400},
            {"short key", "Sec-WebSocket-Key: abc\r\n", 400},
            {"a body", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 3\r\n", 400},
        };
        for (const auto& c : cases) {
            const auto text = "GET /ws/x HTTP/1.1\r\nHost: 127.0.0.1\r\n" + good + c.headers + "\r\nabc";
            Wire wire(rig.here().executor(), rig.main->port());
            (void)co_await wire.send(text);
            const auto got = co_await wire.until("\r\n\r\n");
            EXPECT_EQ(status_of(got), c.status) << c.name;
        }
        EXPECT_TRUE(rig.doors->connected().empty());
    });
}

TEST(RelaySocket, OnlyTheSubProtocolNullIsChosen_VW41) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        const std::vector<std::string> with_null{"jsmpeg", "null"}, without{"jsmpeg"};
        auto a = co_await rig.call("/ws/x", {}, with_null);
        auto b = co_await rig.call("/ws/x", {}, without);
        EXPECT_TRUE(a.open() && a.socket().protocol() == "null");
        EXPECT_TRUE(b.open() && b.socket().protocol().empty());
        co_await a.close();
        co_await b.close();
    });
}

TEST(RelaySocket, WhatOneSaysAllOthersHearAndNotItself_VW42_SC6) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        auto a = co_await rig.call("/ws/data"), b = co_await rig.call("/ws/data"), c = co_await rig.call("/ws/data");
        EXPECT_EQ(rig.publishers("data"), 0U) << "who only listens is no publisher";
        co_await a.say("one");
        const auto b1 = co_await b.next(), c1 = co_await c.next();
        EXPECT_EQ(b1 + c1, "text onetext one");
        co_await b.say("two");
        const auto a1 = co_await a.next(), c2 = co_await c.next();
        EXPECT_EQ(a1 + c2, "text twotext two");
        EXPECT_EQ(rig.publishers("data"), 2U);
        auto bytes = Bytes::copy_of(std::string_view("\x01\x02"));
        (void)co_await c.socket().send(ws::Opcode::binary, std::move(bytes));
        const auto a2 = co_await a.next();
        EXPECT_EQ(a2, "binary \x01\x02");
        co_await a.close();
        co_await b.close();
        co_await c.close();
        const bool gone = co_await rig.until([&] { return rig.publishers("data") == 0; });
        EXPECT_TRUE(gone);
    });
}

TEST(RelaySocket, WhoSaysOneThingAndLeavesIsHeard) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        auto listener = co_await rig.call("/ws/data");
        for (int i = 0; i < 20; ++i) {
            // The message and the goodbye come in one piece.
            Wire wire(rig.here().executor(), rig.main->port());
            const std::array<std::byte, 4> mask{};
            const auto text = "hello " + std::to_string(i);
            const auto message = ws::make_frame(ws::Opcode::text, std::as_bytes(std::span(text)), mask);
            const auto goodbye = ws::make_close(1000, "", mask);
            (void)co_await wire.send(
                "GET /ws/data HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
            (void)co_await wire.until("\r\n\r\n");
            (void)co_await wire.send(std::string(message.text()) + std::string(goodbye.text()));
            const auto heard = co_await listener.next();
            EXPECT_EQ(heard, "text " + text);
        }
        co_await listener.close();
    });
}

TEST(RelaySocket, StreamsDoNotRunBackwards_VW43) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        std::vector<std::string> feeds{"video0", "audio0"};
        rig.hub->set_mix("stream/front", std::move(feeds));
        auto a = co_await rig.call("/ws/stream/front"), b = co_await rig.call("/ws/stream/front");
        co_await a.say("backwards");
        auto feed = co_await rig.call("/ws/video0");
        co_await feed.say("forwards");
        const auto heard = co_await b.next();
        EXPECT_EQ(heard, "text forwards");
        EXPECT_EQ(rig.publishers("stream/front"), 0U);
        co_await a.close();
        co_await b.close();
        co_await feed.close();
    });
}

TEST(RelaySocket, TwoShardsAreOneTopic) {
    with_doors(
        {}, {},
        [](DoorsRig& rig) -> Task<void> {
            auto a = co_await rig.call("/ws/data"), b = co_await rig.call("/ws/data");
            for (int i = 0; i < 50; ++i) {
                const auto n = std::to_string(i);
                co_await a.say("to b " + n);
                const auto at_b = co_await b.next();
                EXPECT_EQ(at_b, "text to b " + n);
                co_await b.say("to a " + n);
                const auto at_a = co_await a.next();
                EXPECT_EQ(at_a, "text to a " + n);
            }
            co_await a.close();
            co_await b.close();
        },
        2);
}

TEST(RelaySocket, NonsenseEndsThatSocketAlone_VW45_VW61) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        auto witness = co_await rig.call("/ws/data");
        const std::string frames[] = {std::string("\x81\x01x", 3),               // not masked
                                      std::string("\xf1\x80\0\0\0\0", 6),        // reserved bits
                                      std::string("\x83\x80\0\0\0\0", 6),        // unknown opcode
                                      std::string("\x80\x80\0\0\0\0", 6),        // goes on with nothing
                                      std::string("\x89\xfe\0\x80\0\0\0\0", 8),  // a ping of 128 bytes
                                      std::string("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14)};
        for (const auto& frame : frames) {
            Wire wire(rig.here().executor(), rig.main->port());
            (void)co_await wire.send(
                "GET /ws/data HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
                frame);
            const auto head = co_await wire.until("\r\n\r\n");
            EXPECT_EQ(status_of(head), 101);
            const auto rest = co_await wire.all();
            EXPECT_GE(rest.size(), 4U);
            EXPECT_TRUE(rest.starts_with('\x88')) << "a close frame";
        }
        auto other = co_await rig.call("/ws/data");
        co_await other.say("still here");
        const auto heard = co_await witness.next();
        EXPECT_EQ(heard, "text still here");
        co_await witness.close();
        co_await other.close();
    });
}

// ------------------------------------------------------------------ crossbar

TEST(RelayCrossbar, InFeedsAllOutsAndNothingComesBack_SC22) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        auto in = co_await rig.call("/in/room/"), out1 = co_await rig.call("/out/room"),
             out2 = co_await rig.call("/out/room");
        co_await out1.say("backwards");
        co_await in.say("one");
        co_await in.say("two");
        Caller* const outs[] = {&out1, &out2};
        for (auto* out : outs) {
            const auto first = co_await out->next(), second = co_await out->next();
            EXPECT_EQ(first + second, "text onetext two");
        }
        // What is sent by /bi is the first thing that the silent ones did not get: neither the echo nor "backwards".
        auto both = co_await rig.call("/bi/room");
        co_await both.say("three");
        const auto third = co_await out1.next();
        EXPECT_EQ(third, "text three");
        co_await in.close();
        co_await out1.close();
        co_await out2.close();
        co_await both.close();
    });
}

TEST(RelayCrossbar, BiGoesToAllOthersOnce_SC23) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        auto a = co_await rig.call("/bi/room"), b = co_await rig.call("/bi/room"), c = co_await rig.call("/ws/room");
        co_await a.say("1");
        co_await rig.until([&] { return rig.publishers("room") == 1; });
        co_await b.say("2");
        const auto at_a = co_await a.next();
        const auto b1 = co_await b.next();
        const auto c1 = co_await c.next(), c2 = co_await c.next();
        EXPECT_EQ(at_a, "text 2");
        EXPECT_EQ(b1, "text 1");
        EXPECT_EQ(c1 + c2, "text 1text 2");
        co_await a.close();
        co_await b.close();
        co_await c.close();
    });
}

struct FirstMessageCase {
    const char* path;
    std::string message;
    std::string reason;
};

TEST(RelayCrossbar, TheFirstMessageIsTheToken_SC21_CB3) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        const auto now = rig.now();
        jwt::Claims early;
        early.audience = {audience + "/out/x"};
        early.not_before = now + 1000;
        const FirstMessageCase cases[] = {
            {"/out/x", path_token("/out/x", now - 10), "Error reading token Token is expired"},
            {"/out/x", jwt::sign(early, key), "Error reading token Token is not valid yet"},
            {"/out/x", "not a token", "Error reading token token contains an invalid number of segments"},
            {"/out/x", path_token("/in/x", now + 60),
             "Denied - not permitted to access https://relay.example/out/x with token for https://relay.example/in/x"},
            {"/out/x", path_token("/out/x", now + 60), "ok"},
            {"/bi/x", path_token("/bi/x", now + 60), "ok"},
        };
        for (const auto& c : cases) {
            auto guest = co_await rig.call(c.path);
            EXPECT_TRUE(guest.open());
            // Sent before the token is: nobody without one gets it (SC-21).
            auto publisher = co_await rig.call("/in/x?token=" + path_token("/in/x", now + 60));
            EXPECT_TRUE(publisher.open());
            co_await publisher.say("secret");
            co_await rig.until([&] { return rig.publishers("x") == 1; });
            co_await guest.say(c.message);
            const auto answer = co_await guest.next();
            EXPECT_TRUE(answer.starts_with("text ")) << answer;
            const auto json = answer.substr(5);
            EXPECT_EQ(member(json, "reason"), c.reason);
            EXPECT_EQ(member(json, "authorised"), c.reason == "ok" ? "true" : "false");
            EXPECT_EQ(member(json, "topic"), c.path);
            EXPECT_EQ(member(json, "token"), "") << "what was sent is never sent back";
            if (c.reason != "ok") {
                const auto end = co_await guest.next();
                EXPECT_EQ(end, "closed 1008") << c.reason;
            } else {
                co_await publisher.say("for all");
                const auto heard = co_await guest.next();
                EXPECT_EQ(heard, "text for all");
            }
            co_await guest.close();
            co_await publisher.close();
            co_await rig.until([&] { return rig.publishers("x") == 0; });
        }
    });
}

TEST(RelayCrossbar, AHugeOrNoFirstMessageEndsIt) {
    Doors::Settings settings;
    settings.first_message = Millis(100);
    with_doors(with_key(), settings, [](DoorsRig& rig) -> Task<void> {
        auto silent = co_await rig.call("/out/x");
        const auto late = co_await silent.next();
        EXPECT_EQ(late, "closed 1008");
        auto huge = co_await rig.call("/out/x");
        co_await huge.say(std::string(100'000, 'x'));
        const auto end = co_await huge.next();
        EXPECT_TRUE(end == "closed 1009" || end == "closed 0") << end;
        const bool gone = co_await rig.until([&] { return rig.doors->connected().empty(); });
        EXPECT_TRUE(gone);
    });
}

TEST(RelayCrossbar, AFirstMessageThatIsTooLongIsRefusedByItsHead) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        Wire wire(rig.here().executor(), rig.main->port());
        (void)co_await wire.send(
            "GET /out/x HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
        (void)co_await wire.until("\r\n\r\n");
        // A masked text of 1 MiB, of which nothing follows.
        (void)co_await wire.send(std::string("\x81\xff\0\0\0\0\0\x10\0\0mask", 14));
        const auto got = co_await wire.until("\x03\xf1");
        EXPECT_TRUE(has(got, "\x03\xf1")) << "1009";
    });
}

TEST(RelayCrossbar, WhoHasNotSentItsTokenTakesNoViewersPlace) {
    Doors::Settings settings;
    settings.max_viewers = 1;
    settings.max_guests = 2;
    with_doors(with_key(), settings, [](DoorsRig& rig) -> Task<void> {
        auto one = co_await rig.call("/out/x");
        auto two = co_await rig.call("/out/x");
        EXPECT_TRUE(one.open() && two.open());
        EXPECT_TRUE(rig.doors->connected().empty());
        auto three = co_await rig.call("/out/x");
        EXPECT_EQ(three.status(), 503);
        const auto token = path_token("/out/x", rig.now() + 60);
        co_await one.say(token);
        const auto let_in = co_await one.next();
        EXPECT_EQ(member(let_in.substr(5), "authorised"), "true") << let_in;
        auto four = co_await rig.call("/out/x");
        EXPECT_TRUE(four.open()) << "its place is free again";
        co_await two.say(token);
        const auto full = co_await two.next();
        EXPECT_EQ(member(full.substr(5), "reason"), "too many connections") << full;
        co_await one.close();
        co_await two.close();
        co_await four.close();
    });
}

TEST(RelayCrossbar, TheTokenMayComeInAnyPieces) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        const auto token = path_token("/out/x", rig.now() + 60);
        const std::array<std::byte, 4> mask{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
        const auto bytes = std::as_bytes(std::span(token));
        const auto half = bytes.size() / 2;
        // A ping, then the token in two fragments with another ping between them.
        auto first = std::string(ws::make_frame(ws::Opcode::text, bytes.first(half), mask).text());
        first[0] = '\x01';
        auto last = std::string(ws::make_frame(ws::Opcode::continuation, bytes.subspan(half), mask).text());
        const auto ping = std::string(ws::make_frame(ws::Opcode::ping, {}, mask).text());
        const auto sent = ping + first + ping + last;
        Wire wire(rig.here().executor(), rig.main->port());
        (void)co_await wire.send(
            "GET /out/x HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        (void)co_await wire.until("\r\n\r\n");
        wire.socket().set_option(asio::ip::tcp::no_delay(true));
        for (const char c : sent) (void)co_await wire.send(std::string_view(&c, 1));
        const auto answer = co_await wire.until("}");
        EXPECT_TRUE(has(answer, R"("authorised":true,"reason":"ok")")) << answer;
        EXPECT_TRUE(answer.starts_with(std::string("\x8a\0\x8a\0", 4))) << "both pings are answered first";
    });
}

TEST(RelayCrossbar, WhatFollowsTheTokenAtOnceIsPublished) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        const auto now = rig.now();
        auto out = co_await rig.call("/out/x?token=" + path_token("/out/x", now + 60));
        const std::pair<const char*, std::string> ways[] = {{"/in/x", path_token("/in/x", now + 60)},
                                                            {"/bi/x", path_token("/bi/x", now + 60)}};
        for (const auto& [path, token] : ways) {
            auto in = co_await rig.call(path);
            const WebSocket::Message both[] = {{true, Bytes::copy_of(token)},
                                               {true, Bytes::copy_of(std::string_view("at once"))}};
            (void)co_await in.socket().send_all(both);
            const auto heard = co_await out.next();
            EXPECT_EQ(heard, "text at once") << path;
            co_await in.close();
        }
        co_await out.close();
    });
}

TEST(RelayCrossbar, AConnectionEndsWithItsToken_PR13_SC17) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        const auto soon = rig.now() + 1;
        auto out = co_await rig.call("/out/x?token=" + path_token("/out/x", soon + 1));
        auto in = co_await rig.call("/in/x?token=" + path_token("/in/x", soon + 1));
        const auto a = co_await out.next();
        EXPECT_EQ(a, "closed 4401");
        const auto b = co_await in.next();
        EXPECT_EQ(b, "closed 4401");
    });
}

TEST(RelayCrossbar, ATokenInTheRequestIsCheckedBeforeTheUpgrade) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        const auto now = rig.now();
        auto expired = co_await rig.call("/out/x?token=" + path_token("/out/x", now - 5));
        EXPECT_EQ(expired.status(), 401);
        auto wrong = co_await rig.call("/in/x?token=" + path_token("/out/x", now + 5));
        EXPECT_EQ(wrong.status(), 403);
        auto none = co_await rig.call("/ws/x");
        EXPECT_EQ(none.status(), 401) << "vw's clients send no first message";
    });
}

// ------------------------------------------------------------------ practable

std::string code_of(const std::string& answer) {
    const auto uri = member(body_of(answer), "uri");
    const auto at = uri.find("?code=");
    return at == std::string::npos ? "no code in " + answer : uri.substr(at + 6);
}

Task<std::string> exchange(DoorsRig& rig, std::string topic, std::string token) {
    std::string line = "POST /session/" + topic, header = "Authorization: " + token + "\r\n";
    auto answer = co_await rig.ask(std::move(line), std::move(header));
    co_return answer;
}

TEST(RelaySession, TwoWithOneTokenTalk_SC16) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        const std::vector<std::string> scopes{"read", "write"};
        const auto token = topic_token("lab/1", rig.now() + 60, scopes);
        const auto first = co_await exchange(rig, "lab/1", token), second = co_await exchange(rig, "lab/1", token);
        EXPECT_EQ(status_of(first), 200);
        EXPECT_TRUE(member(body_of(first), "uri").starts_with("ws://127.0.0.1/session/lab/1?code=")) << first;
        auto a = co_await rig.call("/session/lab/1?code=" + code_of(first));
        auto b = co_await rig.call("/session/lab/1?code=" + code_of(second));
        EXPECT_TRUE(a.open() && b.open());
        co_await a.say("hello");
        const auto at_b = co_await b.next();
        EXPECT_EQ(at_b, "text hello");
        co_await b.say("hi");
        const auto at_a = co_await a.next();
        EXPECT_EQ(at_a, "text hi");
        co_await a.close();
        co_await b.close();
    });
}

TEST(RelaySession, RefusalsComeBeforeTheUpgrade_PR10_SC17) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        const std::vector<std::string> scopes{"read"};
        const auto token = topic_token("x", rig.now() + 60, scopes);
        const auto answer = co_await exchange(rig, "x", token);
        const auto code = code_of(answer);
        auto other = co_await rig.call("/session/y?code=" + code);
        EXPECT_EQ(other.status(), 403) << "a code of another topic";
        const auto again = co_await exchange(rig, "x", token);
        const auto code2 = code_of(again);
        const auto plain = co_await rig.ask("GET /session/x?code=" + code2);
        EXPECT_EQ(status_of(plain), 400) << "no upgrade: the code is not used up";
        auto good = co_await rig.call("/session/x?code=" + code2);
        EXPECT_TRUE(good.open());
        auto reuse = co_await rig.call("/session/x?code=" + code2);
        EXPECT_EQ(reuse.status(), 401);
        auto none = co_await rig.call("/session/x");
        EXPECT_EQ(none.status(), 401);
        const auto nonsense = co_await exchange(rig, "x", "nonsense");
        EXPECT_EQ(status_of(nonsense), 401);
        EXPECT_TRUE(has(body_of(nonsense), R"({"code":401,"message":)")) << nonsense;
        const auto wrong_topic = co_await exchange(rig, "y", token);
        EXPECT_EQ(status_of(wrong_topic), 403);
        co_await good.close();
    });
}

TEST(RelaySession, ReadOnlyCannotWriteAndWriteOnlyDoesNotRead_PR12_SC17) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        const auto by = rig.now() + 60;
        const std::vector<std::string> may_read{"read"}, may_write{"write"};
        auto reader = co_await rig.call("/session/x", authorised(topic_token("x", by, may_read)));
        auto writer = co_await rig.call("/session/x", authorised(topic_token("x", by, may_write)));
        auto witness = co_await rig.call("/session/x", authorised("Bearer " + topic_token("x", by, may_read)));
        EXPECT_TRUE(reader.open() && writer.open() && witness.open());
        co_await reader.say("not allowed");
        co_await writer.say("allowed");
        const auto heard = co_await witness.next();
        EXPECT_EQ(heard, "text allowed");
        EXPECT_EQ(rig.publishers("x"), 1U);
        co_await reader.close();
        co_await writer.close();
        co_await witness.close();
    });
}

TEST(RelaySession, TheDenyListCutsLiveConnections_SC16_PR14) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        const auto now = rig.now();
        const std::vector<std::string> both{"read", "write"}, may_write{"write"}, admin{"relay:admin"};
        const auto header = "Authorization: " + topic_token("", now + 60, admin) + "\r\n";
        auto a = co_await rig.call("/session/x", authorised(topic_token("x", now + 60, both)));
        auto in = co_await rig.call("/session/x", authorised(topic_token("x", now + 60, may_write)));
        auto other = co_await rig.call("/session/x", authorised(topic_token("x", now + 60, both, "bid1")));
        const auto exp = std::to_string(now + 100);
        const auto nobody = co_await rig.ask("POST /bids/deny?bid=bid0&exp=" + exp);
        EXPECT_EQ(status_of(nobody), 401);
        const auto past = co_await rig.ask("POST /bids/deny?bid=bid0&exp=1", header);
        EXPECT_EQ(status_of(past), 400);
        const auto denied = co_await rig.ask("POST /bids/deny?bid=bid0&exp=" + exp, header);
        EXPECT_EQ(status_of(denied), 204);
        const auto end = co_await a.next();
        EXPECT_EQ(end, "closed 1008");
        const auto end_in = co_await in.next();
        EXPECT_EQ(end_in, "closed 1008");
        auto again = co_await rig.call("/session/x", authorised(topic_token("x", now + 60, both)));
        EXPECT_EQ(again.status(), 403);
        const auto list = co_await rig.ask("GET /bids/deny", header);
        EXPECT_EQ(body_of(list), R"({"booking_ids":["bid0"]})");
        const auto allowed = co_await rig.ask("POST /bids/allow?bid=bid0&exp=" + exp, header);
        EXPECT_EQ(status_of(allowed), 204);
        auto back = co_await rig.call("/session/x", authorised(topic_token("x", now + 60, both)));
        EXPECT_TRUE(back.open());
        co_await other.say("still here");
        const auto heard = co_await back.next();
        EXPECT_EQ(heard, "text still here");
        co_await other.close();
        co_await back.close();
    });
}

TEST(RelaySession, TheStatusListsWhoIsThere_PR15) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        const auto now = rig.now();
        const std::vector<std::string> may_read{"read"}, stats{"relay:stats"};
        auto headers = authorised(topic_token("x", now + 60, may_read));
        headers.emplace_back("User-Agent", "a \"test\"");
        auto viewer = co_await rig.call("/session/x", headers);
        const auto nobody = co_await rig.ask("GET /status");
        EXPECT_EQ(status_of(nobody), 401);
        const auto got = co_await rig.ask("GET /status", "Authorization: " + topic_token("", now + 60, stats) + "\r\n");
        EXPECT_EQ(status_of(got), 200);
        boost::system::error_code ec;
        const auto list = boost::json::parse(body_of(got), ec);
        const bool one = !ec && list.is_array() && list.as_array().size() == 1;
        EXPECT_TRUE(one) << got;
        if (one) {
            const auto& s = list.as_array()[0].as_object();
            EXPECT_TRUE(s.at("can_read").as_bool());
            EXPECT_FALSE(s.at("can_write").as_bool());
            EXPECT_EQ(s.at("topic"), "x");
            EXPECT_EQ(s.at("user_agent"), "a \"test\"");
            EXPECT_EQ(s.at("remote_addr"), "127.0.0.1");
            EXPECT_TRUE(std::string_view(s.at("expires_at").as_string()).ends_with("Z"));
        }
        co_await viewer.close();
    });
}

TEST(RelaySession, ATokenForEverShowsASaneTime_PR15) {
    with_doors(with_key(), {}, [](DoorsRig& rig) -> Task<void> {
        const auto for_ever = topic_token("x", std::int64_t{1} << 62, {"read", "write"});
        auto viewer = co_await rig.call("/ws/x", authorised(for_ever));
        EXPECT_TRUE(viewer.open());
        const auto now = rig.now();
        const auto stats = topic_token("", now + 60, {"relay:stats"});
        const auto list = co_await rig.ask("GET /status", "Authorization: " + stats + "\r\n");
        EXPECT_TRUE(has(body_of(list), R"("expires_at":"21)")) << list;
        auto other = co_await rig.call("/ws/x", authorised(for_ever));
        co_await other.say("hello");
        const auto heard = co_await viewer.next();
        EXPECT_EQ(heard, "text hello") << "it is not over yet";
        co_await viewer.close();
        co_await other.close();
    });
}

TEST(RelaySession, ThePublicUrlIsWhatClientsGet) {
    Doors::Settings settings;
    settings.public_url = "https://lab.example/relay/";
    with_doors({}, settings, [](DoorsRig& rig) -> Task<void> {
        const auto got = co_await rig.ask("POST /session/a%20b");
        EXPECT_TRUE(member(body_of(got), "uri").starts_with("wss://lab.example/relay/session/a%20b?code=")) << got;
    });
}

}  // namespace
}  // namespace weir::relay
