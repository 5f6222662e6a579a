#include "apps/sites/watcher.h"

#include <memory>

#include "apps/sites/watcher_metrics.h"
#include "apps/sites/watcher_rig.h"
#include "base/metrics.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;

struct WatcherRig : WatchRigBase {
    std::shared_ptr<RigChannel> channel = std::make_shared<RigChannel>(shard);
    Watcher::Setup setup;
    std::unique_ptr<Watcher> watcher;
    bool ended = false;

    WatcherRig() {
        setup.id = "1";
        setup.channel = channel;
    }
    ~WatcherRig() {
        if (watcher && !ended) stop("the test is over");
    }
    void start(std::vector<LeftOver> left_overs = {}) {
        watcher = std::make_unique<Watcher>(tools, setup, tell, works.work(shard));
        watcher->give(std::move(left_overs));
        shard.start([](Watcher& w, bool& done) -> Task<void> {
            co_await w.run();
            done = true;
        }(*watcher, ended));
        shard.turn();
    }
    void stop(const std::string& reason, bool hurry = false) {
        watcher->ask_stop(reason, hurry);
        shard.turn();
        EXPECT_TRUE(ended);
    }
    [[nodiscard]] State state() const { return watcher->status().state; }
    /// Seconds from now to the next look, as the status says.
    [[nodiscard]] double next_in() {
        const auto next = watcher->status().next_look;
        return next ? std::chrono::duration<double>(*next - shard.time.wall()).count() : -1;
    }
    void live(const std::string& id) {
        channel->id = id;
        shard.advance(6s);
    }
};

TEST(Watcher, LooksEveryPollIntervalWhileNotLive) {
    WatcherRig rig;
    rig.start();
    EXPECT_EQ(rig.channel->looks, 1);
    EXPECT_EQ(rig.state(), State::idle);
    EXPECT_EQ(rig.watcher->status().reason, "not live");
    EXPECT_GE(rig.next_in(), 4.5);
    EXPECT_LE(rig.next_in(), 5.5);
    rig.shard.advance(4400ms);
    EXPECT_EQ(rig.channel->looks, 1);
    for (int i = 0; i < 100; ++i) rig.shard.advance(500ms);
    EXPECT_GE(rig.channel->looks, 9);
    EXPECT_LE(rig.channel->looks, 12);
    EXPECT_EQ(rig.told(), "idle");
}

TEST(Watcher, FC2_2_1_ALiveGoesThroughItsStates) {
    WatcherRig rig;
    rig.setup.params.labels = {{"EnglishName", "name"}};
    rig.start();
    rig.live("a");
    EXPECT_EQ(rig.state(), State::downloading);
    EXPECT_EQ(rig.watcher->status().metadata_json, R"({"live":"a"})");
    ASSERT_TRUE(rig.watcher->status().recording);
    EXPECT_EQ(rig.watcher->status().recording->bytes, 1234u);
    rig.channel->id = "";
    rig.works.end_lives();
    rig.shard.turn();
    EXPECT_EQ(rig.state(), State::idle);
    EXPECT_EQ(rig.watcher->status().metadata_json, "");
    EXPECT_EQ(rig.told(), "idle preparingFiles downloading postProcessing finished idle");
    EXPECT_EQ(rig.events[2].labels.at("EnglishName"), "name");
}

TEST(Watcher, ANewLiveRightBehindIsRecordedAtOnce) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.start();
    rig.channel->id = "b";
    rig.works.end_lives();
    rig.shard.turn();
    ASSERT_EQ(rig.works.begun.size(), 2u);
    EXPECT_EQ(rig.works.begun[1].live.id, "b");
}

TEST(Watcher, TheSameLiveIsGivenFiveSecondsToLeaveTheList) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.start();
    rig.works.end_lives();
    rig.shard.turn();
    EXPECT_EQ(rig.works.begun.size(), 1u);
    EXPECT_NEAR(rig.next_in(), 5, 0.01);
    rig.shard.advance(5s);
    EXPECT_EQ(rig.works.begun.size(), 2u) << "still on: a new part";
}

