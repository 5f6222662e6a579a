#include <gtest/gtest.h>

#include "apps/recorder/mark.h"
#include "apps/sites/live_rig.h"
#include "apps/sites/post_processing.h"

namespace weir::sites {
namespace {

using test_support::LiveRig;
using namespace std::chrono_literals;
namespace files = std::filesystem;

/// What a kill would leave of a recording of folder A lies in folder B, and the live goes on.
struct Killed : LiveRig {
    Killed() {
        params.out_format = format_in("A");
        params.write_info_json = params.write_chat = true;
        at(8s, [this] { site.listener.comment("one"); });
        at(12s, [this] {
            files::copy(folder / "A", folder / "B", files::copy_options::recursive);
            recording->ask_stop("enough", false);
        });
        EXPECT_TRUE(run());
        files::remove_all(folder / "A");
        params.out_format = format_in("B");
        live.faults = {};
    }
    [[nodiscard]] std::string format_in(const std::string& sub) const {
        return (folder / sub).string() + "/{{ .ChannelID }}/{{ .Title }}.{{ .Ext }}";
    }
    std::vector<LeftOver> left_overs() {
        auto found = until_done(find_unfinished_below(lane, params.out_format, "fc2"));
        EXPECT_TRUE(found);
        return found ? *found : std::vector<LeftOver>();
    }
};

TEST(LeftOvers, AreFoundBelowTheTemplatesOwnFolder) {
    Killed rig;
    const auto found = rig.left_overs();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].journal, rig.folder / "B/77/Title.weir.jsonl");
    EXPECT_EQ(found[0].source_id, source_id_of("fc2", "77", "L1"));
    EXPECT_FALSE(found[0].ended);
    const auto of_others = rig.until_done(find_unfinished_below(rig.lane, rig.params.out_format, "other"));
    ASSERT_TRUE(of_others);
    EXPECT_TRUE(of_others->empty());
    const auto nowhere = rig.until_done(find_unfinished_below(rig.lane, rig.format_in("C"), "fc2"));
    ASSERT_TRUE(nowhere);
    EXPECT_TRUE(nowhere->empty());
}

TEST(LeftOvers, OneOfTheSameLiveIsGoneOnWith) {
    for (const bool given : {true, false}) {
        Killed rig;
        if (given) rig.unfinished = rig.left_overs().at(0).journal;
        rig.at(3s, [&] { rig.site.listener.comment("two"); });
        rig.at(10s, [&] { rig.recording->ask_stop("enough", false); });
        const auto result = rig.run();
        ASSERT_TRUE(result) << result.error().text();
        EXPECT_TRUE(result->resumed);
        EXPECT_EQ(result->file, rig.folder / "B/77/Title.ts");
        EXPECT_GE(rig.last_in(result->file, 100), 130u) << "not in one piece";
        EXPECT_EQ(result->gaps, 0u);
        EXPECT_EQ(test::read_file(result->chat), "one\ntwo\n");
        EXPECT_EQ(result->chat, rig.folder / "B/77/Title.fc2chat.json");
        EXPECT_EQ(result->info, rig.folder / "B/77/Title.info.json");
        EXPECT_TRUE(result->complaints.empty());
        EXPECT_TRUE(rig.left_overs().empty());
    }
}

TEST(LeftOvers, OneOfAnotherLiveIsLeftAlone) {
    Killed rig;
    rig.unfinished = rig.left_overs().at(0).journal;
    rig.site.id = "L2";
    rig.at(4s, [&] { rig.recording->ask_stop("enough", false); });
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_FALSE(result->resumed);
    EXPECT_EQ(result->file, rig.folder / "B/77/Title.1.ts");
    EXPECT_EQ(rig.left_overs().size(), 1u);
}

TEST(LeftOvers, AreFinishedAsTheyAre) {
    Killed rig;
    const auto left = rig.left_overs().at(0);
    const LiveRecording::Tools tools{rig.shard, rig.http, nullptr, rig.lane};
    const auto result = rig.until_done(finish_left_over(tools, left, rig.params));
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(result->file, rig.folder / "B/77/Title.ts");
    EXPECT_GE(rig.last_in(result->file, 100), 115u);
    EXPECT_TRUE(rig.left_overs().empty());
}

