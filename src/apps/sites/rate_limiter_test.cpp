#include "apps/sites/rate_limiter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/run_testing.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;

class RateLimiterTest : public testing::Test {
protected:
    ~RateLimiterTest() override { bench.run(tasks.stop("test over")); }
    void ask(int count, bool urgent = false) {
        for (int i = 0; i < count; ++i) tasks.spawn(pass(asked++, urgent));
        bench.settle();
    }
    Task<void> pass(int who, bool urgent = false) {
        const bool through = co_await limiter->pass(urgent);
        (through ? passed : refused).push_back(who);
    }
    void make(RateLimiter::Settings settings) {
        limiter = std::make_unique<RateLimiter>(bench.io.get_executor(), bench.clock, settings, 7);
    }
    /// Time goes by in steps small enough for each turn.
    void advance(Millis by) {
        for (Millis done{0}; done < by; done += 10ms) bench.advance(10ms);
    }

    testing_support::Bench bench;
    std::unique_ptr<RateLimiter> limiter;
    std::vector<int> passed, refused;
    int asked = 0;
    TaskGroup tasks{bench.io.get_executor()};
};

TEST_F(RateLimiterTest, ABurstPassesAtOnceAndTheRestOneByOneInOrder) {
    make({.interval = 200ms, .burst = 3});
    ask(8);
    EXPECT_EQ(passed, (std::vector<int>{0, 1, 2}));
    EXPECT_EQ(limiter->waiting(), 5u);
    advance(250ms);
    EXPECT_EQ(passed.size(), 4u);
    advance(1s);
    EXPECT_EQ(passed, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(RateLimiterTest, OverTimeItKeepsItsRate) {
    make({.interval = 100ms, .burst = 4});
    ask(400);
    advance(20s);
    EXPECT_GE(passed.size(), 180u);
    EXPECT_LE(passed.size(), 220u);
}

TEST_F(RateLimiterTest, IdlenessSavesUpOneBurstAndNoMore) {
    make({.interval = 100ms, .burst = 2});
    advance(10s);
    ask(5);
    EXPECT_EQ(passed.size(), 2u);
}

TEST_F(RateLimiterTest, APenaltyClosesItForAllAndTheyComeOneByOneAfterwards) {
    make({.interval = 100ms, .burst = 4});
    limiter->penalise(1s);
    EXPECT_EQ(limiter->closed_for(), 1s);
    ask(4);
    advance(990ms);
    EXPECT_TRUE(passed.empty());
    advance(40ms);
    EXPECT_EQ(passed.size(), 1u);
    EXPECT_EQ(limiter->closed_for(), 0ms);
    advance(400ms);
    EXPECT_EQ(passed.size(), 4u);
}

TEST_F(RateLimiterTest, APenaltyReachesWhoSleepsAlreadyAndPenaltiesDoNotAddUp) {
    make({.interval = 100ms, .burst = 1});
    ask(2);
    EXPECT_EQ(passed.size(), 1u);
    limiter->penalise(1s);
    limiter->penalise(1s);
    limiter->penalise(500ms);
    advance(900ms);
    EXPECT_EQ(passed.size(), 1u);
    advance(200ms);
    EXPECT_EQ(passed.size(), 2u);
}

TEST_F(RateLimiterTest, WhoIsCancelledFreesItsPlaceForTheNext) {
    make({.interval = 100ms, .burst = 1});
    ask(1);
    TaskGroup others(bench.io.get_executor());
    others.spawn(pass(100));
    others.spawn(pass(101));
    bench.settle();
    ask(1);
    bench.start(others.stop("cancelled"));
    bench.settle();
    EXPECT_EQ(refused.size(), 2u);
    EXPECT_EQ(limiter->waiting(), 1u);
    advance(130ms);
    EXPECT_EQ(passed, (std::vector<int>{0, 1}));
}

TEST_F(RateLimiterTest, WhoIsUrgentGoesBeforeTheOthersInOrder) {
    make({.interval = 100ms, .burst = 1});
    ask(3);
    ask(2, true);
    advance(600ms);
    EXPECT_EQ(passed, (std::vector<int>{0, 3, 4, 1, 2}));
}

TEST_F(RateLimiterTest, WithTheLimiterGoneNobodyWaitsOn) {
    make({.interval = 1s, .burst = 1});
    ask(3);
    limiter.reset();
    advance(2s);
    EXPECT_EQ(refused.size(), 2u);
}

}  // namespace
}  // namespace weir::sites
