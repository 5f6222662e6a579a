#include "runtime/task_group.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <stdexcept>

#include "base/log.h"
#include "runtime/deadline.h"
#include "runtime/run_testing.h"

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing_support::Bench;

/// Sleeps until cancelled, then needs one more second to put its things away.
Task<void> tidy(Clock& clock, bool& woken, bool& tidied) {
    woken = !co_await clock.sleep_for(1h);
    co_await uncancellable();
    tidied = co_await clock.sleep_for(1s);
}

Task<void> stop_and_note(TaskGroup& group, bool& stopped) {
    co_await group.stop("over");
    stopped = true;
}

Task<void> join_and_note(TaskGroup& group, bool& joined) {
    co_await group.join();
    joined = true;
}

Task<void> sleep(Clock& clock, Micros how_long) {
    (void)co_await clock.sleep_for(how_long);
}

TEST(TaskGroup, StopWaitsForTheCleanUp) {
    Bench b;
    TaskGroup group(b.io.get_executor());
    bool woken = false, tidied = false, stopped = false;
    group.spawn(tidy(b.clock, woken, tidied));
    b.settle();
    b.start(stop_and_note(group, stopped));
    b.settle();
    EXPECT_TRUE(woken);
    EXPECT_FALSE(stopped);
    EXPECT_EQ(group.stopping().reason(), "over");
    b.advance(1s);
    EXPECT_TRUE(tidied);
    EXPECT_TRUE(stopped);
    EXPECT_EQ(group.size(), 0u);
}

TEST(TaskGroup, StoppingTwiceEndsBothCallers) {
    Bench b;
    TaskGroup group(b.io.get_executor());
    bool woken = false, tidied = false, first = false, second = false, third = false;
    group.spawn(tidy(b.clock, woken, tidied));
    b.start(stop_and_note(group, first));
    b.start(stop_and_note(group, second));
    b.settle();
    EXPECT_FALSE(first || second);
    b.advance(1s);
    EXPECT_TRUE(first && second);
    b.start(stop_and_note(group, third));
    b.settle();
    EXPECT_TRUE(third);
}

Task<void> note(bool& ran) {
    ran = true;
    co_return;
}

TEST(TaskGroup, StartsNothingOnceStopped) {
    Bench b;
    TaskGroup group(b.io.get_executor());
    group.ask_stop("over");
    bool ran = false;
    group.spawn(note(ran));
    b.settle();
    EXPECT_FALSE(ran);
    EXPECT_EQ(group.size(), 0u);
}

TEST(TaskGroup, ATaskStoppedBeforeItsFirstStepEndsQuietly) {
    Bench b;
    static std::string logged;
    logged.clear();
    log::capture([](std::string_view line) { logged += line; });
    TaskGroup group(b.io.get_executor());
    bool ran = false, stopped = false;
    group.spawn(note(ran));  // off the context's thread: begins with the first poll
    group.ask_stop("over");
    b.start(stop_and_note(group, stopped));
    b.settle();
    log::capture(nullptr);
    EXPECT_TRUE(stopped);
    EXPECT_EQ(logged, "");
}

/// An operation that completes inside the emission of its cancellation, as Asio's own may.
Task<void> ends_inside_emit(bool& ended) {
    co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
        [](auto handler) {
            auto slot = asio::get_associated_cancellation_slot(handler);
            auto held = std::make_shared<decltype(handler)>(std::move(handler));
            slot.assign([held](asio::cancellation_type) {
                auto now = std::move(*held);
                std::move(now)();
            });
        },
        asio::use_awaitable);
    ended = true;
}

Task<void> start_two_then_stop(TaskGroup& group, bool& first, bool& second, bool& stopped) {
    group.spawn(ends_inside_emit(first));
    group.spawn(ends_inside_emit(second));
    co_await group.stop("over");
    stopped = true;
}

TEST(TaskGroup, ABodyMayEndInsideItsOwnEmit) {
    Bench b;
    TaskGroup group(b.io.get_executor());
    bool first = false, second = false, stopped = false;
    b.start(start_two_then_stop(group, first, second, stopped));
    b.settle();
    EXPECT_TRUE(first && second && stopped);
}

