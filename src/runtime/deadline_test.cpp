#include "runtime/deadline.h"

#include <stdexcept>

#include "runtime/run_testing.h"

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing_support::Bench;

Task<void> listen(Bell& bell, std::vector<bool>& heard) {
    heard.push_back(co_await bell.wait());
}

TEST(Bell, ARingWithNobodyWaitingIsKeptOnce) {
    Bench b;
    Bell bell(b.io.get_executor());
    std::vector<bool> heard;
    bell.notify();
    bell.notify();
    b.start(listen(bell, heard));
    b.settle();
    EXPECT_EQ(heard, std::vector{true});
    b.start(listen(bell, heard));
    b.settle();
    EXPECT_EQ(heard.size(), 1u);
    bell.notify();
    b.settle();
    EXPECT_EQ(heard.size(), 2u);
}

TEST(Bell, WakesEverybodyWhoWaits) {
    Bench b;
    Bell bell(b.io.get_executor());
    std::vector<bool> heard;
    for (int i = 0; i < 3; ++i) b.start(listen(bell, heard));
    b.settle();
    EXPECT_TRUE(heard.empty());
    bell.notify();
    b.settle();
    EXPECT_EQ(heard, (std::vector{true, true, true}));
}

Task<void> count(Bell& bell, const int& produced, int& consumed, int until) {
    for (bool rung = true; rung && consumed < until;) {
        while (consumed < produced) ++consumed;
        if (consumed < until) rung = co_await bell.wait();
    }
}

TEST(Bell, NoRingBetweenTheCheckAndTheWaitIsLost) {
    Bench b;
    Bell bell(b.io.get_executor());
    int produced = 0, consumed = 0;
    b.start(count(bell, produced, consumed, 100));
    for (int i = 0; i < 100; ++i) {
        ++produced;
        bell.notify();
        if (i % 3 == 0) b.settle();
    }
    b.settle();
    EXPECT_EQ(consumed, 100);
}

TEST(Bell, ACancelledWaitSaysSoAndLeavesTheOthers) {
    Bench b;
    Bell bell(b.io.get_executor());
    std::vector<bool> stopped, other;
    TaskGroup group(b.io.get_executor());
    group.spawn(listen(bell, stopped));
    b.start(listen(bell, other));
    b.settle();
    group.ask_stop("over");
    b.settle();
    EXPECT_EQ(stopped, std::vector{false});
    EXPECT_TRUE(other.empty());
    bell.notify();
    b.settle();
    EXPECT_EQ(other, std::vector{true});
}

TEST(Bell, MayGoWhileSomebodyWaits) {
    Bench b;
    auto bell = std::make_unique<Bell>(b.io.get_executor());
    std::vector<bool> heard;
    b.start(listen(*bell, heard));
    b.settle();
    bell.reset();
    b.settle();
    EXPECT_EQ(heard, std::vector{false});
}

Task<void> listen_until(Bell& bell, SteadyTime when, std::vector<bool>& heard) {
    heard.push_back(co_await bell.wait_until(when));
}

TEST(Bell, AWaitEndsWhenItsTimeComes) {
    Bench b;
    Bell bell(b.io.get_executor());
    std::vector<bool> heard;
    b.run(listen_until(bell, SteadyTime::clock::now() - 1s, heard));
    EXPECT_EQ(heard, std::vector{false});
    bell.notify();
    b.run(listen_until(bell, SteadyTime::clock::now() - 1s, heard));
    EXPECT_EQ(heard, (std::vector{false, true}));
}

struct Seen {
    bool ended = false, timed_out = false, body_cancelled = false;
    int value = 0;
};

/// Works for `needs`; when cancelled, cleans up for a second and says -1.
Task<int> work(Clock& clock, Micros needs, Seen& seen) {
    const bool done = co_await clock.sleep_for(needs);
    if (done) co_return 42;
    seen.body_cancelled = true;
    co_await uncancellable();
    (void)co_await clock.sleep_for(1s);
    co_return -1;
}

Task<void> bounded(Clock& clock, Micros needs, Micros allowed, Seen& seen) {
    seen.value = co_await with_deadline(clock, clock.now() + allowed, work(clock, needs, seen), &seen.timed_out);
    seen.ended = true;
}

