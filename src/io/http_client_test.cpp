#include "io/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "http_client_fixture.h"
#include "runtime/task_group.h"

namespace weir {
namespace {

using namespace std::string_literals;
using test::field_of;
using test::reply;
using test::ScriptServer;
using test::Talk;
using test::target_of;
using testing::HasSubstr;

using HttpClientTest = test::HttpClientFixture;

TEST_F(HttpClientTest, FetchesABodyWithItsHead) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send(reply(200, "hello", "X-Thing:  One \r\nX-thing: two\r\n"));
    });
    const auto r = fetch(get(server.url("/a?b")));
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->head.status, 200);
    EXPECT_EQ(r->body, "hello");
    EXPECT_EQ(*r->head.find("x-thing"), "One");
    EXPECT_EQ(r->head.content_length, 5u);
    EXPECT_EQ(r->head.url.text(), server.url("/a?b"));
}

TEST_F(HttpClientTest, AStatusIsNotAnError) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send(reply(503, "later", "Retry-After: 7\r\n"));
    });
    const auto r = fetch(get(server.url("/x?token=secret")));
    ASSERT_TRUE(r) << r.error().text();
    const auto e = status_error(r->head);
    EXPECT_EQ(e.code, Errc::busy);
    EXPECT_EQ(e.status, 503);
    EXPECT_EQ(e.retry_after, Millis(7000));
    EXPECT_EQ(e.what, "http 503 for " + server.url("/x"));
}

TEST_F(HttpClientTest, SendsWhatTheRequestSays) {
    ScriptServer server([&server](Talk& t) {
        auto head = t.read_head();
        const auto body = t.read(std::stoul("0" + field_of(head, "Content-Length")));
        server.note(head + body);
        t.send(reply(200, ""));
    });
    auto request = get(server.url("/p"));
    request.method = "PUT";
    request.body = Bytes::copy_of("payload");
    request.headers = {{"Content-Type", "text/x-weir"}, {"X-Empty", ""}, {"User-Agent", "mine"}};
    ASSERT_TRUE(fetch(request));
    const auto sent = server.notes().at(0);
    EXPECT_THAT(sent, testing::StartsWith("PUT /p HTTP/1.1\r\n"));
    EXPECT_EQ(field_of(sent, "Content-Type"), "text/x-weir");
    EXPECT_EQ(field_of(sent, "User-Agent"), "mine");
    EXPECT_THAT(sent, HasSubstr("\r\nX-Empty:\r\n"));
    EXPECT_THAT(sent, testing::EndsWith("\r\n\r\npayload"));
    EXPECT_THAT(sent, testing::Not(HasSubstr("Expect")));
}

TEST_F(HttpClientTest, MediaAsksForPlainBytesAndRanges) {
    ScriptServer server([&server](Talk& t) {
        for (auto head = t.read_head(); !head.empty(); head = t.read_head()) {
            server.note(head);
            t.send(reply(206, "abc"));
        }
    });
    auto media = get(server.url("/m"));
    media.media = true;
    media.range = std::pair<std::uint64_t, std::uint64_t>(10, 12);
    ASSERT_TRUE(fetch(media));
    ASSERT_TRUE(fetch(get(server.url("/api"))));
    EXPECT_EQ(field_of(server.notes().at(0), "Accept-Encoding"), "");
    EXPECT_EQ(field_of(server.notes().at(0), "Range"), "bytes=10-12");
    EXPECT_THAT(field_of(server.notes().at(1), "Accept-Encoding"), HasSubstr("gzip"));
}

TEST_F(HttpClientTest, HeadHasNoBody) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send("HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\n");
    });
    auto request = get(server.url("/"));
    request.method = "HEAD";
    const auto r = fetch(request);
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->head.content_length, 99000000u);
    EXPECT_EQ(r->body, "");
}

TEST_F(HttpClientTest, RefusesAHeaderThatWouldSmuggleAnother) {
    auto request = get("http://127.0.0.1:1/");
    request.headers = {{"X-Key", "secret\r\nX-Evil: 1"}};
    const auto r = fetch(request);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::bad_input);
    EXPECT_THAT(r.error().text(), testing::Not(HasSubstr("secret")));
}

TEST_F(HttpClientTest, TrailersComeWithTheEndAndApartFromTheHead) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-One: head\r\n\r\n5\r\nhello\r\n0\r\n"
            "X-One:  tail \r\nGRPC-Status: 14\r\n\r\n");
    });
    const auto r = fetch(get(server.url("/")));
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->body, "hello");
    EXPECT_EQ(*r->head.find("x-one"), "head");
    EXPECT_EQ(r->head.find("grpc-status"), nullptr);
    ASSERT_EQ(r->head.trailers.size(), 2u);
    EXPECT_EQ(*r->head.find_trailer("x-one"), "tail");
    EXPECT_EQ(*r->head.find_trailer("grpc-status"), "14");
    EXPECT_EQ(r->head.find_trailer("transfer-encoding"), nullptr);
}

