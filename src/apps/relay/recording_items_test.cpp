#include "apps/relay/recording_items.h"

#include <gtest/gtest.h>

#include <chrono>

namespace weir::relay {
namespace {

using namespace std::chrono_literals;

InitPtr init(std::uint16_t lane, std::uint32_t epoch = 1, Container container = Container::ts, bool closed = false) {
    auto made = std::make_shared<Init>();
    made->lane = lane;
    made->epoch = epoch;
    made->format.container = container;
    made->closed = closed;
    return made;
}

/// A picture that comes `came` after the beginning of the test, at its publisher's time `dts`.
Chunk picture(std::uint16_t lane, std::uint32_t origin, Micros came, Micros dts) {
    Chunk c;
    c.lane = lane;
    c.epoch = 1;
    c.origin = origin;
    c.arrival = SteadyTime{} + 1h + came;
    c.dts = dts;
    c.raw_dts = dts + 1400ms;
    c.bytes = Bytes::copy_of("picture");
    return c;
}

struct Taker {
    explicit Taker(RecordingItems::Take take = RecordingItems::Take::whatever) : items(take) {}
    RecordingItems items;
    std::vector<Item> out;
    void give(Item item) { items.take(item, out); }
    [[nodiscard]] std::vector<Micros> times(std::uint16_t lane) const {
        std::vector<Micros> all;
        for (const auto& item : out)
            if (const auto* c = std::get_if<Chunk>(&item); c && c->lane == lane) all.push_back(c->dts.value_or(-1s));
        return all;
    }
    [[nodiscard]] std::size_t inits() const {
        std::size_t n = 0;
        for (const auto& item : out) n += std::holds_alternative<InitPtr>(item);
        return n;
    }
};

TEST(RecordingItems, LanesOfTwoPublishersAreSetSideBySideByWhenTheyCame) {
    Taker t;
    t.give(init(0));
    t.give(picture(0, 1, 0s, 5s));
    t.give(picture(0, 1, 40ms, 5040ms));
    t.give(init(1));
    t.give(picture(1, 2, 10s, 0s));
    t.give(picture(0, 1, 10020ms, 15020ms));
    EXPECT_EQ(t.times(0), (std::vector<Micros>{0s, 40ms, 10020ms}));
    EXPECT_EQ(t.times(1), (std::vector<Micros>{10s}));
}

TEST(RecordingItems, APublisherThatComesAgainGoesOnWhereTheClockIs) {
    Taker t;
    t.give(init(0));
    t.give(picture(0, 1, 0s, 0s));
    t.give(picture(0, 1, 2s, 2s));
    t.give(init(0, 2, Container::ts, true));
    t.give(init(0, 3));
    t.give(picture(0, 2, 7s, 0s));
    t.give(picture(0, 2, 7040ms, 40ms));
    EXPECT_EQ(t.times(0), (std::vector<Micros>{0s, 2s, 7s, 7040ms}));
    EXPECT_EQ(t.inits(), 2u) << "a closed one has nothing to say to a file";
}

TEST(RecordingItems, PushedFasterThanRealTimeTheNextOneFollowsTheLast) {
    Taker t;
    t.give(init(0));
    t.give(picture(0, 1, 0ms, 0s));
    t.give(picture(0, 1, 1ms, 60s));
    t.give(init(0, 2));  // the end of the first one fell out of the ring
    t.give(picture(0, 2, 5ms, 0s));
    EXPECT_EQ(t.times(0), (std::vector<Micros>{0s, 60s, 61s}));
}

TEST(RecordingItems, AJumpOfTheClockLastsAsLongAsItTook) {
    Taker t;
    t.give(init(0));
    t.give(picture(0, 1, 0s, 0s));
    t.give(Discontinuity{0, 0, "timestamps jump"});
    t.give(picture(0, 1, 30s, 40ms));
    t.give(Discontinuity{0, 0, "timestamps jump"});
    t.give(picture(0, 1, 30100ms, 80ms));
    EXPECT_EQ(t.times(0), (std::vector<Micros>{0s, 30s, 30040ms}));
}

TEST(RecordingItems, AGapIsToldInTheTimeOfTheRecording) {
    Taker t;
    t.give(init(0));
    t.give(picture(0, 1, 0s, 8s));
    Gap gap;
    gap.from = 9s;
    gap.to = 11s;
    t.give(gap);
    const auto* told = std::get_if<Gap>(&t.out.back());
    ASSERT_TRUE(told);
    EXPECT_EQ(told->from, 1s);
    EXPECT_EQ(told->to, 3s);
}

TEST(RecordingItems, MessagesBesideMediaAreLeftOutAndCounted) {
    Taker t;
    t.give(init(0));
    t.give(init(1, 1, Container::opaque));
    t.give(picture(1, 2, 0s, 0s));
    t.give(picture(0, 1, 0s, 0s));
    EXPECT_EQ(t.items.what(), RecordingItems::Take::media);
    EXPECT_EQ(t.items.left_out(), 1u);
    EXPECT_EQ(t.inits(), 1u);
    EXPECT_EQ(t.times(1).size(), 0u);
}

TEST(RecordingItems, MessagesAloneAreKeptAsTheyCameOnOneLane) {
    Taker t;
    for (const auto lane : {std::uint16_t{3}, std::uint16_t{7}}) {
        t.give(init(lane, 4, Container::opaque));
        auto message = picture(lane, lane, 0s, 0s);
        message.text = true;
        t.give(message);
    }
    EXPECT_EQ(t.items.what(), RecordingItems::Take::verbatim);
    EXPECT_TRUE(t.items.text());
    EXPECT_EQ(t.inits(), 1u);
    EXPECT_EQ(t.times(0).size(), 2u);
}

TEST(RecordingItems, AnAskedForMediaFileWaitsForMedia) {
    Taker t(RecordingItems::Take::media);
    t.give(init(0, 1, Container::opaque));
    t.give(picture(0, 1, 0s, 0s));
    EXPECT_TRUE(t.out.empty());
}

}  // namespace
}  // namespace weir::relay
