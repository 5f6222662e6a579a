#include "store/recording.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "on_shard.h"
#include "store/keeper_rig.h"

namespace weir::store {
namespace {

TEST(Recording, TakesItemsThroughTheLaneAndSaysWhole) {
    Rig rig;
    test::on_shard([&](Shard& shard) -> Task<void> {
        FileLane lane(rig.fs, {});
        SimulatedClock clock(shard.executor());
        RecordingPlan plan{rig.dir / "N.mp4", "hls", "src", {}};
        auto made = co_await Recording::create(shard.executor(), clock, lane, plan);
        EXPECT_TRUE(made.has_value());
        auto& recording = **made;
        const std::vector<Item> init{test::ts_init()};
        EXPECT_TRUE((co_await recording.accept(init)).has_value());
        for (std::uint64_t u = 1; u <= 30; ++u) {
            const auto items = Rig::items_of(u);
            EXPECT_TRUE((co_await recording.accept(items)).has_value());
            if (u % 4 == 0) clock.advance(Micros{1'000'000});
        }
        EXPECT_TRUE((co_await recording.close()).has_value());
        const auto stats = recording.stats();
        EXPECT_EQ(stats.units, 30u);
        EXPECT_EQ(stats.bytes, 30 * 24 * 188u);
        EXPECT_EQ(stats.duration, Micros{7'500'000});
        EXPECT_EQ(recording.resume_point()->unit, 30u);
        EXPECT_EQ(recording.target(), rig.dir / "N.mp4");
        auto verdict = co_await verify(shard.executor(), lane, rig.journal());
        EXPECT_TRUE(verdict.has_value());
        EXPECT_EQ(verdict->exit_code(), 0) << text_of(*verdict);
    });
    EXPECT_EQ(rig.check_bytes().size(), 30u);
}

TEST(Recording, SyncsEachSecondAlsoWhenNothingComes) {
    Rig rig;
    test::on_shard([&](Shard& shard) -> Task<void> {
        FileLane lane(rig.fs, {});
        SimulatedClock clock(shard.executor());
        RecordingPlan plan{rig.dir / "N.mp4", "hls", "src", {}};
        auto made = co_await Recording::create(shard.executor(), clock, lane, plan);
        auto& recording = **made;
        auto items = Rig::items_of(1);
        items.pop_back();  // a unit under way, less than a part
        EXPECT_TRUE((co_await recording.accept(items)).has_value());
        const auto real = real_clock(shard.executor());
        const auto until = real->now() + std::chrono::seconds(30);
        while (!rig.fs.durable(rig.dir / "N.0.ts").value_or("").size() && real->now() < until) {
            clock.advance(Micros{1'000'000});
            (void)co_await real->sleep_for(Micros{1'000});  // the lane is a real thread
        }
        EXPECT_EQ(rig.fs.durable(rig.dir / "N.0.ts").value_or("").size(), 16 * 188u);
        EXPECT_TRUE((co_await recording.close()).has_value());
    });
}

TEST(Recording, WaitsForASlowDiskInsteadOfHoldingEverything) {
    Rig rig;
    std::mutex stall;
    std::size_t most = 0;
    test::on_shard([&](Shard& shard) -> Task<void> {
        FileLane lane(rig.fs, {});
        SimulatedClock clock(shard.executor());
        RecordingPlan plan{rig.dir / "N.mp4", "hls", "src", {}};
        auto made = co_await Recording::create(shard.executor(), clock, lane, plan);
        auto& recording = **made;
        stall.lock();
        rig.fs.on_stall([&] { const std::lock_guard wait(stall); });
        rig.fs.fail_at(1, ForgettingFs::Fault::stall);
        bool taken_all = false;
        asio::co_spawn(
            shard.executor(),
            [](Recording& r, bool& done, std::size_t& peak, FileLane& l) -> Task<void> {
                for (std::uint64_t u = 1; u <= 200; ++u) {
                    const auto items = test::unit_items(u, Rig::dts_of(u), {200, 40, Micros{250'000}, 0});
                    (void)(co_await r.accept(items)).has_value();
                    peak = std::max(peak, l.queued_bytes());
                }
                done = true;
            }(recording, taken_all, most, lane),
            asio::detached);
        const auto real = real_clock(shard.executor());
        while (lane.queued_bytes() < (1u << 20)) (void)co_await real->sleep_for(Micros{1'000});
        EXPECT_FALSE(taken_all);
        stall.unlock();
        while (!taken_all) (void)co_await real->sleep_for(Micros{1'000});
        EXPECT_TRUE((co_await recording.close()).has_value());
    });
    EXPECT_LT(most, 2u << 20);
    EXPECT_EQ(rig.verify().exit_code(), 0);
}

}  // namespace
}  // namespace weir::store