TEST(LeftOvers, ALookThroughTheFolderKeepsNobodyFromItsRecording) {
    Killed rig;
    rig.unfinished = rig.left_overs().at(0).journal;
    auto looked_at = rig.lane.fs().open(*rig.unfinished, false);
    ASSERT_TRUE(looked_at && (*looked_at)->lock());
    rig.at(700ms, [&] { looked_at->reset(); });
    rig.at(8s, [&] { rig.recording->ask_stop("enough", false); });
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_TRUE(result->resumed);
    EXPECT_EQ(result->gaps, 0u);
}

TEST(LeftOvers, OneThatCannotBeGoneOnWithYetIsHandedBack) {
    Killed rig;
    rig.unfinished = rig.left_overs().at(0).journal;
    rig.site.open_error = Error{Errc::denied, "login is wanted"};
    const auto refused = rig.run();
    ASSERT_TRUE(refused) << refused.error().text();
    EXPECT_TRUE(refused->goes_on && refused->left_unfinished);
    EXPECT_EQ(refused->journal, *rig.unfinished);
    EXPECT_TRUE(refused->file.empty());
    ASSERT_TRUE(refused->refused);
    EXPECT_EQ(refused->refused->code, Errc::denied);
    ASSERT_EQ(rig.left_overs().size(), 1u);
    EXPECT_FALSE(rig.left_overs()[0].ended);
}

TEST(LeftOvers, ALargeRecordingStoppedInAHurryIsGoneOnWith) {
    for (const bool live : {true, false}) {
        LiveRig rig;
        rig.params.write_chat = true;
        rig.most_hurried_bytes = 0;
        rig.at(6s, [&] { rig.site.listener.comment("one"); });
        rig.at(8300ms, [&] { rig.recording->ask_stop("terminated", true); });
        const auto stopped = rig.run();
        ASSERT_TRUE(stopped) << stopped.error().text();
        EXPECT_TRUE(stopped->goes_on && stopped->left_unfinished && stopped->file.empty());
        EXPECT_EQ(stopped->end.reason, EndReason::stopped);
        EXPECT_EQ(rig.site.closes, 1);
        EXPECT_EQ(rig.files(), (std::vector<std::string>{".Title.weir-todo", "Title.0.ts", "Title.fc2chat.json",
                                                         "Title.weir.jsonl"}));
        const auto found = rig.until_done(find_unfinished_below(rig.lane, rig.params.out_format, "fc2"));
        ASSERT_TRUE(found && found->size() == 1u);
        EXPECT_FALSE(found->front().ended);
        rig.unfinished = found->front().journal;
        const LiveRecording::Tools tools{rig.shard, rig.http, nullptr, rig.lane};
        rig.at(10s, [&] {
            if (live) rig.recording->ask_stop("enough", false);
        });
        const auto result = live ? rig.run() : rig.until_done(finish_left_over(tools, found->front(), rig.params));
        ASSERT_TRUE(result) << result.error().text();
        EXPECT_EQ(result->file, rig.folder / "Title.ts");
        EXPECT_GE(rig.last_in(result->file, 100), live ? 128u : 118u);
        EXPECT_EQ(result->gaps, 0u);
        EXPECT_TRUE(result->complaints.empty());
        EXPECT_EQ(test::read_file(rig.folder / "Title.fc2chat.json"), "one\n");
    }
}

TEST(LeftOvers, StepsAfterTheRecordingAreLeftOversToo) {
    LiveRig rig;
    rig.at(4s, [&] { rig.recording->ask_stop("enough", false); });
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    const auto find = [&] { return rig.until_done(find_unfinished_below(rig.lane, rig.params.out_format, "fc2")); };
    EXPECT_TRUE(find()->empty());
    test::write_file(apps::mark_beside(result->journal, todo_ending), "");
    const auto found = find();
    ASSERT_EQ(found->size(), 1u);
    EXPECT_TRUE(found->front().ended);
    const LiveRecording::Tools tools{rig.shard, rig.http, nullptr, rig.lane};
    const auto again = rig.until_done(finish_left_over(tools, found->front(), rig.params));
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(again->file, result->file);
    EXPECT_TRUE(find()->empty());
}

}  // namespace
}  // namespace weir::sites
