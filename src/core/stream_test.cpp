#include "core/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/testing.h"

namespace weir {
namespace {

using namespace weir::test;
using std::chrono::seconds;

class StreamTest : public ::testing::Test {
protected:
    Bench bench;
};

TEST_F(StreamTest, SeqHasNoHolesAcrossKindsOfItems) {
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    ASSERT_TRUE(bench.put({init(), chunk("r"), gap(0, 0), chunk(), Discontinuity{}, chunk()}));
    EXPECT_EQ(drain(*reader), "i1 c2 g0-0 c4 d c6 ");
}

TEST_F(StreamTest, ItemsAreSharedAndNotCopiedForEachReader) {
    auto& stream = bench.open();
    const auto a = stream.attach({}), b = stream.attach({});
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    const auto first = take_all(*a), second = take_all(*b);
    ASSERT_EQ(first.size(), 2u);
    EXPECT_EQ(first, second);
}

TEST_F(StreamTest, RefusesAChunkWithoutInit) {
    bench.open();
    EXPECT_FALSE(bench.put({chunk("r")}));
}

TEST_F(StreamTest, RefusesAChunkOfAnotherEpochThanTheLanesInit) {
    bench.open();
    EXPECT_FALSE(bench.put({init(2), chunk("r")}));
    EXPECT_TRUE(bench.put({init(1), chunk("r")}));
}

TEST_F(StreamTest, LateJoinerGetsTheInitAndBeginsAtTheNewestRandomAccessPoint) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init(), chunk("r"), chunk(), chunk("r"), chunk()}));
    const auto reader = stream.attach({});
    EXPECT_EQ(drain(*reader), "i1 c4 c5 ");
}

TEST_F(StreamTest, LateJoinerNeverSeesHalfAUnit) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init(), info(7), chunk("b", 7), chunk("r", 7), chunk("r", 7), chunk("e", 7)}));
    const auto reader = stream.attach({});
    EXPECT_EQ(drain(*reader), "i1 u7 c3/7 c4/7 c5/7 c6/7 ");
}

TEST_F(StreamTest, JoinerWaitsForARandomAccessPointWhenTheRingHasNone) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init(), chunk()}));
    const auto reader = stream.attach({});
    EXPECT_EQ(drain(*reader), "");
    ASSERT_TRUE(bench.put({chunk(), chunk("r"), chunk()}));
    EXPECT_EQ(drain(*reader), "i1 c4 c5 ");
}

TEST_F(StreamTest, AttachedReaderMissesNothingHoweverLateItPollsFirst) {
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    ASSERT_TRUE(bench.put({init(), chunk("r"), chunk(), chunk("r"), chunk("r")}));
    EXPECT_EQ(drain(*reader), "i1 c2 c3 c4 c5 ");
}

TEST_F(StreamTest, GapsBeforeTheFirstRandomAccessPointAreToldToWhoWasThere) {
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    ASSERT_TRUE(bench.put({init(), gap(5, 5), info(6), chunk("rb", 6)}));
    EXPECT_EQ(drain(*reader), "g5-5 i1 u6 c4/6 ");
}

TEST_F(StreamTest, LateJoinerGetsTheInitThatIsValidAtItsStartAndThenTheNewer) {
    auto& stream = bench.open();
    auto newer = chunk();
    newer.epoch = 2;
    ASSERT_TRUE(bench.put({init(1), chunk("r"), chunk(), init(2), newer}));
    const auto reader = stream.attach({});
    EXPECT_EQ(drain(*reader), "i1 c2 c3 i2 c5 ");
}

TEST_F(StreamTest, InitOutlivesTheRing) {
    bench.settings.ring_bytes = 2000;
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init()}));
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(bench.put({chunk("r")}));
    const auto reader = stream.attach({});
    EXPECT_EQ(drain(*reader), "i1 c101 ");
}

TEST_F(StreamTest, OtherLanesJoinAtTheirOwnUnit) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init(), init(1, 1), chunk("rbe", 1), chunk("rb", 1, 10, 1)}));
    ASSERT_TRUE(bench.put({chunk("rbe", 2), chunk("e", 1, 10, 1), chunk("rb", 2, 10, 1)}));
    const auto reader = stream.attach({});
    EXPECT_EQ(drain(*reader), "i1 i1 c5/2 c7/2 ");
}

