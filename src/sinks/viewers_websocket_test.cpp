// Viewers over websockets: what they get, whole frame by whole frame, and what they send.
#include <gmock/gmock.h>

#include "proto/websocket/framer.h"
#include "sinks/viewers_websocket_rig.h"

namespace weir::fan_out {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ws::Opcode;

class ViewersWebsocket : public test::WebsocketRig {};

TEST_F(ViewersWebsocket, VW42_TextStaysTextAndBinaryStaysBinary) {
    open();
    auto& viewer = join();
    message("picture ", true);
    message("words", false, 0, true);
    message("picture too ");
    EXPECT_THAT(seen(viewer), ElementsAre("b:TABLES ", "b:picture ", "t:words", "b:picture too "));
}

TEST_F(ViewersWebsocket, SmallMessagesOfManyViewersShareWritesAndPieces) {
    open();
    message(std::string(188, 'r'), true);
    for (int i = 0; i < 50; ++i) join();
    const auto before = viewers[20]->peer.writes;
    for (int i = 0; i < 200; ++i) message(std::string(188, static_cast<char>('a' + i % 26)));
    pass(Millis(10));
    for (const auto& viewer : viewers) {
        EXPECT_EQ(seen(*viewer).size(), 202u);
        EXPECT_LE(viewer->peer.most_pieces, 2u);
    }
    EXPECT_LE(viewers[20]->peer.writes, before + 3);  // 38 kB, and 16 kB are enough for one
}

TEST_F(ViewersWebsocket, PingIsAnsweredWithItsPayload) {
    open();
    message("a", true);
    auto& viewer = join();
    say(viewer, Opcode::ping, "are you there");
    EXPECT_THAT(seen(viewer), ElementsAre("b:TABLES ", "b:a", "pong:are you there"));
}

TEST_F(ViewersWebsocket, VW46_EachIsPingedAndWhoAnswersStays) {
    open();
    auto& answers = join();
    auto& talks = join();
    auto& silent = join();
    for (int i = 0; i < 10; ++i) {
        pass(Millis(27'000));
        say(answers, Opcode::pong, "");
        say(talks, Opcode::binary, "data counts as life too");
    }
    EXPECT_THAT(seen(answers), ElementsAre("ping:", "ping:", "ping:", "ping:", "ping:"));
    EXPECT_EQ(seen(talks).size(), 5u);
    EXPECT_THAT(answers.gone, IsEmpty());
    EXPECT_THAT(talks.gone, IsEmpty());
    EXPECT_THAT(silent.gone, ElementsAre("no sign of life"));
    EXPECT_TRUE(silent.peer.destroyed);
}

TEST_F(ViewersWebsocket, MessagesAreHandedOnWholeAndOnesOwnAreNotSentBack) {
    open();
    Viewers::Plan plan;
    plan.origin = 7;
    auto& sender = join(std::move(plan));
    auto& other = join();
    message("first ", true);
    say(sender, Opcode::text, "hello");
    EXPECT_THAT(sender.heard, ElementsAre("t:hello"));
    message("hello", false, 7, true);  // the hub publishes it
    message("more ", false, 8);
    EXPECT_THAT(seen(sender), ElementsAre("b:TABLES ", "b:first ", "b:more "));
    EXPECT_THAT(seen(other), ElementsAre("b:TABLES ", "b:first ", "t:hello", "b:more "));
}

TEST_F(ViewersWebsocket, SC23_NobodyOfACrowdHearsItselfHoweverItsMessagesAreBatched) {
    open();
    message("begin", true);
    constexpr std::uint32_t crowd = 12;
    for (std::uint32_t i = 1; i <= crowd; ++i) {
        Viewers::Plan plan;
        plan.origin = i;
        join(std::move(plan), i % 3 == 0 ? 60 : SIZE_MAX);
    }
    for (std::uint32_t i = 1; i <= crowd; ++i) {
        message("from " + std::to_string(i), false, i);
        if (i % 5 == 0) pass(Millis(10));
    }
    for (const auto& viewer : viewers) viewer->peer.make_room(1u << 20);
    pass(Millis(10));
    for (std::uint32_t me = 1; me <= crowd; ++me) {
        std::vector<std::string> expected{"b:TABLES ", "b:begin"};
        for (std::uint32_t i = 1; i <= crowd; ++i)
            if (i != me) expected.push_back("b:from " + std::to_string(i));
        EXPECT_EQ(seen(*viewers[me - 1]), expected) << me;
    }
}

TEST_F(ViewersWebsocket, WriteOnlyViewerGetsControlFramesAndNoMedia) {
    open();
    message("a ", true);
    Viewers::Plan plan;
    plan.reads = false;
    auto& viewer = join(std::move(plan));
    message("b ");
    say(viewer, Opcode::ping, "x");
    say(viewer, Opcode::binary, "upwards");
    pass(Millis(54'000));
    viewer.handle->send(true, Bytes::copy_of("answer"));
    shard.turn();
    EXPECT_THAT(seen(viewer), ElementsAre("pong:x", "ping:", "t:answer"));
    EXPECT_THAT(viewer.heard, ElementsAre("b:upwards"));
    EXPECT_EQ(stream->stats().readers, 0u);
}

TEST_F(ViewersWebsocket, WIN4_TooSlowViewerSkipsToARandomAccessPointAtAFrameBorder) {
    settings.policy.budget_bytes = 20'000;
    open();
    message("R0", true);
    auto& slow = join({}, 400);
    auto& quick = join();
    std::uint64_t sent = 2;
    for (int i = 1; i <= 400; ++i) {
        const bool rap = i % 20 == 0;
        const auto text = (rap ? "R" : "d") + std::to_string(i) + std::string(500, '.');
        sent += text.size();
        message(text, rap);
        if (i % 40 == 7) slow.peer.make_room(900);
    }
    EXPECT_EQ(seen(quick).size(), 402u);
    EXPECT_EQ(quick.handle->skips(), 0u);
    slow.peer.make_room(1u << 30);
    shard.turn();
    const auto got = seen(slow);
    EXPECT_GE(slow.handle->skips(), 1u);
    EXPECT_EQ(out->stats().skips, slow.handle->skips());
    EXPECT_EQ(out->stats().skipped_bytes, slow.handle->skipped_bytes());
    std::uint64_t jumps = 0, bytes = 0, frames = 0;
    int last = -1;
    for (const auto& one : got) {
        if (one == "b:TABLES ") continue;
        const int number = std::stoi(one.substr(3));
        EXPECT_GT(number, last);
        if (number != last + 1) {
            ++jumps;
            EXPECT_THAT(one, StartsWith("b:R"));
        }
        last = number;
        bytes += one.size() - 2;
        ++frames;
    }
    EXPECT_EQ(last, 400);
    EXPECT_EQ(jumps, slow.handle->skips());
    const auto heads = 4 * (401 - frames);  // what was skipped were frames of more than 125 bytes
    EXPECT_EQ(bytes + slow.handle->skipped_bytes(), sent + heads);
}

TEST_F(ViewersWebsocket, BudgetOfTimeCountsLikeBytes) {
    settings.policy.budget_time = std::chrono::seconds(2);
    open();
    message("R0", true);
    auto& slow = join({}, 15);
    for (int i = 1; i <= 50; ++i) {
        message((i % 10 == 0 ? "R" : "d") + std::to_string(i), i % 10 == 0);
        pass(Millis(100));
    }
    slow.peer.make_room(1u << 20);
    shard.turn();
    EXPECT_EQ(slow.handle->skips(), 1u);
    EXPECT_EQ(seen(slow).back(), "b:R50");
}

TEST_F(ViewersWebsocket, WhatIsSentToOneGoesBetweenWholeFrames) {
    open();
    message("a ", true);
    auto& quick = join();
    auto& slow = join({}, 40);
    message(std::string(100, 'x'));
    for (auto* viewer : {&quick, &slow}) viewer->handle->send(true, Bytes::copy_of("for you"));
    shard.turn();
    message("c ");
    slow.peer.make_room(10'000);
    shard.turn();
    const auto big = "b:" + std::string(100, 'x');
    EXPECT_THAT(seen(quick), ElementsAre("b:TABLES ", "b:a ", big, "t:for you", "b:c "));
    EXPECT_THAT(seen(slow), ElementsAre("b:TABLES ", "b:a ", "t:for you", big, "b:c "));
    message("together ");
    EXPECT_EQ(seen(slow).back(), "b:together ");
    EXPECT_EQ(stream->stats().readers, 1u);
}

TEST_F(ViewersWebsocket, ControlFrameThatBlocksTakesTheViewerOutOfTheGroup) {
    open();
    message("a ", true);
    auto& viewer = join({}, 36 + 9 + 4);  // the answer's head, the tables, "a "
    join();
    ASSERT_EQ(seen(viewer).size(), 2u);
    viewer.peer.make_room(3);
    say(viewer, Opcode::ping, "payload");
    message("b ");
    viewer.peer.make_room(1000);
    shard.turn();
    EXPECT_THAT(seen(viewer), ElementsAre("b:TABLES ", "b:a ", "pong:payload", "b:b "));
    EXPECT_EQ(out->stats().blocked, 1u);
}

TEST_F(ViewersWebsocket, WhoAsksAndNeverReadsIsLetGo) {
    open();
    auto& viewer = join({}, 0);
    for (int i = 0; i < 2000 && viewer.gone.empty(); ++i) say(viewer, Opcode::ping, std::string(100, 'p'));
    EXPECT_THAT(viewer.gone, ElementsAre("too much waits for it"));
    EXPECT_TRUE(viewer.peer.destroyed);
}

// reliability.md lesson 27
TEST_F(ViewersWebsocket, CVE_2026_48779_WhoMayNotWriteCannotMakeUsCollectMuch) {
    open();
    may_write = false;
    auto& viewer = join();
    say(viewer, Opcode::text, std::string(4096, 'x'));
    EXPECT_THAT(viewer.gone, IsEmpty()) << "JS-15: dropped";
    say_raw(viewer, masked(Opcode::text, std::string(4097, 'x')).substr(0, 100));
    EXPECT_THAT(seen(viewer).back(), testing::StartsWith("close:1009"));
    pass(settings.goodbye);
    EXPECT_EQ(viewer.gone.size(), 1u);
}

TEST_F(ViewersWebsocket, CVE_2026_48779_UnfinishedMessagesOfAllWhoMayWriteHaveABudget) {
    ws::Budget budget(1u << 20);
    settings.budget = &budget;
    open();
    const auto part = masked(Opcode::binary, std::string(5u << 20, 'x')).substr(0, 200u << 10);
    for (int i = 0; i < 8; ++i) {
        auto& viewer = join();
        for (std::size_t at = 0; at < part.size(); at += 50'000) say_raw(viewer, part.substr(at, 50'000));
        EXPECT_LE(budget.held(), 1u << 20);
    }
    EXPECT_EQ(seen(*viewers.front()).size(), 0u) << "who came first goes on";
    EXPECT_THAT(seen(*viewers.back()), ElementsAre(testing::StartsWith("close:1013")));
    for (const auto& viewer : viewers) viewer->peer.leave();
    shard.turn();
    EXPECT_EQ(budget.held(), 0u);
}

TEST_F(ViewersWebsocket, EndOfTheStreamIsSaidAfterTheLastMessage) {
    open();
    message("a ", true);
    auto& quick = join();
    auto& slow = join({}, 100);
    message(std::string(300, 'z'));
    stream->close(End{});
    shard.turn();
    EXPECT_EQ(seen(quick).back(), "close:1000 the stream has ended");
    pass(Millis(1000));
    EXPECT_THAT(quick.gone, ElementsAre("the stream has ended"));
    EXPECT_THAT(slow.gone, IsEmpty());
    slow.peer.make_room(10'000);
    shard.turn();
    EXPECT_EQ(seen(slow), seen(quick));
    say_close(slow, 1000);
    EXPECT_THAT(slow.gone, ElementsAre("the stream has ended"));
}

}  // namespace
}  // namespace weir::fan_out
