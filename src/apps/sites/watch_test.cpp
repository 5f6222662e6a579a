#include "apps/sites/watch.h"

#include "apps/sites/status_json.h"
#include "apps/sites/watcher_rig.h"
#include "base/metrics.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;
using Ids = std::vector<std::string>;

struct WatchRig : WatchRigBase {
    std::map<std::string, std::shared_ptr<RigChannel>> channels;
    Watch watch;
    bool stopped = false;

    explicit WatchRig(Millis pacing = 500ms) : watch(tools, {"fc2", pacing, 1h}, tell, works.work(shard)) {}
    ~WatchRig() {
        if (!stopped) stop("the test is over");
    }
    Watcher::Setup setup(const std::string& id, const std::string& fingerprint = "", const std::string& live = "") {
        auto& channel = channels[id];
        if (!channel) channel = std::make_shared<RigChannel>(shard);
        if (!live.empty()) channel->id = live;
        Watcher::Setup made;
        made.id = id;
        made.channel = channel;
        made.fingerprint = fingerprint;
        return made;
    }
    void set(const Ids& ids) {
        std::vector<Watcher::Setup> all;
        for (const auto& id : ids) all.push_back(setup(id));
        watch.set_channels(std::move(all));
        shard.turn();
    }
    void stop(const std::string& reason, bool hurry = false) {
        stopped = shard.finish([](Watch& w, std::string why, bool fast) -> Task<void> {
            co_await w.stop(std::move(why), fast);
        }(watch, reason, hurry));
        EXPECT_TRUE(stopped);
    }
    [[nodiscard]] Ids looked_at() const {
        Ids ids;
        for (const auto& [id, channel] : channels)
            if (channel->looks > 0) ids.push_back(id);
        return ids;
    }
    [[nodiscard]] std::map<std::string, State> states() const {
        std::map<std::string, State> all;
        for (const auto& s : watch.statuses()) all[s.channel_id] = s.state;
        return all;
    }
};

TEST(Watch, FC2_109_ChannelsBeginInOrderAndApart) {
    WatchRig rig;
    rig.set({"3", "1", "2"});
    EXPECT_EQ(rig.looked_at(), Ids{"3"});
    rig.shard.advance(499ms);
    EXPECT_EQ(rig.looked_at(), Ids{"3"});
    rig.shard.advance(1ms);
    EXPECT_EQ(rig.looked_at(), (Ids{"1", "3"}));
    rig.shard.advance(500ms);
    EXPECT_EQ(rig.looked_at(), (Ids{"1", "2", "3"}));
    EXPECT_EQ(rig.watch.statuses().at(0).channel_id, "3");
}

TEST(Watch, NoPacingBeginsAllAtOnce) {
    WatchRig rig(0ms);
    rig.set({"1", "2", "3"});
    EXPECT_EQ(rig.looked_at().size(), 3u);
}

TEST(Watch, FC2_112_AReloadTouchesOnlyWhatChanged) {
    WatchRig rig(0ms);
    for (const auto* id : {"1", "2", "3"}) rig.setup(id, "", "live");
    rig.set({"1", "2", "3"});
    ASSERT_EQ(rig.works.begun.size(), 3u);
    auto changed = rig.setup("2", "other");
    changed.params.labels = {{"new", "label"}};
    std::vector<Watcher::Setup> all{rig.setup("1"), std::move(changed), rig.setup("4")};
    rig.watch.set_channels(std::move(all));
    rig.shard.turn();
    EXPECT_EQ(rig.works.stops, std::vector<std::string>{"the channel is no longer watched"});
    EXPECT_EQ(rig.works.begun.size(), 3u);
    EXPECT_EQ(rig.states(),
              (std::map<std::string, State>{{"1", State::downloading}, {"2", State::downloading}, {"4", State::idle}}));
    EXPECT_EQ(rig.watch.statuses().at(1).labels.at("new"), "label");
    EXPECT_EQ(rig.works.running, 2);
}

TEST(Watch, AChannelThatComesBackIsWatchedAgain) {
    WatchRig rig(0ms);
    rig.set({"1"});
    rig.set({});
    EXPECT_TRUE(rig.watch.statuses().empty());
    rig.shard.advance(1min);
    EXPECT_EQ(rig.channels["1"]->looks, 1);
    rig.set({"1"});
    EXPECT_EQ(rig.channels["1"]->looks, 2);
}

TEST(Watch, AnUpdateWakesAChannelThatHadNotWaited) {
    WatchRig rig(0ms);
    auto setup = rig.setup("1", "a");
    setup.params.wait_for_live = false;
    rig.watch.set_channels({setup});
    rig.shard.advance(1min);
    EXPECT_EQ(rig.channels["1"]->looks, 1);
    setup.params.wait_for_live = true;
    setup.fingerprint = "b";
    rig.watch.set_channels({setup});
    rig.shard.advance(1min);
    EXPECT_GT(rig.channels["1"]->looks, 1);
}

TEST(Watch, ABugInOneChannelTouchesNoOther) {
    WatchRig rig(0ms);
    rig.setup("1");
    rig.channels["1"]->throws = true;
    rig.set({"1", "2"});
    for (int i = 0; i < 30; ++i) rig.shard.advance(1s);
    EXPECT_EQ(rig.count(EventKind::panicked), 1);
    EXPECT_GE(rig.channels["2"]->looks, 5);
}