TEST_F(HttpClientTest, TooManyTrailersAreRefused) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        std::string fields;
        for (int i = 0; i < 300; ++i) fields += fmt::format("T{}: x\r\n", i);
        t.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n" + fields + "\r\n");
    });
    const auto r = fetch(get(server.url("/")));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::bad_input);
}

TEST_F(HttpClientTest, Http2OnlySpeaksItAtOnceWithoutTls) {
    const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    ScriptServer server([&](Talk& t) { server.note(t.read(preface.size())); });
    auto request = get(server.url("/"));
    request.http2_only = true;
    EXPECT_FALSE(fetch(request));
    ASSERT_EQ(server.notes().size(), 1u);
    EXPECT_EQ(server.notes()[0], preface);
}

struct PlayCase {
    const char* name;
    std::string bytes;
    bool close;
    std::optional<Errc> code;  // none: the body is "hello"
    const char* text = "";
};
std::ostream& operator<<(std::ostream& out, const PlayCase& c) {
    return out << c.name;
}

class HttpReplies : public HttpClientTest, public testing::WithParamInterface<PlayCase> {};

TEST_P(HttpReplies, AreTakenForWhatTheyAre) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send(GetParam().bytes);
        if (!GetParam().close) t.wait_closed();
    });
    auto request = get(server.url("/"));
    request.max_body = 5000;
    request.stall_timeout = Millis(60);
    const auto r = fetch(request);
    if (!GetParam().code) {
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(r->body, "hello");
        return;
    }
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, *GetParam().code) << r.error().text();
    EXPECT_THAT(r.error().text(), HasSubstr(GetParam().text));
}

const std::string ok_head = "HTTP/1.1 200 OK\r\n", chunked = ok_head + "Transfer-Encoding: chunked\r\n\r\n";
const std::string bomb(  // 20000 zeros
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 54\r\n\r\n"
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x31\x01\x00\x00\x00\xc2\xa0\xf5\x4f\x6d\x0d\x0f\xa0\x00\x00\x00"
    "\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x78\x30\x02\x53\x2f\x97\x20\x4e\x00\x00"s);

INSTANTIATE_TEST_SUITE_P(
    Cases, HttpReplies,
    testing::Values(PlayCase{"Length", ok_head + "Content-Length: 5\r\n\r\nhello", false, {}},
                    PlayCase{"Chunked", chunked + "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", false, {}},
                    PlayCase{"UntilClose", ok_head + "\r\nhello", true, {}},
                    PlayCase{"ContinueFirst",
                             "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + ok_head + "Content-Length: 5\r\n\r\nhello",
                             false,
                             {}},
                    PlayCase{"CutLength", ok_head + "Content-Length: 50\r\n\r\nhello", true, Errc::lost_peer},
                    PlayCase{"CutChunk", chunked + "50\r\nhello", true, Errc::lost_peer},
                    PlayCase{"CutBetweenChunks", chunked + "5\r\nhello\r\n", true, Errc::lost_peer},
                    PlayCase{"CutHead", ok_head + "Content-Le", true, Errc::lost_peer},
                    PlayCase{"Nothing", "", true, Errc::lost_peer},
                    PlayCase{"BadChunk", chunked + "zz\r\nhello", false, Errc::bad_input},
                    PlayCase{"NotHttp", "SSH-2.0-OpenSSH\r\n\r\n", true, Errc::bad_input},
                    PlayCase{"TooLongByItsHead", ok_head + "Content-Length: 5001\r\n\r\n", false, Errc::bad_input,
                             "above the limit of 5000"},
                    PlayCase{"TooLongOnTheWay", ok_head + "\r\n" + std::string(5001, 'x'), false, Errc::bad_input,
                             "above the limit of 5000"},
                    PlayCase{"GzipBomb", bomb, false, Errc::bad_input, "above the limit of 5000"},
                    PlayCase{"BadGzip", ok_head + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", false,
                             Errc::bad_input},
                    PlayCase{"LongHead", ok_head + "X: " + std::string(70'000, 'x') + "\r\n\r\n", false,
                             Errc::bad_input, "head above"},
                    PlayCase{"StalledHead", "HTTP/1.1 200", false, Errc::timed_out, "no byte from 127.0.0.1 for 60 ms"},
                    PlayCase{"StalledBody", ok_head + "Content-Length: 50\r\n\r\nhello", false, Errc::timed_out,
                             "60 ms"}),
    [](const auto& c) { return c.param.name; });

TEST_F(HttpClientTest, DecodesGzip) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send(reply(
            200,
            "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x57\x28\x4f\xcd\x2c\x52\xc8\xc0\xca\x04\x00"
            "\x54\xce\xd5\x66\x21\x00\x00\x00"s,
            "Content-Encoding: gzip\r\n"));
    });
    const auto r = fetch(get(server.url("/")));
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->body, "hello weir hello weir hello weir ");
    EXPECT_FALSE(r->head.content_length);
}

