#include "apps/relay/hub.h"

#include <gtest/gtest.h>

#include <atomic>

#include "apps/relay/hub_rig.h"
#include "base/metrics.h"
#include "sinks/viewers_rig.h"
#include "ts_maker.h"

namespace weir::relay {
namespace {

using namespace rig;
using weir::test::TsMaker;

Hub::Settings quick() {
    Hub::Settings s;
    s.linger = Millis(5);
    return s;
}

/// A hub on the first of `shards`, stopped afterwards.
void with_hub(std::size_t shards, Hub::Settings settings, const std::function<Task<void>(Shards&, Hub&)>& body) {
    run_shards(shards, [&](Shards& all) -> Task<void> {
        const auto hub = Hub::create(all, all.at(0), settings);
        co_await body(all, *hub);
        co_await hub->stop();
    });
}

Task<std::shared_ptr<Publisher>> publisher(Hub& hub, std::string topic, PublisherInfo who) {
    auto got = co_await hub.publish(std::move(topic), std::move(who));
    EXPECT_TRUE(got.has_value());
    co_return got ? *got : nullptr;
}

Task<void> nothing_left(Hub& hub) {
    const bool gone = co_await turns_until(hub.home(), [&] { return hub.stats().empty(); });
    EXPECT_TRUE(gone);
}

TEST(Hub, WhatIsPushedReachesWhoFollowsWithTablesAndNumbers) {
    with_hub(1, quick(), [](Shards&, Hub& hub) -> Task<void> {
        auto who = pusher();
        const auto from = co_await publisher(hub, "video", who);
        Follower follower(hub, "video");
        TsMaker maker;
        const auto segment = maker.segment(90'000);
        from->push(piece(segment));
        EXPECT_EQ(follower.bytes(), segment);
        const auto stats = hub.stats();
        const auto* topic = find(stats, "video");
        EXPECT_TRUE(topic);
        EXPECT_EQ(topic->tracks.size(), 2u);
        EXPECT_FALSE(topic->mix);
        EXPECT_EQ(topic->publishers.size(), 1u);
        EXPECT_EQ(topic->publishers.front().who.user_agent, "test");
        EXPECT_EQ(topic->publishers.front().in.bytes, segment.size());
        EXPECT_EQ(topic->stream.bytes, segment.size());
        EXPECT_GT(topic->message_bytes.count, 0u);
        EXPECT_NE(metrics::metrics_text().find("weir_relay_feed_bytes_total{feed=\"video\"}"), std::string::npos);
    });
}

// SC-8, VW-42
TEST(Hub, AMessageReachesTheOthersOfItsTopicAndNotItsSender) {
    with_hub(1, quick(), [](Shards&, Hub& hub) -> Task<void> {
        auto info = talker();
        const auto from = co_await publisher(hub, "chat", info);
        Policy own;
        own.origin = from->origin();
        Follower sender(hub, "chat", own), other(hub, "chat"), elsewhere(hub, "chat2");
        from->message(true, Bytes::copy_of("hello"));
        from->message(false, Bytes::copy_of("\x01\x02"));
        EXPECT_EQ(other.bytes(), "hello\x01\x02");
        EXPECT_EQ(sender.bytes(), "");
        EXPECT_EQ(elsewhere.bytes(), "");
        std::vector<bool> texts;
        for (const auto& item : other.items)
            if (const auto* c = std::get_if<Chunk>(item.get())) texts.push_back(c->text);
        EXPECT_EQ(texts, (std::vector<bool>{true, false}));
    });
}

// VW-32: vw throws away what is above 1,024,000 bytes
TEST(Hub, AnUnpacedPushFromAnotherShardLosesNothing) {
    with_hub(2, quick(), [](Shards& all, Hub& hub) -> Task<void> {
        TsMaker maker;
        std::string block;
        for (int i = 0; i < 20; ++i) block += maker.segment(90'000 * (i + 1));
        constexpr int times = 40;
        std::uint64_t most = 0;
        const std::function<Task<void>()> push = [&]() -> Task<void> {
            auto who = pusher();
            const auto from = co_await publisher(hub, "fast", who);
            for (int i = 0; i < times; ++i) {
                from->push(piece(block, i + 1 < times));
                most = std::max(most, from->under_way());
                const bool room = co_await from->wait_for_room();
                EXPECT_TRUE(room);
            }
        };
        Follower holds(hub, "fast");
        co_await on_other(all.at(0), all.at(1), push);
        const auto expected = block.size() * times;
        const bool came = co_await turns_until(hub.home(), [&] {
            const auto stats = hub.stats();
            return find(stats, "fast")->stream.bytes == expected && find(stats, "fast")->publishers.empty();
        });
        EXPECT_TRUE(came);
        EXPECT_LT(most, (2u << 20) + 2 * block.size()) << "what is under way has a bound";
    });
}

// VW-32 again: nor does a viewer that takes what it can
TEST(Hub, AFilePushedAtFullSpeedWaitsForAViewerThatTakesIt) {
    with_hub(1, quick(), [](Shards&, Hub& hub) -> Task<void> {
        auto& home = hub.home();
        weir::test::Peer peer(home.executor());
        peer.room = 64u << 10;
        auto watcher = co_await hub.watch("film", Viewers::Wire::http_ts);
        Viewers::Plan plan;
        plan.head = http_ts_head();
        auto connection = std::make_unique<weir::test::FakeConnection>(home, peer);
        const auto viewer = (*watcher)->viewers().add(std::move(connection), std::move(plan));
        TaskGroup taking(home.executor());
        taking.spawn([](Shard& at, weir::test::Peer& who) -> Task<void> {
            for (bool goes_on = true; goes_on;) {
                who.make_room(64u << 10);
                goes_on = co_await at.clock().sleep_for(Millis(1));
            }
        }(home, peer));
        TsMaker maker;
        std::string block = maker.segment(0);
        auto who = pusher();
        const auto from = co_await publisher(hub, "film", who);
        std::size_t pushed = 0;
        for (int i = 1; pushed < (16u << 20); ++i) {
            from->push(piece(block));
            pushed += block.size();
            const bool room = co_await from->wait_for_room();
            EXPECT_TRUE(room);
            (void)co_await home.clock().sleep_until(SteadyTime{});  // as reading a socket would: others have their turn
            block = maker.segment(90'000 * i);
        }
        const bool all = co_await turns_until(home, [&] { return peer.body().size() >= pushed; });
        EXPECT_TRUE(all);
        EXPECT_EQ(viewer->skips(), 0u);
        co_await taking.stop("enough");
        peer.leave();
        (void)co_await turns_until(home, [&] { return peer.destroyed; });
    });
}

// VW-37
TEST(Hub, TwoPublishersHaveALaneEachAndItsNextOwnerANewEpoch) {
    with_hub(1, quick(), [](Shards&, Hub& hub) -> Task<void> {
        auto who = pusher();
        auto first = co_await publisher(hub, "cam", who);
        const auto second = co_await publisher(hub, "cam", who);
        Follower follower(hub, "cam");
        TsMaker maker;
        first->push(piece(maker.segment(0)));
        second->push(piece(maker.segment(0)));
        first.reset();
        const bool freed = co_await turns_until(hub.home(), [&] {
            const auto stats = hub.stats();
            return find(stats, "cam")->publishers.size() == 1;
        });
        EXPECT_TRUE(freed);
        const auto third = co_await publisher(hub, "cam", who);
        third->push(piece(maker.segment(0)));
        const auto inits = follower.inits();
        EXPECT_EQ(inits.size(), 3u);
        EXPECT_EQ(inits[0].first, 0);
        EXPECT_EQ(inits[1].first, 1);
        EXPECT_EQ(inits[2].first, 0) << "the lowest free lane";
        EXPECT_GT(inits[2].second, inits[0].second);
    });
}

// VW-35
TEST(Hub, AThousandReconnectsLeaveNothing) {
    with_hub(2, quick(), [](Shards& all, Hub& hub) -> Task<void> {
        TsMaker maker;
        const auto bytes = maker.segment(0, 3, 500);
        const std::function<Task<void>()> push = [&]() -> Task<void> {
            for (int i = 0; i < 1000; ++i) {
                auto who = pusher();
                const auto from = co_await publisher(hub, "again", who);
                from->push(piece(bytes));
            }
        };
        {
            Follower follower(hub, "again");
            co_await on_other(all.at(0), all.at(1), push);
            const bool gone = co_await turns_until(hub.home(), [&] {
                const auto stats = hub.stats();
                return find(stats, "again")->publishers.empty();
            });
            EXPECT_TRUE(gone);
            const auto stats = hub.stats();
            EXPECT_EQ(find(stats, "again")->stream.bytes, bytes.size() * 1000);
            for (const auto& [lane, epoch] : follower.inits()) EXPECT_LT(lane, 3) << "lanes are used again";
        }
        co_await nothing_left(hub);
    });
}

struct Names {
    std::vector<std::string> log;
    void operator()(const std::string& feed, bool wanted) { log.push_back((wanted ? "+" : "-") + feed); }
};

// SC-10
TEST(Hub, AStreamGetsItsFeedsWhetherTheRuleOrTheClientCameFirst) {
    with_hub(1, quick(), [](Shards&, Hub& hub) -> Task<void> {
        auto info = talker();
        const auto a = co_await publisher(hub, "a", info);
        const auto b = co_await publisher(hub, "b", info);
        const auto say = [](const auto& who, std::string_view text) { who->message(true, Bytes::copy_of(text)); };
        Follower client(hub, "stream/x");
        say(a, "0");
        hub.set_mix("stream/x", std::vector<std::string>{"a", "b", "a", "missing"});
        Follower late(hub, "stream/x");
        say(a, "1");
        say(b, "2");
        (void)co_await turns_until(hub.home(), [&] { return late.bytes().size() >= 2; });
        EXPECT_EQ(late.bytes(), "12") << "and VW-68: a feed that is named twice comes once";
        const auto early = client.bytes();
        EXPECT_EQ(early.substr(early.size() - 2), "12");

        hub.set_mix("stream/x", std::vector<std::string>{"b"});
        say(a, "3");
        say(b, "4");
        (void)co_await turns_until(hub.home(), [&] { return late.bytes().size() >= 3; });
        EXPECT_EQ(late.bytes(), "124") << "muted by replacing the rule (VW-25)";

        hub.set_mix("stream/x", std::nullopt);
        say(b, "5");
        (void)co_await hub.home().clock().sleep_for(Millis(5));
        EXPECT_EQ(late.bytes(), "124");
        const auto stats = hub.stats();
        EXPECT_TRUE(find(stats, "stream/x")->mix);
        EXPECT_TRUE(find(stats, "stream/x")->feeds.empty());
    });
}

// VW-67
TEST(Hub, ARuleWhoseNameIsNoStreamChangesNothing) {
    with_hub(1, quick(), [](Shards&, Hub& hub) -> Task<void> {
        auto info = talker();
        const auto a = co_await publisher(hub, "a", info);
        hub.set_mix("video", std::vector<std::string>{"a"});
        Follower follower(hub, "video");
        a->message(true, Bytes::copy_of("no"));
        EXPECT_EQ(follower.bytes(), "");
        const auto own = co_await publisher(hub, "video", info);
        own->message(true, Bytes::copy_of("yes"));
        EXPECT_EQ(follower.bytes(), "yes");
    });
}

TEST(Hub, AStreamInAStreamIsOnlyANameAndNoLoop) {
    with_hub(1, quick(), [](Shards&, Hub& hub) -> Task<void> {
        hub.set_mix("stream/x", std::vector<std::string>{"stream/y", "a"});
        hub.set_mix("stream/y", std::vector<std::string>{"stream/x", "stream/y", "b"});
        auto info = talker();
        const auto a = co_await publisher(hub, "a", info);
        const auto b = co_await publisher(hub, "b", info);
        Follower x(hub, "stream/x"), y(hub, "stream/y");
        a->message(true, Bytes::copy_of("a"));
        b->message(true, Bytes::copy_of("b"));
        (void)co_await turns_until(hub.home(), [&] { return !x.bytes().empty() && !y.bytes().empty(); });
        EXPECT_EQ(x.bytes(), "a");
        EXPECT_EQ(y.bytes(), "b");
    });
}

// VW-43: streams do not run backwards
TEST(Hub, StreamsThatNameEachOtherSurviveAPushAtFullSpeed) {
    with_hub(1, quick(), [](Shards&, Hub& hub) -> Task<void> {
        std::vector<std::string> a{"stream/b", "x"}, b{"stream/a"};
        hub.set_mix("stream/a", a);
        hub.set_mix("stream/b", b);
        auto who = pusher();
        const auto from = co_await publisher(hub, "x", who);
        TsMaker maker;
        maker.tables();
        for (int i = 0; i < 40; ++i) from->push(piece(maker.segment(90'000)));
        std::string much(2u << 20, 'x');
        const auto before = hub.stats().size();
        from->push(piece(much));
        EXPECT_EQ(hub.stats().size(), before);
        hub.set_mix("stream/a", std::nullopt);
        hub.set_mix("stream/b", std::nullopt);
    });
}

TEST(Hub, EmptyMessagesUnderWayAreBounded) {
    with_hub(2, quick(), [](Shards& all, Hub& hub) -> Task<void> {
        std::uint64_t under_way = 0;
        const std::function<Task<void>()> talk = [&]() -> Task<void> {
            auto who = talker();
            const auto from = co_await publisher(hub, "t", who);
            for (int i = 0; i < 1000; ++i) from->message(false, Bytes());
            under_way = from->under_way();
        };
        co_await on_other(hub.home(), all.at(1), talk);
        EXPECT_GT(under_way, 0u);
    });
}

TEST(Hub, WhatIsPublishedOnAStreamGoesNowhere) {
    with_hub(1, quick(), [](Shards&, Hub& hub) -> Task<void> {
        hub.set_mix("stream/x", std::vector<std::string>{"a"});
        Follower x(hub, "stream/x"), a(hub, "a");
        auto info = talker();
        const auto from = co_await publisher(hub, "stream/x", info);
        from->message(true, Bytes::copy_of("back"));
        (void)co_await hub.home().clock().sleep_for(Millis(3));
        EXPECT_EQ(x.bytes() + a.bytes(), "");
    });
}

TEST(Hub, DemandIsToldThroughStreamsToo) {
    with_hub(1, quick(), [](Shards&, Hub& hub) -> Task<void> {
        const auto names = std::make_shared<Names>();
        hub.on_demand([names](const std::string& feed, bool wanted) { (*names)(feed, wanted); });
        const auto take = [&] { return std::exchange(names->log, {}); };
        using Log = std::vector<std::string>;
        hub.set_mix("stream/x", std::vector<std::string>{"a", "b"});
        auto info = talker();
        const auto from = co_await publisher(hub, "a", info);
        EXPECT_EQ(take(), Log{}) << "rules and publishers watch nothing";
        auto one = hub.attach("stream/x");
        EXPECT_EQ(take(), (Log{"+stream/x", "+a", "+b"}));
        auto two = hub.attach("a");
        hub.set_mix("stream/x", std::vector<std::string>{"b", "c"});
        EXPECT_EQ(take(), (Log{"+c"})) << "a is still watched by its own name";
        two->first.reset();
        (void)co_await turns_until(hub.home(), [&] { return !names->log.empty(); });
        EXPECT_EQ(take(), (Log{"-a"}));
        one->first.reset();
        (void)co_await turns_until(hub.home(), [&] { return names->log.size() >= 3; });
        EXPECT_EQ(take(), (Log{"-stream/x", "-b", "-c"}));
        hub.set_mix("stream/x", std::nullopt);
    });
}

TEST(Hub, WhatNobodyWantsGoesAfterAWhile) {
    with_hub(2, quick(), [](Shards& all, Hub& hub) -> Task<void> {
        hub.set_mix("stream/x", std::vector<std::string>{"a"});
        const std::function<Task<void>()> come_and_go = [&]() -> Task<void> {
            const auto ws = co_await hub.watch("stream/x", Viewers::Wire::websocket);
            const auto ts = co_await hub.watch("b", Viewers::Wire::http_ts);
            EXPECT_TRUE(ws.has_value());
            EXPECT_TRUE(ts.has_value());
            EXPECT_EQ((*ws)->topic(), "stream/x");
            EXPECT_EQ((*ws)->viewers().stats().viewers, 0u);
        };
        co_await on_other(all.at(0), all.at(1), come_and_go);
        const bool one = co_await turns_until(hub.home(), [&] { return hub.stats().size() == 2; });
        EXPECT_TRUE(one) << "the rule holds its stream, and the stream its feed";
        co_await on_other(all.at(0), all.at(1), come_and_go);
        hub.set_mix("stream/x", std::nullopt);
        co_await nothing_left(hub);
    });
}

TEST(Hub, MemoryIsGivenBackAsideWhenACrowdHasGone) {
    std::atomic<int> jobs{0};
    auto settings = quick();
    settings.aside = [&](std::function<void()> job) {
        job();
        ++jobs;
    };
    with_hub(1, settings, [&](Shards&, Hub& hub) -> Task<void> {
        {
            const auto from = co_await hub.publish("a", talker());
            EXPECT_TRUE(from.has_value());
            for (int i = 0; i < 4; ++i) (*from)->message(false, Bytes::copy_of(std::string(512u << 10, 'x')));
        }
        co_await nothing_left(hub);
        const bool given = co_await turns_until(hub.home(), [&] { return jobs > 0; });
        EXPECT_TRUE(given);
    });
}

TEST(Hub, WhoPushesGarbageIsSeen) {
    with_hub(1, quick(), [](Shards&, Hub& hub) -> Task<void> {
        const auto from = co_await hub.publish("a", pusher());
        EXPECT_TRUE(from.has_value());
        std::string packets;
        for (int i = 0; i < 3; ++i) packets += "\x47\x1f\xff\x10" + std::string(184, 'x');
        (*from)->push(piece(packets));
        (*from)->push(piece(std::string(10'000, 'x')));
        const auto stats = hub.stats();
        const auto* topic = find(stats, "a");
        EXPECT_NE(topic, nullptr);
        if (topic == nullptr || topic->publishers.empty()) co_return;
        EXPECT_GT(topic->publishers.front().in.dropped_bytes, 9'000u);
    });
}

TEST(Hub, AWatcherThatOutlivesTheHubHarmsNobody) {
    run_shards(1, [](Shards& all) -> Task<void> {
        auto hub = Hub::create(all, all.at(0), quick());
        const auto watcher = co_await hub->watch("a", Viewers::Wire::websocket);
        auto info = talker();
        const auto from = co_await publisher(*hub, "a", info);
        co_await hub->stop();
        hub.reset();
        from->message(true, Bytes::copy_of("too late"));
        const bool room = co_await from->wait_for_room();
        EXPECT_FALSE(room);
        EXPECT_EQ((*watcher)->viewers().stats().viewers, 0u);
    });
}

TEST(Hub, NamesAreBounded) {
    auto few = quick();
    few.max_topics = 2;
    with_hub(1, few, [](Shards&, Hub& hub) -> Task<void> {
        Follower a(hub, "a"), b(hub, "b");
        auto info = talker();
        const auto third = co_await hub.publish("c", info);
        EXPECT_EQ(third.error().code, Errc::busy);
        const auto known = co_await hub.publish("a", info);
        EXPECT_TRUE(known.has_value());
        const auto nameless = co_await hub.publish("", info);
        EXPECT_EQ(nameless.error().code, Errc::bad_input);
    });
}

TEST(Hub, ANameThatOnlyViewersAskedForGoesWithTheLastOfThem) {
    auto slow = quick();
    slow.linger = std::chrono::hours(1);
    with_hub(2, slow, [](Shards& all, Hub& hub) -> Task<void> {
        const std::function<Task<void>()> come_and_go = [&]() -> Task<void> {
            for (const auto wire : {Viewers::Wire::websocket, Viewers::Wire::http_ts}) {
                const auto one = co_await hub.watch("made up", wire);
                const auto two = co_await hub.watch("made up", wire);
                EXPECT_TRUE(one && two);
            }
        };
        co_await on_other(all.at(0), all.at(1), come_and_go);
        co_await nothing_left(hub);
        {
            auto info = talker();
            const auto from = co_await publisher(hub, "real", info);
        }
        const auto viewer = co_await hub.watch("real", Viewers::Wire::websocket);
        EXPECT_TRUE(viewer.has_value());
        co_await on_other(all.at(0), all.at(1), come_and_go);
        const bool one = co_await turns_until(hub.home(), [&] { return hub.stats().size() == 1; });
        EXPECT_TRUE(one) << "whoever published once may come again";
    });
}

TEST(Hub, NamesThatOnlyViewersAskedForLeaveRoomForPublishersAndRules) {
    auto few = quick();
    few.max_topics = 8;
    with_hub(1, few, [](Shards&, Hub& hub) -> Task<void> {
        std::vector<std::shared_ptr<Watcher>> watchers;
        for (const auto* name : {"x1", "x2", "x3"}) {
            auto got = co_await hub.watch(name, Viewers::Wire::http_ts);
            if (got) watchers.push_back(std::move(*got));
        }
        EXPECT_EQ(watchers.size(), 2u) << "a quarter";
        std::vector<std::shared_ptr<Publisher>> publishers;
        auto info = talker();
        for (const auto* name : {"x1", "a", "b", "c"}) publishers.push_back(co_await publisher(hub, name, info));
        hub.set_mix("stream/x", std::vector<std::string>{"a", "x2"});
        auto watched = co_await hub.watch("a", Viewers::Wire::http_ts);
        EXPECT_TRUE(watched.has_value()) << "of what is there anyway there may be any number";
        auto third = co_await hub.watch("x3", Viewers::Wire::http_ts);
        EXPECT_TRUE(third.has_value()) << "the first two are more than that now";
    });
}

TEST(Hub, ACancelledPublishLeavesNoPublisher) {
    with_hub(2, quick(), [](Shards& all, Hub& hub) -> Task<void> {
        const std::function<Task<void>()> cancelled = [&]() -> Task<void> {
            TaskGroup tasks(all.at(1).executor());
            for (int i = 0; i < 50; ++i)
                tasks.spawn([](Hub& at) -> Task<void> {
                    auto info = talker();
                    const auto got = co_await at.publish("c", info);
                    if (!got) {
                        EXPECT_EQ(got.error().code, Errc::cancelled);
                    }
                }(hub));
            co_await tasks.stop("changed its mind");
        };
        co_await on_other(all.at(0), all.at(1), cancelled);
        co_await nothing_left(hub);
    });
}

}  // namespace
}  // namespace weir::relay
