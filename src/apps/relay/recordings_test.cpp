// The whole way: pushed bytes, a file that was finished and is read back. This program is its own media tool.
#include "apps/relay/recordings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <optional>

#include "apps/relay/hub_rig.h"
#include "media/tool.h"
#include "store/recording.h"
#include "temp_folder.h"

namespace weir::relay {
namespace {

using namespace std::chrono_literals;
using namespace rig;
using RecordingState = Recordings::State;
using weir::test::read_file;
using weir::test::TempFolder;

/// The process's time zone, for as long as it lives.
class TimeZone {
public:
    explicit TimeZone(const char* name) {
        if (const char* was = std::getenv("TZ")) was_ = was;
        ::setenv("TZ", name, 1);
        ::tzset();
    }
    ~TimeZone() {
        if (was_)
            ::setenv("TZ", was_->c_str(), 1);
        else
            ::unsetenv("TZ");
        ::tzset();
    }
    TimeZone(const TimeZone&) = delete;

private:
    std::optional<std::string> was_;
};

TEST(RecordingName, StaysBelowItsFolderAndTellsTheLocalTime) {
    const TimeZone zone("XXX-2");  // two hours east
    const auto now = from_unix_millis(1'763'758'800'000);
    struct Case {
        std::string wish, path;
    };
    for (const auto& c :
         {Case{"x.mp4", "x.mp4"}, Case{"cam/lab1.ts", "cam/lab1.ts"}, Case{"a:b?c", "a_b_c"}, Case{"-rf", "_-rf"},
          Case{".hidden", "hidden"}, Case{"a\\..\\b", "a_.._b"}, Case{"", "stream-lab 1 2025-11-21 230000"}}) {
        const auto path = recording_name(c.wish, "stream/lab 1", now);
        ASSERT_TRUE(path.has_value()) << c.wish;
        EXPECT_EQ(path->string(), c.path);
    }
    for (const auto* wish : {"../x", "a/../x", "/etc/x", "a//b", "a/", "./x", "1/2/3/4/5/6/7/8/9", "x.weir.jsonl"})
        EXPECT_EQ(recording_name(wish, "s", now).error().code, Errc::bad_input) << wish;
}

std::string clip(const std::string& name) {
    return read_file(fmt::format("{}/tests/data/media/{}", WEIR_SOURCE_DIR, name));
}

struct Rig {
    Rig(Shards& shards, const Path& at, Recordings::Settings s = {}, Hub::Settings topics = {})
        : lane(real_file_system(), {}) {
        s.folder = at;
        hub = Hub::create(shards, shards.at(0), topics);
        recordings = std::make_unique<Recordings>(*hub, lane, s);
    }
    FileLane lane;
    std::unique_ptr<Hub> hub;
    std::unique_ptr<Recordings> recordings;