TEST(WithDeadline, ABodyInTimeGivesItsResultAndLeavesNoSleeper) {
    Bench b;
    Seen seen;
    b.start(bounded(b.clock, 1s, 5s, seen));
    b.settle();
    EXPECT_EQ(b.clock.waiting(), 2u);
    b.advance(1s);
    EXPECT_TRUE(seen.ended);
    EXPECT_EQ(seen.value, 42);
    EXPECT_FALSE(seen.timed_out);
    EXPECT_EQ(b.clock.waiting(), 0u);
}

TEST(WithDeadline, ALateBodyIsCancelledAndWaitedFor) {
    Bench b;
    Seen seen;
    b.start(bounded(b.clock, 1h, 5s, seen));
    b.settle();
    b.advance(5s);
    EXPECT_TRUE(seen.body_cancelled);
    EXPECT_FALSE(seen.ended);
    b.advance(1s);
    EXPECT_TRUE(seen.ended);
    EXPECT_TRUE(seen.timed_out);
    EXPECT_EQ(seen.value, -1);
}

TEST(WithDeadline, ADeadlineInThePastStillLetsTheBodyEndProperly) {
    Bench b;
    Seen seen;
    b.start(bounded(b.clock, 1h, -5s, seen));
    b.settle();
    EXPECT_TRUE(seen.body_cancelled);
    b.advance(1s);
    EXPECT_TRUE(seen.ended && seen.timed_out);
}

TEST(WithDeadline, TheCallersCancellationReachesTheBody) {
    Bench b;
    Seen seen;
    TaskGroup group(b.io.get_executor());
    group.spawn(bounded(b.clock, 1h, 1h, seen));
    b.settle();
    group.ask_stop("over");
    b.settle();
    EXPECT_TRUE(seen.body_cancelled);
    EXPECT_FALSE(seen.ended);
    b.advance(1s);
    EXPECT_TRUE(seen.ended);
    EXPECT_FALSE(seen.timed_out);
    EXPECT_EQ(group.size(), 0u);
}

Task<void> cancelled_before(TaskGroup& group, Clock& clock, Seen& seen) {
    group.ask_stop("over");
    co_await bounded(clock, 1h, 1h, seen);
}

TEST(WithDeadline, AnEarlierCancellationReachesTheBodyToo) {
    Bench b;
    Seen seen;
    TaskGroup group(b.io.get_executor());
    group.spawn(cancelled_before(group, b.clock, seen));
    b.settle();
    b.advance(1s);
    EXPECT_TRUE(seen.body_cancelled && seen.ended);
}

Task<void> throws() {
    throw std::runtime_error("a bug of ours");
    co_return;
}

Task<void> catches(Clock& clock, std::string& what) {
    try {
        co_await with_deadline(clock, clock.now() + 1s, throws());
    } catch (const std::exception& e) {
        what = e.what();
    }
}

TEST(WithDeadline, PassesExceptionsOn) {
    Bench b;
    std::string what;
    b.start(catches(b.clock, what));
    b.settle();
    EXPECT_EQ(what, "a bug of ours");
    EXPECT_EQ(b.clock.waiting(), 0u);
}

TEST(Backoff, GrowsToItsCeilingWithJitterBelow) {
    Backoff pace({Millis(500), Millis(30'000), 2.0}, 7);
    double whole = 500;
    for (int i = 0; i < 5000; ++i) {
        const auto wait = static_cast<double>(pace.next().count());
        EXPECT_GE(wait, whole / 2 - 1);
        EXPECT_LE(wait, whole + 1);
        whole = std::min(whole * 2, 30'000.0);
    }
    EXPECT_EQ(pace.attempts(), 5000);
    pace.reset();
    EXPECT_LE(pace.next(), Millis(500));
}

TEST(Backoff, ThePeersWishMakesItLongerNeverShorter) {
    for (const auto& [wish, most, longest] : {std::tuple{0ms, 30'000ms, 1000ms}, std::tuple{5000ms, 30'000ms, 5000ms},
                                              std::tuple{90'000ms, 30'000ms, 30'000ms}}) {
        Backoff pace({Millis(1000), Millis(1000), 2.0}, 7);
        const auto pause = pace.next(wish, most);
        EXPECT_GE(pause, std::max<Millis>(500ms, std::min<Millis>(wish, most)));
        EXPECT_LE(pause, longest);
        EXPECT_EQ(pace.attempts(), 1) << "a pause by wish is an attempt as well";
    }
}

TEST(Backoff, TwoSeedsDoNotMarchInStep) {
    Backoff one({}, 1), two({}, 2);
    int same = 0;
    for (int i = 0; i < 20; ++i) same += one.next() == two.next();
    EXPECT_LT(same, 5);
}

}  // namespace
}  // namespace weir