TEST_F(StreamTest, RingIsBoundedInBytesWithOverhead) {
    bench.settings.ring_bytes = 100'000;
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init()}));
    for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(bench.put({chunk("", 0, 188)}));
    EXPECT_LE(stream.stats().ring_bytes + 256 * stream.stats().ring_items, 100'000u);
    EXPECT_GT(stream.stats().ring_items, 200u);
}

TEST_F(StreamTest, HeadersAndTracksOfInitsCountAgainstTheRing) {
    bench.settings.ring_bytes = 100'000;
    auto& stream = bench.open();
    const auto fat = [](std::uint32_t epoch) {
        auto made = std::make_shared<Init>(*std::get<InitPtr>(init(epoch)));
        made->header = Bytes::copy_of(std::string(2000, 'h'));
        made->tracks.resize(64);
        made->tracks.back().extradata = Bytes::copy_of(std::string(3000, 'e'));
        return Item(InitPtr(std::move(made)));
    };
    for (std::uint32_t i = 1; i < 1000; ++i) ASSERT_TRUE(bench.put({fat(i)}));
    EXPECT_LE(stream.stats().ring_items * (2000 + 3000 + 64 * sizeof(Track)), 100'000u);
    EXPECT_GT(stream.stats().ring_items, 1u);
    ASSERT_TRUE(bench.put({init()}));
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(bench.put({chunk("", 0, 1)}));
    EXPECT_GT(stream.stats().ring_items, 350u) << "what has left is counted no more";
}

TEST_F(StreamTest, RingIsBoundedInTimeButKeepsWhatALateJoinerBeginsWith) {
    bench.settings.ring_time = seconds(5);
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init(), chunk("r"), chunk("r")}));
    bench.clock.advance(seconds(60));
    ASSERT_TRUE(bench.put({chunk()}));
    EXPECT_EQ(stream.stats().ring_items, 2u);
    EXPECT_EQ(drain(*stream.attach({})), "i1 c3 c4 ");
}

TEST_F(StreamTest, LeanRingLetsGoOfWhatAllHaveReadAndKeepsWhatOneHasNot) {
    bench.settings.lean = true;
    auto& stream = bench.open();
    const auto quick = stream.attach({});
    auto slow = stream.attach({});
    ASSERT_TRUE(bench.put({init(), chunk("r"), chunk(), chunk("r"), chunk()}));
    EXPECT_EQ(drain(*quick), "i1 c2 c3 c4 c5 ");
    const auto later = [&](const std::string& what) {
        bench.clock.advance(std::chrono::milliseconds(200));
        ASSERT_TRUE(bench.put({chunk(what)}));
    };
    later("");
    EXPECT_EQ(stream.stats().ring_items, 5u) << "one has not begun";
    const auto late = stream.attach({});
    EXPECT_EQ(drain(*slow), "i1 c2 c3 c4 c5 c6 ");
    later("");
    EXPECT_EQ(stream.stats().ring_items, 4u) << "from the newest random-access point on, for who comes late";
    later("r");
    EXPECT_EQ(stream.stats().ring_items, 5u) << "one began at the older one";
    EXPECT_EQ(drain(*late), "i1 c4 c5 c6 c7 c8 ");
    EXPECT_EQ(drain(*quick) + drain(*slow), "c6 c7 c8 c7 c8 ");
    later("");
    EXPECT_EQ(stream.stats().ring_items, 2u);
    EXPECT_EQ(drain(*stream.attach({})), "i1 c8 c9 ");
}

TEST_F(StreamTest, LeanRingOfWhatHasNoRandomAccessPointsIsBoundedInTimeAlone) {
    bench.settings.lean = true;
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init(), chunk(), chunk()}));
    bench.clock.advance(seconds(1));
    ASSERT_TRUE(bench.put({chunk()}));
    EXPECT_EQ(stream.stats().ring_items, 4u);
}

TEST_F(StreamTest, SlowReaderSkipsToTheNewestRandomAccessPointWithAGap) {
    auto& stream = bench.open();
    const auto reader = stream.attach({.budget_bytes = 500});
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    EXPECT_EQ(drain(*reader), "i1 c2 ");
    ASSERT_TRUE(bench.put({chunk(), chunk(), chunk("r"), chunk(), chunk(), chunk("r"), chunk()}));
    const auto got = take_all(*reader);
    ASSERT_EQ(got.size(), 3u);
    const auto* told = std::get_if<Gap>(got[0].get());
    ASSERT_TRUE(told);
    EXPECT_EQ(told->bytes, 500u);
    EXPECT_TRUE(told->exact);
    EXPECT_EQ(told->why, "skipped to keyframe");
    EXPECT_EQ(text(*got[1]), "c8");
    EXPECT_EQ(reader->skipped_items(), 5u);
}

