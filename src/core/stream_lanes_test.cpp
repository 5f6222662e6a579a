// Lanes that open and close: which one is main, and what a reader is told.
#include <gtest/gtest.h>

#include "core/stream_core.h"
#include "core/testing.h"

namespace weir {
namespace {

using namespace weir::test;

Chunk on(std::uint16_t lane, const std::string& what = "", std::uint32_t epoch = 1, std::uint32_t origin = 0) {
    auto made = chunk(what, 0, 100, lane);
    made.epoch = epoch;
    made.origin = origin;
    return made;
}

std::size_t lanes_known_to(const Stream& stream) {
    return dynamic_cast<const hub::StreamFace&>(stream).core->lanes_remembered();
}
std::size_t lanes_known_to(const Reader& reader) {
    return dynamic_cast<const hub::StreamReader&>(reader).lanes_remembered();
}

class StreamLanes : public ::testing::Test {
protected:
    Bench bench;
};

TEST_F(StreamLanes, ReadersBeginAtTheMainLane) {
    struct MainLane {
        std::string name, kinds;  ///< one lane each
        int main;                 ///< a reader begins at its random-access point; -1: with the next item
    };
    const MainLane cases[] = {{"video before audio", "av", 1},    {"the lowest video", "mvv", 1},
                              {"audio before messages", "ma", 1}, {"audio before what has no tables", "ba", 1},
                              {"messages alone", "mm", -1},       {"no tables", "b", -1}};
    for (const auto& c : cases) {
        auto& stream = bench.open();
        for (std::uint16_t lane = 0; lane < c.kinds.size(); ++lane)
            ASSERT_TRUE(bench.put({init_of(c.kinds[lane], lane)}));
        const auto count = c.kinds.size();
        for (std::uint16_t lane = 0; lane < count; ++lane)
            ASSERT_TRUE(bench.put({on(lane, c.main == lane ? "r" : "")}));
        const auto reader = stream.attach({});
        ASSERT_TRUE(bench.put({on(0)}));
        const auto got = drain(*reader);
        const auto first = "c" + std::to_string(count + 1 + static_cast<std::size_t>(std::max(c.main, 0)));
        EXPECT_EQ(got.find(first + " ") != got.npos, c.main >= 0) << c.name << ": " << got;
    }
}

TEST_F(StreamLanes, MessagesBeginWithTheNextAndTheirInit) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('m'), on(0), on(0)}));
    const auto reader = stream.attach({});
    EXPECT_EQ(drain(*reader), "i1 ");
    ASSERT_TRUE(bench.put({on(0), on(0)}));
    EXPECT_EQ(drain(*reader), "c4 c5 ");
}

TEST_F(StreamLanes, WhoCameBeforeTheFirstPublisherMissesNoMessage) {
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    EXPECT_EQ(drain(*reader), "");
    ASSERT_TRUE(bench.put({init_of('m'), on(0)}));
    EXPECT_EQ(drain(*reader), "i1 c2 ");
}

TEST_F(StreamLanes, WhoFellBehindOnMessagesGetsTheNewest) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('m')}));
    const auto reader = stream.attach({.budget_bytes = 250});
    ASSERT_TRUE(bench.put({on(0)}));
    EXPECT_EQ(drain(*reader), "i1 c2 ");
    ASSERT_TRUE(bench.put({on(0), on(0), on(0), on(0)}));
    const auto got = take_all(*reader);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(std::get<Gap>(*got[0]).bytes, 300u);
    EXPECT_EQ(std::get<Gap>(*got[0]).why, "skipped to the newest");
    EXPECT_EQ(text(*got[1]), "c6");
}

TEST_F(StreamLanes, MessagesBesideVideoAreJoinedAtOnce) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('m', 0), init_of('v', 1), on(0), on(1, "r"), on(0)}));
    const auto reader = stream.attach({});
    EXPECT_EQ(drain(*reader), "i1 i1 c4 c5 ");
}

TEST_F(StreamLanes, WithoutTablesRandomAccessPointsMakeItMedia) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('b'), on(0), on(0, "r"), on(0), on(0)}));
    EXPECT_EQ(drain(*stream.attach({})), "i1 c3 c4 c5 ");
}

TEST_F(StreamLanes, ABetterLaneIsWaitedForFromThenOn) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('a', 0), on(0, "r")}));
    const auto early = stream.attach({});
    ASSERT_TRUE(bench.put({init_of('v', 1)}));
    const auto late = stream.attach({});
    ASSERT_TRUE(bench.put({on(0, "r"), on(1), on(0, "r"), on(1, "r")}));
    EXPECT_EQ(drain(*early), "i1 c2 i1 c4 c5 c6 c7 ") << "the new lane from its first item on";
    EXPECT_EQ(drain(*late), "i1 i1 c7 ");
}

