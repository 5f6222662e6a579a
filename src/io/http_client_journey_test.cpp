// Where a request is led: redirects, the guard, cookies, proxies, TLS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "http_client_fixture.h"
#include "test_certificate.h"

namespace weir {
namespace {

using test::field_of;
using test::reply;
using test::ScriptServer;
using test::Talk;
using test::target_of;
using testing::HasSubstr;

class HttpJourney : public test::HttpClientFixture {
protected:
    /// Notes each head and answers by path; unknown paths get 404.
    static ScriptServer::Script pages(ScriptServer*& server, std::map<std::string, std::string> by_path) {
        return [&server, by_path = std::move(by_path)](Talk& t) {
            for (auto head = t.read_head(); !head.empty(); head = t.read_head()) {
                const auto body = t.read(std::stoul("0" + field_of(head, "Content-Length")));
                server->note(head + body);
                const auto found = by_path.find(target_of(head));
                t.send(found == by_path.end() ? reply(404, "") : found->second);
            }
        };
    }
    static std::string moved(int status, std::string_view to, std::string_view fields = {}) {
        return reply(status, "moved", fmt::format("Location: {}\r\n{}", to, fields));
    }
    ScriptServer* first_ = nullptr;
    ScriptServer* second_ = nullptr;
};

TEST_F(HttpJourney, FollowsRelativeRedirectsOnOneConnection) {
    ScriptServer server(pages(first_, {{"/a/b", moved(302, "../c?d")}, {"/c?d", reply(200, "there")}}));
    first_ = &server;
    const auto r = fetch(get(server.url("/a/b")));
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->body, "there");
    EXPECT_EQ(r->head.url.text(), server.url("/c?d"));
    EXPECT_EQ(server.accepted(), 1);
}

TEST_F(HttpJourney, HeadersStayWithTheFirstOrigin) {
    ScriptServer second(pages(second_, {{"/x", reply(200, "x")}}));
    second_ = &second;
    ScriptServer first(pages(first_, {{"/a", moved(302, "/b")}, {"/b", moved(307, second.url("/x"))}}));
    first_ = &first;
    auto request = get(first.url("/a"));
    request.headers = {{"Authorization", "Bearer secret"}, {"Cookie", "own=secret"}, {"X-Key", "secret"}};
    ASSERT_TRUE(fetch(request));
    EXPECT_EQ(field_of(first.notes().at(1), "Authorization"), "Bearer secret");
    EXPECT_EQ(field_of(first.notes().at(1), "Cookie"), "own=secret");
    EXPECT_THAT(second.notes().at(0), testing::Not(HasSubstr("secret")));
}

struct MethodCase {
    int status;
    const char* method;
    const char* then;
};
std::ostream& operator<<(std::ostream& out, const MethodCase& c) {
    return out << c.method << c.status;
}

class RedirectMethod : public HttpJourney, public testing::WithParamInterface<MethodCase> {};

TEST_P(RedirectMethod, ChangesAsRfc9110Says) {
    ScriptServer server(pages(first_, {{"/a", moved(GetParam().status, "/b")}, {"/b", reply(200, "")}}));
    first_ = &server;
    auto request = get(server.url("/a"));
    request.method = GetParam().method;
    request.body = Bytes::copy_of("form");
    ASSERT_TRUE(fetch(request));
    const auto head = server.notes().at(1);
    EXPECT_THAT(head, testing::StartsWith(std::string(GetParam().then) + " /b "));
    EXPECT_EQ(head.ends_with("\r\n\r\nform"), std::string_view(GetParam().then) != "GET");
}

INSTANTIATE_TEST_SUITE_P(Cases, RedirectMethod,
                         testing::Values(MethodCase{301, "POST", "GET"}, MethodCase{302, "POST", "GET"},
                                         MethodCase{303, "POST", "GET"}, MethodCase{307, "POST", "POST"},
                                         MethodCase{308, "POST", "POST"}, MethodCase{302, "PUT", "PUT"},
                                         MethodCase{303, "PUT", "GET"}));

TEST_F(HttpJourney, NamesTheUrlOfALoop) {
    ScriptServer server(pages(first_, {{"/a", moved(301, "/b")}, {"/b", moved(301, "/a")}}));
    first_ = &server;
    const auto r = fetch(get(server.url("/a")));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::bad_input);
    EXPECT_EQ(r.error().what, "redirects go round in circles at " + server.url("/a"));
}

TEST_F(HttpJourney, ComesBackToAPageThatOnlyWantedItsCookie) {
    ScriptServer server([](Talk& t) {
        for (auto head = t.read_head(); !head.empty(); head = t.read_head())
            t.send(field_of(head, "Cookie") == "seen=1" ? reply(200, "welcome")
                                                        : moved(302, "/a", "Set-Cookie: seen=1\r\n"));
    });
    CookieJar jar;
    auto request = get(server.url("/a"));
    request.cookies = &jar;
    const auto r = fetch(request);
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->body, "welcome");
}