TEST_F(StreamTest, SkipNamesUnitsAndTimes) {
    auto& stream = bench.open();
    const auto reader = stream.attach({.budget_bytes = 350});
    const auto unit = [](std::uint64_t n) {
        auto made = chunk("rbe", n);
        made.dts = seconds(n);
        made.duration = seconds(1);
        return made;
    };
    ASSERT_TRUE(bench.put({init(), unit(1)}));
    (void)drain(*reader);
    ASSERT_TRUE(bench.put({unit(2), unit(3), gap(4, 4), info(5), unit(5), info(6), unit(6)}));
    const auto got = take_all(*reader);
    ASSERT_EQ(got.size(), 3u);
    const auto& told = std::get<Gap>(*got[0]);
    EXPECT_EQ(told.first_unit, 2u);
    EXPECT_EQ(told.last_unit, 5u);
    EXPECT_EQ(told.from, seconds(2));
    EXPECT_EQ(told.to, seconds(6));
    EXPECT_EQ(text(*got[1]), "u6");
}

TEST_F(StreamTest, SkipSaysWhenTheFirstUnitWasBegun) {
    auto& stream = bench.open();
    const auto reader = stream.attach({.budget_bytes = 250});
    ASSERT_TRUE(bench.put({init(), chunk("rb", 1)}));
    (void)drain(*reader);
    ASSERT_TRUE(bench.put({chunk("e", 1), chunk("rbe", 2), chunk("rbe", 3)}));
    const auto got = take_all(*reader);
    const auto& told = std::get<Gap>(*got.at(0));
    EXPECT_TRUE(told.partial);
    EXPECT_EQ(told.first_unit, 1u);
    EXPECT_EQ(told.last_unit, 2u);
}

TEST_F(StreamTest, ReaderThatFellOutOfTheRingIsToldTheUnitsInBetween) {
    bench.settings.ring_bytes = 2000;
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    ASSERT_TRUE(bench.put({init(), chunk("rbe", 1)}));
    (void)drain(*reader);
    for (std::uint64_t n = 2; n <= 50; ++n) ASSERT_TRUE(bench.put({chunk("rbe", n)}));
    const auto got = take_all(*reader);
    const auto& told = std::get<Gap>(*got.at(0));
    EXPECT_EQ(told.first_unit, 2u);
    EXPECT_EQ(told.last_unit, 49u);
    EXPECT_EQ(told.bytes, 48u * 100);
    EXPECT_FALSE(told.exact);
    EXPECT_EQ(text(*got.at(1)), "c51/50");
}

TEST_F(StreamTest, EachLaneIsToldItsOwnLoss) {
    auto& stream = bench.open();
    const auto reader = stream.attach({.budget_bytes = 250});
    ASSERT_TRUE(bench.put({init(), init(1, 1), chunk("rbe", 1), chunk("rbe", 11, 50, 1)}));
    (void)drain(*reader);
    ASSERT_TRUE(bench.put(
        {chunk("rbe", 2), chunk("rb", 12, 50, 1), chunk("rbe", 3), chunk("e", 12, 50, 1), chunk("rbe", 13, 50, 1)}));
    EXPECT_EQ(drain(*reader), "g2-2 c7/3 g12-12 c9/13 ");
}

TEST_F(StreamTest, BreakOfTimeInsideASkipIsNotLost) {
    auto& stream = bench.open();
    const auto reader = stream.attach({.budget_bytes = 150});
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    (void)drain(*reader);
    ASSERT_TRUE(bench.put({chunk(), Discontinuity{}, chunk("r")}));
    EXPECT_EQ(drain(*reader), "g0-0 d c5 ");
}

TEST_F(StreamTest, SkipOverAnInitGivesTheNewOne) {
    auto& stream = bench.open();
    const auto reader = stream.attach({.budget_bytes = 150});
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    (void)drain(*reader);
    auto newer = chunk("r");
    newer.epoch = 2;
    ASSERT_TRUE(bench.put({chunk(), init(2), newer, newer}));
    EXPECT_EQ(drain(*reader), "g0-0 i2 c6 ");
}

TEST_F(StreamTest, LagIsMeasuredInBytesAndInArrival) {
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    bench.clock.advance(seconds(3));
    ASSERT_TRUE(bench.put({chunk()}));
    EXPECT_EQ(reader->lag_bytes(), 200u);
    EXPECT_EQ(reader->lag_time(), Micros(seconds(3)));
    (void)drain(*reader);
    EXPECT_EQ(reader->lag_bytes(), 0u);
}

