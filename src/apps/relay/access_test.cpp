#include "apps/relay/access.h"

#include <gtest/gtest.h>

#include "apps/relay/credentials.h"

namespace weir::relay {
namespace {

constexpr std::int64_t now = 1'800'000'000;
const Secret viewer_secret("viewer-secret");

using Fields = std::vector<std::pair<std::string, std::string>>;

ServerRequest request_for(std::string path, Fields headers = {}, std::string query = "") {
    ServerRequest r;
    r.method = "GET";
    r.target = r.path = std::move(path);
    if (!query.empty()) r.target += "?" + query;
    r.query = std::move(query);
    r.headers = std::move(headers);
    if (!r.find("host")) r.headers.emplace_back("host", "127.0.0.1:8888");
    r.peer = "127.0.0.1";
    return r;
}

AccessSettings with_secrets() {
    AccessSettings s;
    s.push_secret = Secret("push-me");
    s.admin_token = Secret("rule-me");
    s.viewer_key.secret = viewer_secret;
    s.audience = "https://relay.example";
    return s;
}

/// practable's claims, good for `topic`.
jwt::Claims claims_for(std::string topic, std::vector<std::string> scopes = {"read", "write"}) {
    jwt::Claims c;
    c.audience = {"https://relay.example"};
    c.issued = c.not_before = now - 1;
    c.expires = now + 60;
    c.booking_id = "bid0";
    c.topic = std::move(topic);
    c.prefix = "session";
    c.scopes = std::move(scopes);
    return c;
}

std::string token_for(const jwt::Claims& c) {
    return jwt::sign(c, viewer_secret);
}

int refusal_status(const Result<Grant>& r) {
    return r ? 200 : r.error().status;
}

// ------------------------------------------------------------------ credentials

struct CredentialCase {
    const char* name;
    Fields headers;
    const char* query;
    std::vector<std::string> deliberate;
    std::optional<std::string> basic;
};

TEST(RelayCredentials, ComeInTheHeaderOrTheQuery) {
    const CredentialCase cases[] = {
        {"none", {}, "", {}, {}},
        {"bearer in any case", {{"authorization", "bEaReR  abc "}}, "", {"abc"}, {}},
        {"practable's raw token (PR-6)", {{"authorization", "a.b.c"}}, "", {"a.b.c"}, {}},
        {"basic: the password", {{"authorization", "Basic dTpwOmFzcw=="}}, "", {}, "p:ass"},
        {"basic that is none", {{"authorization", "Basic %%"}}, "", {}, {}},
        {"query", {}, "x=1&token=a%2Fb+c&y", {"a/b+c"}, {}},
        {"code", {}, "code=c0", {"c0"}, {}},
        {"empty ones count for nothing", {{"authorization", ""}}, "token=", {}, {}},
        {"a broken escape counts for nothing", {}, "token=a%2", {}, {}},
        {"both", {{"authorization", "Bearer one"}}, "token=two", {"one", "two"}, {}},
    };
    for (const auto& c : cases) {
        const auto got = credentials_of(request_for("/ts/x", c.headers, c.query));
        EXPECT_EQ(got.deliberate, c.deliberate) << c.name;
        EXPECT_EQ(got.basic, c.basic) << c.name;
    }
}

TEST(RelayCredentials, SecretsAreEqualOrNot) {
    EXPECT_TRUE(same_secret("abc", "abc"));
    for (const auto* given : {"", "ab", "abd", "abcd", "abcabc", "ABC"})
        EXPECT_FALSE(same_secret(given, "abc")) << given;
    EXPECT_FALSE(same_secret("", "")) << "no secret set is no secret that fits";
}

TEST(RelayCredentials, LoopbackIsANumberOrLocalhost) {
    for (const auto* host : {"localhost", "a.localhost", "127.0.0.1", "127.9.8.7", "::1"})
        EXPECT_TRUE(is_loopback_name(host)) << host;
    for (const auto* host : {"", "128.0.0.1", "127.0.0.1.evil.example", "127.1", "127.0.0.256",
                             "localhost.evil.example", "evil-localhost", "::2", "127..0.1", "127.0.0.1."})
        EXPECT_FALSE(is_loopback_name(host)) << host;
    EXPECT_EQ(host_name("[::1]:8888"), "::1");
    EXPECT_EQ(host_name("LocalHost:80"), "localhost");
    EXPECT_EQ(host_name("::1"), "::1");
    EXPECT_EQ(origin_host("https://Cam.Example:8443"), "cam.example");
    EXPECT_EQ(origin_host("null"), "");
}

TEST(RelayCredentials, UuidsAreOfVersionFourAndDistinct) {
    const auto a = new_uuid(), b = new_uuid();
    ASSERT_EQ(a.size(), 36U);
    EXPECT_EQ(a[14], '4');
    EXPECT_NE(a, b);
}

// ------------------------------------------------------------------ secrets and rights

struct SecretCase {
    const char* name;
    Right right;
    Fields headers;
    const char* query;
    int status;
};

TEST(RelayAccess, EachSecretIsGoodForItsOwnRight) {
    const Access access(with_secrets());
    const SecretCase cases[] = {
        {"push, none", Right::push, {}, "", 401},
        {"push, bearer", Right::push, {{"authorization", "Bearer push-me"}}, "", 200},
        {"push, raw", Right::push, {{"authorization", "push-me"}}, "", 200},
        {"push, basic (anyone:push-me)", Right::push, {{"authorization", "Basic YW55b25lOnB1c2gtbWU="}}, "", 200},
        {"push, query", Right::push, {}, "token=push-me", 200},
        {"push, wrong", Right::push, {}, "token=push-mf", 401},
        {"push, the admin's", Right::push, {}, "token=rule-me", 403},
        {"admin, none", Right::admin, {}, "", 401},
        {"admin, query", Right::admin, {}, "token=rule-me", 200},
        {"admin, the pusher's", Right::admin, {}, "token=push-me", 403},
        {"view, none", Right::view, {}, "", 401},
        {"view, the pusher's", Right::view, {}, "token=push-me", 403},
        {"view, the admin's", Right::view, {{"authorization", "Bearer rule-me"}}, "", 200},
        {"a wrong one beside a good one", Right::push, {{"authorization", "Bearer x"}}, "token=push-me", 200},
    };
    for (const auto& c : cases)
        EXPECT_EQ(refusal_status(access.check(request_for("/ts/video0", c.headers, c.query), c.right, "video0", now)),
                  c.status)
            << c.name;
}

TEST(RelayAccess, APushSecretWritesAndAnAdminTokenReads) {
    const Access access(with_secrets());
    const auto push = access.check(request_for("/ws/x", {}, "token=push-me"), Right::push, "x", now);
    ASSERT_TRUE(push);
    EXPECT_FALSE(push->read);
    const auto view = access.check(request_for("/ws/x", {}, "token=rule-me"), Right::view, "x", now);
    ASSERT_TRUE(view);
    EXPECT_FALSE(view->write);
}

TEST(RelayAccess, WithoutSecretsThisMachineMayDoAll) {
    const Access access{AccessSettings{}};
    for (const auto right : {Right::push, Right::view, Right::admin})
        EXPECT_TRUE(access.check(request_for("/ts/x"), right, "x", now));
}

TEST(RelayAccess, AnOpenListenerWithoutSecretsLetsNobodyIn) {
    AccessSettings s;
    s.loopback_only = false;
    const auto request = request_for("/ts/x", {{"host", "cam.example:8888"}});
    const Access closed(s);
    for (const auto right : {Right::push, Right::view, Right::admin})
        EXPECT_EQ(refusal_status(closed.check(request, right, "x", now)), 403);
    s.auth_none = true;
    const Access open(s);
    for (const auto right : {Right::push, Right::view, Right::admin}) EXPECT_TRUE(open.check(request, right, "x", now));
    s.push_secret = Secret("p");
    const Access half(s);
    EXPECT_EQ(refusal_status(half.check(request, Right::push, "x", now)), 401);
    EXPECT_TRUE(half.check(request, Right::view, "x", now));
}

TEST(RelayAccess, AnOpenListenerMayShowToAllAndTakeFromNobody) {
    AccessSettings s;
    s.loopback_only = false;
    s.open_view = true;
    const Access access(s);
    const auto request = request_for("/ws/x", {{"host", "cam.example:8888"}});
    const auto view = access.check(request, Right::view, "x", now);
    ASSERT_TRUE(view);
    EXPECT_FALSE(view->write);
    EXPECT_EQ(refusal_status(access.check(request, Right::push, "x", now)), 403);
    EXPECT_EQ(refusal_status(access.check(request, Right::admin, "x", now)), 403);
    const auto foreign = request_for("/ws/x", {{"host", "cam.example:8888"}, {"origin", "https://evil.example"}});
    EXPECT_EQ(refusal_status(access.check(foreign, Right::view, "x", now)), 403);
}

TEST(RelayAccess, AViewerKeyIsAskedOfWebsocketPublishersButNotOfLocalPushes) {
    AccessSettings s;
    s.viewer_key.secret = viewer_secret;
    const Access access(s);
    EXPECT_TRUE(access.check(request_for("/ts/x"), Right::push, "x", now));
    const auto socket = request_for("/in/x", {{"upgrade", "WebSocket"}});
    EXPECT_EQ(refusal_status(access.check(socket, Right::push, "x", now)), 401);
    EXPECT_EQ(refusal_status(access.check(request_for("/status"), Right::admin, "relay:stats", now)), 401);
}

TEST(RelayAccess, WithAKeyAnOpenRelayAsksPlainPushesForATokenThatMayWrite) {
    AccessSettings s;
    s.loopback_only = false;
    s.viewer_key.secret = viewer_secret;
    const Access access(s);
    const auto push = [&](const std::string& query) {
        auto request = request_for("/ts/x", {{"host", "cam.example"}}, query);
        return refusal_status(access.check(request, Right::push, "x", now));
    };
    EXPECT_EQ(push(""), 401);
    EXPECT_EQ(push("token=" + token_for(claims_for("x", {"read"}))), 403);
    EXPECT_EQ(push("token=" + token_for(claims_for("x", {"write"}))), 200);
}

TEST(RelayAccess, ADoubledUpgradeFieldHidesNoWebsocket) {
    AccessSettings s;
    s.viewer_key.secret = viewer_secret;
    const Access access(s);
    const Fields twice{{"upgrade", "x"}, {"upgrade", "websocket"}};
    EXPECT_EQ(refusal_status(access.check(request_for("/ws/x", twice), Right::push, "x", now)), 401);
    const auto reader = request_for("/ws/x", twice, "token=" + token_for(claims_for("x", {"read"})));
    EXPECT_EQ(refusal_status(access.check(reader, Right::push, "x", now)), 403);
}

TEST(RelayAccess, ATokenForEverLastsAHundredYears) {
    const Access access(with_secrets());
    for (const auto expires : {std::int64_t{253'402'300'799}, std::int64_t{1} << 62, INT64_MAX}) {
        auto claims = claims_for("x");
        claims.expires = expires;
        const auto got = access.check(request_for("/ws/x", {}, "token=" + token_for(claims)), Right::view, "x", now);
        ASSERT_TRUE(got) << got.error().what;
        EXPECT_EQ(got->expires, now + 3'153'600'000);
        jwt::Claims bi;
        bi.audience = {"https://relay.example/bi/x"};
        bi.expires = expires;
        EXPECT_EQ(access.check_first_message(token_for(bi), "/bi/x", Right::view, now)->expires, now + 3'153'600'000);
    }
}

TEST(RelayAccess, WhatAProxyForwardsIsNotThisMachine) {
    AccessSettings s;
    const Access none(s);
    const std::pair<Right, const char*> flags[] = {
        {Right::push, "--push-secret"}, {Right::view, "--viewers anyone"}, {Right::admin, "--admin-token"}};
    for (const auto* field : {"forwarded", "x-forwarded-for"}) {
        for (const auto& [right, flag] : flags) {
            const auto got = none.check(request_for("/ts/x", {{field, "192.0.2.1"}}), right, "x", now);
            ASSERT_EQ(refusal_status(got), 403) << field;
            EXPECT_NE(got.error().what.find(flag), std::string::npos) << got.error().what;
        }
    }
    const Fields proxied{{"x-forwarded-for", "192.0.2.1"}};
    s.push_secret = Secret("p");
    s.open_view = true;
    const Access access(s);
    EXPECT_TRUE(access.check(request_for("/ts/x", proxied, "token=p"), Right::push, "x", now));
    const auto view = access.check(request_for("/ws/x", proxied), Right::view, "x", now);
    ASSERT_TRUE(view);
    EXPECT_FALSE(view->write);
    EXPECT_EQ(refusal_status(access.check(request_for("/api", proxied), Right::admin, "", now)), 403);
    s.auth_none = true;
    EXPECT_TRUE(Access(s).check(request_for("/api", proxied), Right::admin, "", now)) << "it was said so";
}

TEST(RelayAccess, TheJsmpegSecretGuardsItsTopicAtEveryDoor_JS13) {
    AccessSettings s;
    s.jsmpeg_secret = Secret("s3cret");
    const Access access(s);
    const auto push = [&](const std::string& topic, const std::string& query) {
        return refusal_status(access.check(request_for("/ts/" + topic, {}, query), Right::push, topic, now));
    };
    EXPECT_EQ(push("jsmpeg", ""), 401);
    EXPECT_EQ(push("jsmpeg", "token=wrong"), 401);
    EXPECT_EQ(push("jsmpeg", "token=s3cret"), 200);
    EXPECT_EQ(push("other", ""), 200);
    s.push_secret = Secret("push-me");
    const Access both(s);
    EXPECT_TRUE(both.check(request_for("/ts/jsmpeg", {}, "token=push-me"), Right::push, "jsmpeg", now));
    EXPECT_EQ(refusal_status(both.check(request_for("/ts/x", {}, "token=s3cret"), Right::push, "x", now)), 401);
}

TEST(RelayAccess, ViewersAnyoneLetsThoseWithoutATokenRead) {
    AccessSettings s;
    s.loopback_only = false;
    s.viewer_key.secret = viewer_secret;
    s.open_view = true;
    const Access access(s);
    const Fields socket{{"host", "cam.example"}, {"upgrade", "websocket"}};
    const auto view = access.check(request_for("/ws/x", socket), Right::view, "x", now);
    ASSERT_TRUE(view) << view.error().what;
    EXPECT_FALSE(view->write);
    EXPECT_EQ(refusal_status(access.check(request_for("/ws/x", socket), Right::push, "x", now)), 401);
    EXPECT_EQ(refusal_status(access.check(request_for("/ws/x", socket, "token=bad"), Right::view, "x", now)), 401);
    auto foreign = socket;
    foreign.emplace_back("origin", "https://evil.example");
    EXPECT_EQ(refusal_status(access.check(request_for("/ws/x", foreign), Right::view, "x", now)), 403);
}

// ------------------------------------------------------------------ other sites' pages

struct OriginCase {
    const char* name;
    Fields headers;
    bool fine;
};

TEST(RelayAccess, OnLoopbackOtherSitesPagesAndReboundNamesAreRefused_Lesson32) {
    const Access access{AccessSettings{}};
    const OriginCase cases[] = {
        {"no browser", {}, true},
        {"this machine's page", {{"origin", "http://localhost:3000"}}, true},
        {"by number", {{"origin", "http://127.0.0.1"}, {"host", "localhost:8888"}}, true},
        {"IPv6", {{"origin", "http://[::1]:80"}, {"host", "[::1]:8888"}}, true},
        {"another site", {{"origin", "https://evil.example"}}, false},
        {"a name that begins like ours", {{"origin", "http://127.0.0.1.evil.example"}}, false},
        {"a sandboxed page", {{"origin", "null"}}, false},
        {"an empty origin", {{"origin", ""}}, false},
        {"DNS rebinding", {{"host", "evil.example:8888"}}, false},
        {"DNS rebinding, same origin", {{"host", "evil.example:8888"}, {"origin", "http://evil.example:8888"}}, false},
        {"an image of another site", {{"sec-fetch-site", "cross-site"}, {"sec-fetch-mode", "no-cors"}}, false},
        {"a link on another site", {{"sec-fetch-site", "cross-site"}, {"sec-fetch-mode", "navigate"}}, true},
    };
    for (const auto& c : cases) {
        const auto request = request_for("/api/streams", c.headers);
        EXPECT_EQ(access.check_origin(request).has_value(), c.fine) << c.name;
        for (const auto right : {Right::push, Right::view, Right::admin})
            EXPECT_EQ(refusal_status(access.check(request, right, "x", now)), c.fine ? 200 : 403) << c.name;
    }
}

TEST(RelayAccess, TheRefusalIsOneLineThatNamesTheOption) {
    const Access access{AccessSettings{}};
    const auto why = access.check_origin(request_for("/ws/x", {{"origin", "https://evil.example\x1b[31m"}}));
    ASSERT_FALSE(why);
    EXPECT_EQ(why.error().status, 403);
    EXPECT_NE(why.error().what.find("--allow-origin https://evil.example"), std::string::npos) << why.error().what;
    EXPECT_EQ(why.error().what.find('\x1b'), std::string::npos);
}

TEST(RelayAccess, ListedOriginsAreLetIn) {
    AccessSettings s;
    s.allowed_origins = {"https://Lab.example:443/", "null"};
    const Access access(s);
    EXPECT_TRUE(access.check_origin(request_for("/ws/x", {{"origin", "https://lab.example"}})));
    EXPECT_TRUE(access.check_origin(request_for("/ws/x", {{"origin", "null"}})));
    EXPECT_TRUE(access.check_origin(request_for("/ws/x", {{"host", "lab.example"}}))) << "behind a proxy";
    EXPECT_FALSE(access.check_origin(request_for("/ws/x", {{"origin", "http://lab.example"}}))) << "another scheme";
    EXPECT_FALSE(access.check_origin(request_for("/ws/x", {{"origin", "https://lab.example:444"}})));
    s.allowed_origins = {"*"};
    const Access any(s);
    EXPECT_TRUE(any.check_origin(request_for("/ws/x", {{"origin", "https://evil.example"}, {"host", "evil.example"}})));
}

TEST(RelayAccess, OnAnOpenListenerTheOwnNameIsTheOwnSite) {
    AccessSettings s;
    s.loopback_only = false;
    s.auth_none = true;
    const Access access(s);
    EXPECT_TRUE(
        access.check_origin(request_for("/x", {{"host", "cam.example:8888"}, {"origin", "http://cam.example"}})));
    EXPECT_FALSE(
        access.check_origin(request_for("/x", {{"host", "cam.example:8888"}, {"origin", "http://localhost"}})));
}

TEST(RelayAccess, OnlyItsOwnPageChangesRulesWithoutAToken) {
    const Access access{AccessSettings{}};
    const auto admin = [&](const char* method, const char* origin, Fields more = {}) {
        more.emplace_back("host", "localhost:8888");
        more.emplace_back("origin", origin);
        auto request = request_for("/api/streams", more);
        request.method = method;
        return refusal_status(access.check(request, Right::admin, "", now));
    };
    for (const auto* method : {"POST", "PUT", "UPDATE", "DELETE"}) {
        EXPECT_EQ(admin(method, "http://localhost:8888"), 200) << method;
        EXPECT_EQ(admin(method, "http://localhost:3000"), 403) << method;
    }
    EXPECT_EQ(admin("GET", "http://localhost:3000"), 200);
    EXPECT_EQ(admin("GET", "http://localhost:3000", {{"upgrade", "websocket"}}), 403) << "the admin websocket";
    AccessSettings s;
    s.allowed_origins = {"http://localhost:3000"};
    auto listed = request_for("/api/streams", {{"host", "localhost:8888"}, {"origin", "http://localhost:3000"}});
    listed.method = "POST";
    EXPECT_TRUE(Access(s).check(listed, Right::admin, "", now));
    s.allowed_origins = {};
    s.admin_token = Secret("a");
    listed.query = "token=a";
    EXPECT_TRUE(Access(s).check(listed, Right::admin, "", now));
}

TEST(RelayAccess, BasicIsForPagesOfTheVerySameSite) {
    const Access access(with_secrets());
    struct Case {
        const char *host, *origin;
        bool secure;
        int status;
    };
    for (const auto& c :
         {Case{"127.0.0.1:8888", "http://127.0.0.1:8888", false, 200},
          Case{"127.0.0.1:8888", "http://127.0.0.1:3000", false, 403},
          Case{"127.0.0.1:8888", "http://127.0.0.1", false, 403}, Case{"127.0.0.1", "http://127.0.0.1:80", false, 200},
          Case{"localhost", "https://localhost", false, 200}, Case{"localhost", "https://localhost", true, 200},
          Case{"localhost", "http://localhost", true, 403}, Case{"localhost", "null", false, 403}}) {
        auto request = request_for(
            "/ts/x", {{"host", c.host}, {"origin", c.origin}, {"authorization", "Basic YW55b25lOnB1c2gtbWU="}});
        request.secure = c.secure;
        EXPECT_EQ(refusal_status(access.check(request, Right::push, "x", now)), c.status) << c.host << ' ' << c.origin;
    }
}

TEST(RelayAccess, TwoOriginsAreOneTooMany) {
    Access access(with_secrets());
    const Fields two{{"origin", "http://127.0.0.1:8888"}, {"origin", "https://evil.example"}};
    const auto request = request_for("/ts/x", two, "token=push-me");
    EXPECT_EQ(refusal_status(access.check(request, Right::push, "x", now)), 403);
    EXPECT_FALSE(access.check_origin(request));
    EXPECT_EQ(
        access.exchange(request_for("/session/x", two, "token=" + token_for(claims_for("x"))), "x", now).error().status,
        403);
    AccessSettings s;
    s.allowed_origins = {"*"};
    EXPECT_FALSE(Access(s).check_origin(request_for("/x", two)));
}

TEST(RelayAccess, AListOfOriginsLetsNoOthersIn) {
    AccessSettings s;
    s.allowed_origins = {"https://lab.example"};
    const Access access(s);
    const auto fine = [&](Fields more) {
        more.emplace_back("sec-fetch-site", "cross-site");
        return access.check_origin(request_for("/live/x.ts", more)).has_value();
    };
    EXPECT_FALSE(fine({{"sec-fetch-mode", "no-cors"}}));
    EXPECT_FALSE(fine({{"sec-fetch-mode", "no-cors"}, {"referer", "https://evil.example/a"}}));
    EXPECT_TRUE(fine({{"sec-fetch-mode", "no-cors"}, {"referer", "https://lab.example/a?b"}}));
    EXPECT_TRUE(fine({{"sec-fetch-mode", "navigate"}}));
}

TEST(RelayAccess, AnOpenRelayWithAPublicUrlKnowsItsName) {
    AccessSettings s;
    s.loopback_only = false;
    s.auth_none = true;
    s.public_host = "cam.example";
    s.allowed_origins = {"https://lab.example"};
    const Access access(s);
    for (const auto* host :
         {"cam.example", "CAM.example:8888", "192.0.2.1:8888", "[2001:db8::1]:8888", "localhost", "lab.example"})
        EXPECT_TRUE(access.check(request_for("/ws/x", {{"host", host}}), Right::view, "x", now)) << host;
    const auto rebound = access.check(request_for("/ws/x", {{"host", "evil.example"}}), Right::view, "x", now);
    EXPECT_EQ(refusal_status(rebound), 403);
    s.public_host = "";
    EXPECT_TRUE(Access(s).check(request_for("/ws/x", {{"host", "any.example"}}), Right::view, "x", now));
}

TEST(RelayAccess, CredentialsThatAPageMustKnowMakeItsOriginIrrelevant) {
    const Access access(with_secrets());
    const Fields foreign{{"origin", "https://evil.example"}};
    EXPECT_TRUE(access.check(request_for("/ts/x", foreign, "token=push-me"), Right::push, "x", now));
    EXPECT_TRUE(access.check_origin(request_for("/ts/x", foreign, "token=push-me")));
    // A browser repeats Basic by itself, for any site's page.
    auto basic = foreign;
    basic.emplace_back("authorization", "Basic YW55b25lOnB1c2gtbWU=");
    EXPECT_EQ(refusal_status(access.check(request_for("/ts/x", basic), Right::push, "x", now)), 403);
    EXPECT_FALSE(access.check_origin(request_for("/ts/x", basic)));
}

TEST(RelayAccess, AnInventedTokenDoesNotOpenARelayThatAsksForNone) {
    const Access access{AccessSettings{}};
    const auto request = request_for("/api/streams", {{"origin", "https://evil.example"}}, "token=anything");
    EXPECT_EQ(refusal_status(access.check(request, Right::admin, "", now)), 403);
    EXPECT_FALSE(access.check_origin(request));
}

// ------------------------------------------------------------------ JWTs

struct TokenCase {
    const char* name;
    std::function<void(jwt::Claims&)> change;
    const char* path;
    Right right;
    int status;
    const char* says;
};

TEST(RelayAccess, PractablesTokensNameTheirTopic_PR11) {
    const Access access(with_secrets());
    const TokenCase cases[] = {
        {"good", [](auto&) {}, "/ws/x", Right::view, 200, ""},
        {"good for writing", [](auto&) {}, "/ws/x", Right::push, 200, ""},
        {"one of several audiences",
         [](auto& c) {
             c.audience = {"a", "https://relay.example/"};
         },
         "/ws/x", Right::view, 200, ""},
        {"another topic", [](auto& c) { c.topic = "y"; }, "/ws/x", Right::view, 403, "Token Wrong Topic"},
        {"another kind of connection", [](auto& c) { c.prefix = "shell"; }, "/ws/x", Right::view, 403,
         "Token Wrong Topic"},
        {"another host", [](auto& c) { c.audience = {"https://other.example"}; }, "/ws/x", Right::view, 403,
         "aud https://other.example does not match this host https://relay.example"},
        {"expired", [](auto& c) { c.expires = now - 1; }, "/ws/x", Right::view, 401, "Token is expired"},
        {"too early", [](auto& c) { c.not_before = now + 5; }, "/ws/x", Right::view, 401, "Token is not valid yet"},
        {"no scopes", [](auto& c) { c.scopes = {}; }, "/ws/x", Right::view, 403, "Token Missing Required Claims"},
        {"read only, reading", [](auto& c) { c.scopes = {"read"}; }, "/ws/x", Right::view, 200, ""},
        {"read only, writing", [](auto& c) { c.scopes = {"read"}; }, "/ws/x", Right::push, 403,
         "the token has no scope 'write'"},
        {"write only, reading", [](auto& c) { c.scopes = {"write"}; }, "/ws/x", Right::view, 403,
         "the token has no scope 'read'"},
        {"no booking id", [](auto& c) { c.booking_id = ""; }, "/ws/x", Right::view, 403,
         "empty bookingID field is not permitted"},
        {"no admin", [](auto&) {}, "/api/streams", Right::admin, 401, "wrong token"},
    };
    for (const auto& c : cases) {
        auto claims = claims_for("x");
        c.change(claims);
        const auto got = access.check(request_for(c.path, {}, "token=" + token_for(claims)), c.right, "x", now);
        EXPECT_EQ(refusal_status(got), c.status) << c.name;
        EXPECT_EQ(got ? "" : got.error().what, c.says) << c.name;
    }
}

TEST(RelayAccess, WhatATokenSaysIsInTheGrant) {
    const Access access(with_secrets());
    const auto token = token_for(claims_for("a/b", {"read"}));
    for (const auto& header : {"Bearer " + token, token}) {
        const auto got = access.check(request_for("/ws/a/b", {{"authorization", header}}), Right::view, "a/b", now);
        ASSERT_TRUE(got) << got.error().what;
        EXPECT_TRUE(got->read);
        EXPECT_FALSE(got->write);
        EXPECT_EQ(got->expires, now + 60);
        EXPECT_EQ(got->booking_id, "bid0");
        EXPECT_EQ(got->scopes, std::vector<std::string>{"read"});
    }
}

TEST(RelayAccess, ATokenOfAnotherSecretOrNoTokenIsRefused) {
    const Access access(with_secrets());
    for (const auto& token :
         {jwt::sign(claims_for("x"), Secret("another")), std::string("not.a.token"), std::string("x")})
        EXPECT_EQ(refusal_status(access.check(request_for("/ws/x", {}, "token=" + token), Right::view, "x", now)), 401)
            << token;
}

TEST(RelayAccess, ScopesOpenTheDenyListAndTheStatus_PR5) {
    const Access access(with_secrets());
    auto claims = claims_for("", {"relay:stats"});
    const auto request = request_for("/status", {{"authorization", token_for(claims)}});
    EXPECT_TRUE(access.check(request, Right::admin, "relay:stats", now));
    EXPECT_EQ(refusal_status(access.check(request, Right::admin, "relay:admin", now)), 403);
    EXPECT_EQ(refusal_status(access.check(request, Right::admin, "", now)), 401);
    EXPECT_TRUE(access.check(request_for("/status", {}, "token=rule-me"), Right::admin, "relay:stats", now));
}

struct CrossbarCase {
    const char* name;
    std::vector<std::string> audience;
    std::vector<std::string> scopes;
    const char* path;
    bool read, write;  ///< neither: refused
};

TEST(RelayAccess, CrossbarsTokensNameTheirPath_CB3) {
    const Access access(with_secrets());
    const std::string at = "https://relay.example";
    const CrossbarCase cases[] = {
        {"in", {at + "/in/x"}, {}, "/in/x", false, true},
        {"out", {at + "/out/x"}, {}, "/out/x", true, false},
        {"both ways", {at + "/bi/x"}, {}, "/bi/x", true, true},
        {"both ways, read only", {at + "/bi/x"}, {"read"}, "/bi/x", true, false},
        {"both ways serves out", {at + "/bi/x"}, {}, "/out/x", true, true},
        {"in is not out", {at + "/in/x"}, {}, "/out/x", false, false},
        {"out is not in", {at + "/out/x"}, {}, "/in/x", false, false},
        {"in alone on both ways", {at + "/in/x"}, {}, "/bi/x", false, true},
        {"another topic", {at + "/in/y"}, {}, "/in/x", false, false},
        {"another relay", {"https://other.example/in/x"}, {}, "/in/x", false, false},
        {"no audience", {}, {}, "/in/x", false, false},
        {"one of two", {"z", at + "/in/x"}, {}, "/in/x", false, true},
    };
    for (const auto& c : cases) {
        jwt::Claims claims;
        claims.audience = c.audience;
        claims.scopes = c.scopes;
        claims.expires = now + 60;
        const auto right = std::string_view(c.path).starts_with("/in/") ? Right::push : Right::view;
        const auto got = access.check_first_message(token_for(claims), c.path, right, now);
        EXPECT_EQ(got.has_value(), c.read || c.write) << c.name;
        if (!got) continue;
        EXPECT_EQ(got->read, c.read) << c.name;
        EXPECT_EQ(got->write, c.write) << c.name;
        EXPECT_EQ(got->expires, now + 60) << c.name;
    }
}

TEST(RelayAccess, RefusalsAreCrossbarsWords_SC21) {
    const Access access(with_secrets());
    jwt::Claims claims;
    claims.audience = {"https://relay.example/in/x"};
    const auto says = [&](const std::string& token, const std::string& path) {
        const auto got = access.check_first_message(token, path, Right::push, now);
        return got ? std::string("ok") : got.error().what;
    };
    EXPECT_EQ(says(token_for(claims), "/in/x"), "ok");
    EXPECT_EQ(says(token_for(claims), "/in/y"),
              "Denied - not permitted to access https://relay.example/in/y with token for https://relay.example/in/x");
    EXPECT_EQ(says("hello", "/in/x"), "Error reading token token contains an invalid number of segments");
    claims.expires = now - 1;
    EXPECT_EQ(says(token_for(claims), "/in/x"), "Error reading token Token is expired");
    claims.expires = now + 10;
    claims.not_before = now + 5;
    EXPECT_EQ(says(token_for(claims), "/in/x"), "Error reading token Token is not valid yet");
}

TEST(RelayAccess, TheFirstMessageIsAwaitedOnlyWithAKeyAndWithoutCredentials) {
    const Access keyed(with_secrets());
    EXPECT_TRUE(keyed.wants_first_message(request_for("/in/x"), Right::push));
    EXPECT_FALSE(keyed.wants_first_message(request_for("/in/x", {}, "token=t"), Right::push));
    EXPECT_FALSE(keyed.wants_first_message(request_for("/in/x", {{"authorization", "t"}}), Right::push));
    AccessSettings s;
    s.push_secret = Secret("p");
    EXPECT_FALSE(Access(s).wants_first_message(request_for("/in/x"), Right::push));
    auto anyone = with_secrets();
    anyone.open_view = true;
    EXPECT_TRUE(Access(anyone).wants_first_message(request_for("/in/x"), Right::push));
    EXPECT_FALSE(Access(anyone).wants_first_message(request_for("/out/x"), Right::view)) << "it may view as it is";
}

// ------------------------------------------------------------------ codes and the deny list

TEST(RelayCodes, AreGoodOnceForThirtySecondsOnTheirTopic_SC18_PR8) {
    Access access(with_secrets());
    const auto made = [&] { return *access.make_code(claims_for("x", {"read"}), "x", now); };
    const auto once = made();
    const auto grant = access.use_code(once, "x", now + 29);
    ASSERT_TRUE(grant);
    EXPECT_TRUE(grant->read);
    EXPECT_FALSE(grant->write);
    EXPECT_EQ(refusal_status(access.use_code(once, "x", now + 29)), 401) << "used";
    EXPECT_EQ(refusal_status(access.use_code(made(), "x", now + 30)), 401) << "too old";
    EXPECT_EQ(refusal_status(access.use_code("", "x", now)), 401);
    const auto other = made();
    EXPECT_EQ(refusal_status(access.use_code(other, "y", now)), 403);
    EXPECT_EQ(refusal_status(access.use_code(other, "x", now)), 401) << "used up by the attempt";
    EXPECT_NE(made(), made());
}

TEST(RelayCodes, ATokenThatExpiresMeanwhileIsExpired) {
    Access access(with_secrets());
    auto claims = claims_for("x");
    claims.expires = now + 5;
    EXPECT_EQ(refusal_status(access.use_code(*access.make_code(claims, "x", now), "x", now + 5)), 401);
}

TEST(RelayCodes, WaitingOnesAreBounded) {
    Access access(with_secrets());
    for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(access.make_code(claims_for("x"), "x", now));
    const auto more = access.make_code(claims_for("x"), "x", now);
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().status, 503);
    EXPECT_TRUE(access.make_code(claims_for("x"), "x", now + 30)) << "the old ones are swept";
}

struct ExchangeCase {
    const char* name;
    Fields headers;
    int status;
};

TEST(RelayAccess, TheExchangeRefusesConsistently_SC15_PR7) {
    Access access(with_secrets());
    const auto with = [](const std::function<void(jwt::Claims&)>& change) {
        auto claims = claims_for("x");
        change(claims);
        return Fields{{"authorization", token_for(claims)}};
    };
    const ExchangeCase cases[] = {
        {"no header", {}, 401},
        {"empty", {{"authorization", ""}}, 401},
        {"nonsense", {{"authorization", "nonsense"}}, 401},
        {"good", with([](auto&) {}), 200},
        {"expired", with([](auto& c) { c.expires = now - 1; }), 401},
        {"another topic", with([](auto& c) { c.topic = "y"; }), 403},
        {"another host", with([](auto& c) { c.audience = {"https://o.example"}; }), 403},
        {"no booking", with([](auto& c) { c.booking_id = ""; }), 403},
        {"no scopes", with([](auto& c) { c.scopes = {}; }), 403},
        {"no topic", with([](auto& c) { c.topic = ""; }), 403},
    };
    for (const auto& c : cases) {
        const auto got = access.exchange(request_for("/session/x", c.headers), "x", now);
        EXPECT_EQ(got ? 200 : got.error().status, c.status) << c.name;
    }
    auto settings = with_secrets();
    settings.allow_no_booking_id = true;
    Access lenient(settings);
    EXPECT_TRUE(lenient.exchange(request_for("/session/x", with([](auto& c) { c.booking_id = ""; })), "x", now));
    const auto unbooked = request_for("/ws/x", with([](auto& c) { c.booking_id = ""; }));
    EXPECT_TRUE(lenient.check(unbooked, Right::view, "x", now));
}

TEST(RelayDenyList, RefusesUntilItExpiresOrIsAllowed_SC15_PR14) {
    Access access(with_secrets());
    const auto request = request_for("/session/x", {{"authorization", token_for(claims_for("x"))}});
    const auto code = access.exchange(request, "x", now);
    ASSERT_TRUE(code);
    ASSERT_TRUE(access.deny("bid0", now + 100, now));
    EXPECT_EQ(refusal_status(access.use_code(*code, "x", now)), 401) << "its unused code is gone";
    EXPECT_EQ(access.exchange(request, "x", now).error().status, 403);
    EXPECT_EQ(refusal_status(access.check(request_for("/ws/x", request.headers), Right::view, "x", now)), 403);
    EXPECT_EQ(access.denied_ids(now), std::vector<std::string>{"bid0"});
    access.allow("bid0", now + 50, now);
    EXPECT_TRUE(access.exchange(request, "x", now));
    EXPECT_TRUE(access.denied_ids(now).empty());
    EXPECT_EQ(access.allowed_ids(now), std::vector<std::string>{"bid0"});
    ASSERT_TRUE(access.deny("bid0", now + 60, now));
    EXPECT_TRUE(access.allowed_ids(now).empty()) << "the lists swap";
    EXPECT_TRUE(access.denied("bid0", now + 59));
    EXPECT_FALSE(access.denied("bid0", now + 60));
    EXPECT_TRUE(access.denied_ids(now + 60).empty());
}

TEST(RelayDenyList, AllowingForgetsWhatIsOver) {
    Access access(with_secrets());
    ASSERT_TRUE(access.deny("old", now + 1, now));
    for (int i = 0; i < 100'000; ++i) access.allow(std::to_string(i), now + 1, now);
    access.allow("new", now + 50, now + 2);
    EXPECT_EQ(access.allowed_ids(now + 2), std::vector<std::string>{"new"});
    EXPECT_FALSE(access.denied("old", now + 2));
}

TEST(RelayDenyList, TakesOnlyTheFutureAndAName) {
    Access access(with_secrets());
    EXPECT_EQ(access.deny("b", now, now).error().status, 400);
    EXPECT_EQ(access.deny("", now + 1, now).error().status, 400);
    EXPECT_EQ(access.deny(std::string(5000, 'b'), now + 1, now).error().status, 400);
}

}  // namespace
}  // namespace weir::relay
