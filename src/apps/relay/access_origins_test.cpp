// Other sites' pages.
#include "apps/relay/access_testing.h"

namespace weir::relay {
namespace {

using namespace rig;

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

}  // namespace
}  // namespace weir::relay