TEST_F(HttpClientTest, RefusesTooManyHeaderFields) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        std::string fields;
        for (int i = 0; i < 201; ++i) fields += "X: y\r\n";
        t.send(reply(200, "", fields));
    });
    EXPECT_EQ(fetch(get(server.url("/"))).error().what, "127.0.0.1 sent more than 200 header fields");
}

TEST_F(HttpClientTest, ADeadlineEndsASlowTrickle) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send("HTTP/1.1 200 OK\r\n\r\n");
        while (t.send("x")) std::this_thread::yield();
    });
    auto request = get(server.url("/"));
    request.max_body = std::uint64_t{1} << 40;
    request.deadline = std::chrono::steady_clock::now() + Millis(80);
    const auto r = fetch(request);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::timed_out);
}

TEST_F(HttpClientTest, SaysThatAConnectionWasRefused) {
    int port = 0;
    {
        ScriptServer gone([](Talk&) {});
        port = gone.port();
    }
    const auto r = fetch(get(fmt::format("http://127.0.0.1:{}/", port)));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::unreachable);
    EXPECT_EQ(r.error().what, fmt::format("cannot connect to 127.0.0.1 port {}: connection refused", port));
}

TEST_F(HttpClientTest, SaysThatANameHasNoAddress) {
    const auto r = fetch(get("http://nowhere.test/"));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::unreachable);
    EXPECT_THAT(r.error().what, HasSubstr("nowhere.test"));
}

TEST_F(HttpClientTest, KeepsAndReusesConnections) {
    ScriptServer server([](Talk& t) {
        while (!t.read_head().empty()) t.send(reply(200, "x"));
    });
    run([&](HttpClient& client, Shard&) -> Task<void> {
        for (int i = 0; i < 5; ++i) {
            auto r = co_await client.fetch(get(server.url("/")));
            EXPECT_TRUE(r) << r.error().text();
        }
    });
    EXPECT_EQ(server.accepted(), 1);
}

