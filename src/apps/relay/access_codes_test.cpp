// Codes, their exchange, and the deny list.
#include "apps/relay/access_testing.h"

#include <functional>

namespace weir::relay {
namespace {

using namespace rig;

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