TEST_F(StreamTest, TimeBudgetSkipsToo) {
    auto& stream = bench.open();
    const auto reader = stream.attach({.budget_time = seconds(2)});
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    (void)drain(*reader);
    ASSERT_TRUE(bench.put({chunk()}));
    bench.clock.advance(seconds(3));
    ASSERT_TRUE(bench.put({chunk("r")}));
    EXPECT_EQ(drain(*reader), "g0-0 c4 ");
}

TEST_F(StreamTest, DisconnectEndsTheReaderThatFellBehindAndOnlyIt) {
    auto& stream = bench.open();
    const auto slow = stream.attach({.budget_bytes = 150, .act = Act::disconnect});
    const auto other = stream.attach({});
    ASSERT_TRUE(bench.put({init(), chunk("r"), chunk("r")}));
    EXPECT_EQ(drain(*slow), "end lost");
    EXPECT_EQ(drain(*other), "i1 c2 c3 ");
}

TEST_F(StreamTest, CloseGivesEveryReaderTheEndOnce) {
    auto& stream = bench.open();
    const auto reader = stream.attach({}), never_began = stream.attach({});
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    stream.close(End{});
    EXPECT_EQ(drain(*reader), "i1 c2 end lost");
    EXPECT_EQ(drain(*stream.attach({})), "i1 c2 end lost");
    EXPECT_FALSE(bench.put({chunk()}));
}

TEST_F(StreamTest, ReaderOutlivesItsStream) {
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    bench.stream.reset();
    EXPECT_EQ(drain(*reader), "i1 c2 end lost");
}

TEST_F(StreamTest, DebtIsToldBeforeTheEnd) {
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    bench.settings.ring_bytes = 2000;
    auto& small = bench.open();
    const auto fallen = small.attach({});
    ASSERT_TRUE(bench.put({init(), chunk("rbe", 1)}));
    (void)drain(*fallen);
    for (std::uint64_t n = 2; n <= 50; ++n) ASSERT_TRUE(bench.put({chunk("be", n)}));
    small.close(End{});
    const auto told = drain(*fallen);
    EXPECT_EQ(told, "g2-50 end lost");
}

TEST_F(StreamTest, TopicBeginsAtTheNewestAndFiltersItsOwnOrigin) {
    bench.settings.topic = true;
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({chunk()}));
    const auto reader = stream.attach({.origin = 7});
    auto own = chunk(), foreign = chunk();
    own.origin = 7;
    foreign.origin = 8;
    ASSERT_TRUE(bench.put({own, foreign, own}));
    EXPECT_EQ(drain(*reader), "c3 ");
}

TEST_F(StreamTest, SlowTopicReaderGetsTheNewestFirst) {
    bench.settings.topic = true;
    auto& stream = bench.open();
    const auto reader = stream.attach({.budget_bytes = 250});
    ASSERT_TRUE(bench.put({chunk(), chunk(), chunk(), chunk()}));
    EXPECT_EQ(drain(*reader), "g0-0 c4 ");
}

TEST_F(StreamTest, ForkGoesOnAtTheSamePlace) {
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    ASSERT_TRUE(bench.put({init(), chunk("r"), chunk()}));
    (void)drain(*reader);
    const auto second = reader->fork();
    ASSERT_TRUE(bench.put({chunk(), chunk("r")}));
    EXPECT_EQ(drain(*reader), "c4 c5 ");
    EXPECT_EQ(drain(*second), "c4 c5 ");
    EXPECT_EQ(reader->position(), second->position());
}

TEST_F(StreamTest, ReadyIsCalledOncePerPublishAndOnlyAfterAnEmptyPoll) {
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    int calls = 0;
    reader->on_ready([&] { ++calls; });
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    bench.turn();
    EXPECT_EQ(calls, 0);
    (void)drain(*reader);
    ASSERT_TRUE(bench.put({chunk(), chunk()}));
    EXPECT_EQ(calls, 0) << "not from inside publish()";
    bench.turn();
    EXPECT_EQ(calls, 1);
    ASSERT_TRUE(bench.put({chunk()}));
    bench.turn();
    EXPECT_EQ(calls, 1);
}

