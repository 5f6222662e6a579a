// How websocket viewers end, and that nothing is left of them.
#include <gmock/gmock.h>

#include "sinks/viewers_websocket_rig.h"

namespace weir::fan_out {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ws::Opcode;

class ViewersEnd : public test::WebsocketRig {};

TEST_F(ViewersEnd, CloseIsAnsweredWithItsCode) {
    open();
    struct Case {
        std::uint16_t code;
        std::string answer;
    };
    for (const auto& [code, answer] : {Case{1000, "close:1000"}, Case{4321, "close:4321"}, Case{1005, "close:1005"}}) {
        auto& viewer = join();
        say_close(viewer, code);
        EXPECT_THAT(seen(viewer), ElementsAre(answer));
        EXPECT_THAT(viewer.gone, ElementsAre("closed by the peer, code " + std::to_string(code)));
        EXPECT_TRUE(viewer.peer.destroyed);
    }
}

TEST_F(ViewersEnd, CloseGoesBehindWhatIsOnItsWay) {
    open();
    auto& viewer = join({}, 60);
    message(std::string(500, 'm'), true);
    say_close(viewer, 1000);
    EXPECT_THAT(viewer.gone, IsEmpty());
    viewer.peer.make_room(10'000);
    shard.turn();
    EXPECT_THAT(seen(viewer), ElementsAre("b:TABLES ", "b:" + std::string(500, 'm'), "close:1000"));
    EXPECT_EQ(viewer.gone.size(), 1u);
}

TEST_F(ViewersEnd, BrokenProtocolIsClosedWithItsCode) {
    settings.limits.max_message = 1000;
    open();
    message("a", true);
    struct Case {
        std::string name, bytes, answer;
    };
    const std::vector<Case> cases{
        {"VW45 unmasked", std::string("\x82\x01x"), "close:1002 incorrect mask flag"},
        {"reserved bit", "\xc2" + masked(Opcode::binary, "x").substr(1), "close:1002"},
        {"text that is no UTF-8", masked(Opcode::text, "\xff"), "close:1007"},
        {"too big", masked(Opcode::binary, std::string(1001, 'x')), "close:1009"},
    };
    for (const auto& one : cases) {
        SCOPED_TRACE(one.name);
        auto& viewer = join();
        say(viewer, Opcode::binary, "before");
        say_raw(viewer, one.bytes);
        say(viewer, Opcode::binary, "after");
        EXPECT_THAT(viewer.heard, ElementsAre("b:before"));
        EXPECT_THAT(seen(viewer).back(), ::testing::StartsWith(one.answer));
        EXPECT_THAT(viewer.gone, IsEmpty());  // its answer to the close may still come
        pass(settings.goodbye);
        EXPECT_EQ(viewer.gone.size(), 1u);
        EXPECT_TRUE(viewer.peer.destroyed);
    }
}

TEST_F(ViewersEnd, PR14_HandleClosesOneAndNotItsNeighbours) {
    open();
    message("a", true);
    auto& denied = join();
    auto& other = join();
    denied.handle->close(4403, "booking cancelled");
    shard.turn();
    message("b");
    EXPECT_THAT(seen(denied), ElementsAre("b:TABLES ", "b:a", "close:4403 booking cancelled"));
    EXPECT_THAT(denied.gone, IsEmpty());
    say_close(denied, 4403);
    EXPECT_THAT(denied.gone, ElementsAre("booking cancelled"));
    EXPECT_THAT(seen(other), ElementsAre("b:TABLES ", "b:a", "b:b"));
    denied.handle->close(4403, "again");
    denied.handle->send(true, Bytes::copy_of("too late"));
    shard.turn();
    EXPECT_EQ(denied.gone.size(), 1u);
}

TEST_F(ViewersEnd, PR13_AccessEndsWithItsToken) {
    open();
    message("a", true);
    Viewers::Plan plan;
    plan.until = shard.time.now() + std::chrono::hours(2);
    auto& viewer = join(std::move(plan));
    for (int i = 0; i < 239; ++i) {
        pass(Millis(30'000));
        say(viewer, Opcode::pong, "");
    }
    EXPECT_THAT(viewer.gone, IsEmpty());
    pass(Millis(30'000));
    EXPECT_EQ(seen(viewer).back(), "close:4401 token expired");
    pass(settings.goodbye);
    EXPECT_THAT(viewer.gone, ElementsAre("token expired"));
}

TEST_F(ViewersEnd, PlainViewerIsCutWhenItsTokenEnds) {
    settings.wire = Viewers::Wire::http_ts;
    open();
    Viewers::Plan plan;
    plan.until = shard.time.now() + std::chrono::minutes(1);
    auto& viewer = join(std::move(plan));
    pass(Millis(59'000));
    EXPECT_THAT(viewer.gone, IsEmpty());
    pass(Millis(1'000));
    EXPECT_THAT(viewer.gone, ElementsAre("token expired"));
}

TEST_F(ViewersEnd, BytesThatCameBehindTheHandshakeAreHeard) {
    open();
    auto& viewer = join({}, SIZE_MAX, masked(Opcode::text, "early") + masked(Opcode::ping, "p").substr(0, 3));
    EXPECT_THAT(viewer.heard, ElementsAre("t:early"));
    say_raw(viewer, masked(Opcode::ping, "p").substr(3));
    EXPECT_THAT(seen(viewer), ElementsAre("pong:p"));
}

TEST_F(ViewersEnd, BeforeTheStreamIsHereViewersAreHeardAndNotAnswered) {
    make();
    auto& viewer = join();
    say(viewer, Opcode::ping, "x");
    say(viewer, Opcode::text, "hello");
    EXPECT_THAT(viewer.heard, ElementsAre("t:hello"));
    EXPECT_EQ(viewer.peer.got, "");
    out->open(*stream);
    EXPECT_THAT(seen(viewer), ElementsAre("pong:x"));
    auto init = std::make_shared<Init>();
    init->epoch = 1;
    put_framed(InitPtr(std::move(init)));
    message("now", true);
    EXPECT_THAT(seen(viewer), ElementsAre("pong:x", "b:now"));
}

Task<bool> when_rung(std::shared_ptr<Bell> bell) {
    const bool rung = co_await bell->wait();
    co_return rung;
}

TEST_F(ViewersEnd, PublisherIsReadOnlyAsFastAsOthersTakeIt) {
    open();
    const auto may = std::make_shared<Bell>(shard.executor());  // outlives the viewer that waits for it
    Viewers::Plan plan;
    plan.may_read = [may] { return when_rung(may); };
    auto& viewer = join(std::move(plan));
    say(viewer, Opcode::text, "one");
    EXPECT_THAT(viewer.heard, IsEmpty());
    may->notify();
    shard.turn();
    EXPECT_THAT(viewer.heard, ElementsAre("t:one"));
    say(viewer, Opcode::text, "two");
    EXPECT_THAT(viewer.heard, ElementsAre("t:one"));
}

TEST_F(ViewersEnd, StopSaysGoodbyeToViewersInEveryState) {
    open();
    message("a", true);
    auto& grouped = join();
    auto& blocked = join({}, 45);
    Viewers::Plan mute;
    mute.reads = false;
    auto& write_only = join(std::move(mute));
    auto& leaving = join();
    leaving.handle->close(4000, "first");
    auto& half_closed = join({}, 0);
    say_close(half_closed, 1000);
    shard.turn();
    bool stopped = false;
    const auto stop_it = [](FanOut& fan) -> Task<void> { co_await fan.stop(); };
    asio::co_spawn(shard.context, stop_it(*out), [&](std::exception_ptr) { stopped = true; });
    shard.turn();
    EXPECT_EQ(seen(grouped).back(), "close:1001 going away");
    EXPECT_EQ(seen(write_only).back(), "close:1001 going away");
    EXPECT_EQ(seen(leaving).back(), "close:4000 first");
    EXPECT_FALSE(stopped);
    say_close(grouped, 1001);
    EXPECT_EQ(grouped.gone, std::vector<std::string>{"going away"});
    blocked.peer.make_room(1000);
    shard.turn();
    EXPECT_EQ(seen(blocked).back(), "close:1001 going away");
    pass(settings.goodbye);
    EXPECT_TRUE(stopped);
    for (const auto& viewer : viewers) EXPECT_EQ(viewer->gone.size(), 1u);
}

TEST_F(ViewersEnd, WhatWaitsForCompanyGoesOutBeforeTheGoodbye) {
    open();
    message("a", true);
    for (int i = 0; i < 8; ++i) join();
    message("b");
    EXPECT_THAT(seen(*viewers[0]), ElementsAre("b:TABLES ", "b:a"));
    const auto stop_it = [](FanOut& fan) -> Task<void> { co_await fan.stop(); };
    asio::co_spawn(shard.context, stop_it(*out), [](std::exception_ptr) {});
    shard.turn();
    EXPECT_THAT(seen(*viewers[0]), ElementsAre("b:TABLES ", "b:a", "b:b", "close:1001 going away"));
}

TEST_F(ViewersEnd, StopWhileViewersHaveNoStreamYet) {
    make();
    auto& viewer = join();
    bool stopped = false;
    const auto stop_it = [](FanOut& fan) -> Task<void> { co_await fan.stop(); };
    asio::co_spawn(shard.context, stop_it(*out), [&](std::exception_ptr) { stopped = true; });
    shard.turn();
    EXPECT_THAT(seen(viewer), ElementsAre("close:1001 going away"));
    say_close(viewer, 1001);
    EXPECT_TRUE(stopped);
    EXPECT_EQ(viewer.gone.size(), 1u);
}

TEST_F(ViewersEnd, ThousandConnectsAndDisconnectsLeaveNothing) {
    open();
    message("a", true);
    auto& stays = join();
    for (int i = 0; i < 1000; ++i) {
        auto& viewer = join({}, i % 3 == 0 ? 50 : SIZE_MAX);
        if (i % 2 == 0) message("x", i % 10 == 0);
        if (i % 5 == 0)
            say_close(viewer, 1000);
        else if (i % 5 == 1)
            viewer.handle->close(1000, "");
        viewer.peer.leave();
        shard.turn();
        ASSERT_EQ(viewer.gone.size(), 1u) << i;
        ASSERT_TRUE(viewer.peer.destroyed) << i;
    }
    EXPECT_EQ(out->stats().viewers, 1u);
    EXPECT_EQ(stream->stats().readers, 1u);
    EXPECT_THAT(stays.gone, IsEmpty());
    EXPECT_EQ(seen(stays).size(), 2u + 500);
}

}  // namespace
}  // namespace weir::fan_out
