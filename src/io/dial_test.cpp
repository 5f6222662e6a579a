#include "io/dial.h"

#include <gtest/gtest.h>

#include <optional>

#include "http_client_fixture.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "temp_folder.h"
#include "test_certificate.h"
#include "tunnel.h"

namespace weir::dial_tests {
namespace {

using namespace std::chrono_literals;
using namespace test;
using Dialled = Result<std::unique_ptr<Connection>>;

void echo(Talk& talk) {
    for (auto one = talk.read(1); !one.empty(); one = talk.read(1))
        if (!talk.send(one)) return;
}

Task<Result<>> say(Connection& connection, std::string text) {
    const auto part = Bytes::copy_of(text);
    co_return co_await connection.write(std::span(&part, 1));
}

Task<std::string> hear(Connection& connection, std::size_t count) {
    std::string out(count, '\0');
    for (std::size_t at = 0; at < count;) {
        auto got = co_await connection.read_some(std::as_writable_bytes(std::span(out)).subspan(at));
        if (!got) co_return got.error().text();
        at += *got;
    }
    co_return out;
}

Task<std::string> exchange(Connection& connection, std::string text) {
    auto said = co_await say(connection, text);
    if (!said) co_return said.error().text();
    co_return co_await hear(connection, text.size());
}

class Dial : public HttpClientFixture {
protected:
    DialPlan to(int port, std::string host = "127.0.0.1") {
        DialPlan plan;
        plan.host = std::move(host);
        plan.port = static_cast<std::uint16_t>(port);
        return plan;
    }
    void dialled(const DialPlan& plan, const std::function<Task<void>(Shard&, Dialled)>& body) {
        on_shard([&](Shard& shard) -> Task<void> {
            auto connection = co_await dial(shard, *resolver_, plan);
            co_await body(shard, std::move(connection));
        });
    }
    /// What came of it: "echo" when bytes went there and back.
    std::string outcome(const DialPlan& plan) {
        std::string out;
        dialled(plan, [&](Shard&, Dialled connection) -> Task<void> {
            if (!connection) {
                error_ = connection.error();
                out = connection.error().text();
            } else {
                out = co_await exchange(**connection, "echo");
            }
        });
        return out;
    }
    Error error_;
};

TEST_F(Dial, OpensAConnectionThatReadsWritesAndSeesTheEnd) {
    const ScriptServer server([](Talk& talk) {
        talk.send(talk.read(5));
        talk.send("bye");
    });
    dialled(to(server.port()), [](Shard& shard, Dialled connection) -> Task<void> {
        auto& c = *connection.value();
        EXPECT_EQ(&c.shard(), &shard);
        EXPECT_TRUE(c.early().empty());
        EXPECT_GE(c.descriptor(), 0);
        const std::vector<Bytes> parts{Bytes::copy_of(std::string_view("he")), Bytes{},
                                       Bytes::copy_of(std::string_view("llo"))};
        EXPECT_EQ(c.try_write(parts).value(), 5U);
        EXPECT_TRUE((co_await c.wait_writable()).has_value());
        EXPECT_EQ(co_await hear(c, 5), "hello");
        EXPECT_TRUE((co_await c.wait_readable()).has_value());
        EXPECT_EQ((co_await c.wait_closed()).error().code, Errc::lost_peer);
        std::byte one[1];
        EXPECT_EQ((co_await c.read_some(one)).error().code, Errc::lost_peer);
        EXPECT_EQ(c.try_read(one).value(), std::optional<std::size_t>(0));
        EXPECT_EQ((co_await c.read_some({})).value(), 0U);
    });
}

TEST_F(Dial, EveryAddressIsTriedInTurn) {
    const ScriptServer server(echo);
    names_["a.test"] = {"::1", "127.0.0.2", "127.0.0.1"};
    EXPECT_EQ(outcome(to(server.port(), "a.test")), "echo");
    EXPECT_EQ(server.accepted(), 1);
}

TEST_F(Dial, SaysWhatCannotBeReached) {
    int closed = 0;
    {
        const ScriptServer gone(echo);
        closed = gone.port();
    }
    EXPECT_EQ(outcome(to(closed)), fmt::format("cannot connect to 127.0.0.1 port {}: connection refused", closed));
    EXPECT_EQ(error_.code, Errc::unreachable);
    EXPECT_EQ(outcome(to(80, "no.test")), "cannot resolve no.test: no such name here");
    for (const auto* host : {"", "a b", "a\r\nX: y"}) {
        (void)outcome(to(80, host));
        EXPECT_EQ(error_.code, Errc::bad_input) << host;
    }
    (void)outcome(to(0, "a.test"));
    EXPECT_EQ(error_.code, Errc::bad_input);
}

TEST_F(Dial, InnerAddressesAreForThoseWhoNamedThem) {
    const ScriptServer server(echo);
    names_["evil.test"] = {"127.0.0.1", "10.0.0.1"};
    const UrlGuard outside(parse_url("http://example.com/").value()), inside(parse_url("http://127.0.0.1/").value());
    for (const auto* host : {"evil.test", "127.0.0.1"}) {
        auto plan = to(server.port(), host);
        plan.guard = &outside;
        (void)outcome(plan);
        EXPECT_EQ(error_.code, Errc::denied) << host;
        plan.proxy = "http://127.0.0.1:1";
        error_ = {};
        (void)outcome(plan);
        EXPECT_EQ(error_.code, host[0] == '1' ? Errc::denied : Errc::unreachable) << host;
        plan.proxy.clear();
        plan.guard = &inside;
        EXPECT_EQ(outcome(plan), "echo");
    }
}

TEST_F(Dial, AWriteWithoutProgressEndsTheConnection) {
    const ScriptServer server([](Talk& talk) { talk.wait_for_end(); });
    auto plan = to(server.port());
    plan.write_timeout = 60ms;
    dialled(plan, [](Shard& shard, Dialled connection) -> Task<void> {
        auto& c = *connection.value();
        TaskGroup group(shard.executor());
        std::optional<Error> reader;
        const auto read = [&]() -> Task<void> {
            std::byte one[1];
            reader = (co_await c.read_some(one)).error();
        };
        group.spawn(read());
        auto wrote = co_await say(c, std::string(64u << 20, 'x'));
        EXPECT_EQ(wrote.error().code, Errc::timed_out);
        co_await group.join();
        EXPECT_EQ(reader.value().code, Errc::timed_out);
        EXPECT_EQ((co_await c.wait_writable()).error().code, Errc::timed_out);
    });
}

TEST_F(Dial, ShutdownWakesAReader) {
    const ScriptServer server([](Talk& talk) { talk.wait_closed(); });
    dialled(to(server.port()), [](Shard& shard, Dialled connection) -> Task<void> {
        auto& c = *connection.value();
        TaskGroup group(shard.executor());
        std::optional<Error> reader;
        const auto read = [&]() -> Task<void> { reader = (co_await c.wait_closed()).error(); };
        group.spawn(read());
        c.shutdown();
        co_await group.join();
        EXPECT_EQ(reader.value().code, Errc::lost_peer);
    });
}

TEST_F(Dial, TheDeadlineIsForAllSteps) {
    const ScriptServer silent([](Talk& talk) { talk.wait_closed(); });
    auto plan = to(silent.port());
    plan.timeout = 60ms;
    plan.tls = true;
    EXPECT_EQ(outcome(plan), fmt::format("connecting to 127.0.0.1:{} took longer than {}", silent.port(),
                                         duration_text(plan.timeout)));
    EXPECT_EQ(error_.code, Errc::timed_out);
    plan = to(1);
    plan.timeout = 60ms;
    plan.proxy = silent.url("");
    (void)outcome(plan);
    EXPECT_EQ(error_.code, Errc::timed_out);
}

TEST_F(Dial, CanBeCancelledInEveryStep) {
    const ScriptServer silent([](Talk& talk) { talk.wait_closed(); });
    auto tls = to(silent.port());
    tls.tls = true;
    auto proxy = to(1);
    proxy.proxy = silent.url("");
    for (const auto& plan : {tls, proxy, to(silent.port())}) {
        on_shard([&](Shard& shard) -> Task<void> {
            TaskGroup group(shard.executor());
            std::optional<Error> error;
            const auto run = [&]() -> Task<void> {
                co_await errors_not_throws();
                auto connection = co_await dial(shard, *resolver_, plan);
                if (!connection) {
                    error = connection.error();
                    co_return;
                }
                error = (co_await (*connection)->wait_closed()).error();
            };
            group.spawn(run());
            if (plan.port != 1) (void)co_await shard.clock().sleep_for(5ms);
            co_await group.stop("enough");
            EXPECT_EQ(error.value().code, Errc::cancelled) << error->text();
        });
    }
}

/// With a certificate of its own for localhost and 127.0.0.1.
class DialTls : public Dial {
protected:
    DialTls() { certificate_.write(ca_); }
    DialPlan secure(int port, std::string host = "localhost") {
        auto plan = to(port, std::move(host));
        plan.tls = true;
        plan.tls_settings.ca_file = ca_;
        return plan;
    }
    TempFolder folder_;
    TestCertificate certificate_;
    std::string ca_ = folder_ / "ca.pem";
};

TEST_F(DialTls, TrustsTheFileItIsGivenOrTheEnvironment) {
    names_["localhost"] = {"127.0.0.1"};
    const ScriptServer server(echo, certificate_.context());
    EXPECT_EQ(outcome(secure(server.port())), "echo");
    EXPECT_EQ(outcome(secure(server.port(), "127.0.0.1")), "echo");
    auto plan = secure(server.port());
    plan.tls_settings.ca_file.clear();
    EXPECT_EQ(outcome(plan), fmt::format("localhost:{}: certificate of localhost is not trusted: self-signed "
                                         "certificate; set SSL_CERT_FILE to add your own CA",
                                         server.port()));
    EXPECT_EQ(error_.code, Errc::unreachable);
    setenv("SSL_CERT_FILE", ca_.c_str(), 1);
    EXPECT_EQ(outcome(plan), "echo");
    unsetenv("SSL_CERT_FILE");
    plan.tls_settings.verify = false;
    EXPECT_EQ(outcome(plan), "echo");
}

TEST_F(DialTls, RefusesCertificatesThatAreNotForThis) {
    names_["other.test"] = {"127.0.0.1"};
    names_["localhost"] = {"127.0.0.1"};
    const ScriptServer server(echo, certificate_.context());
    EXPECT_NE(outcome(secure(server.port(), "other.test")).find("hostname mismatch"), std::string::npos);
    const TestCertificate old("DNS:localhost", -7200, -3600), names_only("DNS:localhost");
    const ScriptServer expired(echo, old.context()), unnamed(echo, names_only.context());
    auto plan = secure(expired.port());
    plan.tls_settings.ca_file = folder_ / "old.pem";
    old.write(plan.tls_settings.ca_file);
    EXPECT_NE(outcome(plan).find("certificate has expired"), std::string::npos);
    plan = secure(unnamed.port(), "127.0.0.1");
    plan.tls_settings.ca_file = folder_ / "named.pem";
    names_only.write(plan.tls_settings.ca_file);
    EXPECT_NE(outcome(plan).find("IP address mismatch"), std::string::npos);
    plan.tls_settings.ca_file = folder_ / "none.pem";
    EXPECT_NE(outcome(plan).find((folder_ / "none.pem").string()), std::string::npos);
    EXPECT_EQ(error_.code, Errc::not_found);
}

TEST_F(DialTls, ManyBytesGoThereAndBack) {
    const ScriptServer server(
        [](Talk& talk) {
            const auto all = talk.read(3'000'000);
            talk.send(all);
        },
        certificate_.context());
    dialled(secure(server.port(), "127.0.0.1"), [](Shard&, Dialled connection) -> Task<void> {
        auto& c = *connection.value();
        std::string text;
        std::vector<Bytes> parts;
        for (std::size_t i = 0; text.size() < 3'000'000; ++i) {
            const std::string piece(std::min<std::size_t>(1 + i * 37 % 30'000, 3'000'000 - text.size()),
                                    static_cast<char>('a' + i % 26));
            text += piece;
            parts.push_back(Bytes::copy_of(piece));
        }
        EXPECT_TRUE((co_await c.write(parts)).has_value());
        const auto back = co_await hear(c, text.size());
        EXPECT_TRUE(back == text);
        EXPECT_EQ((co_await c.wait_closed()).error().code, Errc::lost_peer);
    });
}

TEST_F(DialTls, APeerThatIsNoTlsServerIsTold) {
    const ScriptServer server([](Talk& talk) {
        talk.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        talk.wait_closed();
    });
    EXPECT_NE(outcome(secure(server.port(), "127.0.0.1")).find("tls handshake: "), std::string::npos);
    EXPECT_EQ(error_.code, Errc::unreachable);
}

class DialProxy : public DialTls {
protected:
    /// Says `answer`, then carries bytes to where `target_` listens.
    ScriptServer::Script proxy(std::string answer = "HTTP/1.1 200 Connection established\r\n\r\n") {
        return [this, answer = std::move(answer)](Talk& talk) {
            heads_.push_back(talk.read_head());
            if (talk.send(answer) && answer.find(" 200 ") != answer.npos) tunnel_to(talk, target_->port());
        };
    }
    ScriptServer plain_{echo}, secure_{echo, certificate_.context()};
    const ScriptServer* target_ = &plain_;
    std::vector<std::string> heads_;
};

TEST_F(DialProxy, GoesThroughPlainAndWithTls) {
    {
        const ScriptServer server(proxy("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nVia: x\r\n\r\n"));
        auto plan = to(1234, "unknown.test");  // the proxy resolves it
        plan.proxy = server.url("");
        EXPECT_EQ(outcome(plan), "echo");
        target_ = &secure_;
        plan = secure(443, "localhost");
        plan.proxy = fmt::format("127.0.0.1:{}", server.port());
        EXPECT_EQ(outcome(plan), "echo");
        plan = secure(443, "::1");
        plan.proxy = server.url("");
        EXPECT_NE(outcome(plan).find("IP address mismatch"), std::string::npos);
    }
    ASSERT_EQ(heads_.size(), 3U);
    EXPECT_EQ(heads_[0], "CONNECT unknown.test:1234 HTTP/1.1\r\nHost: unknown.test:1234\r\n\r\n");
    EXPECT_EQ(heads_[1], "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n");
    EXPECT_EQ(heads_[2], "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n");
}

TEST_F(DialProxy, SendsUserAndPassword) {
    {
        const ScriptServer server(proxy());
        auto plan = to(80, "a.test");
        plan.proxy = fmt::format("http://me:p%40w%3A@127.0.0.1:{}", server.port());
        EXPECT_EQ(outcome(plan), "echo");
    }
    EXPECT_EQ(field_of(heads_.at(0), "Proxy-Authorization"), "Basic bWU6cEB3Og==");
}

TEST_F(DialProxy, BytesBehindItsAnswerBelongToTheTarget) {
    const ScriptServer server([](Talk& talk) {
        (void)talk.read_head();
        talk.send("HTTP/1.1 200 OK\r\n\r\nhello");
        talk.wait_closed();
    });
    auto plan = to(80, "a.test");
    plan.proxy = server.url("");
    dialled(plan, [](Shard&, Dialled connection) -> Task<void> {
        EXPECT_EQ(co_await hear(*connection.value(), 5), "hello");
    });
}

TEST_F(DialProxy, RefusalsAndNonsenseAreErrors) {
    struct Case {
        std::string answer, says;
        Errc code;
        int status;
    };
    const Case cases[] = {
        {"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n", "wants another user and password", Errc::denied, 407},
        {"HTTP/1.1 403 No\r\n\r\n", "answered 403 for a.test:80", Errc::denied, 403},
        {"HTTP/1.0 502 No\r\n\r\n", "answered 502 for a.test:80", Errc::unreachable, 502},
        {"SSH-2.0-x\r\n\r\n", "does not speak HTTP", Errc::unreachable, 0},
        {"HTTP/1.1 2\r\n\r\n", "does not speak HTTP", Errc::unreachable, 0},
        {"HTTP/1.1 200 OK\r\nX: " + std::string(9000, 'x'), "above 8 KiB", Errc::unreachable, 0},
        {"HTTP/1.1 200 OK\r\n", "the peer has closed", Errc::unreachable, 0},
        {"", "the peer has closed", Errc::unreachable, 0},
    };
    for (const auto& c : cases) {
        const ScriptServer server([&](Talk& talk) {
            (void)talk.read_head();
            talk.send(c.answer);
        });
        auto plan = to(80, "a.test");
        plan.proxy = fmt::format("http://user:secret@127.0.0.1:{}", server.port());
        const auto text = outcome(plan);
        EXPECT_NE(text.find(c.says), std::string::npos) << text;
        EXPECT_NE(text.find(fmt::format("proxy 127.0.0.1 port {}", server.port())), std::string::npos) << text;
        EXPECT_EQ(text.find("secret"), std::string::npos);
        EXPECT_EQ(error_.code, c.code) << text;
        EXPECT_EQ(error_.status, c.status);
    }
}

TEST_F(DialProxy, KindsItCannotUseAreRefused) {
    for (const auto& [proxy, code] : {std::pair{"socks5://p.test", Errc::unsupported},
                                      {"https://p.test", Errc::unsupported},
                                      {"ftp://secret@p.test", Errc::bad_input},
                                      {"http://", Errc::bad_input}}) {
        auto plan = to(80, "a.test");
        plan.proxy = proxy;
        const auto text = outcome(plan);
        EXPECT_EQ(error_.code, code) << text;
        EXPECT_EQ(text.find("secret"), std::string::npos);
    }
}

class ProxyFor : public HttpClientFixture {
protected:
    ~ProxyFor() override {
        for (const char* name : {"http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY"}) unsetenv(name);
    }
};

TEST_F(ProxyFor, ReadsTheUsualEnvironment) {
    setenv("http_proxy", "plain.test:3128", 1);
    setenv("HTTPS_PROXY", "http://me:p%40w@tls.test:3129/", 1);
    setenv("NO_PROXY", "inner.test,.below.test,10.0.0.0/8,[fd00::1],port.test:8443", 1);
    struct Case {
        bool tls;
        const char* host;
        std::uint16_t port;
        const char* proxy;
    };
    const char *plain = "http://plain.test:3128", *tls = "http://me:p%40w@tls.test:3129";
    const Case cases[] = {
        {false, "a.test", 80, plain},    {true, "a.test", 443, tls},
        {true, "localhost", 443, ""},    {false, "127.0.0.9", 80, ""},
        {false, "::1", 80, ""},          {true, "inner.test", 443, ""},
        {true, "x.inner.test", 443, ""}, {true, "notinner.test", 443, tls},
        {true, "x.below.test", 443, ""}, {false, "below.test", 80, ""},
        {false, "10.1.2.3", 80, ""},     {false, "11.1.2.3", 80, plain},
        {true, "fd00::1", 443, ""},      {true, "fd00::2", 443, tls},
        {true, "port.test", 8443, ""},   {true, "port.test", 443, tls},
    };
    for (const auto& c : cases) EXPECT_EQ(proxy_for(c.tls, c.host, c.port), c.proxy) << c.tls << c.host << c.port;
    setenv("NO_PROXY", "*", 1);
    EXPECT_EQ(proxy_for(true, "a.test", 443), "");
}

TEST_F(ProxyFor, ABadVariableIsNotGoneRound) {
    setenv("https_proxy", "ftp://p.test", 1);
    EXPECT_EQ(proxy_for(true, "a.test", 443), "ftp://p.test");
    EXPECT_EQ(proxy_for(false, "a.test", 80), "");
}

}  // namespace
}  // namespace weir::dial_tests
