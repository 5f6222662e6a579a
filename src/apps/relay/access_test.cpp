// Secrets and rights.
#include "apps/relay/access.h"

#include "apps/relay/access_testing.h"

namespace weir::relay {
namespace {

using namespace rig;

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

}  // namespace
}  // namespace weir::relay