TEST_F(StreamLanes, WhenTheMainLaneClosesTheStartsOfTheNextOneCount) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('v', 0), init_of('v', 1), on(0, "r"), on(1, "r"), on(1)}));
    const auto seeks = stream.attach({});
    ASSERT_TRUE(bench.put({init_of('x', 0, 2)}));
    EXPECT_EQ(drain(*stream.attach({})), "i1 c4 c5 ") << "no Init of the closed one";
    EXPECT_EQ(drain(*seeks), "i1 i1 c3 c4 c5 x2 ");
}

TEST_F(StreamLanes, WhoSeeksDoesNotWaitForALaneThatHasClosed) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('v', 0), init_of('v', 1), on(1, "r"), on(0), on(1)}));
    const auto reader = stream.attach({});
    EXPECT_EQ(drain(*reader), "") << "lane 0 has no start yet";
    ASSERT_TRUE(bench.put({init_of('x', 0, 2)}));
    EXPECT_EQ(drain(*reader), "i1 i1 c3 c4 c5 x2 ");
}

TEST_F(StreamLanes, WhoFellBehindIsToldThatTheLastLaneClosed) {
    bench.settings.ring_bytes = 2000;
    for (const bool polls_between : {true, false}) {
        auto& stream = bench.open();
        const auto reader = stream.attach({});
        ASSERT_TRUE(bench.put({init_of('v'), on(0, "r")}));
        EXPECT_EQ(drain(*reader), "i1 c2 ");
        for (int i = 0; i < 20; ++i) ASSERT_TRUE(bench.put({on(0)}));
        if (polls_between) {
            EXPECT_EQ(drain(*reader), "") << "seeks";
        }
        ASSERT_TRUE(bench.put({init_of('x', 0, 2)}));
        EXPECT_EQ(drain(*reader), "g0-0 x2 ");
        ASSERT_TRUE(bench.put({init_of('v', 0, 3), on(0, "r", 3)}));
        EXPECT_EQ(drain(*reader), "i3 c25 ");
    }
}

TEST_F(StreamLanes, ClosedLanesAreToldToThoseWhoKnewThemAndNobodyElse) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('v', 0), on(0, "r")}));
    const auto knew = stream.attach({});
    ASSERT_TRUE(bench.put({init_of('m', 1), on(1)}));
    EXPECT_EQ(drain(*knew), "i1 c2 i1 c4 ");
    ASSERT_TRUE(bench.put({init_of('x', 1, 2), on(0, "r")}));
    EXPECT_EQ(drain(*knew), "x2 c6 ");
    EXPECT_EQ(drain(*stream.attach({})), "i1 c6 ");
    EXPECT_FALSE(bench.put({on(1)})) << "a closed lane takes nothing";
    EXPECT_EQ(stream.init(1), nullptr);
}

TEST_F(StreamLanes, ALaneThatClosedInsideASkipIsToldAfterIt) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('v', 0), init_of('m', 1), on(0, "r"), on(1)}));
    const auto reader = stream.attach({.budget_bytes = 350});
    EXPECT_EQ(drain(*reader), "i1 i1 c3 c4 ");
    ASSERT_TRUE(bench.put({on(1), on(0), init_of('x', 1, 2), init_of('m', 2), on(2), on(0, "r"), on(2)}));
    EXPECT_EQ(drain(*reader), "g0-0 g0-0 x2 i1 c10 g0-0 c11 ");
}

TEST_F(StreamLanes, WhoComesLaterGetsNothingOfALaneThatHasGoneThoughItsItemsAreThere) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('v', 0), init_of('m', 1), on(0, "r"), on(1), init_of('m', 2), on(2), gap(0, 0, 2)}));
    ASSERT_TRUE(bench.put({init_of('x', 1, 2), init_of('x', 2, 2), init_of('m', 1, 3), on(1, "", 3)}));
    EXPECT_EQ(drain(*stream.attach({})), "i1 c3 i3 c11 ");
}

TEST_F(StreamLanes, ALaneNumberIsUsedAgainByAnother) {
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    ASSERT_TRUE(bench.put({init_of('v'), on(0, "r"), init_of('x', 0, 2), init_of('v', 0, 3)}));
    EXPECT_EQ(drain(*reader), "i1 c2 x2 i3 ");
    ASSERT_TRUE(bench.put({on(0, "", 3), on(0, "r", 3)}));
    EXPECT_EQ(drain(*reader), "c5 c6 ");
    EXPECT_EQ(drain(*stream.attach({})), "i3 c6 ");
}

TEST_F(StreamLanes, NobodyWaitsLongerThanARingForARandomAccessPoint) {
    bench.settings.ring_bytes = 4000;
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('v')}));
    const auto reader = stream.attach({});
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(bench.put({on(0)}));
    EXPECT_EQ(drain(*reader), "");
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(bench.put({on(0)}));
    EXPECT_EQ(drain(*reader).substr(0, 4), "i1 c");
    ASSERT_TRUE(bench.put({on(0, "r"), on(0), on(0)}));
    EXPECT_EQ(drain(*stream.attach({})), "i1 c20 c21 c22 ") << "one has come: now it is waited for";
}

