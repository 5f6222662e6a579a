#include "store/finalise_rig.h"

namespace weir::store {
namespace {

using Fault = ForgettingFs::Fault;

std::string all_bytes(std::uint64_t first, std::uint64_t last) {
    std::string all;
    for (auto u = first; u <= last; ++u) all += Rig::bytes_of(u);
    return all;
}

void record_whole(Rig& rig, std::uint64_t last = 8) {
    rig.record_and_close(1, last);
}

TEST(Finalise, MakesTheFileAndRemovesTheRawOnes) {
    Rig rig;
    record_whole(rig);
    const auto r = Finish(rig).run();
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->file, rig.dir / "N.mp4");
    EXPECT_EQ(test::read_file(r->file), all_bytes(1, 8));
    EXPECT_EQ(names_in(rig.dir.path()), (std::vector<std::string>{"N.mp4", "N.weir.jsonl"}));
    EXPECT_TRUE(find_unfinished_blocking(rig.fs, rig.dir.path(), nullptr)->empty());
    for (const auto* name : {"N.mp4", "N.weir.jsonl"}) {
        const auto v = rig.verify(name);
        EXPECT_EQ(v.exit_code(), 0) << text_of(v);
        EXPECT_FALSE(v.unfinished);
    }
}

TEST(Finalise, TwiceIsOnce) {
    Rig rig;
    record_whole(rig);
    Finish finish(rig);
    ASSERT_TRUE(finish.run());
    const auto again = finish.run();
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(again->file, rig.dir / "N.mp4");
    EXPECT_EQ(finish.media.written, 1);
}

TEST(Finalise, KeepsTheRawFilesWhenAsked) {
    Rig rig;
    record_whole(rig);
    ASSERT_TRUE(Finish(rig).run(true));
    EXPECT_EQ(rig.raw(0), all_bytes(1, 8));
    EXPECT_TRUE(find_unfinished_blocking(rig.fs, rig.dir.path(), nullptr)->empty());
    EXPECT_EQ(rig.verify("N.0.ts").exit_code(), 0);
    EXPECT_EQ(rig.verify("N.mp4").exit_code(), 0);
}

TEST(Finalise, ATakenNameGetsANumberAndVerifyStillFindsTheJournal) {
    Rig rig;
    record_whole(rig);
    test::write_file(rig.dir / "N.mp4", "precious");
    const auto r = Finish(rig).run();
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->file, rig.dir / "N.1.mp4");
    EXPECT_EQ(test::read_file(rig.dir / "N.mp4"), "precious");
    const auto v = rig.verify("N.1.mp4");
    EXPECT_EQ(v.exit_code(), 0) << text_of(v);
}

TEST(Finalise, ACrashedRecordingIsEndedAndItsCutUnitListed) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 5);
    rig.record_beginning(6);
    rig.keeper.reset();
    const auto r = Finish(rig).run();
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(test::read_file(r->file), all_bytes(1, 5) + Rig::bytes_of(6).substr(0, 16 * 188))
        << "the beginning of it is in";
    const auto v = rig.verify("N.mp4");
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    EXPECT_EQ(v.missing, 1u);
}

TEST(Finalise, JoinsWhatACrashCutApartWithoutTheSupersededBeginning) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 5);
    rig.record_beginning(6);
    rig.keeper.reset();
    ASSERT_TRUE(rig.resume());
    rig.record(6, 8);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    rig.keeper.reset();
    const auto r = Finish(rig).run();
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(test::read_file(r->file), all_bytes(1, 8));
    EXPECT_EQ(rig.verify("N.mp4").exit_code(), 0);
}

TEST(Finalise, WithoutSpaceTheRawFilesStayAndTheNextTryWorks) {
    Rig rig;
    record_whole(rig);
    rig.fs.set_space({1000, 1u << 30});
    const auto r = Finish(rig).run();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::no_space);
    EXPECT_NE(r.error().text().find("N.0.ts"), std::string::npos) << r.error().text();
    EXPECT_EQ(rig.raw(0), all_bytes(1, 8));
    EXPECT_EQ(find_unfinished_blocking(rig.fs, rig.dir.path(), nullptr)->size(), 1u);
    EXPECT_EQ(rig.verify("N.0.ts").exit_code(), 0);
    rig.fs.heal();
    EXPECT_TRUE(Finish(rig).run());
}

