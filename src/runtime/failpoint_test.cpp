#include "runtime/failpoint.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

namespace weir {
namespace {

Failpoint point("test.point");

class FailpointTest : public testing::Test {
protected:
    void TearDown() override { EXPECT_TRUE(configure_failpoints("").has_value()); }
};

TEST_F(FailpointTest, DoesNothingUntilAsked) {
    EXPECT_TRUE(point.hit().has_value());
}

TEST_F(FailpointTest, FailsAtTheHitNamedOnly) {
    ASSERT_TRUE(configure_failpoints("test.point:2=enospc").has_value());
    EXPECT_TRUE(point.hit().has_value());
    const auto second = point.hit();
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, Errc::no_space);
    EXPECT_TRUE(point.hit().has_value());
}

TEST_F(FailpointTest, FailsFromTheHitNamedOn) {
    ASSERT_TRUE(configure_failpoints("test.point:2+=eio").has_value());
    EXPECT_TRUE(point.hit().has_value());
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(point.hit().has_value());
}

TEST_F(FailpointTest, NamesAreListed) {
    const auto names = failpoint_names();
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
    EXPECT_EQ(std::count(names.begin(), names.end(), "test.point"), 1);
}

TEST_F(FailpointTest, RefusesWhatItDoesNotKnow) {
    for (const auto* bad :
         {"test.point", "test.point=melt", "test.point:0=eio", "test.point:x=eio", "no.such=eio", "=eio"})
        EXPECT_FALSE(configure_failpoints(bad).has_value()) << bad;
}

TEST(FailpointDeathTest, KillIsKill) {
    EXPECT_EXIT(
        {
            (void)configure_failpoints("test.point=kill").has_value();
            (void)point.hit().has_value();
        },
        testing::KilledBySignal(SIGKILL), "");
}

}  // namespace
}  // namespace weir
