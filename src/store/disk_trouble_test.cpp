// reliability.md L5: the n-th write fails, for every n of a run; and what the gate does about it.
#include "store/keeper_rig.h"

namespace weir::store {
namespace {

using Fault = ForgettingFs::Fault;

TEST(SpaceGate, ClosesUnderTheReserveOnceAndReopensAboveIt) {
    Rig rig;
    rig.fs.set_space({20u << 20, 1ull << 40});
    rig.gate->check(SteadyTime(Micros{0}));
    EXPECT_FALSE(rig.gate->open());
    rig.fs.set_space({33u << 20, 1ull << 40});
    rig.gate->check(SteadyTime(Micros{1'000'000}));
    EXPECT_FALSE(rig.gate->open()) << "hysteresis";
    rig.fs.set_space({60u << 20, 1ull << 40});
    rig.gate->check(SteadyTime(Micros{1'500'000}));
    EXPECT_FALSE(rig.gate->open()) << "looked at once a second";
    rig.gate->check(SteadyTime(Micros{2'000'000}));
    EXPECT_TRUE(rig.gate->open());
    EXPECT_EQ(rig.gate->alarms(), 1);
    EXPECT_TRUE(std::filesystem::is_empty(rig.dir.path())) << "the trial write leaves nothing";
}

TEST(SpaceGate, ASmallFileSystemHasASmallReserve) {
    Rig rig;
    rig.fs.set_space({3u << 20, 16u << 20});
    rig.gate->check(SteadyTime(Micros{0}));
    EXPECT_TRUE(rig.gate->open());
    rig.fs.set_space({(2u << 20) - 1, 16u << 20});
    rig.gate->check(SteadyTime(Micros{1'000'000}));
    EXPECT_FALSE(rig.gate->open());
}

TEST(SpaceGate, StaysClosedWhileATrialWriteFails) {
    Rig rig;
    rig.gate->close(Error{Errc::no_space, "disk quota exceeded"});  // free space looks fine under a quota
    rig.fs.fail_at(1, Fault::enospc, true);
    rig.gate->check(SteadyTime(Micros{1'000'000}));
    EXPECT_FALSE(rig.gate->open());
    rig.fs.heal();
    rig.gate->check(SteadyTime(Micros{2'000'000}));
    EXPECT_TRUE(rig.gate->open());
}

TEST(DiskTrouble, WhileTheDiskIsFullUnitsAreOneListedGap) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 6);
    rig.fs.fail_at(1, Fault::enospc, true);
    rig.record(7, 20);
    EXPECT_TRUE(rig.keeper->snapshot().stats.waiting_for_space);
    rig.fs.heal();
    rig.second();
    rig.record(21, 24);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    EXPECT_EQ(rig.gate->alarms(), 1);
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    ASSERT_EQ(v.gaps.size(), 1u) << text_of(v);
    EXPECT_EQ(v.gaps[0].first_unit, 7u);
    EXPECT_EQ(v.gaps[0].last_unit, 20u);
    EXPECT_EQ(v.gaps[0].why, "no space");
    EXPECT_EQ(v.gaps[0].from, Rig::dts_of(7));
    EXPECT_EQ(v.gaps[0].to, Rig::dts_of(21));
    rig.check_bytes();
}

TEST(DiskTrouble, AFullDiskAtTheEndIsListedAsSoonAsTheJournalCanBeWritten) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 6);
    rig.fs.set_space({1u << 20, 1ull << 40});  // the reserve still takes the journal
    rig.record(7, 20);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    EXPECT_EQ(v.got + v.missing, 20u);
}

TEST(DiskTrouble, ABurstDoesNotUseUpTheReserve) {
    Rig rig;
    rig.fs.set_space({40u << 20, 1ull << 40});
    rig.gate->check(SteadyTime(Micros{0}));
    rig.gate->wrote(4u << 20);
    rig.fs.set_space({31u << 20, 1ull << 40});
    rig.gate->wrote(3u << 20);
    EXPECT_TRUE(rig.gate->open()) << "not looked at for each write";
    rig.gate->wrote(2u << 20);
    EXPECT_FALSE(rig.gate->open());
}

