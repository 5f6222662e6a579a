// reliability.md L4: the disk forgets what was not synced. Expected state and forgetting disk are independent of each
// other.
#include "store/keeper_rig.h"

namespace weir::store {
namespace {

constexpr std::uint64_t units = 24;

/// Feeds until the power goes. Returns how many units the last round that came to its end had made durable.
std::uint64_t record_until_cut(Rig& rig, std::uint64_t first, std::uint64_t last, std::string& durable_bytes) {
    std::uint64_t promised = 0;
    for (auto u = first; u <= last && !rig.fs.is_off(); ++u) {
        rig.take(Rig::items_of(u));
        if (u % 4 || rig.fs.is_off()) continue;
        rig.second();
        if (rig.fs.is_off()) break;
        promised = u;
        durable_bytes = *rig.fs.durable(rig.dir / "N.0.ts");
    }
    return promised;
}

std::uint64_t ops_of_a_whole_run() {
    Rig rig;
    EXPECT_TRUE(rig.open());
    rig.record(1, units);
    EXPECT_TRUE(rig.keeper->close(rig.now()));
    return rig.fs.ops();
}

/// Recovers, with the power failing again and again inside the recovery when the seed says so.
Result<Unfinished> recover_through_cuts(Rig& rig, std::mt19937_64& random) {
    for (int again = static_cast<int>(random() % 3); again > 0; --again) {
        rig.fs.cut_at(1 + random() % 5);
        auto r = recover_blocking(rig.fs, rig.journal());
        if (r) r->journal.reset();
        rig.fs.cut_power(random());
        rig.fs.power_on();
    }
    auto r = recover_blocking(rig.fs, rig.journal());
    if (!r) return r.error();
    return unfinished_of(r->book, rig.journal());
}

TEST(PowerCut, TwoHundredTimesAtMostASecondAndAPartIsLost) {
    const auto ops = ops_of_a_whole_run();
    ASSERT_GT(ops, 100u);
    int before_the_first_byte = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        std::mt19937_64 random(seed);
        Rig rig;
        rig.fs.cut_at(1 + random() % ops);
        const bool opened = rig.open().has_value();
        std::string old;
        const auto promised = opened ? record_until_cut(rig, 1, units, old) : 0;
        rig.keeper.reset();
        rig.fs.cut_power(random());
        rig.fs.power_on();
        rig.new_gate();

        const auto there = rig.fs.exists(rig.journal());
        if (!opened && (!*there || weir::test::read_file(rig.journal()).find('\n') == std::string::npos)) {
            ++before_the_first_byte;  // never said to exist
            continue;
        }
        ASSERT_TRUE(*there);
        const auto found = recover_through_cuts(rig, random);
        ASSERT_TRUE(found) << found.error().text();
        EXPECT_GE(found->at.unit, promised) << "a durable unit is gone";
        if (!old.empty()) {
            EXPECT_EQ(rig.raw(0).substr(0, old.size()), old) << "an older byte changed";
        }
        rig.check_bytes();
        const auto v = rig.verify();
        EXPECT_NE(v.exit_code(), 4) << text_of(v);

        // Either the playlist's window still has what was lost, or not.
        const bool window = random() % 2;
        const auto next = found->at.any ? found->at.unit + 1 : 1;
        if (!found->ended) {
            ASSERT_TRUE(rig.resume());
            if (!window && next < units) rig.take({Rig::gap(next, next + 2)});
            rig.record(window || next >= units ? next : next + 3, units + 3);
            ASSERT_TRUE(rig.keeper->close(rig.now()));
        }
        const auto judged = rig.verify();
        EXPECT_EQ(judged.exit_code(), window || found->ended || next >= units ? 0 : 3) << text_of(judged);
        rig.check_bytes();
    }
    EXPECT_LT(before_the_first_byte, 20);
}

}  // namespace
}  // namespace weir::store
