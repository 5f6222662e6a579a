// The HTTP server behind TLS.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "http_client_fixture.h"
#include "http_server_fixture.h"
#include "io/dial.h"
#include "runtime/task_group.h"
#include "temp_folder.h"
#include "test_certificate.h"

namespace weir::tls_server_tests {
namespace {

using namespace std::chrono_literals;
using namespace test;

class TlsServer : public HttpClientFixture {
protected:
    TlsServer() {
        write_certificate(certificate_);
        names_["localhost"] = {"127.0.0.1"};
        settings_.tls_certificate = folder_ / "cert.pem";
        settings_.tls_key = folder_ / "key.pem";
    }
    void write_certificate(const TestCertificate& certificate) const {
        certificate.write(folder_ / "cert.pem");
        certificate.write_key(folder_ / "key.pem");
    }
    Task<Result<std::unique_ptr<Connection>>> open(Shards& shards, const HttpServer& server) {
        DialPlan plan;
        plan.host = "localhost";
        plan.port = server.port();
        plan.tls = true;
        plan.tls_settings.ca_file = folder_ / "cert.pem";
        co_return co_await dial(shards.at(0), *resolver_, plan);
    }
    Task<std::string> talk_tls(Shards& shards, const HttpServer& server, std::string text) {
        auto connection = co_await open(shards, server);
        if (!connection) co_return connection.error().text();
        const auto part = Bytes::copy_of(text);
        auto wrote = co_await (*connection)->write(std::span(&part, 1));
        if (!wrote) co_return wrote.error().text();
        std::string out;
        std::vector<std::byte> some(5000);
        for (;;) {
            auto got = co_await (*connection)->read_some(some);
            if (!got) co_return out;
            out.append(reinterpret_cast<const char*>(some.data()), *got);
        }
    }
    TempFolder folder_;
    TestCertificate certificate_;
    HttpServer::Settings settings_;
};

Task<void> say_secure(Exchange& e) {
    const std::string text = e.request().secure ? "secure" : "plain";
    (void)co_await e.respond(200, "text/plain", Bytes::copy_of(text));
}

Task<void> echo_body(Exchange& e) {
    auto text = co_await e.read_body_text(10'000'000);
    if (!text) co_return;
    (void)co_await e.respond(200, "text/plain", Bytes::copy_of(*text));
}

TEST_F(TlsServer, ServesCurl) {
    setenv("SSL_CERT_FILE", (folder_ / "cert.pem").c_str(), 1);
    const auto routes = [](HttpServer& s) {
        s.route("GET", "/secure", say_secure);
        s.route("POST", "/echo", echo_body);
    };
    with_server(settings_, routes, [this](HttpServer& server, Shards& shards) -> Task<void> {
        const auto client = HttpClient::create(shards.at(0), resolver_, {});
        const auto base = fmt::format("https://localhost:{}", server.port());
        for (int i = 0; i < 3; ++i) {
            auto got = co_await client->fetch(get(base + "/secure"));
            EXPECT_EQ(got ? got->body : got.error().text(), "secure");
        }
        auto request = get(base + "/echo");
        request.method = "POST";
        request.body = Bytes::copy_of(std::string(3'000'000, 'x'));
        auto got = co_await client->fetch(request);
        EXPECT_TRUE(got && got->body == request.body.text()) << (got ? "" : got.error().text());
        EXPECT_LE(open_connections(), 2U) << "connections are kept";
    });
}

TEST_F(TlsServer, ServesPipelinedRequestsChunksAndPieces) {
    auto borders = std::make_shared<std::vector<std::uint32_t>>();
    const auto pieces = [borders](Exchange& e) -> Task<void> {
        std::size_t total = 0;
        for (;;) {
            auto piece = co_await e.read_piece();
            if (!piece || piece->bytes.empty()) break;
            for (const auto b : piece->borders) borders->push_back(static_cast<std::uint32_t>(total) + b);
            total += piece->bytes.size();
        }
        (void)co_await e.begin_stream(200, "text/plain");
        (void)co_await e.write(Bytes::copy_of(std::to_string(total)));
        (void)co_await e.finish();
    };
    const auto routes = [&](HttpServer& s) {
        s.route("GET", "/secure", say_secure);
        s.route("*", "/in", pieces);
    };
    with_server(settings_, routes, [this](HttpServer& server, Shards& shards) -> Task<void> {
        std::string body;
        for (int i = 0; i < 2000; ++i) body += "bc\r\n" + std::string(188, 'x') + "\r\n";
        const auto got = co_await talk_tls(
            shards, server,
            request("GET /secure", "") + request("POST /in", "Transfer-Encoding: chunked\r\n", body + "0\r\n\r\n") +
                request("GET /secure"));
        EXPECT_NE(got.find("\r\n\r\nsecureHTTP/1.1 200 OK"), std::string::npos) << got;
        EXPECT_NE(got.find("\r\n\r\n6\r\n376000\r\n0\r\n\r\nHTTP/1.1 200 OK"), std::string::npos) << got;
        EXPECT_TRUE(got.ends_with("\r\n\r\nsecure"));
    });
    ASSERT_EQ(borders->size(), 2000U);
    EXPECT_EQ(borders->back(), 376'000U);
}

TEST_F(TlsServer, ConnectionsAreSharedOutAmongTheShards) {
    const auto where = [](Exchange& e) -> Task<void> {
        const auto c = e.take();
        const auto text = Bytes::copy_of(std::to_string(c->shard().index()));
        (void)co_await c->write(std::span(&text, 1));
    };
    with_server(
        settings_, [&](HttpServer& s) { s.route("GET", "/where", where); },
        [this](HttpServer& server, Shards& shards) -> Task<void> {
            std::string all;
            for (int i = 0; i < 8; ++i) all += co_await talk_tls(shards, server, request("GET /where"));
            std::sort(all.begin(), all.end());
            EXPECT_EQ(all, "00001111");
        },
        2);
}

TEST_F(TlsServer, WhoSpeaksPlainHttpIsToldSo) {
    with_server(
        settings_, [](HttpServer& s) { s.route("GET", "/secure", say_secure); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto got = co_await talk(shards, server, request("GET /secure"));
            EXPECT_TRUE(got.starts_with("HTTP/1.1 400 Bad Request\r\n")) << got;
            EXPECT_TRUE(got.ends_with("this port speaks TLS: the URL begins with https://\n")) << got;
            EXPECT_EQ((co_await talk(shards, server, std::string(100, '\x01'))).find("HTTP/"), std::string::npos);
        });
}

TEST_F(TlsServer, ASlowHandshakeIsEnded) {
    settings_.head_timeout = 60ms;
    with_server(
        settings_, [](HttpServer& s) { s.route("GET", "/secure", say_secure); },
        [this](HttpServer& server, Shards& shards) -> Task<void> {
            EXPECT_EQ(co_await talk(shards, server, ""), "");
            EXPECT_EQ(co_await talk(shards, server, "\x16\x03\x01"), "");
            EXPECT_TRUE((co_await talk_tls(shards, server, request("GET /secure"))).ends_with("secure"));
        });
}

TEST_F(TlsServer, ATakenConnectionReadsWritesAndSeesTheEnd) {
    const auto upgrade = [](Exchange& e) -> Task<void> {
        const auto c = e.take();
        EXPECT_EQ(c->early().text(), "early");
        std::byte some[10];
        EXPECT_FALSE(c->try_read(some).value().has_value());
        const auto hello = Bytes::copy_of(std::string_view("hello"));
        EXPECT_EQ(c->try_write(std::span(&hello, 1)).value(), 5U);
        EXPECT_TRUE((co_await c->wait_writable()).has_value());
        EXPECT_TRUE((co_await c->wait_readable()).has_value());
        EXPECT_EQ((co_await c->read_some(some)).value(), 1U);
        EXPECT_EQ((co_await c->wait_closed()).error().code, Errc::lost_peer);
    };
    with_server(
        settings_, [&](HttpServer& s) { s.route("GET", "/up", upgrade); },
        [this](HttpServer& server, Shards& shards) -> Task<void> {
            auto connection = co_await open(shards, server);
            auto& c = *connection.value();
            const auto head = Bytes::copy_of(request("GET /up", "", "early")), one = Bytes::copy_of(std::string("!"));
            EXPECT_TRUE((co_await c.write(std::span(&head, 1))).has_value());
            std::byte some[10];
            EXPECT_EQ((co_await c.read_some(some)).value(), 5U);
            EXPECT_TRUE((co_await c.write(std::span(&one, 1))).has_value());
            c.shutdown();
        });
}

TEST_F(TlsServer, AClientThatNeverReadsIsDropped) {
    settings_.write_timeout = 80ms;
    auto outcome = std::make_shared<std::optional<Error>>();
    const auto endless = [outcome](Exchange& e) -> Task<void> {
        const auto c = e.take();
        const auto piece = Bytes::copy_of(std::string(64 << 10, 'x'));
        while (!*outcome) {
            auto wrote = c->try_write(std::span(&piece, 1));
            if (wrote && *wrote == 0) {
                auto room = co_await c->wait_writable();
                if (!room) *outcome = room.error();
            }
        }
    };
    with_server(
        settings_, [&](HttpServer& s) { s.route("GET", "/live", endless); },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            auto connection = co_await open(shards, server);
            const auto head = Bytes::copy_of(request("GET /live"));
            (void)co_await connection.value()->write(std::span(&head, 1));
            auto& clock = shards.at(0).clock();
            while (!*outcome) (void)co_await clock.sleep_for(5ms);
        });
    EXPECT_EQ(outcome->value().code, Errc::timed_out);
}

TEST_F(TlsServer, WrongFilesAreToldAtTheStart) {
    Shards shards(1);
    shards.run([&](Shards& all) -> Task<int> {
        auto wrong = settings_;
        wrong.tls_key = folder_ / "none.pem";
        auto server = HttpServer::create(all, wrong);
        auto started = server->start();
        EXPECT_FALSE(started.has_value());
        EXPECT_NE(started.error().what.find(wrong.tls_key), std::string::npos) << started.error().what;
        co_await server->stop();
        wrong.tls_key.clear();
        server = HttpServer::create(all, wrong);
        EXPECT_EQ(server->start().error().what, "tls needs both a certificate and its key");
        co_await server->stop();
        co_return 0;
    });
}

TEST_F(TlsServer, StopEndsHandshakesAndConnections) {
    with_server(
        settings_, [](HttpServer& s) { s.route("GET", "/secure", say_secure); },
        [this](HttpServer& server, Shards& shards) -> Task<void> {
            Wire silent(shards.at(0).executor(), server.port());
            auto connection = co_await open(shards, server);
            EXPECT_TRUE(connection.has_value());
            while (open_connections() < 2) (void)co_await shards.at(0).clock().sleep_for(1ms);
            co_await server.stop();
            EXPECT_EQ(co_await silent.all(), "");
            EXPECT_EQ((co_await (*connection)->wait_closed()).error().code, Errc::lost_peer);
        });
}

TEST_F(TlsServer, B6_ManyHeadersHugeAndSlowBodiesAreRefused) {
    settings_.body_timeout = 60ms;
    const auto small = [](Exchange& e) -> Task<void> {
        auto text = co_await e.read_body_text(1000);
        if (!text) co_return;
        (void)co_await e.respond(200, "text/plain", {});
    };
    with_server(
        settings_, [&](HttpServer& s) { s.route("POST", "/small", small); },
        [this](HttpServer& server, Shards& shards) -> Task<void> {
            std::string many;
            for (int i = 0; i < 10'000; ++i) many += "X: y\r\n";
            EXPECT_TRUE((co_await talk_tls(shards, server, request("POST /small", many))).starts_with("HTTP/1.1 431 "));
            const auto huge = request("POST /small", "Content-Length: 100000000\r\n", std::string(100'000, 'x'));
            EXPECT_TRUE((co_await talk_tls(shards, server, huge)).starts_with("HTTP/1.1 413 "));
            const auto slow = request("POST /small", "Content-Length: 10\r\n", "abc");
            EXPECT_TRUE((co_await talk_tls(shards, server, slow)).starts_with("HTTP/1.1 408 "));
        });
}

}  // namespace
}  // namespace weir::tls_server_tests