TEST_F(StreamTest, ReadyCallbackMayDestroyReaders) {
    auto& stream = bench.open();
    auto a = stream.attach({}), b = stream.attach({});
    int calls = 0;
    const auto both_go = [&] {
        ++calls;
        a.reset();
        b.reset();
    };
    a->on_ready(both_go);
    b->on_ready(both_go);
    (void)drain(*a);
    (void)drain(*b);
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    bench.turn();
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(stream.stats().readers, 0u);
}

TEST_F(StreamTest, TellsHowManyReadersThereAre) {
    auto& stream = bench.open();
    std::vector<std::size_t> seen;
    stream.on_readers([&](std::size_t n) { seen.push_back(n); });
    { const auto a = stream.attach({}), b = stream.attach({}); }
    EXPECT_THAT(seen, ::testing::ElementsAre(1, 2, 1, 0));
}

Task<void> take_one(Reader& reader, std::string& into) {
    auto batch = co_await reader.next_batch();
    if (!batch)
        into += "error ";
    else
        for (const auto& item : batch->items) into += text(*item) + " ";
}

TEST_F(StreamTest, NextBatchWaitsForAPublish) {
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    std::string got;
    asio::co_spawn(bench.context, take_one(*reader, got), [](std::exception_ptr) {});
    bench.context.poll();
    EXPECT_EQ(got, "");
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    bench.turn();
    EXPECT_EQ(got, "i1 c2 ");
}

Task<void> put_waiting(Stream& stream, std::vector<Item> items, bool& done) {
    done = (co_await stream.accept(items)).has_value();
}

TEST_F(StreamTest, AcceptWaitsForTheReaderThatIsWaitedFor) {
    auto& stream = bench.open();
    const auto reader = stream.attach({.budget_bytes = 250, .act = Act::wait});
    bool done = false;
    std::vector<Item> items{init(), chunk("r"), chunk(), chunk(), chunk()};
    asio::co_spawn(bench.context, put_waiting(stream, items, done), [](std::exception_ptr) {});
    bench.context.poll();
    EXPECT_FALSE(done);
    EXPECT_EQ(stream.stats().chunks, 2u);
    std::string got;
    for (int i = 0; i < 10 && !done; ++i) {
        got += drain(*reader);
        bench.context.poll();
    }
    got += drain(*reader);
    EXPECT_TRUE(done);
    EXPECT_EQ(got, "i1 c2 c3 c4 c5 ");
}

TEST_F(StreamTest, AcceptGoesOnWhenTheReaderThatIsWaitedForLeaves) {
    auto& stream = bench.open();
    auto reader = stream.attach({.budget_bytes = 50, .act = Act::wait});
    bool done = false;
    std::vector<Item> items{init(), chunk("r"), chunk(), chunk()};
    asio::co_spawn(bench.context, put_waiting(stream, items, done), [](std::exception_ptr) {});
    bench.context.poll();
    EXPECT_FALSE(done);
    reader.reset();
    bench.turn();
    EXPECT_TRUE(done);
}

TEST_F(StreamTest, F3_OneWedgedReaderAmongFiftyHarmsNobody) {
    bench.settings.ring_bytes = 64u << 10;
    auto& stream = bench.open();
    std::vector<std::unique_ptr<Reader>> healthy;
    for (int i = 0; i < 49; ++i) healthy.push_back(stream.attach({}));
    const auto wedged = stream.attach({.budget_bytes = 8u << 10});
    std::vector<std::uint64_t> delivered(healthy.size());
    ASSERT_TRUE(bench.put({init()}));
    for (int round = 0; round < 1000; ++round) {
        ASSERT_TRUE(bench.put({chunk(round % 10 == 0 ? "r" : "", 0, 1316)}));
        for (std::size_t i = 0; i < healthy.size(); ++i)
            for (const auto& item : take_all(*healthy[i])) {
                ASSERT_FALSE(std::holds_alternative<Gap>(*item));
                delivered[i] += std::holds_alternative<Chunk>(*item);
            }
    }
    EXPECT_THAT(delivered, ::testing::Each(1000u));
    EXPECT_LE(stream.stats().ring_bytes, 64u << 10);
    std::uint64_t got = 0, lost = 0;
    for (const auto& item : take_all(*wedged)) {
        if (const auto* c = std::get_if<Chunk>(item.get())) got += c->bytes.size();
        if (const auto* g = std::get_if<Gap>(item.get())) lost += g->bytes.value_or(0);
    }
    EXPECT_EQ(got + lost, 1000u * 1316);
    EXPECT_GT(lost, 0u);
}

}  // namespace
}  // namespace weir
