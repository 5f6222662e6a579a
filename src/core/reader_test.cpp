// Readers beside each other on one stream.
#include <gtest/gtest.h>

#include "core/testing.h"

namespace weir {
namespace {

using namespace weir::test;

class ReaderPairs : public ::testing::Test {
protected:
    Bench bench;
    Chunk on_second(const std::string& what) { return chunk(what, 0, 100, 1); }
};

TEST_F(ReaderPairs, AtOnePlaceButNotInTheSameLanesGoOnDifferently) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init(), init_of('v', 1), chunk("r"), on_second("r")}));
    const auto first = stream.attach({});
    (void)drain(*first);
    ASSERT_TRUE(bench.put({chunk("r"), on_second("")}));
    const auto second = stream.attach({});
    EXPECT_FALSE(first->goes_on_like(*second)) << "one has not begun";
    (void)drain(*first);
    (void)drain(*second);
    ASSERT_EQ(first->position(), second->position());
    EXPECT_FALSE(first->goes_on_like(*second));
    EXPECT_FALSE(second->goes_on_like(*first));
    EXPECT_TRUE(first->goes_on_like(*first->fork()));
    ASSERT_TRUE(bench.put({on_second("")}));
    EXPECT_EQ(drain(*first), "c7 ");
    EXPECT_EQ(drain(*second), "");
    ASSERT_TRUE(bench.put({on_second("r")}));
    EXPECT_EQ(drain(*first), "c8 ");
    EXPECT_EQ(drain(*second), "c8 ");
    EXPECT_TRUE(first->goes_on_like(*second));
    EXPECT_TRUE(second->goes_on_like(*first));
}

TEST_F(ReaderPairs, WhoIsToBeToldOfALossGoesOnDifferently) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init(), init_of('v', 1), chunk("r"), on_second("r")}));
    const auto slow = stream.attach({.budget_bytes = 250});
    (void)drain(*slow);
    ASSERT_TRUE(bench.put({on_second(""), chunk(), chunk(), chunk("r")}));
    const auto fresh = stream.attach({});
    (void)drain(*slow);
    (void)drain(*fresh);
    ASSERT_EQ(slow->position(), fresh->position());
    ASSERT_EQ(slow->skipped_items(), 3u);
    EXPECT_FALSE(slow->goes_on_like(*fresh));
    EXPECT_FALSE(fresh->goes_on_like(*slow));
    ASSERT_TRUE(bench.put({on_second("r")}));
    EXPECT_EQ(drain(*slow), "g0-0 c9 ");
    EXPECT_EQ(drain(*fresh), "c9 ");
    EXPECT_TRUE(slow->goes_on_like(*fresh));
}

TEST_F(ReaderPairs, OfTwoStreamsNeverGoOnAlike) {
    auto& stream = bench.open();
    Bench other;
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    auto& second = other.open();
    ASSERT_TRUE(other.put({init(), chunk("r")}));
    const auto here = stream.attach({}), there = second.attach({});
    (void)drain(*here);
    (void)drain(*there);
    ASSERT_EQ(here->position(), there->position());
    EXPECT_FALSE(here->goes_on_like(*there));
}

/// VW-42: no echo, nor of the tables that come before the first packet.
TEST_F(ReaderPairs, OnesOwnInitIsNotSentBackBeforeItsFirstChunkEither) {
    auto& stream = bench.open();
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    const auto own = stream.attach({.origin = 7}), other = stream.attach({});
    EXPECT_EQ(drain(*own), "i1 c2 ");
    EXPECT_EQ(drain(*other), "i1 c2 ");
    auto made = std::make_shared<Init>(*std::get<InitPtr>(init_of('v', 1)));
    made->origin = 7;
    auto mine = on_second("r");
    mine.origin = 7;
    ASSERT_TRUE(bench.put({InitPtr(made)}));
    EXPECT_EQ(drain(*own), "");
    EXPECT_EQ(drain(*other), "i1 ");
    ASSERT_TRUE(bench.put({mine, init_of('x', 1, 2)}));
    EXPECT_EQ(drain(*own), "") << "nor its end";
    EXPECT_EQ(drain(*other), "c4 x2 ");
}

}  // namespace
}  // namespace weir
