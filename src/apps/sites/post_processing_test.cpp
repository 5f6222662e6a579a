#include "apps/sites/post_processing.h"

#include <gtest/gtest.h>

#include "apps/sites/live_rig.h"
#include "media/tool.h"

namespace weir::sites {
namespace {

using test_support::LiveRig;
using namespace std::chrono_literals;
using Names = std::vector<std::string>;
namespace files = std::filesystem;

/// Twenty seconds of real pictures and sound, cut where a decoder may start.
const std::vector<std::string>& real_seconds() {
    static const std::vector<std::string> seconds = [] {
        LiveRig rig;
        media::PatternPlan plan;
        plan.output = (rig.folder / "p.ts").string();
        plan.width = 160;
        plan.height = 90;
        plan.fps = plan.gop = 10;
        plan.seconds = 40;
        plan.bitrate = 100'000;
        const auto made = rig.until_done(media::make_pattern(rig.shard.executor(), plan));
        EXPECT_TRUE(made);
        const auto all = test::read_file(plan.output);
        std::vector<std::string> cut;
        std::string piece;  // from a table to the next
        bool key = false;
        const auto put = [&] {
            if (!key && cut.empty()) return;  // what comes before the first picture stays with it
            if (key) cut.emplace_back();
            cut.back() += std::exchange(piece, {});
            key = false;
        };
        for (std::size_t at = 0; at + 188 <= all.size(); at += 188) {
            const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(all[at + i]); };
            const auto pid = (byte(1) & 0x1fu) << 8 | byte(2);
            if (pid == 0) put();
            key = key || (pid == 0x100 && (byte(3) & 0x20) != 0 && byte(4) > 0 && (byte(5) & 0x40) != 0);
            piece += all.substr(at, 188);
        }
        put();
        return cut;
    }();
    return seconds;
}

/// A live of real media, seven seconds a recording.
struct RealLive : LiveRig {
    RealLive() {
        params.remux = params.concat = true;
        live.segment_faults = [](std::uint64_t n, int, const std::string&) -> std::optional<test::Reply> {
            const auto& all = real_seconds();
            return test::Reply{200, all[(n - 100) % all.size()]};
        };
        live.window = 3;
        EXPECT_EQ(real_seconds().size(), 40u);
    }
    LiveResult record(bool hurry = false) {
        at(4s, [this, hurry] { recording->ask_stop("enough", hurry); });
        auto result = run();
        EXPECT_TRUE(result) << (result ? "" : result.error().text());
        for (const auto& complaint : result->complaints) ADD_FAILURE() << complaint;
        return result ? std::move(*result) : LiveResult();
    }
    Micros length_of(const Path& file) {
        const auto probe = until_done(media::probe(shard.executor(), file.string()));
        EXPECT_TRUE(probe) << file;
        return probe ? probe->duration : Micros{0};
    }
};

TEST(PostProcessing, RemuxesAndJoinsAlsoOnePart_FC2_92) {
    RealLive rig;
    const auto one = rig.record();
    EXPECT_EQ(rig.files(), (Names{".Title.weir-joined", "Title.combined.mp4", "Title.mp4", "Title.weir.jsonl"}));
    EXPECT_EQ(one.file, rig.folder / "Title.mp4");
    EXPECT_EQ(one.combined, rig.folder / "Title.combined.mp4");
    EXPECT_GT(rig.length_of(one.file), 4s);
    EXPECT_EQ(rig.length_of(one.file) / 1s, rig.length_of(one.combined) / 1s);
}

TEST(PostProcessing, PartsOfOneLiveAreJoinedAndThoseOfAnotherAreNot_FC2_54) {
    RealLive rig;
    const auto one = rig.record();
    const auto two = rig.record();
    EXPECT_EQ(two.file, rig.folder / "Title.1.mp4");
    EXPECT_EQ(two.combined, rig.folder / "Title.combined.mp4");
    EXPECT_GE(rig.length_of(two.combined) + 300ms, rig.length_of(one.file) + rig.length_of(two.file));
    rig.site.id = "L2";
    const auto other = rig.record();
    EXPECT_EQ(other.file, rig.folder / "Title.2.mp4");
    EXPECT_EQ(other.combined, rig.folder / "Title.combined.1.mp4");
    EXPECT_LE(rig.length_of(other.combined), rig.length_of(other.file) + 300ms);
    EXPECT_EQ(rig.files(), (Names{".Title.1.weir-joined", ".Title.2.weir-joined", "Title.1.mp4", "Title.1.weir.jsonl",
                                  "Title.2.mp4", "Title.2.weir.jsonl", "Title.combined.1.mp4", "Title.combined.mp4",
                                  "Title.mp4", "Title.weir.jsonl"}));
}

TEST(PostProcessing, AJoinedFileIsKeptWhenItHoldsMoreThanTheNewOne) {
    RealLive rig;
    const auto one = rig.record();
    files::remove(one.file);
    const auto two = rig.record();
    EXPECT_EQ(two.combined, rig.folder / "Title.combined.1.mp4");
    EXPECT_TRUE(files::exists(rig.folder / "Title.combined.mp4"));
}

TEST(PostProcessing, SoundAndIntermediatesWhenAskedFor_FC2_53) {
    RealLive rig;
    rig.params.extract_audio = rig.params.keep_intermediates = true;
    rig.params.remux_format = "mkv";
    const auto one = rig.record();
    EXPECT_EQ(rig.files(), (Names{".Title.weir-joined", "Title.combined.m4a", "Title.combined.mkv", "Title.m4a",
                                  "Title.mkv", "Title.ts", "Title.weir.jsonl"}));
    EXPECT_EQ(one.audio, rig.folder / "Title.m4a");
    EXPECT_EQ(one.combined_audio, rig.folder / "Title.combined.m4a");
    rig.record();
    EXPECT_TRUE(files::exists(rig.folder / "Title.1.ts"));
    EXPECT_FALSE(files::exists(rig.folder / "Title.combined.1.mkv"));
    EXPECT_FALSE(files::exists(rig.folder / "Title.combined.1.m4a"));
}

TEST(PostProcessing, InAHurryTheRestIsLeftForTheNextStart) {
    RealLive rig;
    rig.params.extract_audio = true;
    rig.at(4s, [&] {
        test::write_file(rig.folder / "tool", "#!/bin/sh\nexec sleep 50\n");
        files::permissions(rig.folder / "tool", files::perms::owner_all);
        media::set_tool_executable((rig.folder / "tool").string());
        rig.recording->ask_stop("enough", true);
    });
    const auto result = rig.run();
    media::set_tool_executable("");
    files::remove(rig.folder / "tool");
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_TRUE(result->left_unfinished);
    EXPECT_TRUE(result->complaints.empty());
    const auto left = rig.until_done(find_unfinished_below(rig.lane, rig.params.out_format, "fc2"));
    ASSERT_TRUE(left);
    ASSERT_EQ(left->size(), 1u);
    EXPECT_TRUE(left->front().ended);
    const LiveRecording::Tools tools{rig.shard, rig.http, nullptr, rig.lane};
    const auto finished = rig.until_done(finish_left_over(tools, left->front(), rig.params));
    ASSERT_TRUE(finished) << finished.error().text();
    EXPECT_EQ(rig.files(), (Names{".Title.weir-joined", "Title.combined.m4a", "Title.combined.mp4", "Title.m4a",
                                  "Title.mp4", "Title.weir.jsonl"}));
}

TEST(PostProcessing, AStepThatFailsIsAComplaintAndLosesNothing) {
    RealLive rig;
    rig.at(4s, [&] {
        media::set_tool_executable("/bin/false");
        rig.recording->ask_stop("enough", false);
    });
    const auto result = rig.run();
    media::set_tool_executable("");
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_TRUE(result->left_unfinished);
    EXPECT_EQ(result->complaints.size(), 1u);
    EXPECT_TRUE(files::exists(rig.folder / "Title.0.ts"));
}

}  // namespace
}  // namespace weir::sites
