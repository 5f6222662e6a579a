#include "runtime/file_lane.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <latch>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "runtime/run_testing.h"

namespace weir {
namespace {

using testing_support::Bench;

TEST(FileLane, JobsOfAStrandKeepTheirOrderAndNeverOverlap) {
    constexpr int strands = 8, jobs = 200;
    std::vector<std::vector<int>> seen(strands);  // one strand each: no lock, which is what is tested
    std::atomic<bool> overlapped{false};
    std::vector<std::unique_ptr<std::atomic<int>>> inside;
    for (int s = 0; s < strands; ++s) inside.push_back(std::make_unique<std::atomic<int>>(0));
    {
        FileLane lane(real_file_system(), {4, 1u << 20});
        std::vector<FileLane::Strand> made;
        for (int s = 0; s < strands; ++s) made.push_back(lane.strand());
        for (int j = 0; j < jobs; ++j)
            for (int s = 0; s < strands; ++s)
                lane.submit(made[static_cast<std::size_t>(s)], 1, [&, s, j] {
                    const auto at = static_cast<std::size_t>(s);
                    if (inside[at]->fetch_add(1) != 0) overlapped = true;
                    seen[at].push_back(j);
                    inside[at]->fetch_sub(1);
                });
    }  // waits for what was submitted
    EXPECT_FALSE(overlapped);
    for (const auto& order : seen) {
        ASSERT_EQ(order.size(), static_cast<std::size_t>(jobs));
        EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    }
}

TEST(FileLane, StrandsRunBesideEachOther) {
    FileLane lane(real_file_system(), {2, 1024});
    auto one = lane.strand(), two = lane.strand();
    std::latch both(2);  // neither job can end unless both run at once
    std::latch ended(2);
    for (auto* strand : {&one, &two})
        lane.submit(*strand, 0, [&] {
            both.arrive_and_wait();
            ended.count_down();
        });
    ended.wait();
}

Task<void> call(FileLane& lane, FileLane::Strand& strand, std::function<Result<>()> job,
                std::vector<std::string>& ended) {
    const auto r = co_await lane.run(strand, std::move(job));
    ended.push_back(r ? "ok" : r.error().what);
}

TEST(FileLane, RunGivesTheResultOfItsJob) {
    Bench b;
    FileLane lane(real_file_system(), {});
    auto strand = lane.strand();
    std::vector<std::string> ended;
    b.run(call(
        lane, strand, [] { return Result<>{}; }, ended));
    b.run(call(
        lane, strand,
        []() -> Result<> {
            return Error{Errc::no_space, "full"};
        },
        ended));
    b.run(call(
        lane, strand, []() -> Result<> { throw std::runtime_error("a bug of ours"); }, ended));
    EXPECT_EQ(ended, (std::vector<std::string>{"ok", "full", "a bug of ours"}));
}

TEST(FileLane, ACancelledRunWaitsUntilItsJobHasEnded) {
    Bench b;
    FileLane lane(real_file_system(), {});
    auto strand = lane.strand();
    std::vector<std::string> ended;
    std::latch begun(1);
    std::atomic<bool> end{false};
    TaskGroup group(b.io.get_executor());
    group.spawn(call(
        lane, strand,
        [&] {
            begun.count_down();
            while (!end) std::this_thread::yield();
            return Result<>{};
        },
        ended));
    b.settle();
    begun.wait();
    group.ask_stop("over");
    b.settle();
    EXPECT_TRUE(ended.empty());
    EXPECT_EQ(group.size(), 1u);
    end = true;
    b.run();
    EXPECT_EQ(ended, std::vector<std::string>{"ok"});
}

Task<void> wait_for_room(FileLane& lane, int& passed) {
    co_await lane.wait_for_room();
    ++passed;
}

TEST(FileLane, RoomIsWaitedForUntilTheBytesAreWritten) {
    Bench b;
    FileLane lane(real_file_system(), {1, 100});
    auto strand = lane.strand();
    std::atomic<bool> end{false};
    int passed = 0;
    b.run(wait_for_room(lane, passed));
    EXPECT_EQ(passed, 1);
    lane.submit(strand, 100, [&] {
        while (!end) std::this_thread::yield();
    });
    EXPECT_EQ(lane.queued_bytes(), 100u);
    b.start(wait_for_room(lane, passed));
    b.start(wait_for_room(lane, passed));
    b.settle();
    EXPECT_EQ(passed, 1);
    end = true;
    b.run();
    EXPECT_EQ(passed, 3);
    EXPECT_EQ(lane.queued_bytes(), 0u);
}

TEST(FileLane, OneBusyFileDoesNotStarveTheOthers) {
    FileLane lane(real_file_system(), {1, 1024});
    auto busy = lane.strand(), other = lane.strand();
    std::latch submitted(1), done(1);
    int before = 0;
    lane.submit(busy, 0, [&] { submitted.wait(); });
    for (int i = 0; i < 50; ++i) lane.submit(busy, 0, [&] { ++before; });
    int seen = -1;
    lane.submit(other, 0, [&] {
        seen = before;
        done.count_down();
    });
    submitted.count_down();
    done.wait();
    EXPECT_LE(seen, 1);
}

}  // namespace
}  // namespace weir
