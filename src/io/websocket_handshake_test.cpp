// Both ends of the opening handshake, over loopback sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/http_client.h"
#include "io/websocket.h"
#include "on_shard.h"
#include "runtime/task_group.h"
#include "script_server.h"
#include "temp_folder.h"
#include "test_certificate.h"

namespace weir {
namespace {

using test::on_shard;
using test::ScriptServer;
using test::Talk;
using testing::HasSubstr;
using testing::StartsWith;
using Message = WebSocket::Message;

WebSocketPlan plan_for(std::string url) {
    WebSocketPlan plan;
    plan.url = std::move(url);
    plan.use_proxy = false;
    return plan;
}

/// Connects once and closes again; what came of it.
Result<std::string> try_connect(WebSocketPlan plan) {
    std::optional<Result<std::string>> out;
    const auto resolver = Resolver::create(1);
    on_shard([&](Shard& shard) -> Task<void> {
        auto given = plan;
        auto socket = co_await connect_websocket(shard, *resolver, std::move(given));
        if (!socket) {
            out = socket.error();
            co_return;
        }
        out = (*socket)->protocol();
    });
    return std::move(*out);
}

/// A server that answers upgrades at /ws and says back what it is told, in upper case.
struct EchoHouse {
    explicit EchoHouse(Shards& shards, std::string protocol = {}) : server(HttpServer::create(shards, {})) {
        server->route("GET", "/ws", [protocol, this](Exchange& exchange) -> Task<void> {
            auto socket = co_await accept_websocket(exchange, protocol, {});
            if (!socket) {
                refused = socket.error();
                co_return;
            }
            agreed = (*socket)->protocol();
            for (;;) {
                auto got = co_await (*socket)->read();
                if (!got) {
                    ended = got.error();
                    co_return;
                }
                std::string text(got->payload.text());
                for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
                const auto opcode = got->text ? ws::Opcode::text : ws::Opcode::binary;
                auto back = Bytes::copy_of(text);
                (void)co_await (*socket)->send(opcode, std::move(back));
            }
        });
        EXPECT_TRUE(server->start().has_value());
    }
    [[nodiscard]] std::string url(std::string_view path = "/ws") const {
        return fmt::format("ws://127.0.0.1:{}{}", server->port(), path);
    }