TEST_F(HttpClientTest, BoundsTheConnectionsOfAHost) {
    ScriptServer server([](Talk& t) {
        while (!t.read_head().empty()) t.send(reply(200, std::string(20'000, 'x')));
    });
    int good = 0;
    run([&](HttpClient& client, Shard& shard) -> Task<void> {
        TaskGroup group(shard.executor());
        const auto one = [](HttpClient& c, HttpRequest r, int& count) -> Task<void> {
            const auto got = co_await c.fetch(std::move(r));
            if (got && got->body.size() == 20'000) ++count;
        };
        for (int i = 0; i < 40; ++i) group.spawn(one(client, get(server.url("/")), good));
        co_await group.join();
        co_await group.stop("done");
    });
    EXPECT_EQ(good, 40);
    EXPECT_LE(server.most_at_once(), 8);
}

TEST_F(HttpClientTest, AReaderThatDoesNotAskSlowsThePeer) {
    static constexpr std::size_t total = 64u << 20;
    std::atomic<std::size_t> sent{0};
    ScriptServer big([&sent](Talk& t) {
        t.small_send_buffer();
        t.read_head();
        t.send(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", total));
        const std::string block(64u << 10, 'b');
        for (std::size_t i = 0; i < total / block.size() && t.send(block); ++i) sent += block.size();
        t.wait_closed();
    });
    ScriptServer other([](Talk& t) {
        while (!t.read_head().empty()) t.send(reply(200, std::string(1u << 20, 'o')));
    });
    run([&](HttpClient& client, Shard&) -> Task<void> {
        auto request = get(big.url("/"));
        request.media = true;
        request.max_body = total;
        request.stall_timeout = Millis(5'000);
        auto body = co_await client.open(request);
        EXPECT_TRUE(body) << body.error().text();
        if (!body) co_return;
        for (int i = 0; i < 30; ++i) EXPECT_TRUE(co_await client.fetch(get(other.url("/"))));
        EXPECT_LT(sent, total / 2);
        std::size_t got = 0, largest = 0;
        for (;;) {
            auto piece = co_await (*body)->next();
            EXPECT_TRUE(piece) << piece.error().text();
            if (!piece || piece->empty()) break;
            got += piece->size();
            largest = std::max(largest, piece->size());
        }
        EXPECT_EQ(got, total);
        EXPECT_EQ(largest, 64u << 10);
    });
}

TEST_F(HttpClientTest, DestroyingABodyEndsItsTransfer) {
    ScriptServer server([](Talk& t) {
        for (auto head = t.read_head(); !head.empty(); head = t.read_head()) {
            if (target_of(head) == "/endless") {
                t.send("HTTP/1.1 200 OK\r\n\r\n");
                while (t.send("0123456789")) {
                }
                return;
            }
            t.send(reply(200, "fine"));
        }
    });
    run([&](HttpClient& client, Shard&) -> Task<void> {
        {
            auto body = co_await client.open(get(server.url("/endless")));
            EXPECT_TRUE(body);
            EXPECT_TRUE(co_await (*body)->next());
        }
        auto r = co_await client.fetch(get(server.url("/x")));
        EXPECT_TRUE(r && r->body == "fine");
    });
    EXPECT_EQ(server.accepted(), 2);
}

TEST_F(HttpClientTest, CancellationReachesEveryWait) {
    ScriptServer server([](Talk& t) {
        const auto head = t.read_head();
        if (target_of(head) == "/body") t.send("HTTP/1.1 200 OK\r\n\r\n");
        t.wait_closed();
    });
    std::vector<Errc> seen;
    run([&](HttpClient& client, Shard& shard) -> Task<void> {
        TaskGroup group(shard.executor());
        const auto one = [](HttpClient& c, HttpRequest r, std::vector<Errc>& codes) -> Task<void> {
            auto got = co_await c.fetch(std::move(r));
            codes.push_back(got ? Errc::internal : got.error().code);
        };
        group.spawn(one(client, get(server.url("/head")), seen));
        group.spawn(one(client, get(server.url("/body")), seen));
        auto connected = co_await client.fetch(get("http://nowhere.test/"));  // lets the others run
        EXPECT_FALSE(connected);
        co_await group.stop("enough");
    });
    EXPECT_THAT(seen, testing::ElementsAre(Errc::cancelled, Errc::cancelled));
}

TEST_F(HttpClientTest, ABodyOutlivesItsClientAsCancelled) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send("HTTP/1.1 200 OK\r\n\r\n");
        t.wait_closed();
    });
    test::on_shard([&](Shard& shard) -> Task<void> {
        auto client = HttpClient::create(shard, resolver_, {});
        auto body = co_await client->open(get(server.url("/")));
        EXPECT_TRUE(body);
        client.reset();
        const auto end = co_await (*body)->next();
        EXPECT_FALSE(end);
        EXPECT_EQ(end ? Errc::internal : end.error().code, Errc::cancelled);
    });
}

struct StatusCase {
    int status;
    Errc code;
};
std::ostream& operator<<(std::ostream& out, const StatusCase& c) {
    return out << c.status;
}

class StatusError : public testing::TestWithParam<StatusCase> {};

TEST_P(StatusError, HasTheCodeThatFits) {
    HttpHead head;
    head.status = GetParam().status;
    EXPECT_EQ(status_error(head).code, GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(Cases, StatusError,
                         testing::Values(StatusCase{401, Errc::denied}, StatusCase{403, Errc::denied},
                                         StatusCase{404, Errc::not_found}, StatusCase{410, Errc::not_found},
                                         StatusCase{429, Errc::busy}, StatusCase{503, Errc::busy},
                                         StatusCase{500, Errc::lost_peer}, StatusCase{502, Errc::lost_peer},
                                         StatusCase{400, Errc::bad_input}, StatusCase{302, Errc::bad_input}));

struct RetryCase {
    const char* name;
    const char* value;
    std::optional<Millis> wait;
};
std::ostream& operator<<(std::ostream& out, const RetryCase& c) {
    return out << c.name;
}

class RetryAfter : public testing::TestWithParam<RetryCase> {};

TEST_P(RetryAfter, IsReadWithinAnHour) {
    HttpHead head;
    head.status = 429;
    head.headers = {{"date", "Wed, 21 Oct 2026 07:28:00 GMT"}, {"retry-after", GetParam().value}};
    EXPECT_EQ(status_error(head).retry_after, GetParam().wait);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RetryAfter,
    testing::Values(RetryCase{"Seconds", "120", Millis(120'000)}, RetryCase{"Zero", "0", Millis(0)},
                    RetryCase{"TooLong", "86400", Millis(3'600'000)},
                    RetryCase{"Overflow", "99999999999999999999999", Millis(3'600'000)},
                    RetryCase{"Date", "Wed, 21 Oct 2026 07:28:30 GMT", Millis(30'000)},
                    RetryCase{"PastDate", "Wed, 21 Oct 2015 07:28:00 GMT", Millis(0)},
                    RetryCase{"Fraction", "2.5", Millis(2'500)}, RetryCase{"NoFraction", "1.2.3", std::nullopt},
                    RetryCase{"Nonsense", "soon", std::nullopt}, RetryCase{"Negative", "-5", std::nullopt}),
    [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace weir
