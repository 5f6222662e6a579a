// What websocket viewers have time for, and that looking at it costs nothing while nothing is due.
#include <gmock/gmock.h>

#include "sinks/viewers_websocket_rig.h"

namespace weir::fan_out {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ws::Opcode;

class ViewersTimes : public test::WebsocketRig {
protected:
    void end_slowly() {
        open();
        message("a", true);
        auto& slow = join({}, 60);
        message(std::string(2'000, 's'));
        message(std::string(2'000, 't'));
        stream->close(End{});
        slow.peer.make_room(2'010);
        shard.turn();
        for (int i = 0; i < 30; ++i) {
            pass(Millis(1'000));
            slow.peer.make_room(1);
        }
        EXPECT_THAT(slow.gone, IsEmpty());
        pass(settings.goodbye);
        EXPECT_THAT(slow.gone, ElementsAre("the stream has ended"));
    }
};

/// Its answer to our ping is behind all that it takes so slowly; only when nothing waits it must speak.
TEST_F(ViewersTimes, WhoTakesDataIsAliveHoweverSlowlyItDoes) {
    open();
    message("a", true);
    auto& slow = join({}, 60);
    message(std::string(2'000, 's'));
    for (int i = 0; i < 20; ++i) {
        pass(Millis(29'000));
        slow.peer.make_room(50);
        shard.turn();
    }
    EXPECT_THAT(slow.gone, IsEmpty());
    slow.peer.make_room(10'000);
    shard.turn();
    pass(Millis(59'000));
    EXPECT_THAT(slow.gone, IsEmpty());
    pass(Millis(2'000));
    EXPECT_THAT(slow.gone, ElementsAre("no sign of life"));
}

TEST_F(ViewersTimes, WhoIsAskedSeldomHasTimeToAnswer) {
    settings.ping = Millis(90'000);
    open();
    auto& answers = join();
    auto& silent = join();
    for (int i = 0; i < 4; ++i) {
        pass(Millis(90'000));
        say(answers, Opcode::pong, "");
    }
    EXPECT_THAT(answers.gone, IsEmpty());
    EXPECT_THAT(seen(answers), ElementsAre("ping:", "ping:", "ping:", "ping:"));
    EXPECT_THAT(silent.gone, ElementsAre("no sign of life"));
}

/// RFC 6455 5.5.3
TEST_F(ViewersTimes, OfManyPingsAtOnceTheNewestIsAnswered) {
    open();
    auto& viewer = join();
    const auto writes = viewer.peer.writes;
    std::string flood;
    for (int i = 0; i < 1'000; ++i) flood += masked(Opcode::ping, std::to_string(i));
    say_raw(viewer, flood + masked(Opcode::text, "last"));
    EXPECT_THAT(seen(viewer), ElementsAre("pong:999"));
    EXPECT_EQ(viewer.peer.writes, writes + 1);
    EXPECT_THAT(viewer.heard, ElementsAre("t:last"));
}

TEST_F(ViewersTimes, NobodyWakesBeforeSomethingIsDue) {
    open();
    const auto begin = shard.time.now();
    const auto wakes_at = [&] { return std::chrono::duration_cast<Millis>(shard.time.next() - begin); };
    EXPECT_EQ(shard.time.next(), SteadyTime::max());
    join();
    EXPECT_EQ(wakes_at(), Millis(54'000));
    pass(Millis(10'000));
    Viewers::Plan plan;
    plan.until = begin + Millis(30'000);
    auto& guest = join(std::move(plan));
    EXPECT_EQ(wakes_at(), Millis(30'000));
    guest.handle->close(4000, "go");
    shard.turn();
    EXPECT_EQ(wakes_at(), Millis(11'000));
    pass(settings.goodbye);
    EXPECT_THAT(guest.gone, ElementsAre("go"));
    EXPECT_EQ(wakes_at(), Millis(54'000));
    pass(Millis(43'000));
    EXPECT_EQ(wakes_at(), Millis(60'000));
}

TEST_F(ViewersTimes, PlainViewersWithoutATimeToEndNeedNoTimer) {
    settings.wire = Viewers::Wire::http_ts;
    open();
    join();
    EXPECT_EQ(shard.time.next(), SteadyTime::max());
}

TEST_F(ViewersTimes, TheRestOfAnEndedStreamIsNotWrittenForEver) {
    end_slowly();
}

TEST_F(ViewersTimes, NorToAPlainViewer) {
    settings.wire = Viewers::Wire::http_ts;
    end_slowly();
}

Task<bool> not_any_more() {
    co_return false;
}

TEST_F(ViewersTimes, WhoIsNotListenedToAnyMoreIsTold) {
    open();
    Viewers::Plan plan;
    plan.may_read = not_any_more;
    auto& viewer = join(std::move(plan));
    EXPECT_THAT(seen(viewer), ElementsAre("close:1013 nothing more is taken from it"));
    say(viewer, Opcode::text, "was on its way");
    EXPECT_THAT(viewer.heard, IsEmpty());
    EXPECT_THAT(viewer.gone, IsEmpty());
    say_close(viewer, 1013);
    EXPECT_THAT(viewer.gone, ElementsAre("nothing more is taken from it"));
}

}  // namespace
}  // namespace weir::fan_out