    Task<void> push(std::string topic, std::string bytes) {
        PublisherInfo who = pusher();
        const auto from = co_await hub->publish(std::move(topic), who);
        EXPECT_TRUE(from.has_value());
        (*from)->push(piece(bytes));
    }
    [[nodiscard]] Recordings::Status newest() const { return recordings->status().front(); }
    Task<void> until(RecordingState state) {
        const bool came =
            co_await turns_until(hub->home(), [&] { return recordings->status().front().state == state; });
        EXPECT_TRUE(came) << name_of(newest().state) << " " << newest().error;
    }
    Task<void> stop() {
        co_await recordings->stop();
        co_await hub->stop();
    }
};

struct Made {
    std::vector<std::string> codecs;
    Micros duration{0};
    std::uint64_t packets = 0;
};

Task<Made> look(Shard& home, Path file) {
    Made made;
    const auto probe = co_await media::probe(home.executor(), file.string());
    EXPECT_TRUE(probe.has_value()) << file;
    if (!probe) co_return made;
    for (const auto& track : probe->tracks) made.codecs.push_back(track.codec);
    made.duration = probe->duration;
    const auto summary = co_await media::summarise(home.executor(), file.string());
    EXPECT_TRUE(summary.has_value());
    if (summary)
        for (const auto& track : summary->tracks) made.packets += track.packets;
    co_return made;
}

std::vector<std::string> files_in(const Path& folder) {
    std::vector<std::string> names;
    for (const auto& e : std::filesystem::recursive_directory_iterator(folder))
        if (e.is_regular_file()) names.push_back(e.path().lexically_relative(folder).generic_string());
    std::sort(names.begin(), names.end());
    return names;
}

TEST(Recordings, APushedStreamBecomesAWholeFileWhenItsRuleGoes) {
    TempFolder folder;
    run_shards(1, [&](Shards& shards) -> Task<void> {
        Rig rig(shards, folder.path());
        EXPECT_TRUE(rig.recordings->begin("r1", "cam", "lab/one").has_value());
        EXPECT_EQ(rig.newest().state, RecordingState::waiting);
        co_await rig.push("cam", clip("clip.ts"));
        co_await rig.until(RecordingState::recording);
        EXPECT_TRUE(rig.recordings->begin("r1", "cam", "lab/one").has_value()) << "the same again changes nothing";
        EXPECT_EQ(rig.recordings->status().size(), 1u);
        EXPECT_TRUE(rig.recordings->end("r1"));
        EXPECT_FALSE(rig.recordings->end("r1"));
        co_await rig.until(RecordingState::finished);
        EXPECT_EQ(rig.newest().file, "lab/one.mp4");
        EXPECT_EQ(rig.newest().losses, 0u);
        const auto source = co_await look(shards.at(0), std::string(WEIR_SOURCE_DIR) + "/tests/data/media/clip.ts");
        const auto made = co_await look(shards.at(0), folder.path() / "lab/one.mp4");
        EXPECT_EQ(made.codecs, source.codecs);
        EXPECT_EQ(made.packets, source.packets);
        const auto verdict = co_await store::verify(shards.at(0).executor(), rig.lane, folder.path() / "lab/one.mp4");
        EXPECT_TRUE(verdict.has_value());
        EXPECT_EQ(verdict->complaints, std::vector<std::string>{});
        co_await rig.stop();
    });
    EXPECT_EQ(files_in(folder.path()), (std::vector<std::string>{"lab/one.mp4", "lab/one.weir.jsonl"}));
}

TEST(Recordings, APublisherThatComesAgainGoesOnInTheSameFile) {
    TempFolder folder;
    run_shards(1, [&](Shards& shards) -> Task<void> {
        Rig rig(shards, folder.path());
        EXPECT_TRUE(rig.recordings->begin("r", "cam", "twice.mp4").has_value());
        for (int i = 0; i < 3; ++i) {
            co_await rig.push("cam", clip("clip.ts"));
            const bool gone = co_await turns_until(shards.at(0), [&] {
                const auto stats = rig.hub->stats();
                return find(stats, "cam")->publishers.empty();
            });
            EXPECT_TRUE(gone);
        }
        co_await rig.until(RecordingState::recording);
        co_await rig.stop();
        EXPECT_EQ(rig.newest().state, RecordingState::finished) << rig.newest().error;
        const auto source = co_await look(shards.at(0), std::string(WEIR_SOURCE_DIR) + "/tests/data/media/clip.ts");
        const auto made = co_await look(shards.at(0), folder.path() / "twice.mp4");
        EXPECT_EQ(made.packets, source.packets * 3);
        EXPECT_EQ(made.codecs, source.codecs) << "the same tracks go on";
        EXPECT_GT(made.duration, source.duration * 5 / 2);
        EXPECT_LT(made.duration, source.duration * 3 + 3s);
    });
}

TEST(Recordings, AStreamIsRecordedWithAllItsFeeds) {
    TempFolder folder;
    run_shards(1, [&](Shards& shards) -> Task<void> {
        Rig rig(shards, folder.path());
        rig.hub->set_mix("stream/all", std::vector<std::string>{"cam", "old"});
        EXPECT_TRUE(rig.recordings->begin("r", "stream/all", "").has_value());
        co_await rig.push("cam", clip("clip.ts"));
        co_await rig.push("old", clip("mpeg1_mp2.ts"));
        co_await rig.until(RecordingState::recording);
        (void)co_await turns_until(shards.at(0), [&] { return rig.newest().bytes > 90'000; });
        rig.recordings->end("r");
        co_await rig.until(RecordingState::finished);
        const auto file = rig.newest().file;
        EXPECT_TRUE(file.starts_with("stream-all 20") && file.ends_with(".mp4")) << file;
        const auto made = co_await look(shards.at(0), folder.path() / file);
        EXPECT_EQ(made.codecs.size(), 4u);
        co_await rig.stop();
    });
}

// What jsmpeg's players show
TEST(Recordings, Mpeg1AndMp2FitIntoMp4) {
    TempFolder folder;
    run_shards(1, [&](Shards& shards) -> Task<void> {
        Rig rig(shards, folder.path());
        EXPECT_TRUE(rig.recordings->begin("r", "cam", "old").has_value());
        co_await rig.push("cam", clip("mpeg1_mp2.ts"));
        co_await rig.until(RecordingState::recording);
        co_await rig.stop();
        EXPECT_EQ(rig.newest().file, "old.mp4") << rig.newest().error;
        const auto source =
            co_await look(shards.at(0), std::string(WEIR_SOURCE_DIR) + "/tests/data/media/mpeg1_mp2.ts");
        const auto made = co_await look(shards.at(0), folder.path() / "old.mp4");
        EXPECT_EQ(made.codecs.size(), 2u);
        EXPECT_EQ(made.packets, source.packets);
    });
}

// PR-21, SC-19: bytes equal what was sent, in order
TEST(Recordings, MessagesAreKeptByteForByte) {
    TempFolder folder;
    run_shards(1, [&](Shards& shards) -> Task<void> {
        Rig rig(shards, folder.path());
        EXPECT_TRUE(rig.recordings->begin("r", "data", "log").has_value());
        PublisherInfo who = talker();
        const auto from = co_await rig.hub->publish("data", who);
        for (const auto* line : {"one\n", "two\n", "three\n"}) (*from)->message(true, Bytes::copy_of(line));
        co_await rig.until(RecordingState::recording);
        co_await rig.stop();
        EXPECT_EQ(rig.newest().file, "log.txt") << rig.newest().error;
    });
    EXPECT_EQ(read_file(folder / "log.txt"), "one\ntwo\nthree\n");
}

TEST(Recordings, ANameThatIsTakenIsNeverWrittenOver) {
    TempFolder folder;
    weir::test::write_file(folder / "x.mp4", "precious");
    run_shards(1, [&](Shards& shards) -> Task<void> {
        Rig rig(shards, folder.path());
        EXPECT_TRUE(rig.recordings->begin("r", "cam", "x.mp4").has_value());
        co_await rig.push("cam", clip("clip.ts"));
        co_await rig.until(RecordingState::recording);
        co_await rig.stop();
        EXPECT_EQ(rig.newest().file, "x.1.mp4") << rig.newest().error;
    });
    EXPECT_EQ(read_file(folder / "x.mp4"), "precious");
}

TEST(Recordings, ASlowDiskIsWaitedForByAllThatTheRingHolds) {
    TempFolder folder;
    run_shards(1, [&](Shards& shards) -> Task<void> {
        Hub::Settings topics;
        topics.ring_time = Micros(0);  // of viewers: whoever has not read it at once does not get it
        Rig rig(shards, folder.path(), {}, topics);
        EXPECT_TRUE(rig.recordings->begin("r", "cam", "all.bin").has_value());
        std::string all;
        const auto from = co_await rig.hub->publish("cam", talker());
        EXPECT_TRUE(from.has_value());
        for (int i = 0; i < 2'000; ++i) {
            all += "message " + std::to_string(i) + "\n";
            (*from)->message(false, Bytes::copy_of("message " + std::to_string(i) + "\n"));
        }
        co_await rig.until(RecordingState::recording);
        const bool came = co_await turns_until(shards.at(0), [&] { return rig.newest().bytes == all.size(); });
        EXPECT_TRUE(came) << rig.newest().bytes << " of " << all.size();
        co_await rig.stop();
        EXPECT_EQ(rig.newest().losses, 0u);
        EXPECT_EQ(read_file(folder / "all.bin"), all);
    });
}

TEST(Recordings, NothingThatCameLeavesNoFile) {
    TempFolder folder;
    run_shards(1, [&](Shards& shards) -> Task<void> {
        Rig rig(shards, folder.path());
        EXPECT_TRUE(rig.recordings->begin("r", "cam", "").has_value());
        EXPECT_EQ(rig.recordings->begin("s", "cam", "../x").error().code, Errc::bad_input);
        rig.recordings->end("r");
        co_await rig.until(RecordingState::finished);
        EXPECT_EQ(rig.newest().error, "nothing came");
        co_await rig.stop();
        EXPECT_EQ(rig.recordings->begin("t", "cam", "").error().code, Errc::cancelled);
    });
    EXPECT_TRUE(files_in(folder.path()).empty());
}

TEST(Recordings, WhatAStopCouldNotFinishIsFinishedByTheNextStart) {
    TempFolder folder;
    run_shards(1, [&](Shards& shards) -> Task<void> {
        Recordings::Settings hurried;
        hurried.stop_within = Millis(0);
        Rig rig(shards, folder.path(), hurried);
        EXPECT_TRUE(rig.recordings->begin("r", "cam", "deep/er/late.mp4").has_value());
        co_await rig.push("cam", clip("clip.ts"));
        co_await rig.until(RecordingState::recording);
        co_await rig.stop();
        EXPECT_FALSE(std::filesystem::exists(folder.path() / "deep/er/late.mp4"));
    });
    run_shards(1, [&](Shards& shards) -> Task<void> {
        Rig rig(shards, folder.path());
        rig.recordings->start();
        (void)co_await turns_until(shards.at(0), [&] { return !rig.recordings->status().empty(); });
        co_await rig.until(RecordingState::finished);
        EXPECT_EQ(rig.newest().file, "deep/er/late.mp4");
        EXPECT_EQ(rig.newest().stream, "cam");
        const auto source = co_await look(shards.at(0), std::string(WEIR_SOURCE_DIR) + "/tests/data/media/clip.ts");
        const auto made = co_await look(shards.at(0), folder.path() / "deep/er/late.mp4");
        EXPECT_EQ(made.packets, source.packets);
        co_await rig.stop();
    });
}

}  // namespace
}  // namespace weir::relay

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "media-tool") return weir::media::tool_main();
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
