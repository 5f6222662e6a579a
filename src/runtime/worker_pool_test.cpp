#include "runtime/worker_pool.h"

#include <latch>
#include <stdexcept>
#include <thread>

#include "runtime/run_testing.h"

namespace weir {
namespace {

using testing_support::Bench;
using Job = std::function<Result<int>(const std::atomic<bool>&)>;

struct Outcome {
    int completions = 0;
    std::optional<Result<int>> result;
    std::thread::id where;
};

Task<void> call(WorkerPool& pool, Job job, Outcome& outcome) {
    outcome.result = co_await run_blocking<int>(pool, std::move(job));
    ++outcome.completions;
    outcome.where = std::this_thread::get_id();
}

TEST(RunBlocking, CompletesOnTheCallersThreadWithTheResult) {
    Bench b;
    WorkerPool pool(2);
    Outcome outcome;
    std::thread::id ran;
    b.run(call(
        pool, [&](const auto&) -> Result<int> { return ran = std::this_thread::get_id(), 5; }, outcome));
    EXPECT_EQ(outcome.completions, 1);
    EXPECT_EQ(outcome.result->value(), 5);
    EXPECT_EQ(outcome.where, std::this_thread::get_id());
    EXPECT_NE(ran, std::this_thread::get_id());
}

TEST(RunBlocking, AFailureIsAResult) {
    Bench b;
    WorkerPool pool(1);
    Outcome failed, threw;
    b.run(call(
        pool,
        [](const auto&) -> Result<int> {
            return Error{Errc::io, "torn"};
        },
        failed));
    EXPECT_EQ(failed.result->error().what, "torn");
    b.run(call(
        pool, [](const auto&) -> Result<int> { throw std::runtime_error("a bug of ours"); }, threw));
    EXPECT_EQ(threw.result->error().code, Errc::internal);
}

TEST(RunBlocking, ACancellationIsSeenByTheJobAndWaitedOut) {
    Bench b;
    WorkerPool pool(1);
    Outcome outcome;
    std::latch begun(1);
    std::atomic<bool> may_end{false};
    TaskGroup group(b.io.get_executor());
    group.spawn(call(
        pool,
        [&](const std::atomic<bool>& cancelled) -> Result<int> {
            begun.count_down();
            while (!cancelled) std::this_thread::yield();
            while (!may_end) std::this_thread::yield();
            return 9;
        },
        outcome));
    b.settle();
    begun.wait();
    group.ask_stop("over");
    b.settle();
    EXPECT_EQ(outcome.completions, 0);
    may_end = true;
    b.run();
    EXPECT_EQ(outcome.completions, 1);
    EXPECT_EQ(outcome.result->value(), 9);
}

TEST(RunBlocking, WhatTheJobHeldIsGoneWhenItCompletes) {
    Bench b;
    WorkerPool pool(1);
    auto buffer = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = buffer;
    Outcome outcome;
    b.run(call(
        pool, [held = std::move(buffer)](const auto&) -> Result<int> { return *held; }, outcome));
    EXPECT_EQ(outcome.completions, 1);
    EXPECT_TRUE(watch.expired());
}

TEST(RunBlocking, AJobThatNeverBeganIsToldWhenThePoolCloses) {
    Bench b;
    Outcome running, waiting;
    {
        auto pool = std::make_unique<WorkerPool>(1);
        std::latch begun(1);
        std::atomic<bool> end{false};
        b.start(call(
            *pool,
            [&](const auto&) -> Result<int> {
                begun.count_down();
                while (!end) std::this_thread::yield();
                return 1;
            },
            running));
        b.start(call(
            *pool, [](const auto&) -> Result<int> { return 2; }, waiting));
        b.settle();
        begun.wait();
        std::thread closer([&] { pool.reset(); });
        // The second job's completion comes while the first still runs.
        while (waiting.completions == 0) b.settle();
        EXPECT_EQ(running.completions, 0);
        end = true;
        closer.join();
    }
    b.run();
    EXPECT_EQ(running.result->value(), 1);
    EXPECT_EQ(waiting.completions, 1);
    EXPECT_EQ(waiting.result->error().code, Errc::cancelled);
}

TEST(WorkerPool, ManyJobsAllRun) {
    std::atomic<int> ran{0};
    constexpr int jobs = 1000;
    std::latch all(jobs);
    {
        WorkerPool pool(4);
        for (int i = 0; i < jobs; ++i)
            pool.post([&] {
                ++ran;
                all.count_down();
            });
        all.wait();
    }
    EXPECT_EQ(ran, jobs);
}

}  // namespace
}  // namespace weir
