#include "apps/sites/live_recording.h"

#include "apps/sites/live_rig.h"

namespace weir::sites {
namespace {

using test_support::LiveRig;
using namespace std::chrono_literals;
using Names = std::vector<std::string>;

constexpr std::uint64_t first = 100;  ///< of a FakeLive

/// The site says that it is over, and nothing new comes.
void ends_at(LiveRig& rig, Micros when) {
    rig.at(when, [&rig] {
        rig.live.ends_after = rig.live.newest();
        rig.live.faults = [&rig, last = std::string()](const HttpRequest& r) mutable -> std::optional<test::Reply> {
            if (!r.url.path.ends_with(".m3u8")) return std::nullopt;
            auto text = rig.live.playlist();  // FC2 writes no ENDLIST
            if (const auto end = text.find("#EXT-X-ENDLIST"); end != text.npos) text.resize(end);
            return test::Reply{200, text};
        };
        rig.site.live = false;
        rig.site.listener.over(Result<std::string>("publish_stop"));
    });
}

TEST(LiveRecording, RecordsTheWholeWindowToTheEnd_FC2_59) {
    LiveRig rig;
    rig.params.write_chat = rig.params.write_info_json = true;
    rig.at(3s, [&] { rig.site.listener.comment(R"({"comment":"hi"})"); });
    ends_at(rig, 20s);
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(result->end.reason, EndReason::endlist);
    EXPECT_EQ(rig.last_in(result->file, first), *rig.live.ends_after);
    EXPECT_EQ(result->missing, 0u);
    EXPECT_EQ(result->got, *rig.live.ends_after - first + 1);
    EXPECT_EQ(test::read_file(result->chat), "{\"comment\":\"hi\"}\n");
    EXPECT_EQ(test::read_file(result->info), "{}\n");
    EXPECT_EQ(rig.files(), (Names{"Title.fc2chat.json", "Title.info.json", "Title.ts", "Title.weir.jsonl"}));
    EXPECT_EQ(rig.states, (std::vector{State::preparing_files, State::downloading, State::post_processing}));
    EXPECT_EQ(rig.site.closes, 1);
    EXPECT_TRUE(result->complaints.empty());
}

TEST(LiveRecording, ARefusedPlaylistGetsAFreshAddressInTheSameRecording_FC2_67) {
    LiveRig rig;
    rig.at(8s, [&] {
        rig.good_keys = {"key=2"};
        rig.site.address = "https://other.example/a/live.m3u8?key=2";
    });
    ends_at(rig, 25s);
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(rig.last_in(result->file, first), *rig.live.ends_after);
    EXPECT_EQ(rig.site.fresh, 1);
    EXPECT_EQ(result->gaps, 0u);
}

TEST(LiveRecording, AnotherAddressIsFollowedWithNothingLost_FC2_46) {
    LiveRig rig;
    rig.good_keys = {"key=1", "key=2"};
    rig.at(8s, [&] {
        rig.site.listener.follow(parse_url("https://other.example/a/live.m3u8?key=2").value(), "best");
        rig.good_keys = {"key=2"};
    });
    rig.at(15s, [&] { EXPECT_GT(rig.recording->progress().got, 10u); });
    ends_at(rig, 25s);
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(rig.last_in(result->file, first), *rig.live.ends_after);
}

TEST(LiveRecording, GoesOnInTheSameFileWhileTheSiteSaysLive) {
    LiveRig rig;
    bool silent = false;
    rig.live.faults = [&](const HttpRequest&) -> std::optional<test::Reply> {
        if (!silent) return std::nullopt;
        return test::Reply{503, ""};
    };
    rig.at(10s, [&] {
        silent = true;
        rig.site.look_error = Error{Errc::unreachable, "no network"};
        rig.site.fresh_error = Error{Errc::unreachable, "no network"};
    });
    rig.at(70s, [&] {
        silent = false;
        rig.site.look_error.reset();
        rig.site.fresh_error.reset();
    });
    ends_at(rig, 110s);
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(rig.files(), (Names{"Title.ts", "Title.weir.jsonl"}));
    EXPECT_EQ(result->end.reason, EndReason::endlist);
    EXPECT_GT(result->gaps, 0u);
    EXPECT_GT(result->missing, 30u);
    EXPECT_EQ(result->got + result->missing, *rig.live.ends_after - first + 1);
    EXPECT_GT(rig.site.opens, 1);  // the session gave no address any more
    EXPECT_EQ(rig.site.closes, rig.site.opens);
}

TEST(LiveRecording, SilenceOfALiveThatGoesOnIsNoEnd_FC2_64) {
    LiveRig rig;
    rig.live.window = 200;
    rig.live.first_sequence = 300;
    bool still = false;
    rig.live.faults = [&, last = std::string()](const HttpRequest& r) mutable -> std::optional<test::Reply> {
        if (!r.url.path.ends_with(".m3u8")) return std::nullopt;
        if (!still || last.empty()) last = rig.live.playlist();
        return test::Reply{200, last};
    };
    rig.at(5s, [&] { still = true; });
    rig.at(80s, [&] { still = false; });
    ends_at(rig, 90s);
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(rig.last_in(result->file, 300), *rig.live.ends_after);
    EXPECT_EQ(result->gaps, 0u);
    EXPECT_GE(rig.site.looks, 1);
    EXPECT_EQ(rig.site.opens, 1);
}

TEST(LiveRecording, AnEndlistIsTheEndOnlyWhenTheSiteSaysSoToo_FC2_58) {
    for (const bool live : {true, false}) {
        LiveRig rig;
        rig.at(10s, [&] {
            rig.live.ends_after = rig.live.newest();
            rig.site.live = live;
        });
        if (live) rig.at(15s, [&] { rig.live.ends_after.reset(); });
        if (live) ends_at(rig, 40s);
        const auto began = rig.shard.time.now();
        const auto result = rig.run();
        ASSERT_TRUE(result) << result.error().text();
        EXPECT_EQ(rig.last_in(result->file, first), *rig.live.ends_after);
        EXPECT_EQ(result->gaps, 0u);
        EXPECT_GE(rig.site.looks, 1);
        EXPECT_EQ(rig.files(), (Names{"Title.ts", "Title.weir.jsonl"}));
        if (live)
            EXPECT_GE(*rig.live.ends_after, first + 45);
        else
            EXPECT_LT(rig.shard.time.now() - began, 15s);
    }
}

TEST(LiveRecording, ABugOfASessionIsNoStop) {
    LiveRig rig;
    rig.site.open_throws = true;
    const auto result = rig.run();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::internal);
    EXPECT_EQ(rig.files(), Names{});
}

TEST(LiveRecording, NothingForTenMinutesIsTheEnd) {
    LiveRig rig;
    rig.at(5s, [&] {
        rig.live.faults = [](const HttpRequest&) { return std::optional<test::Reply>(test::Reply{404, ""}); };
        rig.live.ends_after = rig.live.newest();
    });
    const auto began = rig.shard.time.now();
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_GT(rig.shard.time.now() - began, 10min);
    EXPECT_LT(rig.shard.time.now() - began, 13min);
    EXPECT_GE(rig.last_in(result->file, first) + 2, *rig.live.ends_after);
    EXPECT_EQ(rig.files(), (Names{"Title.ts", "Title.weir.jsonl"}));
}

TEST(LiveRecording, AnotherLiveIsNotPutIntoTheSameFile) {
    LiveRig rig;
    rig.at(10s, [&] {
        rig.live.ends_after = rig.live.newest();
        rig.live.faults = [](const HttpRequest&) { return std::optional<test::Reply>(test::Reply{404, ""}); };
        rig.site.id = "L2";
    });
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_GE(rig.last_in(result->file, first) + 2, *rig.live.ends_after);  // what was listed last was never seen
    EXPECT_EQ(result->end.reason, EndReason::idle);
}

TEST(LiveRecording, ARefusalInTheMidstIsToldWithWhatWasRecorded) {
    LiveRig rig;
    rig.at(10s, [&] {
        rig.site.listener.over(Error{Errc::denied, "payment is wanted (4101)"});
        rig.good_keys.clear();
        rig.site.fresh_error = Error{Errc::denied, "payment is wanted"};
    });
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    ASSERT_TRUE(result->refused);
    EXPECT_EQ(result->refused->code, Errc::denied);
    EXPECT_EQ(result->end.reason, EndReason::error);
    EXPECT_GE(rig.last_in(result->file, first), first + 18);
}

TEST(LiveRecording, NothingRecordedLeavesNothing) {
    for (const bool opens : {false, true}) {
        LiveRig rig;
        rig.params.write_chat = rig.params.write_info_json = true;
        if (!opens) rig.site.open_error = Error{Errc::denied, "login is wanted"};
        rig.good_keys.clear();
        rig.site.fresh_error = Error{Errc::denied, "the session is over"};
        rig.at(2s, [&] {
            if (!rig.site.listener.comment) return;
            rig.site.listener.comment("{}");
            rig.site.listener.over(Error{Errc::denied, "login is wanted"});
        });
        const auto result = rig.run();
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Errc::denied);
        EXPECT_EQ(rig.files(), Names{});
        EXPECT_EQ(rig.site.closes, 1);
    }
}

