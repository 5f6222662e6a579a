#include <memory>
#include <optional>

#include "apps/sites/watcher_rig.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;

struct OnceRig : WatchRigBase {
    std::shared_ptr<RigChannel> channel = std::make_shared<RigChannel>(shard);
    Watcher::Setup setup;
    OnceSettings settings;
    Stop stop;
    std::optional<Result<LiveResult>> result;
    int current_calls = 0;

    OnceRig() {
        setup.id = "1";
        setup.channel = channel;
    }
    ~OnceRig() {
        if (result) return;
        stop.ask("the test is over");
        works.end_lives();
        for (int i = 0; i < 100 && !result; ++i) shard.advance(1s);
        EXPECT_TRUE(result);
    }
    void start() {
        shard.start([](OnceRig& rig) -> Task<void> {
            std::function<void(LiveRecording*)> current = [&rig](LiveRecording*) { ++rig.current_calls; };
            LiveWork work = rig.works.work(rig.shard);
            auto wanted = rig.setup;
            auto sink = rig.tell;
            auto done = co_await record_once(std::move(wanted), rig.tools, rig.settings, rig.stop, std::move(sink),
                                             std::move(current), std::move(work));
            rig.result.emplace(std::move(done));
        }(*this));
        shard.turn();
    }
    void pass(Millis d) {
        for (Millis t{0}; t < d && !result; t += 200ms) shard.advance(200ms);
    }
};

TEST(RecordOnce, WaitsForALiveRecordsItAndEnds) {
    OnceRig rig;
    rig.start();
    rig.pass(60s);
    EXPECT_FALSE(rig.result);
    rig.channel->id = "a";
    rig.pass(6s);
    EXPECT_EQ(rig.works.begun.size(), 1u);
    rig.works.end_lives();
    rig.shard.turn();
    ASSERT_TRUE(rig.result && *rig.result);
    EXPECT_EQ((*rig.result)->file, "live.mp4");
    EXPECT_EQ(rig.told(), "idle preparingFiles downloading postProcessing finished");
    EXPECT_EQ(rig.current_calls, 2);
}

TEST(RecordOnce, FC2_104_NoWaitSaysThatItIsNotLive) {
    OnceRig rig;
    rig.setup.params.wait_for_live = false;
    rig.start();
    ASSERT_TRUE(rig.result);
    EXPECT_EQ(rig.result->error().code, Errc::not_found);
}

TEST(RecordOnce, FC2_55_AFailingLiveIsTriedSoManyTimes) {
    OnceRig rig;
    rig.channel->id = "a";
    rig.settings.max_tries = 3;
    rig.works.next.refused = Error{Errc::unreachable, "connection refused"};
    rig.start();
    rig.pass(60s);
    ASSERT_TRUE(rig.result);
    EXPECT_EQ(rig.result->error().code, Errc::unreachable);
    EXPECT_EQ(rig.works.begun.size(), 3u);
    EXPECT_EQ(rig.count(EventKind::error), 1);
}

TEST(RecordOnce, AnOutageWhileWaitingDoesNotEndIt) {
    OnceRig rig;
    rig.settings.max_tries = 3;
    rig.channel->why = Error{Errc::unreachable, "no connection"};
    rig.start();
    rig.pass(20min);
    EXPECT_FALSE(rig.result);
    EXPECT_EQ(rig.told(), "blind");
    rig.channel->why.reset();
    rig.channel->id = "a";
    rig.pass(61s);
    EXPECT_EQ(rig.works.begun.size(), 1u);
}

TEST(RecordOnce, LoopsUntilItIsStopped) {
    OnceRig rig;
    rig.settings.loop = true;
    for (const auto* id : {"a", "b", "c"}) {
        rig.channel->id = id;
        if (!rig.works.begun.empty())
            rig.works.end_lives();
        else
            rig.start();
        rig.pass(2s);
    }
    EXPECT_EQ(rig.works.begun.size(), 3u);
    rig.stop.ask("enough");
    rig.works.end_lives();
    rig.shard.turn();
    ASSERT_TRUE(rig.result);
    EXPECT_TRUE(rig.result->has_value()) << "the last one";
}

TEST(RecordOnce, AStopEndsTheWait) {
    OnceRig rig;
    rig.start();
    rig.stop.ask("enough");
    rig.pass(1s);
    ASSERT_TRUE(rig.result);
    EXPECT_EQ(rig.result->error().code, Errc::cancelled);
}

TEST(RecordOnce, GoesOnWithWhatAnEarlierRunLeft) {
    OnceRig rig;
    rig.channel->id = "a";
    rig.works.rests = {{"/r/a.journal", source_id_of("fc2", "1", "a"), false},
                       {"/r/z.journal", source_id_of("fc2", "1", "z"), false},
                       {"/r/other.journal", source_id_of("fc2", "2", "a"), false}};
    rig.start();
    ASSERT_EQ(rig.works.begun.size(), 1u);
    EXPECT_EQ(rig.works.begun[0].unfinished, Path("/r/a.journal"));
    EXPECT_EQ(rig.works.finished_rests, std::vector<std::string>{source_id_of("fc2", "1", "z")});
}

}  // namespace
}  // namespace weir::sites
