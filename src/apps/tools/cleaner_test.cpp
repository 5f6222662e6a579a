#include "apps/tools/cleaner.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "apps/tools/made_journal.h"
#include "on_shard.h"
#include "runtime/clock.h"
#include "runtime/task_group.h"
#include "temp_folder.h"

namespace weir::apps {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Names = std::vector<std::string>;
using What = CleanStep::What;

/// Media is a file whose text is a number of 'v' and 'a': one packet of a picture or of sound each.
media::Summary summary_of(const std::string& text) {
    media::Summary s;
    for (const auto& [letter, kind] : {std::pair{'v', TrackKind::video}, std::pair{'a', TrackKind::audio}})
        if (const auto n = std::count(text.begin(), text.end(), letter))
            s.tracks.push_back({kind, "x", static_cast<std::uint64_t>(n), 0, Micros{0}, Micros{0}});
    s.duration = Micros(static_cast<std::int64_t>(text.size()) * 1'000'000);
    return s;
}

struct CleanRig {
    test::TempFolder dir;
    CleanTools tools;
    CleanOptions options;
    store::Verdict verdict;

    CleanRig() {
        options.root = dir.path();
        tools.media.probe = [](asio::any_io_executor, std::string path) -> Task<Result<media::Probe>> {
            const auto text = test::read_file(path);
            if (text.find_first_not_of("va") != std::string::npos) co_return Error{Errc::bad_input, "invalid data"};
            media::Probe p;
            for (const auto& t : summary_of(text).tracks) {
                media::ProbeTrack track;
                track.kind = t.kind;
                p.tracks.push_back(std::move(track));
            }
            co_return p;
        };
        tools.media.summarise = [](asio::any_io_executor, std::string path) -> Task<Result<media::Summary>> {
            co_return summary_of(test::read_file(path));
        };
        tools.verify = [this](asio::any_io_executor, FileLane&, Path) -> Task<Result<store::Verdict>> {
            co_return verdict;
        };
    }

    void put(const std::string& name, const std::string& text, std::chrono::hours old = 100h) {
        fs::create_directories((dir / name).parent_path());
        test::write_file(dir / name, text);
        fs::last_write_time(dir / name, fs::file_time_type::clock::now() - old);
    }

    CleanReport clean() {
        CleanReport report;
        test::on_shard([&](Shard& shard) -> Task<void> {
            FileLane lane(real_file_system(), {});
            Cleaner cleaner(shard.executor(), shard.clock(), lane, options, tools);
            report = co_await cleaner.run();
        });
        return report;
    }

