#include "apps/relay/running_stats.h"

#include <gtest/gtest.h>

namespace weir::relay {
namespace {

// SC-14
TEST(RunningStats, CountMeanExtremesAndSpreadOfTheSample) {
    RunningStats s;
    for (const double x : {2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0}) s.add(x);
    EXPECT_EQ(s.count(), 8u);
    EXPECT_DOUBLE_EQ(s.mean(), 5);
    EXPECT_DOUBLE_EQ(s.min(), 2);
    EXPECT_DOUBLE_EQ(s.max(), 9);
    EXPECT_NEAR(s.variance(), 32.0 / 7, 1e-12);
    EXPECT_NEAR(s.stddev(), std::sqrt(32.0 / 7), 1e-12);
}

TEST(RunningStats, NothingAndOneNumberHaveNoSpread) {
    RunningStats s;
    EXPECT_EQ(s.json(), R"({"count":0,"min":0,"max":0,"mean":0,"stddev":0,"variance":0})");
    s.add(-3);
    EXPECT_EQ(s.json(), R"({"count":1,"min":-3,"max":-3,"mean":-3,"stddev":0,"variance":0})");
}

TEST(RunningStats, FarFromZeroItDoesNotLoseTheSpread) {
    RunningStats s;
    for (const double x : {4.0, 7.0, 13.0, 16.0}) s.add(1e9 + x);
    EXPECT_NEAR(s.variance(), 30, 1e-6);
}

// VW-80: a dt over 24 h, or the first, is not counted
TEST(MessageStats, TheFirstGapAndOneOverADayAreNotCounted) {
    MessageStats s;
    SteadyTime now{};
    s.add(100, now);
    EXPECT_EQ(s.gap_ms().count(), 0u);
    s.add(200, now += Millis(40));
    s.add(300, now += Millis(20));
    s.add(400, now += std::chrono::hours(25));
    EXPECT_EQ(s.gap_ms().count(), 2u);
    EXPECT_DOUBLE_EQ(s.gap_ms().mean(), 30);
    EXPECT_EQ(s.bytes().count(), 4u);
    EXPECT_DOUBLE_EQ(s.bytes().mean(), 250);
}

}  // namespace
}  // namespace weir::relay