    std::unique_ptr<HttpServer> server;
    std::optional<Error> refused, ended;
    std::string agreed = "none yet";
};

TEST(WebSocketHandshake, BothEndsTalkAndSayGoodbye) {
    Shards shards(1);
    std::optional<Message> text, binary;
    std::optional<std::uint16_t> code;
    std::optional<Error> ended;
    shards.run([&](Shards& all) -> Task<int> {
        EchoHouse house(all);
        const auto resolver = Resolver::create(1);
        auto plan = plan_for(house.url());
        auto socket = co_await connect_websocket(all.at(0), *resolver, std::move(plan));
        EXPECT_TRUE(socket.has_value());
        if (socket) {
            const std::string large(300'000, 'b');
            std::vector<Message> both{{true, Bytes::copy_of("hello")}, {false, Bytes::copy_of(large)}};
            auto sent = co_await (*socket)->send_all(both);
            EXPECT_TRUE(sent.has_value());
            auto first = co_await (*socket)->read();
            auto second = co_await (*socket)->read();
            if (first) text = *first;
            if (second) binary = *second;
            co_await (*socket)->close(1000, "done");
            code = (*socket)->close_code();
        }
        for (int i = 0; i < 5000 && !house.ended; ++i) (void)co_await all.at(0).clock().sleep_for(Millis(1));
        ended = house.ended;
        co_await house.server->stop();
        co_return 0;
    });
    ASSERT_TRUE(text && binary && ended);
    EXPECT_TRUE(text->text);
    EXPECT_EQ(text->payload.text(), "HELLO");
    EXPECT_FALSE(binary->text);
    EXPECT_EQ(binary->payload.text(), std::string(300'000, 'B'));
    EXPECT_EQ(code, 1000);
    EXPECT_THAT(ended->what, HasSubstr("closed by the peer with code 1000: done"));
    EXPECT_EQ(open_connections(), 0u);
}

struct ProtocolCase {
    const char* name;
    std::vector<std::string> offered;
    std::string wanted, agreed;
};
std::ostream& operator<<(std::ostream& out, const ProtocolCase& c) {
    return out << c.name;
}
class SubProtocol : public testing::TestWithParam<ProtocolCase> {};

/// relay VW-41: "null" is answered when it was offered, nothing else but what the caller wants.
TEST_P(SubProtocol, Vw41IsAgreedOnOnlyWhenOffered) {
    Shards shards(1);
    std::string ours = "not connected", theirs;
    shards.run([&](Shards& all) -> Task<int> {
        EchoHouse house(all, GetParam().wanted);
        const auto resolver = Resolver::create(1);
        auto plan = plan_for(house.url());
        plan.protocols = GetParam().offered;
        auto socket = co_await connect_websocket(all.at(0), *resolver, std::move(plan));
        if (socket) ours = (*socket)->protocol();
        theirs = house.agreed;
        if (socket) co_await (*socket)->close(1000, "");
        co_await house.server->stop();
        co_return 0;
    });
    EXPECT_EQ(ours, GetParam().agreed);
    EXPECT_EQ(theirs, GetParam().agreed);
}

INSTANTIATE_TEST_SUITE_P(Cases, SubProtocol,
                         testing::Values(ProtocolCase{"None", {}, "", ""}, ProtocolCase{"Null", {"null"}, "", "null"},
                                         ProtocolCase{"Other", {"x"}, "", ""},
                                         ProtocolCase{"Wanted", {"a", "b"}, "b", "b"},
                                         ProtocolCase{"WantedInVain", {"a"}, "b", ""}),
                         testing::PrintToStringParamName());

struct UpgradeCase {
    const char* name;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    int status;
    std::string text;
};
std::ostream& operator<<(std::ostream& out, const UpgradeCase& c) {
    return out << c.name;
}
class BadUpgrade : public testing::TestWithParam<UpgradeCase> {};

/// relay VW-14
TEST_P(BadUpgrade, Vw14IsAnswered) {
    Shards shards(1);
    std::optional<HttpResponse> got;
    bool refused = false;
    shards.run([&](Shards& all) -> Task<int> {
        EchoHouse house(all);
        const auto client = HttpClient::create(all.at(0), Resolver::create(1), HttpClient::Settings{});
        HttpRequest request;
        request.url = parse_url(fmt::format("http://127.0.0.1:{}/ws", house.server->port())).value();
        request.headers = GetParam().headers;
        request.body = Bytes::copy_of(GetParam().body);
        request.media = true;
        auto response = co_await client->fetch(std::move(request));
        if (response) got = std::move(*response);
        refused = house.refused.has_value();
        co_await house.server->stop();
        co_return 0;
    });
    ASSERT_TRUE(got);
    EXPECT_TRUE(refused);
    EXPECT_EQ(got->head.status, GetParam().status);
    EXPECT_EQ(got->body, GetParam().text);
    const auto* version = got->head.find("sec-websocket-version");
    const auto* type = got->head.find("content-type");
    ASSERT_TRUE(version && type);
    EXPECT_EQ(*version, "13");
    EXPECT_EQ(*type, "text/plain; charset=utf-8");
}

using Fields = std::vector<std::pair<std::string, std::string>>;
const Fields good{{"Connection", "Upgrade"},
                  {"Upgrade", "websocket"},
                  {"Sec-WebSocket-Version", "13"},
                  {"Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}};
Fields altered(std::size_t which, std::string value) {
    auto fields = good;
    fields[which].second = std::move(value);
    return fields;
}

INSTANTIATE_TEST_SUITE_P(Cases, BadUpgrade,
                         testing::Values(UpgradeCase{"Plain", {}, "", 400, "Bad Request\n"},
                                         UpgradeCase{"OldVersion", altered(2, "8"), "", 426, "Upgrade Required\n"},
                                         UpgradeCase{"BadKey", altered(3, "short"), "", 400, "Bad Request\n"},
                                         UpgradeCase{"Body", good, "x", 400, "Bad Request\n"}),
                         testing::PrintToStringParamName());

struct UrlCase {
    const char* url;
    const char* says;
};
class BadUrl : public testing::TestWithParam<UrlCase> {};

/// relay VW-71
TEST_P(BadUrl, Vw71IsRefusedBeforeAnythingIsDialled) {
    const auto got = try_connect(plan_for(GetParam().url));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::bad_input);
    EXPECT_THAT(got.error().text(), HasSubstr(GetParam().says));
    EXPECT_THAT(got.error().text(), testing::Not(HasSubstr("p4ss")));
}

INSTANTIATE_TEST_SUITE_P(Cases, BadUrl,
                         testing::Values(UrlCase{"", "scheme"}, UrlCase{"http://a/", "'http' is not ws or wss"},
                                         UrlCase{"ws://user:p4ss@a/", "refused"}, UrlCase{"garbage", "scheme"},
                                         UrlCase{"ws://", "host"}));

TEST(WebSocketHandshake, AsksForTheTargetWithTheFieldsOfThePlan) {
    ScriptServer server([&server](Talk& t) {
        server.note(t.read_head());
        t.send(test::reply(404, "no"));
    });
    auto plan = plan_for(fmt::format("ws://127.0.0.1:{}/a/b?code=1", server.port()));
    plan.headers = {{"Authorization", "Bearer x"}};
    const auto got = try_connect(plan);
    const auto head = server.notes().at(0);
    EXPECT_THAT(head, StartsWith("GET /a/b?code=1 HTTP/1.1\r\n"));
    EXPECT_EQ(test::field_of(head, "Host"), fmt::format("127.0.0.1:{}", server.port()));
    EXPECT_EQ(test::field_of(head, "Authorization"), "Bearer x");
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::not_found);
    EXPECT_EQ(got.error().status, 404);
    EXPECT_THAT(got.error().text(), testing::Not(HasSubstr("code=1")));
}

TEST(WebSocketHandshake, KeepsRetryAfter) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send(test::reply(503, "", "Retry-After: 7\r\n"));
    });
    const auto got = try_connect(plan_for(fmt::format("ws://127.0.0.1:{}/", server.port())));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::busy);
    EXPECT_EQ(got.error().retry_after, Millis(7'000));
}

struct AnswerCase {
    const char* name;
    std::string answer;
    Errc code;
};
std::ostream& operator<<(std::ostream& out, const AnswerCase& c) {
    return out << c.name;
}
class BadAnswer : public testing::TestWithParam<AnswerCase> {};

TEST_P(BadAnswer, IsNoWebSocket) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send(GetParam().answer);
    });
    const auto got = try_connect(plan_for(fmt::format("ws://127.0.0.1:{}/", server.port())));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, GetParam().code) << got.error().text();
}