TEST_F(HttpJourney, CountsRedirects) {
    ScriptServer server([](Talk& t) {
        for (auto head = t.read_head(); !head.empty(); head = t.read_head())
            t.send(moved(302, target_of(head) + "x?token=secret"));
    });
    auto request = get(server.url("/"));
    request.max_redirects = 3;
    const auto r = fetch(request);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::bad_input);
    EXPECT_THAT(r.error().what, testing::StartsWith("more than 3 redirects"));
    EXPECT_THAT(r.error().what, testing::Not(HasSubstr("secret")));
    request.max_redirects = 0;
    EXPECT_EQ(fetch(request)->head.status, 302);
}

TEST_F(HttpJourney, RedirectsToOtherSchemesAreRefused) {
    ScriptServer server(pages(first_, {{"/a", moved(302, "file:///etc/passwd")}}));
    first_ = &server;
    auto request = get(server.url("/a"));
    EXPECT_EQ(fetch(request).error().code, Errc::bad_input);
    const UrlGuard guard(request.url);
    request.guard = &guard;
    EXPECT_EQ(fetch(request).error().code, Errc::denied);
}

TEST_F(HttpJourney, TheGuardSeesWhereANameLeads) {
    ScriptServer inner(pages(first_, {{"/", reply(200, "inner")}}));
    first_ = &inner;
    names_ = {{"rebind.test", {"127.0.0.1"}}, {"mine.test", {"127.0.0.1"}}, {"mixed.test", {"::1", "10.0.0.1"}}};
    const UrlGuard guard(get("https://mine.test/").url);
    auto request = get(inner.url("/", "rebind.test"));
    request.guard = &guard;
    const auto refused = fetch(request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::denied);
    EXPECT_EQ(refused.error().what, "rebind.test is at the inner address 127.0.0.1");
    request.url = get(inner.url("/", "mixed.test")).url;
    EXPECT_EQ(fetch(request).error().code, Errc::denied);
    request.url = get(inner.url("/", "mine.test")).url;
    EXPECT_EQ(fetch(request)->body, "inner");
    EXPECT_EQ(inner.accepted(), 1);
}

TEST_F(HttpJourney, ARedirectMayNotLeadInside) {
    ScriptServer inner(pages(second_, {}));
    second_ = &inner;
    names_ = {{"site.test", {"127.0.0.1"}}, {"cloud.test", {"127.0.0.1"}}};
    ScriptServer site(
        pages(first_, {{"/name", moved(302, inner.url("/", "cloud.test"))}, {"/literal", moved(302, inner.url("/"))}}));
    first_ = &site;
    const UrlGuard guard(get("http://site.test/").url);
    for (const char* path : {"/name", "/literal"}) {
        auto request = get(site.url(path, "site.test"));
        request.guard = &guard;
        EXPECT_EQ(fetch(request).error().code, Errc::denied) << path;
    }
    EXPECT_EQ(inner.accepted(), 0);
}

TEST_F(HttpJourney, AKeptConnectionDoesNotHelpAStricterGuard) {
    ScriptServer server(pages(first_, {{"/", reply(200, "x")}}));
    first_ = &server;
    names_ = {{"two.test", {"127.0.0.1"}}};
    const UrlGuard lenient(get("http://two.test/").url), strict(get("http://other.test/").url);
    run([&](HttpClient& client, Shard&) -> Task<void> {
        auto request = get(server.url("/", "two.test"));
        request.guard = &lenient;
        EXPECT_TRUE(co_await client.fetch(request));
        request.guard = &strict;
        const auto r = co_await client.fetch(request);
        EXPECT_EQ(r ? Errc::internal : r.error().code, Errc::denied);
    });
}

TEST_F(HttpJourney, EachHopGetsItsOwnCookies) {
    names_ = {{"a.test", {"127.0.0.1"}}, {"b.test", {"127.0.0.1"}}};
    ScriptServer second(pages(second_, {{"/in", reply(200, "", "Set-Cookie: b=2\r\n")}}));
    second_ = &second;
    ScriptServer first(pages(first_, {{"/", moved(302, second.url("/in", "b.test"),
                                                  "Set-Cookie: a=1\r\nSet-Cookie: evil=1; Domain=b.test\r\n")}}));
    first_ = &first;
    CookieJar jar;
    auto request = get(first.url("/", "a.test"));
    request.cookies = &jar;
    ASSERT_TRUE(fetch(request));
    ASSERT_TRUE(fetch(request));
    EXPECT_EQ(field_of(first.notes().at(1), "Cookie"), "a=1");
    EXPECT_EQ(field_of(second.notes().at(1), "Cookie"), "b=2");
}