TEST(Watch, LeftOversAreLookedForBeforeTheFirstChannelOfAFolder) {
    WatchRig rig(0ms);
    rig.works.rests = {{"/r/1.journal", source_id_of("fc2", "1", "live"), false},
                       {"/r/2.journal", source_id_of("fc2", "2", "gone"), false},
                       {"/r/9.journal", source_id_of("fc2", "9", "x"), false}};
    std::vector<Watcher::Setup> all;
    for (const auto& [id, format] : {std::pair{"1", "/r/{{ .Title }}.{{ .Ext }}"},
                                     {"2", "/r/{{ .Date }}/x.{{ .Ext }}"},
                                     {"3", "name {{ .Title }}.{{ .Ext }}"}}) {
        all.push_back(rig.setup(id));
        all.back().params.out_format = format;
    }
    rig.channels["1"]->id = "live";
    rig.watch.set_channels(std::move(all));
    rig.shard.turn();
    EXPECT_EQ(rig.works.searched, (Ids{"/r/{{ .Title }}.{{ .Ext }}", "name {{ .Title }}.{{ .Ext }}"}));
    ASSERT_EQ(rig.works.begun.size(), 1u);
    EXPECT_EQ(rig.works.begun[0].unfinished, Path("/r/1.journal"));
    auto finished = rig.works.finished_rests;
    std::sort(finished.begin(), finished.end());
    EXPECT_EQ(finished, (Ids{source_id_of("fc2", "2", "gone"), source_id_of("fc2", "9", "x")})) << "each once";
}

TEST(Watch, LeftOversOfManyChannelsAreFinishedFewAtATime) {
    WatchRig rig(0ms);
    rig.works.slow_rests = true;
    Ids ids;
    for (int i = 0; i < 9; ++i) {
        ids.push_back(std::to_string(i));
        rig.works.rests.push_back({"/r/" + ids.back(), source_id_of("fc2", ids.back(), "x"), false});
    }
    rig.set(ids);
    for (int i = 0; i < 5; ++i) rig.shard.advance(1s);
    EXPECT_EQ(rig.works.finished_rests.size(), 9u);
    EXPECT_EQ(rig.works.most_at_once, 2);
}

TEST(Watch, StopEndsAllRecordings) {
    WatchRig rig(0ms);
    for (const auto* id : {"1", "2"}) rig.setup(id, "", "live");
    rig.set({"1", "2", "3"});
    rig.stop("terminated", true);
    EXPECT_EQ(rig.works.stops, (Ids{"terminated!", "terminated!"}));
    EXPECT_EQ(rig.works.running, 0);
    EXPECT_EQ(rig.count(EventKind::canceled), 2);
}

TEST(Watch, FC2_97_EachDirectoryIsCleanedOnceAnHour) {
    const auto runs = [] { return metrics::counter("cleaner_runs_total", "Number of cleaning runs").value(); };
    test::TempFolder dir;
    WatchRig rig(0ms);
    const auto before = runs();
    std::vector<Watcher::Setup> all;
    for (const auto* id : {"1", "2", "3", "4"}) {
        all.push_back(rig.setup(id));
        all.back().params.scan_directory = dir.path();
    }
    all[2].params.keep_intermediates = true;
    all[3].params.scan_directory = dir / "not there";
    rig.watch.set_channels(std::move(all));
    ASSERT_TRUE(rig.shard.until([&] { return runs() == before + 1; }));
    ASSERT_TRUE(rig.shard.until([&] { return rig.shard.time.waiting() == 5; })) << "four channels and the cleaner";
    for (int i = 0; i < 59; ++i) rig.shard.advance(1min);
    EXPECT_EQ(runs(), before + 1);
    rig.shard.advance(1min);
    EXPECT_TRUE(rig.shard.until([&] { return runs() == before + 2; }));
}

TEST(StatusJson, FC2_125_AsTheReferencePrintsIt) {
    WatchStatus s;
    s.channel_id = "91544481";
    s.state = State::downloading;
    s.reason = "a \"title\"";
    s.since = WallTime(1'795'263'571s);
    s.labels = {{"k", "v"}};
    s.metadata_json = R"({"channel_data":{"title":"a: {b}, [c]","gift_list":[],"n":[1,2]}})";
    s.errors = {{WallTime(1'795'263'571s + 451'367'712ns), "http 503"}};
    EXPECT_EQ(json_of({s}), R"({
  "channels": {
    "91544481": {
      "state": "DOWNLOADING",
      "extra": {
        "metadata": {
          "channel_data": {
            "title": "a: {b}, [c]",
            "gift_list": [],
            "n": [
              1,
              2
            ]
          }
        }
      },
      "labels": {
        "k": "v"
      },
      "errors_log": [
        {
          "timestamp": "2026-11-21 12:19:31.451367712 +0000 UTC",
          "error": "http 503"
        }
      ],
      "reason": "a \"title\"",
      "since": "2026-11-21T12:19:31.000Z"
    }
  }
})");
}

TEST(StatusJson, EmptyAndBlind) {
    EXPECT_EQ(json_of({}), "{\n  \"channels\": {}\n}");
    WatchStatus s;
    s.state = State::blind;
    const auto text = json_of({s});
    EXPECT_NE(text.find(R"("state": "IDLE")"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("blind": true)"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("errors_log": [])"), std::string::npos) << text;
    EXPECT_EQ(text.find("labels"), std::string::npos) << text;
}

TEST(StatusJson, GoTimesEndWithoutZeros) {
    EXPECT_EQ(go_time_text(WallTime(1'795'263'571s)), "2026-11-21 12:19:31 +0000 UTC");
    EXPECT_EQ(go_time_text(WallTime(1'795'263'571s + 50ms)), "2026-11-21 12:19:31.05 +0000 UTC");
}

}  // namespace
}  // namespace weir::sites