    Names names() const {
        Names out;
        for (const auto& e : fs::recursive_directory_iterator(dir.path()))
            if (!e.is_directory()) out.push_back(fs::relative(e.path(), dir.path()));
        std::sort(out.begin(), out.end());
        return out;
    }
};

std::string story(const CleanReport& report) {
    std::string all;
    for (const auto& s : report.steps)
        all +=
            fmt::format("{} {} {}: {}\n", name_of(s.what), s.file.filename().string(), s.to.filename().string(), s.why);
    return all;
}

bool tells(const CleanReport& report, What what, const std::string& part) {
    return std::any_of(report.steps.begin(), report.steps.end(), [&](const CleanStep& s) {
        return s.what == what &&
               fmt::format("{}: {}", s.file.filename().string(), s.why).find(part) != std::string::npos;
    });
}

TEST(Cleaner, T20_FC2_94_95_ProvedPartsGoAndOtherFilesStay) {
    CleanRig rig;
    for (const std::string folder : {"a/", "b/c/"}) {
        for (const auto* part : {"test.ts", "test.0.ts", "test.1.ts", "test.deleteme.ts", "test.deleteme.deleteme.ts"})
            rig.put(folder + part, "va");
        for (const auto* other : {"testnodelete.ts", "trash.ts", "other.mp4"}) rig.put(folder + other, "va");
        rig.put(folder + "test.info.json", "{}");
        rig.put(folder + "test.combined.ts", "vavavavava");
        rig.put(folder + "test.combined.m4a", "aaaaa");
    }
    const auto report = rig.clean();
    EXPECT_TRUE(report.complete()) << story(report);
    EXPECT_EQ(report.folders, 4u);
    EXPECT_EQ(report.freed, 20u);
    const Names wanted{"a/other.mp4",       "a/test.info.json", "a/test.m4a",          "a/test.ts",
                       "a/testnodelete.ts", "a/trash.ts",       "b/c/other.mp4",       "b/c/test.info.json",
                       "b/c/test.m4a",      "b/c/test.ts",      "b/c/testnodelete.ts", "b/c/trash.ts"};
    EXPECT_EQ(rig.names(), wanted);
    EXPECT_EQ(test::read_file(rig.dir / "a/test.ts"), "vavavavava");
}

TEST(Cleaner, T21_FC2_95_ATakenNameIsNotReplacedAlthoughThePartsAreGone) {
    CleanRig rig;
    rig.put("testb.ts", "va");
    rig.put("testb.1.ts", "va");
    rig.put("testb.mp4", "va");
    rig.put("testb.combined.mp4", "vava");
    const auto report = rig.clean();
    EXPECT_TRUE(report.complete()) << story(report);
    EXPECT_TRUE(tells(report, What::kept, "testb.combined.mp4: keeps its name: testb.mp4 exists")) << story(report);
    EXPECT_EQ(rig.names(), (Names{"testb.combined.mp4", "testb.mp4"}));
    EXPECT_EQ(test::read_file(rig.dir / "testb.mp4"), "va");
}

TEST(Cleaner, FC2_94_NothingGoesThatIsNotProved) {
    struct Case {
        const char *joined, *what;
    };
    for (const auto& [joined, what] : {Case{"vav", "pictures"}, Case{"vavava", "pictures"}, Case{"v", "pictures"},
                                       Case{"vvvv", "sound"}, Case{"aa", "pictures"}}) {
        CleanRig rig;
        rig.put("n.ts", "va");
        rig.put("n.1.ts", "vava");
        rig.put("n.2.ts", "v");
        rig.put("n.combined.mp4", joined);
        const auto before = rig.names();
        const auto report = rig.clean();
        EXPECT_FALSE(report.complete());
        EXPECT_EQ(rig.names(), before);
        EXPECT_TRUE(tells(report, What::failed, what)) << story(report);
    }
}

TEST(Cleaner, FC2_94_NothingIsTouchedBeforeAllOfItIsOldEnough) {
    for (const int young : {0, 1, 2}) {
        CleanRig rig;
        rig.put("n.ts", "va", young == 0 ? 1h : 100h);
        rig.put("n.1.ts", "va", young == 1 ? 1h : 100h);
        rig.put("n.combined.mp4", "vava", young == 2 ? 1h : 100h);
        const auto before = rig.names();
        const auto report = rig.clean();
        EXPECT_TRUE(report.complete()) << story(report);
        EXPECT_EQ(rig.names(), before) << young;
        EXPECT_TRUE(tells(report, What::kept, "not old enough")) << story(report);
        rig.options.age = 30min;
        EXPECT_TRUE(rig.clean().complete());
        EXPECT_EQ(rig.names(), Names{"n.mp4"});
    }
}

TEST(Cleaner, ADryRunTellsAllAndTouchesNothing_FC2_100) {
    CleanRig rig;
    rig.put("n.mp4", "va");
    rig.put("n.1.ts", "va");
    rig.put("n.combined.mp4", "vava");
    rig.options.dry_run = true;
    const auto before = rig.names();
    const auto report = rig.clean();
    EXPECT_TRUE(report.complete());
    EXPECT_EQ(rig.names(), before);
    EXPECT_TRUE(tells(report, What::deleted, "n.mp4")) << story(report);
    EXPECT_TRUE(tells(report, What::deleted, "n.1.ts"));
    EXPECT_TRUE(tells(report, What::renamed, "n.combined.mp4")) << story(report);
    EXPECT_EQ(report.freed, 4u);
}

TEST(Cleaner, FC2_93_ACorruptedJoinedFileIsKeptAndTold) {
    CleanRig rig;
    rig.put("n.ts", "va");
    rig.put("n.combined.mp4", "garbage");
    const auto report = rig.clean();
    EXPECT_FALSE(report.complete());
    EXPECT_TRUE(tells(report, What::failed, "n.combined.mp4: is corrupted")) << story(report);
    EXPECT_EQ(rig.names(), (Names{"n.combined.mp4", "n.ts"}));
}

TEST(Cleaner, FC2_93_ACorruptedJoinedFileGoesWhenAskedAndItsPartsAreWhole) {
    CleanRig rig;
    rig.options.delete_corrupted = true;
    rig.put("n.ts", "va");
    rig.put("n.combined.mp4", "garbage");
    rig.put("m.combined.mp4", "garbage");
    rig.put("k.ts", "bad");
    rig.put("k.combined.mp4", "garbage");
    const auto report = rig.clean();
    EXPECT_FALSE(report.complete());
    EXPECT_EQ(rig.names(), (Names{"k.combined.mp4", "k.ts", "m.combined.mp4", "n.ts"})) << story(report);
}

TEST(Cleaner, FC2_95_AJoinedFileWithoutPartsGetsItsName) {
    CleanRig rig;
    rig.put("n.combined.mp4", "vava");
    EXPECT_TRUE(rig.clean().complete());
    EXPECT_EQ(rig.names(), Names{"n.mp4"});
}

TEST(Cleaner, FC2_95_AFailedDeletionKeepsTheNameOfTheJoinedFile) {
    CleanRig rig;
    rig.put("n.ts", "va");
    rig.put("n.1.ts", "va");
    rig.put("n.combined.mp4", "vava");
    int asked = 0;
    rig.tools.in_use = [&](const Path& p) { return p.filename() == "n.1.ts" && ++asked > 1; };
    const auto report = rig.clean();
    EXPECT_FALSE(report.complete());
    EXPECT_EQ(rig.names(), (Names{".n.weir-clean", "n.1.ts", "n.combined.mp4"})) << story(report);
    rig.tools.in_use = [](const Path&) { return false; };
    EXPECT_TRUE(rig.clean().complete());
    EXPECT_EQ(rig.names(), Names{"n.mp4"});
}

TEST(Cleaner, ANoteOfAnEarlierProofCountsForTheSameFilesOnly) {
    for (const auto* changed : {"n.1.ts", "n.combined.mp4"}) {
        CleanRig rig;
        rig.put("n.ts", "va");
        rig.put("n.1.ts", "va");
        rig.put("n.combined.mp4", "vava");
        int asked = 0;
        rig.tools.in_use = [&](const Path& p) { return p.filename() == "n.1.ts" && ++asked > 1; };
        EXPECT_FALSE(rig.clean().complete());
        rig.tools.in_use = [](const Path&) { return false; };
        rig.put(changed, test::read_file(rig.dir / changed) + "a");
        const auto before = rig.names();
        EXPECT_FALSE(rig.clean().complete());
        EXPECT_EQ(rig.names(), before) << changed;
    }
}

TEST(Cleaner, OfSeveralJoinedFilesTheOneThatHoldsAllIsTaken) {
    CleanRig rig;
    rig.put("n.ts", "va");
    rig.put("n.1.ts", "va");
    rig.put("n.2.ts", "va");
    rig.put("n.combined.mp4", "vava");
    rig.put("n.combined.1.mp4", "vavava");
    const auto report = rig.clean();
    EXPECT_TRUE(report.complete()) << story(report);
    EXPECT_EQ(rig.names(), (Names{"n.combined.mp4", "n.mp4"}));
    EXPECT_EQ(test::read_file(rig.dir / "n.mp4"), "vavava");
}

TEST(Cleaner, SoundAloneIsNoProofForPictures) {
    CleanRig rig;
    rig.put("n.ts", "va");
    rig.put("n.combined.m4a", "a");
    const auto report = rig.clean();
    EXPECT_EQ(rig.names(), (Names{"n.combined.m4a", "n.ts"})) << story(report);
}

TEST(Cleaner, APartThatIsOpenForWritingIsInUse_FC2_94) {
    CleanRig rig;
    rig.put("n.ts", "va");
    rig.put("n.combined.mp4", "va");
    auto writing = real_file_system().open(rig.dir / "n.ts", true);
    ASSERT_TRUE(writing);
    ASSERT_TRUE((*writing)->lock());
    const auto report = rig.clean();
    EXPECT_TRUE(tells(report, What::kept, "n.ts is in use")) << story(report);
    EXPECT_EQ(rig.names(), (Names{"n.combined.mp4", "n.ts"}));
}

TEST(Cleaner, APartThatChangesMeanwhileStays) {
    CleanRig rig;
    rig.put("n.ts", "va");
    rig.put("n.combined.mp4", "va");
    rig.tools.media.summarise = [&rig](asio::any_io_executor, std::string path) -> Task<Result<media::Summary>> {
        auto summary = summary_of(test::read_file(path));
        if (path.ends_with("n.ts")) test::write_file(path, "vava");
        co_return summary;
    };
    const auto report = rig.clean();
    EXPECT_TRUE(tells(report, What::failed, "changed since")) << story(report);
    EXPECT_EQ(rig.names(), (Names{"n.combined.mp4", "n.ts"}));
}

using test_support::JournalOf;
using test_support::made_journal;

TEST(Cleaner, RawFilesBesideAWholeRecordingGo) {
    CleanRig rig;
    rig.verdict.state = store::Verdict::State::whole;
    rig.put("n.mp4", "va");
    rig.put("n.0.ts", "va");
    rig.put("n.weir.jsonl", made_journal("n", JournalOf::finished_with_raws));
    const auto report = rig.clean();
    EXPECT_TRUE(report.complete()) << story(report);
    EXPECT_EQ(rig.names(), (Names{"n.mp4", "n.weir.jsonl"}));
}

TEST(Cleaner, RawFilesStayWhenTheRecordingIsNotWholeOrNotOldOrNotThere) {
    struct Case {
        store::Verdict::State state;
        bool there, complete;
        std::chrono::hours old;
    };
    using State = store::Verdict::State;
    for (const auto& c : {Case{State::damaged, true, false, 100h}, Case{State::losses_listed, true, true, 100h},
                          Case{State::whole, true, true, 1h}, Case{State::whole, false, true, 100h}}) {
        CleanRig rig;
        rig.verdict.state = c.state;
        if (c.there) rig.put("n.mp4", "va");
        rig.put("n.0.ts", "va", c.old);
        rig.put("n.weir.jsonl", made_journal("n", JournalOf::finished_with_raws));
        const auto report = rig.clean();
        EXPECT_EQ(report.complete(), c.complete) << story(report);
        EXPECT_TRUE(fs::exists(rig.dir / "n.0.ts")) << story(report);
    }
}

TEST(Cleaner, WhatAnUnfinishedRecordingNeedsIsLeftAlone) {
    CleanRig rig;
    rig.put("n.0.ts", "va");
    rig.put("n.1.mp4", "va");
    rig.put("n.combined.mp4", "vava");
    rig.put("n.weir.jsonl", made_journal("n", JournalOf::unfinished));
    const auto before = rig.names();
    const auto report = rig.clean();
    EXPECT_TRUE(report.complete());
    EXPECT_TRUE(tells(report, What::kept, "n.weir.jsonl")) << story(report);
    EXPECT_EQ(rig.names(), before);
}

TEST(Cleaner, AJoinedFileDoesNotTakeANameThatAJournalSpeaksOf) {
    CleanRig rig;
    rig.verdict.state = store::Verdict::State::whole;
    rig.put("n.mp4", "va");
    rig.put("n.1.mp4", "va");
    rig.put("n.combined.mp4", "vava");
    rig.put("n.weir.jsonl", made_journal("n", JournalOf::finished_with_raws));
    const auto report = rig.clean();
    EXPECT_TRUE(report.complete()) << story(report);
    EXPECT_EQ(rig.names(), (Names{"n.combined.mp4", "n.weir.jsonl"}));
    EXPECT_TRUE(tells(report, What::kept, "a journal speaks of another n.mp4")) << story(report);
}

TEST(Cleaner, SymbolicLinksAreNotFollowed) {
    CleanRig rig;
    test::TempFolder outside;
    test::write_file(outside / "n.ts", "va");
    test::write_file(outside / "n.combined.mp4", "va");
    for (const auto* n : {"n.ts", "n.combined.mp4"})
        fs::last_write_time(outside / n, fs::file_time_type::clock::now() - 100h);
    fs::create_directory_symlink(outside.path(), rig.dir / "link");
    fs::create_symlink(outside / "n.ts", rig.dir / "n.ts");
    rig.put("n.combined.mp4", "va");
    const auto report = rig.clean();
    EXPECT_EQ(report.folders, 1u);
    EXPECT_TRUE(fs::exists(outside / "n.ts"));
    EXPECT_TRUE(fs::exists(outside / "n.combined.mp4"));
    EXPECT_TRUE(fs::is_symlink(rig.dir / "n.ts"));
}

TEST(Cleaner, FC2_96_AFolderThatCannotBeReadIsLeftOutAndTheOthersAreNot) {
    if (::geteuid() == 0) GTEST_SKIP() << "root reads every folder";
    CleanRig rig;
    rig.put("a/n.ts", "va");
    rig.put("b/n.ts", "va");
    rig.put("b/n.combined.mp4", "va");
    fs::permissions(rig.dir / "a", fs::perms::none);
    const auto report = rig.clean();
    fs::permissions(rig.dir / "a", fs::perms::owner_all);
    EXPECT_FALSE(report.complete());
    EXPECT_EQ(rig.names(), (Names{"a/n.ts", "b/n.mp4"})) << story(report);
}

TEST(Cleaner, ACancellationEndsItBetweenTwoSteps) {
    CleanRig rig;
    for (const std::string folder : {"a/", "b/"}) {
        rig.put(folder + "n.ts", "va");
        rig.put(folder + "n.combined.mp4", "va");
    }
    CleanReport report;
    test::on_shard([&](Shard& shard) -> Task<void> {
        FileLane lane(real_file_system(), {});
        TaskGroup group(shard.executor());
        Cleaner cleaner(shard.executor(), shard.clock(), lane, rig.options, rig.tools);
        struct Job {
            static Task<void> run(Cleaner& c, TaskGroup& g, CleanReport& into) {
                std::function<void(const CleanStep&)> stop = [&g](const CleanStep&) { g.ask_stop("interrupted"); };
                into = co_await c.run(std::move(stop));
            }
        };
        group.spawn(Job::run(cleaner, group, report), "clean");
        co_await group.join();
        co_await group.stop("done");
    });
    EXPECT_TRUE(report.cancelled);
    EXPECT_FALSE(report.complete());
    EXPECT_EQ(rig.names(), (Names{"a/n.mp4", "b/n.combined.mp4", "b/n.ts"})) << story(report);
}

TEST(Cleaner, AMissingRootIsToldInOneLine_FC2_100) {
    CleanRig rig;
    rig.options.root = rig.dir / "gone";
    const auto report = rig.clean();
    EXPECT_FALSE(report.complete());
    EXPECT_EQ(report.steps.size(), 1u);
}

}  // namespace
}  // namespace weir::apps