TEST(DiskTrouble, ACloseThatFailedMayBeTriedAgain) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 6);
    rig.fs.fail_at(1, Fault::enospc, true);
    rig.record(7, 9);
    EXPECT_FALSE(rig.keeper->close(rig.now()));
    EXPECT_FALSE(rig.keeper->close(rig.now()));
    rig.fs.heal();
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    EXPECT_EQ(v.asked, 9u);
    EXPECT_EQ(v.missing, 3u);
}

TEST(DiskTrouble, AFailedSyncIsLossOfTheLastSecondAndANewFile) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 6);
    rig.record_beginning(7);
    rig.fs.fail_sync_of("N.0.ts");
    rig.second();
    rig.take({Rig::items_of(7).back()});  // the end of the unit whose beginning is lost
    rig.record(8, 12);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto book = rig.book();
    ASSERT_EQ(book.lost.size(), 1u);
    EXPECT_EQ(book.lost[0].off.from, 4 * Rig::bytes_of(1).size());
    EXPECT_EQ(book.raws.size(), 2u);
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    EXPECT_EQ(v.missing, 3u) << text_of(v);
    EXPECT_EQ(v.got, 9u);
    // And after a power cut, when the lost bytes are really gone, nothing else is.
    rig.fs.cut_power(1);
    rig.fs.power_on();
    EXPECT_EQ(rig.check_bytes(), (std::vector<std::uint64_t>{1, 2, 3, 4, 8, 9, 10, 11, 12}));
}

TEST(DiskTrouble, AFailedSyncOfTheJournalIsWrittenAgainElsewhere) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 5);
    rig.fs.fail_sync_of("weir.jsonl");
    rig.record(6, 12);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    rig.fs.cut_power(3);
    rig.fs.power_on();
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 0) << text_of(v);
    EXPECT_EQ(v.got, 12u);
}

struct FaultCase {
    const char* name;
    Fault fault;
    bool for_a_while;
};
class EveryOperation : public testing::TestWithParam<FaultCase> {};

TEST_P(EveryOperation, MayFailAndTheLedgerIsRight) {
    std::uint64_t ops = 0, opening = 0;
    {
        Rig rig;
        ASSERT_TRUE(rig.open());
        opening = rig.fs.ops();
        rig.record(1, 16);
        ops = rig.fs.ops();
    }
    ASSERT_GT(ops, opening + 50);
    for (auto n = std::uint64_t{1}; opening + n <= ops; ++n) {
        SCOPED_TRACE(fmt::format("operation {}", n));
        Rig rig;
        ASSERT_TRUE(rig.open());
        int stalls = 0;
        rig.fs.on_stall([&] { ++stalls; });
        rig.fs.fail_at(n, GetParam().fault, GetParam().for_a_while);
        std::uint64_t next = 1;
        for (; next <= 40 && rig.fs.ops() < opening + n; ++next) rig.record(next, next);
        if (GetParam().for_a_while) rig.record(next, next + 7), next += 8;
        rig.fs.heal();
        const auto healed = next;
        rig.record(next, next + 23);  // six seconds of it
        ASSERT_TRUE(rig.keeper->close(rig.now()));
        const auto v = rig.verify();
        EXPECT_NE(v.exit_code(), 4) << text_of(v);
        EXPECT_EQ(v.asked, healed + 23) << text_of(v);
        EXPECT_LE(rig.gate->alarms(), 1);
        const auto whole = rig.check_bytes();
        for (auto u = healed + 20; u <= healed + 23; ++u)
            EXPECT_TRUE(std::find(whole.begin(), whole.end(), u) != whole.end())
                << "unit " << u << " came 5 s after the disk was well";
        if (GetParam().fault == Fault::stall) {
            EXPECT_EQ(v.exit_code(), 0) << text_of(v);
            EXPECT_EQ(stalls, 1);
        }
        // What is claimed holds through a power cut.
        rig.fs.cut_power(n);
        rig.fs.power_on();
        EXPECT_EQ(rig.check_bytes(), whole);
    }
}

INSTANTIATE_TEST_SUITE_P(Faults, EveryOperation,
                         testing::Values(FaultCase{"NoSpaceOnce", Fault::enospc, false},
                                         FaultCase{"NoSpaceForAWhile", Fault::enospc, true},
                                         FaultCase{"IoErrorOnce", Fault::eio, false},
                                         FaultCase{"IoErrorForAWhile", Fault::eio, true},
                                         FaultCase{"Stall", Fault::stall, false}),
                         [](const auto& i) { return i.param.name; });

}  // namespace
}  // namespace weir::store
