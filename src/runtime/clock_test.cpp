#include "runtime/clock.h"

#include "runtime/run_testing.h"

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing_support::Bench;

Task<void> note(Clock& clock, Micros when, std::vector<int>& order, int number) {
    const bool came = co_await clock.sleep_for(when);
    order.push_back(came ? number : -number);
}

TEST(SimulatedClock, WakesInTheOrderOfDeadlines) {
    Bench b;
    std::vector<int> order;
    b.start(note(b.clock, 3s, order, 3));
    b.start(note(b.clock, 1s, order, 1));
    b.start(note(b.clock, 2s, order, 2));
    b.settle();
    EXPECT_EQ(b.clock.waiting(), 3u);
    EXPECT_EQ(b.clock.next(), b.clock.now() + 1s);
    b.advance(999ms);
    EXPECT_TRUE(order.empty());
    b.advance(10s);
    EXPECT_EQ(order, (std::vector{1, 2, 3}));
    EXPECT_EQ(b.clock.next(), SteadyTime::max());
}

TEST(SimulatedClock, ACancelledSleepSaysSoAndLeavesNothing) {
    Bench b;
    std::vector<int> order;
    TaskGroup group(b.io.get_executor());
    group.spawn(note(b.clock, 1s, order, 1));
    b.settle();
    group.ask_stop("over");
    b.settle();
    EXPECT_EQ(order, std::vector{-1});
    EXPECT_EQ(b.clock.waiting(), 0u);
    EXPECT_EQ(group.size(), 0u);
}

TEST(SimulatedClock, WhenTheTimeCameFirstTheCancellationIsTooLate) {
    Bench b;
    std::vector<int> order;
    TaskGroup group(b.io.get_executor());
    group.spawn(note(b.clock, 1s, order, 1));
    b.settle();
    b.clock.advance(1s);
    group.ask_stop("over");
    b.settle();
    EXPECT_EQ(order, std::vector{1});
}

TEST(SimulatedClock, AWallStepDoesNotMoveSteadyTime) {
    Bench b;
    const auto steady = b.clock.now();
    const auto wall = b.clock.wall();
    b.clock.step_wall(-1h);
    EXPECT_EQ(b.clock.now(), steady);
    EXPECT_EQ(b.clock.wall(), wall - 1h);
    b.clock.advance(1s);
    EXPECT_EQ(b.clock.wall(), wall - 1h + 1s);
}

TEST(RealClock, ATimeThatHasPassedNeedsNoWait) {
    Bench b;
    const auto clock = real_clock(b.io.get_executor());
    std::vector<int> order;
    b.run(note(*clock, -1s, order, 1));
    EXPECT_EQ(order, std::vector{1});
}

TEST(RealClock, ACancelledSleepEnds) {
    Bench b;
    const auto clock = real_clock(b.io.get_executor());
    std::vector<int> order;
    TaskGroup group(b.io.get_executor());
    group.spawn(note(*clock, 1h, order, 1));
    b.settle();
    group.ask_stop("over");
    b.settle();
    EXPECT_EQ(order, std::vector{-1});
}

}  // namespace
}  // namespace weir