TEST(Watcher, LivesThatEndWithoutMediaAreNoTightLoop) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.works.next.empty = true;
    rig.start();
    for (int i = 0; i < 600; ++i) rig.shard.advance(1s);
    EXPECT_LE(rig.works.begun.size(), 40u);
    EXPECT_GE(rig.works.begun.size(), 8u);
    EXPECT_EQ(rig.count(EventKind::downloading), 1);
    EXPECT_EQ(rig.count(EventKind::finished), 0);
}

TEST(Watcher, ALiveThatIsStillListedThoughItEndedIsNoError) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.start();
    rig.works.end_lives();
    rig.shard.turn();
    rig.works.next.refused = Error{Errc::not_found, "the live ended before it gave any media"};
    for (int i = 0; i < 60; ++i) rig.shard.advance(1s);
    rig.channel->id = "";
    for (int i = 0; i < 60; ++i) rig.shard.advance(1s);
    EXPECT_EQ(rig.count(EventKind::error), 0);
    EXPECT_LE(rig.works.begun.size(), 12u);
    EXPECT_TRUE(rig.watcher->status().errors.empty());
    EXPECT_EQ(rig.watcher->status().reason, "not live");
}

TEST(Watcher, WhatCouldNotBeFinishedIsToldAndTriedOnceMore) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.works.next.unfinished = true;
    rig.start();
    rig.channel->id = "";
    rig.works.end_lives();
    rig.shard.turn();
    EXPECT_EQ(rig.told(), "preparingFiles downloading postProcessing error");
    EXPECT_TRUE(rig.works.finished_rests.empty());
    for (int i = 0; i < 60; ++i) rig.shard.advance(1s);
    EXPECT_EQ(rig.works.finished_rests, std::vector<std::string>{source_id_of("fc2", "1", "a")});
}

TEST(Watcher, FC2_12_CannotTellIsNotOffline) {
    WatcherRig rig;
    rig.channel->why = Error{Errc::unreachable, "no connection"};
    rig.start();
    EXPECT_EQ(rig.state(), State::blind);
    EXPECT_EQ(rig.watcher->status().reason, "no connection");
    EXPECT_LE(rig.next_in(), 1);
    for (int i = 0; i < 600; ++i) rig.shard.advance(1s);
    EXPECT_EQ(rig.told(), "blind") << "once a streak";
    EXPECT_EQ(rig.watcher->status().errors.size(), 1u);
    EXPECT_LE(rig.channel->looks, 40);
    rig.channel->why.reset();
    rig.shard.advance(60s);
    EXPECT_EQ(rig.state(), State::idle);
    rig.channel->why = Error{Errc::unreachable, "no connection"};
    for (int i = 0; i < 60; ++i) rig.shard.advance(1s);
    EXPECT_EQ(rig.count(EventKind::blind), 2);
}

TEST(Watcher, ThePeersRetryAfterIsKept) {
    WatcherRig rig;
    rig.channel->why = Error{Errc::busy, "http 503", "", Millis{120'000}};
    rig.start();
    EXPECT_GE(rig.next_in(), 120);
}

TEST(Watcher, FC2_131_ARefusedLiveIsToldOnceAndTriedAtGrowingPauses) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.works.next.refused = Error{Errc::denied, "login required"};
    rig.start();
    for (const double wanted : {30, 60, 120, 240, 480, 480}) {
        EXPECT_EQ(rig.watcher->status().reason, "login required");
        EXPECT_NEAR(rig.next_in(), wanted, wanted * 0.1 + 0.01);
        rig.shard.advance(std::chrono::milliseconds(static_cast<int>(rig.next_in() * 1000) + 1));
    }
    EXPECT_EQ(rig.works.begun.size(), 7u);
    EXPECT_EQ(rig.told(), "preparingFiles error");
    EXPECT_EQ(rig.events.back().text, "login required");
    EXPECT_EQ(rig.watcher->status().errors.size(), 1u);
}

TEST(Watcher, ARefusalEndsWithItsLive) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.works.next.refused = Error{Errc::denied, "paid"};
    rig.start();
    rig.channel->id = "b";
    rig.shard.advance(33s);
    EXPECT_EQ(rig.count(EventKind::error), 2) << "another live, another streak";
    EXPECT_NEAR(rig.next_in(), 30, 3);
    rig.channel->id = "";
    rig.shard.advance(33s);
    rig.channel->id = "b";
    rig.shard.advance(6s);
    EXPECT_EQ(rig.count(EventKind::error), 3);
}