TEST(Finalise, AFileThatIsNotTheSameIsThrownAwayAndTheRawKept) {
    Rig rig;
    record_whole(rig);
    Finish finish(rig);
    finish.media.spoil = true;
    const auto r = finish.run();
    ASSERT_FALSE(r);
    EXPECT_EQ(names_in(rig.dir.path()), (std::vector<std::string>{"N.0.ts", "N.weir.jsonl"}));
    EXPECT_EQ(rig.raw(0), all_bytes(1, 8));
    finish.media.spoil = false;
    EXPECT_TRUE(finish.run());
}

TEST(Finalise, OfNothingLeavesNothing) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    rig.keeper.reset();
    const auto r = Finish(rig).run();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::not_found);
    EXPECT_TRUE(std::filesystem::is_empty(rig.dir.path()));
}

/// L3: the process or the machine ends at every single operation on the disk; the recording is always whole in one form
/// or the other, and the next start finishes it.
TEST(Finalise, KilledAtEveryStepRawOrFinalIsWhole) {
    for (std::uint64_t n = 1;; ++n) {
        SCOPED_TRACE(fmt::format("operation {}", n));
        Rig rig;
        record_whole(rig, 4);
        Finish finish(rig);
        rig.fs.cut_at(n);
        const auto first = finish.run();
        if (first) {
            EXPECT_GT(n, 15u);
            break;
        }
        rig.fs.cut_power(n);
        rig.fs.power_on();
        const bool raw = rig.raw(0) == all_bytes(1, 4);
        const bool made = test::read_file(rig.dir / "N.mp4") == all_bytes(1, 4);
        EXPECT_TRUE(raw || made);
        EXPECT_EQ(rig.verify().exit_code(), 0) << text_of(rig.verify());
        const auto r = finish.run();
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(names_in(rig.dir.path()), (std::vector<std::string>{"N.mp4", "N.weir.jsonl"}));
        EXPECT_EQ(test::read_file(r->file), all_bytes(1, 4));
        EXPECT_EQ(rig.verify().exit_code(), 0);
    }
}

TEST(Finalise, AnErrorAtEveryStepLeavesTheRecordingForTheNextTry) {
    for (std::uint64_t n = 1;; ++n) {
        SCOPED_TRACE(fmt::format("operation {}", n));
        Rig rig;
        record_whole(rig, 4);
        Finish finish(rig);
        const auto before = rig.fs.ops();
        rig.fs.fail_at(n, Fault::eio);
        const auto first = finish.run();
        const bool ran_through = rig.fs.ops() < before + n;
        rig.fs.heal();
        const auto r = finish.run();
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(test::read_file(r->file), all_bytes(1, 4));
        EXPECT_EQ(names_in(rig.dir.path()), (std::vector<std::string>{"N.mp4", "N.weir.jsonl"}));
        EXPECT_EQ(rig.verify().exit_code(), 0) << text_of(rig.verify());
        if (ran_through) break;
    }
}

// ------------------------------------------------------------------ stretches

struct StretchRig {
    Book book;
    StretchRig() {
        book.take(journal::Raw{0, "N.0.ts", 0, Container::ts, {}});
        book.take(journal::Raw{1, "N.1.ts", 0, Container::ts, {}});
    }
    void unit(std::uint64_t u, std::uint32_t f, std::uint64_t off, Micros dts, Micros raw, bool part = false) {
        journal::Unit l;
        l.u = u;
        l.f = f;
        l.off = off;
        l.n = part ? 50 : 100;
        l.dts = dts;
        l.raw_dts = raw;
        l.part = part;
        book.take(l);
    }
    std::vector<std::tuple<std::string, std::uint64_t, std::uint64_t, std::int64_t>> stretches() {
        book.settle();
        std::vector<std::tuple<std::string, std::uint64_t, std::uint64_t, std::int64_t>> out;
        for (const auto& s : stretches_of(book, "/d"))
            out.emplace_back(Path(s.path).filename().string(), s.offset, s.size, s.shift.count());
        return out;
    }
};
using Stretches = std::vector<std::tuple<std::string, std::uint64_t, std::uint64_t, std::int64_t>>;

TEST(Stretches, OneContinuousFileIsOne) {
    StretchRig r;
    r.unit(1, 0, 0, Micros{0}, Micros{10});
    r.unit(2, 0, 100, Micros{5}, Micros{15});
    r.unit(4, 0, 200, Micros{20}, Micros{30});  // a gap in time is none in the timestamps
    EXPECT_EQ(r.stretches(), (Stretches{{"N.0.ts", 0, 300, -10}}));
}

