// reliability.md L4: the disk forgets what was not synced. Expected state and forgetting disk are independent of each
// other.
#include "store/keeper_rig.h"

namespace weir::store {
namespace {

constexpr std::uint64_t units = 24;

struct Setting {
    const char* name;
    Container container;
    std::uint16_t lanes;
    std::uint64_t cuts;
};
class PowerCut : public testing::TestWithParam<Setting> {
protected:
    static void set(Rig& rig) {
        rig.container = GetParam().container;
        rig.lanes = GetParam().lanes;
    }
};

/// Feeds until the power goes. Returns how many units of each lane the last round that came to its end had made
/// durable.
std::uint64_t record_until_cut(Rig& rig, std::uint64_t first, std::uint64_t last, std::vector<std::string>& durable) {
    std::uint64_t promised = 0;
    for (auto u = first; u <= last && !rig.fs.is_off(); ++u) {
        for (std::uint16_t lane = 0; lane < rig.lanes; ++lane) rig.take(rig.items_in(lane, u));
        if (u % 4 || rig.fs.is_off()) continue;
        rig.second();
        if (rig.fs.is_off()) break;
        promised = u;
        for (std::uint16_t lane = 0; lane < rig.lanes; ++lane) durable[lane] = *rig.fs.durable(rig.raw_path(lane));
    }
    return promised;
}

/// Each lane goes on where it stands; `gap`: not quite.
void go_on(Rig& rig, const std::vector<std::uint64_t>& next, std::uint64_t gap, std::uint64_t last) {
    for (std::uint16_t lane = 0; lane < rig.lanes; ++lane)
        if (gap) rig.take({Rig::gap(next[lane], next[lane] + gap - 1, "left the window", lane)});
    for (auto u = *std::min_element(next.begin(), next.end()); u <= last; ++u) {
        for (std::uint16_t lane = 0; lane < rig.lanes; ++lane)
            if (u >= next[lane] + gap) rig.take(rig.items_in(lane, u));
        if (u % 4 == 0) rig.second();
    }
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

TEST_P(PowerCut, ManyTimesAtMostASecondAndAPartIsLost) {
    std::uint64_t ops = 0;
    {
        Rig rig;
        set(rig);
        ASSERT_TRUE(rig.open());
        rig.record(1, units);
        ASSERT_TRUE(rig.keeper->close(rig.now()));
        ops = rig.fs.ops();
    }
    ASSERT_GT(ops, 100u);
    int before_the_first_byte = 0;
    for (std::uint64_t seed = 0; seed < GetParam().cuts; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        std::mt19937_64 random(seed);
        Rig rig;
        set(rig);
        rig.fs.cut_at(1 + random() % ops);
        const bool opened = rig.open().has_value();
        std::vector<std::string> old(rig.lanes);
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
        std::vector<std::uint64_t> next;
        for (std::uint16_t lane = 0; lane < rig.lanes; ++lane) {
            const auto other = found->at.lanes.find(lane);
            const auto unit = lane == 0 ? found->at.unit : other == found->at.lanes.end() ? 0 : other->second.unit;
            EXPECT_GE(unit, promised) << "a durable unit is gone from lane " << lane;
            next.push_back(unit + 1);
            if (!old[lane].empty()) {
                EXPECT_EQ(rig.raw(lane).substr(0, old[lane].size()), old[lane]) << "an older byte changed";
            }
            rig.check_bytes(lane);
        }
        const auto v = rig.verify();
        EXPECT_NE(v.exit_code(), 4) << text_of(v);

        // Either the playlist's window still has what was lost, or not.
        const bool window = random() % 2;
        const auto furthest = *std::max_element(next.begin(), next.end());
        const bool gap = !window && furthest < units;
        if (!found->ended) {
            ASSERT_TRUE(rig.resume());
            go_on(rig, next, gap ? 3 : 0, units + 3);
            ASSERT_TRUE(rig.keeper->close(rig.now()));
        }
        const auto judged = rig.verify();
        EXPECT_EQ(judged.exit_code(), gap && !found->ended ? 3 : 0) << text_of(judged);
        for (std::uint16_t lane = 0; lane < rig.lanes; ++lane) rig.check_bytes(lane);
    }
    EXPECT_LT(before_the_first_byte, static_cast<int>(GetParam().cuts / 8));
}

INSTANTIATE_TEST_SUITE_P(Containers, PowerCut,
                         testing::Values(Setting{"Ts", Container::ts, 1, 200}, Setting{"Fmp4", Container::fmp4, 1, 60},
                                         Setting{"Fmp4TwoLanes", Container::fmp4, 2, 200},
                                         Setting{"PackedAudioBesideIt", Container::packed_audio, 2, 60},
                                         Setting{"Flv", Container::flv, 1, 60},
                                         Setting{"Opaque", Container::opaque, 1, 60}),
                         [](const auto& i) { return i.param.name; });

}  // namespace
}  // namespace weir::store
