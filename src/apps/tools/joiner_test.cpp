#include "apps/tools/joiner.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "apps/tools/made_journal.h"
#include "on_shard.h"
#include "runtime/task_group.h"
#include "temp_folder.h"

namespace weir::apps {
namespace {

media::Summary some_summary(std::uint64_t packets = 10) {
    media::Summary s;
    s.tracks.push_back({TrackKind::audio, "aac", packets, 7, Micros{0}, Micros{1'000'000}});
    s.duration = Micros{1'000'000};
    return s;
}

/// Media is what begins with "media"; joining copies bytes.
struct JoinRig {
    test::TempFolder dir;
    JoinTools tools;
    std::vector<media::JoinPlan> plans;
    Result<media::Summary> read_back = some_summary();
    std::function<void()> while_writing;
    int read_fully = 0;

    JoinRig() {
        tools.probe = [](asio::any_io_executor, std::string path) -> Task<Result<media::Probe>> {
            if (!test::read_file(path).starts_with("media")) co_return Error{Errc::bad_input, "invalid data"};
            media::Probe p;
            p.tracks.resize(1);
            p.tracks[0].kind = TrackKind::audio;
            co_return p;
        };
        tools.write = [this](asio::any_io_executor, media::JoinPlan plan) -> Task<Result<media::Summary>> {
            std::string all;
            for (const auto& s : plan.input) all += test::read_file(s.path);
            test::write_file(plan.output, all);
            if (while_writing) while_writing();
            plans.push_back(std::move(plan));
            co_return some_summary();
        };
        tools.summarise_index = [this](asio::any_io_executor, std::string) -> Task<Result<media::Summary>> {
            co_return read_back;
        };
        tools.summarise = [this](asio::any_io_executor, std::string) -> Task<Result<media::Summary>> {
            ++read_fully;
            co_return read_back;
        };
    }

    std::vector<std::string> names() const {
        std::vector<std::string> out;
        for (const auto& e : std::filesystem::directory_iterator(dir.path())) out.push_back(e.path().filename());
        std::sort(out.begin(), out.end());
        return out;
    }

    void with(const std::function<Task<void>(Joiner&)>& body) {
        test::on_shard([&](Shard& shard) -> Task<void> {
            FileLane lane(real_file_system(), {});
            Joiner joiner(shard.executor(), lane, tools);
            co_await body(joiner);
        });
    }