TEST(Watcher, FC2_24_ALiveThatBecomesPaidIsFinishedAndThenLeftAlone) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.works.next.cut_off = Error{Errc::denied, "paid"};
    rig.start();
    rig.works.next.refused = Error{Errc::denied, "paid"};
    rig.works.end_lives();
    rig.shard.turn();
    EXPECT_EQ(rig.told(), "preparingFiles downloading postProcessing finished error");
    EXPECT_NEAR(rig.next_in(), 30, 3);
    rig.shard.advance(33s);
    EXPECT_EQ(rig.works.begun.size(), 2u);
    EXPECT_NEAR(rig.next_in(), 60, 6);
    EXPECT_EQ(rig.count(EventKind::error), 1);
}

TEST(Watcher, FC2_40_OtherFailuresBackOffAndAreToldOnce) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.works.next.refused = Error{Errc::unreachable, "connection refused"};
    rig.start();
    for (int i = 0; i < 600; ++i) rig.shard.advance(1s);
    EXPECT_LE(rig.works.begun.size(), 40u);
    EXPECT_EQ(rig.told(), "preparingFiles error");
    rig.works.next.refused.reset();
    rig.shard.advance(61s);
    EXPECT_EQ(rig.told(), "preparingFiles error downloading");
}

TEST(Watcher, ABugIsToldAndTheChannelGoesOn) {
    for (const bool in_look : {true, false}) {
        WatcherRig rig;
        rig.channel->id = "a";
        (in_look ? rig.channel->throws : rig.works.next.throws) = true;
        rig.start();
        EXPECT_EQ(rig.count(EventKind::panicked), 1);
        EXPECT_NEAR(rig.next_in(), 60, 0.01);
        rig.channel->throws = rig.works.next.throws = false;
        rig.shard.advance(60s);
        EXPECT_EQ(rig.state(), State::downloading);
        EXPECT_EQ(rig.works.running, 1);
    }
}

TEST(Watcher, AStopEndsEveryWaitAtOnce) {
    {
        WatcherRig idle;
        idle.start();
        idle.stop("enough");
        EXPECT_EQ(idle.told(), "idle") << "nothing was canceled";
    }
    {
        WatcherRig blind;
        blind.channel->why = Error{Errc::timed_out, "no answer"};
        blind.start();
        blind.stop("enough");
    }
    {
        WatcherRig hanging;
        hanging.channel->hangs = true;
        hanging.start();
        hanging.stop("enough");
        EXPECT_EQ(hanging.told(), "");
    }
}

TEST(Watcher, AStopWhileRecordingIsCanceled) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.start();
    rig.stop("terminated", true);
    EXPECT_EQ(rig.works.stops, std::vector<std::string>{"terminated!"});
    EXPECT_EQ(rig.state(), State::canceled);
    EXPECT_EQ(rig.told(), "preparingFiles downloading postProcessing canceled");
}

TEST(Watcher, FC2_40_WithoutWaitingItEndsWhenNotLive) {
    WatcherRig rig;
    rig.setup.params.wait_for_live = false;
    rig.channel->id = "a";
    rig.start();
    EXPECT_FALSE(rig.ended);
    rig.channel->id = "";
    rig.works.end_lives();
    rig.shard.turn();
    EXPECT_TRUE(rig.ended);
    EXPECT_EQ(rig.watcher->status().reason, "not live, and not waited for");
}

TEST(Watcher, AnUpdateWakesAWait) {
    WatcherRig rig;
    rig.setup.params.wait_poll_interval = 1h;
    rig.start();
    rig.channel->id = "a";
    auto changed = rig.setup;
    changed.params.wait_poll_interval = 5s;
    changed.params.out_format = "new.{{ .Ext }}";
    rig.watcher->update(changed);
    rig.shard.turn();
    ASSERT_EQ(rig.works.begun.size(), 1u);
    EXPECT_EQ(rig.works.begun[0].params.out_format, "new.{{ .Ext }}");
}