INSTANTIATE_TEST_SUITE_P(Cases, BadAnswer,
                         testing::Values(AnswerCase{"WrongAccept",
                                                    "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                                    "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
                                                    Errc::bad_input},
                                         AnswerCase{"NoHttp", "SSH-2.0-OpenSSH_9.2\r\n\r\n", Errc::bad_input},
                                         AnswerCase{"Above8KiB", "HTTP/1.1 101 X\r\nA: " + std::string(9'000, 'a'),
                                                    Errc::bad_input},
                                         AnswerCase{"Cut", "HTTP/1.1 101 X\r\n", Errc::lost_peer}),
                         testing::PrintToStringParamName());

TEST(WebSocketHandshake, AServerThatDoesNotAnswerIsTimedOut) {
    ScriptServer server([](Talk& t) { t.wait_closed(); });
    auto plan = plan_for(fmt::format("ws://127.0.0.1:{}/", server.port()));
    plan.timeout = Millis(60);
    const auto got = try_connect(plan);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::timed_out);
}

TEST(WebSocketHandshake, AFrameBehindTheAnswerIsNotLost) {
    Shards shards(1);
    ScriptServer server([](Talk& t) {
        const auto head = t.read_head();
        ws::Offer offer;
        offer.key = test::field_of(head, "Sec-WebSocket-Key");
        const std::string frame(ws::make_frame(ws::Opcode::text, std::as_bytes(std::span("at once", 7))).text());
        t.send(ws::accept_answer(offer) + frame);
        t.wait_closed();
    });
    std::string got;
    shards.run([&](Shards& all) -> Task<int> {
        const auto resolver = Resolver::create(1);
        auto plan = plan_for(fmt::format("ws://127.0.0.1:{}/", server.port()));
        auto socket = co_await connect_websocket(all.at(0), *resolver, std::move(plan));
        if (!socket) co_return 1;
        auto message = co_await (*socket)->read();
        if (message) got = message->payload.text();
        co_return 0;
    });
    EXPECT_EQ(got, "at once");
}

/// relay ASK-2
TEST(WebSocketHandshake, SpeaksTlsAndVerifies) {
    const test::TestCertificate certificate;
    const test::TempFolder folder;
    certificate.write(folder.path() / "ca.pem");
    ScriptServer server(
        [](Talk& t) {
            ws::Offer offer;
            offer.key = test::field_of(t.read_head(), "Sec-WebSocket-Key");
            t.send(ws::accept_answer(offer, "tls"));
            t.wait_closed();
        },
        certificate.context());
    auto plan = plan_for(fmt::format("wss://127.0.0.1:{}/", server.port()));
    plan.protocols = {"tls"};
    const auto stranger = try_connect(plan);
    ASSERT_FALSE(stranger);
    EXPECT_EQ(stranger.error().code, Errc::unreachable);
    plan.tls.ca_file = folder.path() / "ca.pem";
    const auto known = try_connect(plan);
    ASSERT_TRUE(known) << known.error().text();
    EXPECT_EQ(*known, "tls");
}

}  // namespace
}  // namespace weir