    JoinOutcome join(const std::vector<std::string>& files, const std::string& output, bool audio = false) {
        JoinOutcome outcome;
        with([&](Joiner& joiner) -> Task<void> {
            std::vector<Path> paths;
            for (const auto& f : files) paths.push_back(dir / f);
            auto inputs = co_await joiner.look_at(paths);
            JoinWish wish;
            wish.inputs = inputs.good;
            wish.output = dir / output;
            wish.also_audio = audio;
            outcome = co_await joiner.make(std::move(wish));
        });
        return outcome;
    }
};

using Names = std::vector<std::string>;

TEST(Joiner, FC2_99_JoinsInTheOrderGivenAndLeavesTheInputsAlone) {
    JoinRig rig;
    test::write_file(rig.dir / "b.ts", "media b");
    test::write_file(rig.dir / "a.ts", "media a");
    const auto outcome = rig.join({"b.ts", "a.ts"}, "b.mp4");
    ASSERT_FALSE(outcome.failed) << outcome.failed->text();
    EXPECT_EQ(test::read_file(rig.dir / "b.mp4"), "media bmedia a");
    EXPECT_EQ(rig.names(), (Names{"a.ts", "b.mp4", "b.ts"}));
    ASSERT_EQ(rig.plans.size(), 1u);
    EXPECT_FALSE(rig.plans[0].input[0].follows);
    EXPECT_TRUE(rig.plans[0].input[1].follows);
    EXPECT_EQ(rig.plans[0].input[1].size, 7u);
    EXPECT_TRUE(rig.plans[0].output.ends_with(".b.part.mp4"));
}

TEST(Joiner, FC2_98_ATakenNameGetsANumberAndIsNotTouched) {
    JoinRig rig;
    test::write_file(rig.dir / "a.ts", "media");
    test::write_file(rig.dir / "a.mp4", "mine");
    const auto outcome = rig.join({"a.ts"}, "a.mp4", true);
    ASSERT_FALSE(outcome.failed) << outcome.failed->text();
    EXPECT_EQ(rig.names(), (Names{"a.1.m4a", "a.1.mp4", "a.mp4", "a.ts"}));
    EXPECT_EQ(test::read_file(rig.dir / "a.mp4"), "mine");
    EXPECT_TRUE(rig.plans[1].audio_only);
    EXPECT_EQ(rig.plans[1].format, media::OutputFormat::m4a);
}

TEST(Joiner, ANameThatIsTakenWhileItIsMadeIsNotReplaced) {
    JoinRig rig;
    test::write_file(rig.dir / "a.ts", "media");
    rig.while_writing = [&] { test::write_file(rig.dir / "a.mp4", "came first"); };
    const auto outcome = rig.join({"a.ts"}, "a.mp4");
    ASSERT_FALSE(outcome.failed);
    EXPECT_EQ(outcome.made.at(0).file.filename(), "a.1.mp4");
    EXPECT_EQ(test::read_file(rig.dir / "a.mp4"), "came first");
}

TEST(Joiner, WhatDoesNotReadBackAsItWentInIsRemoved) {
    JoinRig rig;
    test::write_file(rig.dir / "a.ts", "media");
    for (const Result<media::Summary>& read :
         {Result<media::Summary>(some_summary(9)), Result<media::Summary>(Error{Errc::bad_input, "invalid data"})}) {
        rig.read_back = read;
        const auto outcome = rig.join({"a.ts"}, "a.mp4");
        ASSERT_TRUE(outcome.failed);
        EXPECT_NE(outcome.failed->text().find("read it back"), std::string::npos) << outcome.failed->text();
        EXPECT_EQ(rig.names(), Names{"a.ts"});
    }
}

TEST(Joiner, SoundAloneThatHasPicturesIsRefused_FC2_98) {
    JoinRig rig;
    test::write_file(rig.dir / "a.ts", "media");
    auto both = some_summary();
    both.tracks.push_back({TrackKind::video, "h264", 5, 7, Micros{0}, Micros{1'000'000}});
    rig.tools.write = [both](asio::any_io_executor, media::JoinPlan plan) -> Task<Result<media::Summary>> {
        test::write_file(plan.output, "x");
        co_return both;
    };
    rig.read_back = both;
    const auto outcome = rig.join({"a.ts"}, "a.mp4", true);
    EXPECT_TRUE(outcome.failed);
    EXPECT_EQ(rig.names(), (Names{"a.mp4", "a.ts"}));
}

TEST(Joiner, ContentIsReadOnlyWhenWished) {
    JoinRig rig;
    test::write_file(rig.dir / "a.ts", "media");
    EXPECT_FALSE(rig.join({"a.ts"}, "a.mp4").failed);
    EXPECT_EQ(rig.read_fully, 0);
    EXPECT_FALSE(rig.plans.back().content);
    rig.with([&](Joiner& joiner) -> Task<void> {
        const std::vector<Path> paths{rig.dir / "a.ts"};
        auto inputs = co_await joiner.look_at(paths);
        JoinWish wish;
        wish.inputs = inputs.good;
        wish.output = rig.dir / "b.mp4";
        wish.content = true;
        const auto outcome = co_await joiner.make(std::move(wish));
        EXPECT_FALSE(outcome.failed);
    });
    EXPECT_EQ(rig.read_fully, 1);
    EXPECT_TRUE(rig.plans.back().content);
}

TEST(Joiner, AFailedWriteLeavesNothing_FC2_84) {
    JoinRig rig;
    test::write_file(rig.dir / "a.ts", "media");
    rig.tools.write = [](asio::any_io_executor, media::JoinPlan plan) -> Task<Result<media::Summary>> {
        test::write_file(plan.output, "half");
        co_return Error{Errc::no_space, "no space left on device"};
    };
    const auto outcome = rig.join({"a.ts"}, "a.mp4", true);
    ASSERT_TRUE(outcome.failed);
    EXPECT_EQ(outcome.failed->code, Errc::no_space);
    EXPECT_TRUE(outcome.made.empty());
    EXPECT_EQ(rig.names(), Names{"a.ts"});
}

TEST(Joiner, BrokenInputsAreNamedInTheOrderGiven_FC2_99) {
    JoinRig rig;
    test::write_file(rig.dir / "good.ts", "media");
    test::write_file(rig.dir / "text.ts", "hello");
    test::write_file(rig.dir / "empty.ts", "");
    std::filesystem::create_directory(rig.dir / "folder.ts");
    Inputs inputs;
    rig.with([&](Joiner& joiner) -> Task<void> {
        const std::vector<Path> paths{rig.dir / "gone.ts", rig.dir / "good.ts", rig.dir / "text.ts",
                                      rig.dir / "empty.ts", rig.dir / "folder.ts"};
        inputs = co_await joiner.look_at(paths);
    });
    ASSERT_EQ(inputs.good.size(), 1u);
    Names broken;
    for (const auto& b : inputs.broken) broken.push_back(b.path.filename().string());
    EXPECT_EQ(broken, (Names{"gone.ts", "text.ts", "empty.ts", "folder.ts"}));
    EXPECT_EQ(inputs.broken[0].why.code, Errc::not_found);
}

Result<Inputs> parts_of(JoinRig& rig, const std::string& prefix) {
    Result<Inputs> found = Error{};
    rig.with([&](Joiner& joiner) -> Task<void> {
        const auto path = rig.dir / prefix;
        found = co_await joiner.find_parts(path);
    });
    return found;
}

Names names_of(const std::vector<InputFile>& files) {
    Names out;
    for (const auto& f : files) out.push_back(f.path.filename().string());
    return out;
}

TEST(Joiner, FC2_90_PartsOfAFolderElsewhereComeByNumber) {
    JoinRig rig;
    Names wanted{"p.ts"};
    for (int i = 1; i < 12; ++i) wanted.push_back("p." + std::to_string(i) + ".ts");
    for (const auto& n : wanted) test::write_file(rig.dir / n, "media");
    const auto found = parts_of(rig, "p");
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(names_of(found->good), wanted);
    EXPECT_TRUE(found->broken.empty());
}

TEST(Joiner, FC2_91_SideFilesAreLeftOutAndBrokenMediaIsNamed) {
    JoinRig rig;
    for (const auto* n : {"p.info.json", "p.fc2chat.json", "p.png", "p.1.ts"}) test::write_file(rig.dir / n, "{}");
    test::write_file(rig.dir / "p.ts", "media");
    const auto found = parts_of(rig, "p");
    ASSERT_TRUE(found);
    EXPECT_EQ(names_of(found->good), Names{"p.ts"});
    ASSERT_EQ(found->broken.size(), 1u);
    EXPECT_EQ(found->broken[0].path.filename(), "p.1.ts");
}

TEST(Joiner, FC2_89_AnUnreadablePartIsTakenFromItsOtherContainer) {
    JoinRig rig;
    test::write_file(rig.dir / "p.ts", "torn");
    test::write_file(rig.dir / "p.mp4", "media");
    const auto found = parts_of(rig, "p");
    ASSERT_TRUE(found);
    EXPECT_EQ(names_of(found->good), Names{"p.mp4"});
    EXPECT_TRUE(found->broken.empty());
}

using test_support::JournalOf;
using test_support::made_journal;

TEST(Joiner, RawFilesOfAFinishedRecordingAreNoParts) {
    JoinRig rig;
    for (const auto* n : {"p.mp4", "p.0.ts", "p.1.mp4"}) test::write_file(rig.dir / n, "media");
    test::write_file(rig.dir / "p.weir.jsonl", made_journal("p", JournalOf::finished_with_raws));
    const auto found = parts_of(rig, "p");
    ASSERT_TRUE(found);
    EXPECT_EQ(names_of(found->good), (Names{"p.mp4", "p.1.mp4"}));
    EXPECT_TRUE(found->broken.empty());
}

TEST(Joiner, RawFilesThatACrashLeftAreParts) {
    JoinRig rig;
    for (const auto* n : {"p.0.ts", "p.1.mp4"}) test::write_file(rig.dir / n, "media");
    test::write_file(rig.dir / "p.weir.jsonl", made_journal("p", JournalOf::unfinished));
    const auto found = parts_of(rig, "p");
    ASSERT_TRUE(found);
    EXPECT_EQ(names_of(found->good), (Names{"p.0.ts", "p.1.mp4"}));
}

TEST(Joiner, APartThatIsBeingRecordedIsRefused) {
    JoinRig rig;
    for (const auto* n : {"p.0.ts", "p.1.mp4"}) test::write_file(rig.dir / n, "media");
    test::write_file(rig.dir / "p.weir.jsonl", made_journal("p", JournalOf::unfinished));
    auto recorder = real_file_system().open(rig.dir / "p.weir.jsonl", false);
    ASSERT_TRUE((*recorder)->lock());
    const auto found = parts_of(rig, "p");
    ASSERT_TRUE(found);
    EXPECT_EQ(names_of(found->good), Names{"p.1.mp4"});
    ASSERT_EQ(found->broken.size(), 1u);
    EXPECT_EQ(found->broken[0].why.code, Errc::busy);
}

TEST(Joiner, NoPartsIsAnError) {
    JoinRig rig;
    EXPECT_EQ(parts_of(rig, "p").error().code, Errc::not_found);
    EXPECT_EQ(parts_of(rig, "gone/p").error().code, Errc::not_found);
}

/// What media's own functions do: from their end on the awaiting coroutine cannot be cancelled.
Task<Result<media::Probe>> shielding_probe(asio::any_io_executor, std::string) {
    co_await uncancellable();
    media::Probe p;
    p.tracks.resize(1);
    p.tracks[0].kind = TrackKind::audio;
    co_return p;
}

TEST(Joiner, ACancellationLeavesNothing_FC2_84) {
    JoinRig rig;
    test::write_file(rig.dir / "a.ts", "media");
    rig.tools.probe = shielding_probe;
    JoinOutcome outcome;
    test::on_shard([&](Shard& shard) -> Task<void> {
        FileLane lane(real_file_system(), {});
        TaskGroup group(shard.executor());
        rig.tools.write = [&](asio::any_io_executor, media::JoinPlan plan) -> Task<Result<media::Summary>> {
            test::write_file(plan.output, "half");
            group.ask_stop("interrupted");
            const bool slept = co_await shard.clock().sleep_for(std::chrono::hours(1));
            if (!slept) co_return Error{Errc::cancelled, "media tool stopped"};
            co_return some_summary();
        };
        Joiner joiner(shard.executor(), lane, rig.tools);
        struct Job {
            static Task<void> run(Joiner& j, Path in, Path out, JoinOutcome& into) {
                const std::vector<Path> paths{in};
                auto inputs = co_await j.look_at(paths);
                JoinWish wish;
                wish.inputs = inputs.good;
                wish.output = out;
                into = co_await j.make(std::move(wish));
            }
        };
        group.spawn(Job::run(joiner, rig.dir / "a.ts", rig.dir / "a.mp4", outcome), "join");
        co_await group.join();
        co_await group.stop("done");
    });
    ASSERT_TRUE(outcome.failed);
    EXPECT_EQ(outcome.failed->code, Errc::cancelled);
    EXPECT_EQ(rig.names(), Names{"a.ts"});
}

}  // namespace
}  // namespace weir::apps