TEST(Watcher, FC2_112_AnUpdateTouchesNoRecording) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.start();
    auto changed = rig.setup;
    changed.params.labels = {{"k", "v"}};
    rig.watcher->update(changed);
    rig.shard.advance(1min);
    EXPECT_EQ(rig.state(), State::downloading);
    EXPECT_TRUE(rig.works.stops.empty());
    EXPECT_EQ(rig.watcher->status().labels.at("k"), "v");
    rig.channel->id = "b";
    rig.works.end_lives();
    rig.shard.turn();
    EXPECT_EQ(rig.events.back().kind, EventKind::downloading);
    EXPECT_EQ(rig.events[3].labels.at("k"), "v") << "its events have the new labels";
    EXPECT_EQ(rig.works.begun.back().params.labels.at("k"), "v");
}

TEST(Watcher, ALeftOverOfTheLiveThatIsOnIsGoneOnWith) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.start({{"/r/old.journal", source_id_of("fc2", "1", "old"), false},
               {"/r/a.journal", source_id_of("fc2", "1", "a"), false},
               {"/r/a-ended.journal", source_id_of("fc2", "1", "a"), true}});
    ASSERT_EQ(rig.works.begun.size(), 1u);
    EXPECT_EQ(rig.works.begun[0].unfinished, Path("/r/a.journal"));
    EXPECT_EQ(rig.works.finished_rests,
              (std::vector<std::string>{source_id_of("fc2", "1", "old"), source_id_of("fc2", "1", "a")}));
}

TEST(Watcher, ALeftOverThatCouldNotBeGoneOnWithIsGivenToTheNextTry) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.works.next.unfinished = rig.works.next.goes_on = rig.works.next.empty = true;
    rig.works.next.cut_off = Error{Errc::timed_out, "no answer"};
    rig.start({{"/r/now.journal", source_id_of("fc2", "1", "a"), false}});
    rig.works.next = {};
    for (int i = 0; i < 5; ++i) rig.shard.advance(1s);
    ASSERT_EQ(rig.works.begun.size(), 2u);
    EXPECT_EQ(rig.works.begun[1].unfinished, Path("/r/now.journal"));
    EXPECT_TRUE(rig.works.finished_rests.empty());
    EXPECT_EQ(rig.count(EventKind::finished), 0);
}

TEST(Watcher, LeftOversWaitUntilItIsKnownWhetherTheirLiveIsOn) {
    WatcherRig rig;
    rig.channel->why = Error{Errc::timed_out, "no answer"};
    rig.start({{"/r/a.journal", source_id_of("fc2", "1", "a"), false}});
    rig.shard.advance(1min);
    EXPECT_TRUE(rig.works.finished_rests.empty());
    rig.channel->why.reset();
    rig.shard.advance(1min);
    EXPECT_EQ(rig.works.finished_rests.size(), 1u);
}

TEST(Watcher, FC2_125_TheErrorListIsBounded) {
    WatcherRig rig;
    rig.channel->id = "a";
    rig.works.complaints = {"no space for the remux"};
    rig.start();
    for (int i = 0; i < 150; ++i) {
        rig.channel->id = "live " + std::to_string(i);
        rig.works.end_lives();
        rig.shard.turn();
    }
    EXPECT_EQ(rig.watcher->status().errors.size(), 100u);
}

TEST(Watcher, FC2_126_StateGauge) {
    WatcherRig rig;
    rig.setup.id = "4711";
    rig.setup.params.labels = {{"English Name", "n"}};
    rig.channel->id = "a";
    rig.start();
    const auto value = [](const char* state) {
        return metrics::gauge("watcher_state", "Current state of the watcher",
                              {{"channel_id", "4711"}, {"state", state}, {"English_Name", "n"}})
            .value();
    };
    EXPECT_EQ(value("DOWNLOADING"), 1);
    EXPECT_EQ(value("PREPARING_FILES"), 0);
    rig.channel->id = "";
    rig.works.end_lives();
    rig.shard.turn();
    EXPECT_EQ(value("IDLE"), 1);
    EXPECT_EQ(value("DOWNLOADING"), 0);
}

TEST(WatcherMetrics, LabelsBecomeNamesThatPrometheusTakes) {
    const std::pair<const char*, const char*> cases[] = {{"EnglishName", "EnglishName"},
                                                         {"a-b.c", "a_b_c"},
                                                         {"1st", "l_1st"},
                                                         {"__x", "l___x"},
                                                         {"state", "l_state"},
                                                         {"", ""}};
    for (const auto& [name, wanted] : cases) EXPECT_EQ(metric_label(name), wanted) << name;
}

}  // namespace
}  // namespace weir::sites