TEST_F(StreamLanes, OriginGetsNothingOfItsOwnAndIsOwedNothingOfIt) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('m', 0), init_of('m', 1), on(0, "", 1, 7), on(1, "", 1, 8)}));
    const auto reader = stream.attach({.budget_bytes = 350, .origin = 7});
    EXPECT_EQ(drain(*reader), "i1 ") << "of the other's lane";
    auto own_gap = gap(0, 0, 0);
    ASSERT_TRUE(bench.put({on(0, "", 1, 7), on(1, "", 1, 8), own_gap}));
    EXPECT_EQ(drain(*reader), "c6 ");
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(bench.put({on(0, "", 1, 7)}));
    ASSERT_TRUE(bench.put({own_gap, on(1, "", 1, 8), on(1, "", 1, 8)}));
    const auto got = take_all(*reader);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(std::get<Gap>(*got[0]).bytes, 100u);
    EXPECT_EQ(std::get<Gap>(*got[0]).lane, 1u);
    ASSERT_TRUE(bench.put({init_of('x', 0, 2), init_of('x', 1, 2)}));
    EXPECT_EQ(drain(*reader), "x2 ");
}

TEST_F(StreamLanes, TenThousandPublishersThatCameAndWentLeaveNothing) {
    bench.settings.ring_bytes = 100'000;
    for (const bool same_number : {true, false}) {
        auto& stream = bench.open();
        ASSERT_TRUE(bench.put({init_of('m', 9)}));
        const auto reader = stream.attach({}), behind = stream.attach({});
        std::uint64_t opened = 0, closed = 0;
        for (std::uint32_t i = 0; i < 10'000; ++i) {
            const auto lane = static_cast<std::uint16_t>(same_number ? 10 : 10 + i);
            const auto epoch = 1 + 2 * i;
            ASSERT_TRUE(bench.put({init_of('v', lane, epoch), on(lane, "r", epoch), init_of('x', lane, epoch + 1)}));
            for (const auto& item : take_all(*reader))
                if (const auto* init = std::get_if<InitPtr>(item.get())) ++((*init)->closed ? closed : opened);
        }
        EXPECT_EQ(opened, 10'001u);
        EXPECT_EQ(closed, 10'000u);
        EXPECT_LE(stream.stats().ring_items, 400u);
        EXPECT_LE(lanes_known_to(stream), 140u);
        EXPECT_LE(lanes_known_to(*reader), 1u);
        EXPECT_NE(drain(*behind).find("i1 "), std::string::npos);
        EXPECT_LE(lanes_known_to(*behind), 1u);
    }
}

TEST_F(StreamLanes, ASilentPublisherIsNotWaitedForWhileAnotherOneGoesOn) {
    for (const char other : {'v', 'a', 'm'}) {  // pictures at once, sound and messages when the ring holds nothing else
        bench.settings.ring_bytes = 8 * (100 + 256);
        bench.settings.ring_time = std::chrono::seconds(5);
        auto& stream = bench.open();
        ASSERT_TRUE(bench.put({init_of('v', 0), on(0, "r"), on(0), init_of(other, 1)}));
        for (int i = 0; i < 20; ++i) {
            bench.clock.advance(std::chrono::milliseconds(500));
            ASSERT_TRUE(bench.put({on(1, other == 'm' ? "" : "r")}));
        }
        const auto late = stream.attach({});
        ASSERT_TRUE(bench.put({on(1)}));
        const auto got = drain(*late);
        EXPECT_NE(got.find("c25 "), got.npos) << other << ": " << got;
        EXPECT_EQ(got.find("c2 "), got.npos) << other << ": the silent one's past: " << got;
        const auto skipping = stream.attach({.budget_bytes = 250});
        (void)drain(*skipping);
        for (int i = 0; i < 30; ++i) ASSERT_TRUE(bench.put({on(1, other == 'm' ? "" : "r")}));
        EXPECT_NE(drain(*skipping).find("c55 "), got.npos) << other;

        ASSERT_TRUE(bench.put({on(0)}));
        const auto back = stream.attach({});
        ASSERT_TRUE(bench.put({on(0, "r"), on(1)}));
        EXPECT_NE(drain(*back).find("c57 c58 "), got.npos) << other << ": it is back";
        const auto again = stream.attach({});
        EXPECT_EQ(drain(*again).substr(0, 10), "i1 i1 c57 ") << other << ": and is the main one again";
    }
}

TEST_F(StreamLanes, APublisherThatPausesBrieflyStaysTheMainOne) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init_of('v', 0), init_of('v', 1), on(0, "r"), on(1, "r")}));
    bench.clock.advance(std::chrono::seconds(2));
    ASSERT_TRUE(bench.put({on(1, "r")}));
    EXPECT_EQ(drain(*stream.attach({})), "i1 i1 c3 c4 c5 ");
    bench.clock.advance(std::chrono::milliseconds(1));
    ASSERT_TRUE(bench.put({on(1, "r")}));
    EXPECT_EQ(drain(*stream.attach({})), "i1 i1 c6 ");
}

}  // namespace
}  // namespace weir