TEST(Stretches, ABreakOfTimeBeginsANewOneWithItsOwnShift) {
    StretchRig r;
    r.unit(1, 0, 0, Micros{0}, Micros{10});
    r.book.take(journal::Disc{0, 0, 100, 2, std::nullopt, "ext-x-discontinuity"});
    r.unit(2, 0, 100, Micros{5}, Micros{900});
    EXPECT_EQ(r.stretches(), (Stretches{{"N.0.ts", 0, 100, -10}, {"N.0.ts", 100, 100, -895}}));
}

TEST(Stretches, SupersededAndLostBytesAreLeftOut) {
    StretchRig r;
    r.unit(1, 0, 0, Micros{0}, Micros{10});
    r.unit(2, 0, 100, Micros{5}, Micros{15}, true);
    r.unit(2, 1, 0, Micros{5}, Micros{15});
    r.unit(3, 1, 100, Micros{10}, Micros{20});
    r.unit(4, 1, 200, Micros{15}, Micros{25});
    r.book.take(journal::Lost{1, 1, {150, 200}, "eio"});
    EXPECT_EQ(r.stretches(), (Stretches{{"N.0.ts", 0, 100, -10}, {"N.1.ts", 0, 100, -10}, {"N.1.ts", 200, 100, -10}}));
}

/// Raw file 0 and 1 of lane 0, 2 of lane 1; each begins with 40 bytes of header.
struct FragmentBook {
    Book book;
    FragmentBook() {
        for (std::uint32_t f = 0; f < 3; ++f) {
            const auto lane = static_cast<std::uint16_t>(f / 2);
            book.take(journal::Raw{f, fmt::format("N.{}.m4s", f), lane, Container::fmp4, {}});
            journal::InitLine i;
            i.lane = lane;
            i.f = f;
            i.n = 40;
            book.take(i);
        }
    }
    void unit(std::uint64_t u, std::uint32_t f, std::uint64_t off, std::optional<Micros> dts, Micros raw) {
        journal::Unit l;
        l.u = u;
        l.lane = static_cast<std::uint16_t>(f / 2);
        l.f = f;
        l.off = off;
        l.n = 100;
        l.dts = dts;
        if (dts) l.raw_dts = raw;
        book.take(l);
    }
    std::vector<media::Stretch> stretches() {
        book.settle();
        return stretches_of(book, "/d");
    }
};

TEST(Stretches, OfFragmentsNameTheHeaderOfTheirFileAndLeaveItOut) {
    FragmentBook b;
    b.unit(1, 0, 40, Micros{0}, Micros{10});
    b.unit(2, 0, 140, Micros{5}, Micros{15});
    b.book.take(journal::Disc{0, 0, 240, 3, std::nullopt, "ext-x-discontinuity"});
    b.unit(3, 0, 240, Micros{9}, Micros{0});
    b.unit(4, 1, 40, Micros{12}, Micros{3});
    const auto all = b.stretches();
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0].offset, 40u);
    EXPECT_EQ(all[0].size, 200u);
    EXPECT_EQ(all[1].shift, Micros{9});
    EXPECT_EQ(all[2].path, "/d/N.1.m4s");
    for (const auto& s : all) {
        EXPECT_EQ(s.header_offset, 0u);
        EXPECT_EQ(s.header_size, 40u);
        EXPECT_FALSE(s.follows);
    }
}

TEST(Stretches, OfLanesStandOneLaneAfterTheOtherHoweverTheyWereWritten) {
    FragmentBook b;
    for (std::uint64_t u = 0; u < 3; ++u) {
        b.unit(u, 0, 40 + u * 100, Micros{0}, Micros{10});
        b.unit(u, 2, 40 + u * 100, Micros{0}, Micros{10});
    }
    const auto all = b.stretches();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].lane, 0);
    EXPECT_EQ(all[1].lane, 1);
    EXPECT_EQ(all[1].size, 300u);
    EXPECT_EQ(all[1].header_size, 40u);
}

TEST(Stretches, WithoutATimeOfItsOwnOneFollowsWhatIsBeforeIt) {
    FragmentBook b;
    b.unit(1, 0, 40, Micros{0}, Micros{10});
    b.unit(2, 1, 40, std::nullopt, Micros{0});
    const auto all = b.stretches();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_FALSE(all[0].follows);
    EXPECT_TRUE(all[1].follows);
}

}  // namespace
}  // namespace weir::store