Task<void> throws() {
    throw std::runtime_error("a bug of ours");
    co_return;
}

TEST(TaskGroup, AnExceptionIsLoggedAndTheOthersGoOn) {
    Bench b;
    static std::string logged;
    logged.clear();
    log::capture([](std::string_view line) { logged += line; });
    TaskGroup group(b.io.get_executor());
    bool joined = false;
    group.spawn(throws(), "bad one");
    group.spawn(sleep(b.clock, 1s));
    b.start(join_and_note(group, joined));
    b.settle();
    EXPECT_NE(logged.find("a bug of ours"), std::string::npos);
    EXPECT_NE(logged.find("bad one"), std::string::npos);
    EXPECT_EQ(group.size(), 1u);
    EXPECT_FALSE(joined);
    b.advance(1s);
    EXPECT_TRUE(joined);
    log::capture(nullptr);
}

Task<void> inner_group(Clock& clock, bool& joined, bool& inner_woken, bool& inner_tidied) {
    TaskGroup inner(co_await asio::this_coro::executor);
    inner.spawn(tidy(clock, inner_woken, inner_tidied));
    co_await inner.join();
    joined = true;
}

TEST(TaskGroup, AJoinThatIsCancelledStopsItsTasksAndStillWaits) {
    Bench b;
    TaskGroup outer(b.io.get_executor());
    bool joined = false, woken = false, tidied = false, stopped = false;
    outer.spawn(inner_group(b.clock, joined, woken, tidied));
    b.settle();
    b.start(stop_and_note(outer, stopped));
    b.settle();
    EXPECT_TRUE(woken);
    EXPECT_FALSE(joined);
    b.advance(1s);
    EXPECT_TRUE(joined && tidied && stopped);
}

Task<void> stops_its_own_group(Clock& clock, bool& still_knows, bool& tidied) {
    TaskGroup inner(co_await asio::this_coro::executor);
    bool woken = false;
    inner.spawn(tidy(clock, woken, tidied));
    (void)co_await clock.sleep_for(1h);  // ended by the cancellation
    co_await inner.stop("over");
    still_knows = !co_await clock.sleep_for(1h);
}

TEST(TaskGroup, ACancelledOwnerWaitsForItsTasksAndDoesNotForgetTheCancellation) {
    Bench b;
    TaskGroup outer(b.io.get_executor());
    bool still_knows = false, tidied = false, stopped = false;
    outer.spawn(stops_its_own_group(b.clock, still_knows, tidied));
    b.settle();
    b.start(stop_and_note(outer, stopped));
    b.settle();
    EXPECT_FALSE(stopped);
    b.advance(1s);
    EXPECT_TRUE(tidied && still_knows && stopped);
}

/// Cancelled while it does not wait for anything that can be cancelled: the next waits must say so, each of them.
Task<void> busy_when_cancelled(TaskGroup& group, Clock& clock, std::vector<bool>& answers) {
    group.ask_stop("over");  // our own cancellation, while we run
    answers.push_back(co_await clock.sleep_for(1h));
    Bell bell(co_await asio::this_coro::executor);
    answers.push_back(co_await bell.wait());
    answers.push_back(co_await clock.sleep_for(1h));
}

TEST(TaskGroup, ACancellationBetweenTwoWaitsIsNotLost) {
    Bench b;
    TaskGroup group(b.io.get_executor());
    std::vector<bool> answers;
    group.spawn(busy_when_cancelled(group, b.clock, answers));
    b.settle();
    EXPECT_EQ(answers, (std::vector<bool>{false, false, false}));
    EXPECT_EQ(group.size(), 0u);
}

TEST(TaskGroupDeathTest, DestroyingARunningGroupIsABug) {
    EXPECT_DEATH(
        {
            Bench b;
            TaskGroup group(b.io.get_executor());
            group.spawn(sleep(b.clock, 1s));
        },
        "co_await stop");
}

}  // namespace
}  // namespace weir
