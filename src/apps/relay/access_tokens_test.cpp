// JWTs: practable's and crossbar's.
#include "apps/relay/access_testing.h"

namespace weir::relay {
namespace {

using namespace rig;

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

}  // namespace
}  // namespace weir::relay