TEST_F(HttpJourney, AnHttpProxyResolvesTheTarget) {
    ScriptServer proxy([&](Talk& t) {
        for (auto head = t.read_head(); !head.empty(); head = t.read_head()) {
            first_->note(head);
            t.send(reply(200, "proxied"));
        }
    });
    first_ = &proxy;
    setenv("http_proxy", fmt::format("me:pw@127.0.0.1:{}", proxy.port()).c_str(), 1);
    const auto r = fetch(get("http://unknown.test/p?q"));
    unsetenv("http_proxy");
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->body, "proxied");
    EXPECT_EQ(target_of(proxy.notes().at(0)), "http://unknown.test/p?q");
    EXPECT_EQ(field_of(proxy.notes().at(0), "Proxy-Authorization"), "Basic bWU6cHc=");
}

TEST_F(HttpJourney, HttpsGoesThroughATunnelThatSeesNoSecrets) {
    ScriptServer proxy([&](Talk& t) {
        first_->note(t.read_head());
        t.send("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    });
    first_ = &proxy;
    setenv("HTTPS_PROXY", fmt::format("http://127.0.0.1:{}", proxy.port()).c_str(), 1);
    auto request = get("https://unknown.test/p");
    request.headers = {{"Authorization", "Bearer secret"}};
    const auto r = fetch(request);
    unsetenv("HTTPS_PROXY");
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::unreachable) << r.error().text();
    EXPECT_THAT(proxy.notes().at(0), testing::StartsWith("CONNECT unknown.test:443 HTTP/1.1\r\n"));
    EXPECT_THAT(proxy.notes().at(0), testing::Not(HasSubstr("secret")));
}

TEST_F(HttpJourney, ASocksProxyResolvesTheTarget) {
    ScriptServer proxy([&](Talk& t) {
        const auto hello = t.read(2);
        t.read(static_cast<std::size_t>(hello.at(1)));
        t.send(std::string_view("\x05\x00", 2));
        const auto command = t.read(5);
        first_->note(
            t.read(static_cast<std::size_t>(command.at(4)) + 2).substr(0, static_cast<std::size_t>(command.at(4))));
        t.send(std::string_view("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 10));
        t.read_head();
        t.send(reply(200, "through socks"));
    });
    first_ = &proxy;
    setenv("HTTP_PROXY", fmt::format("socks5://127.0.0.1:{}", proxy.port()).c_str(), 1);
    const auto r = fetch(get("http://unknown.test/"));
    unsetenv("HTTP_PROXY");
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->body, "through socks");
    EXPECT_EQ(proxy.notes().at(0), "unknown.test");
}

TEST_F(HttpJourney, ABadProxyVariableIsSaidAtTheRequest) {
    setenv("HTTP_PROXY", "gopher://x", 1);
    const auto r = fetch(get("http://unknown.test/"));
    unsetenv("HTTP_PROXY");
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().what, "HTTP_PROXY has the unknown scheme 'gopher'");
}

TEST_F(HttpJourney, AnUnknownCertificateIsRefusedWithAdvice) {
    const test::TestCertificate certificate;
    ScriptServer server([](Talk& t) { t.read_head(); }, certificate.context());
    const auto r = fetch(get(server.url("/")));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::unreachable);
    EXPECT_THAT(r.error().what, testing::StartsWith("certificate of 127.0.0.1 is not trusted: "));
    EXPECT_THAT(r.error().what, testing::EndsWith("; set SSL_CERT_FILE to add your own CA"));
}

TEST_F(HttpJourney, TheUsersOwnCaIsTrustedForItsNames) {
    const test::TestCertificate certificate;
    const auto file = testing::TempDir() + fmt::format("weir_ca_{}.pem", getpid());
    certificate.write(file);
    setenv("SSL_CERT_FILE", file.c_str(), 1);
    ScriptServer server(
        [](Talk& t) {
            while (!t.read_head().empty()) t.send(reply(200, std::string(300'000, 's')));
        },
        certificate.context());
    names_ = {{"other.test", {"127.0.0.1"}}};
    const auto good = fetch(get(server.url("/")));
    const auto wrong = fetch(get(server.url("/", "other.test")));
    std::remove(file.c_str());
    ASSERT_TRUE(good) << good.error().text();
    EXPECT_EQ(good->body.size(), 300'000u);
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, Errc::unreachable);
    EXPECT_THAT(wrong.error().what, HasSubstr("certificate of other.test is not trusted"));
}

TEST_F(HttpJourney, PlainHttpOnATlsPortIsSaidToBeTls) {
    ScriptServer server([](Talk& t) {
        t.read(1);
        t.send("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n");
    });
    const auto r = fetch(get(fmt::format("https://127.0.0.1:{}/", server.port())));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::unreachable);
    EXPECT_THAT(r.error().what,
                testing::StartsWith(fmt::format("tls handshake with 127.0.0.1 port {} failed", server.port())));
}

}  // namespace
}  // namespace weir