TEST(LiveRecording, AStopFinishesWhatThereIs) {
    LiveRig rig;
    rig.at(5s, [&] { rig.recording->ask_stop("enough", false); });
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(result->end.reason, EndReason::stopped);
    EXPECT_FALSE(result->left_unfinished);
    EXPECT_GE(rig.last_in(result->file, first), first + 14);
    EXPECT_EQ(rig.site.looks, 0);
}

TEST(LiveRecording, AStopBeforeTheBeginningIsCancelled) {
    LiveRig rig;
    rig.make().ask_stop("no", true);
    const auto result = rig.until_done(rig.recording->run());
    rig.recording.reset();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::cancelled);
    EXPECT_EQ(rig.files(), Names{});
}

TEST(LiveRecording, NamesAreNeverTakenTwice_FC2_54) {
    LiveRig rig;
    test::write_file(rig.folder / "Title.ts", "mine");
    test::write_file(rig.folder / "Title.1.info.json", "mine");
    test::write_file(rig.folder / "Title.2.png", "mine");
    rig.params.write_info_json = rig.params.write_chat = true;
    ends_at(rig, 4s);
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(result->file, rig.folder / "Title.3.ts");
    EXPECT_EQ(result->info, rig.folder / "Title.3.info.json");
    EXPECT_EQ(result->chat, rig.folder / "Title.3.fc2chat.json");
    EXPECT_EQ(test::read_file(rig.folder / "Title.ts"), "mine");
}

TEST(LiveRecording, LongTitlesAreCutAndDoNotHang_FC2_75) {
    LiveRig rig;
    for (int i = 0; i < 200; ++i) rig.title += "配信";
    rig.params.write_info_json = rig.params.write_chat = true;
    ends_at(rig, 4s);
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_LE(result->file.filename().string().size(), 255u);
    EXPECT_TRUE(std::filesystem::exists(result->info));
    EXPECT_TRUE(result->complaints.empty());
}

}  // namespace
}  // namespace weir::sites
