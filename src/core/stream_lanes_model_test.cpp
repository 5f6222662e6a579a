// Lanes that open, change and close at random against a model that keeps everything; readers join, lag and leave.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "core/testing.h"

namespace weir {
namespace {

using namespace weir::test;

struct Told {  ///< what one reader knows of one lane
    std::uint32_t epoch = 0;
    std::size_t next = 0;  ///< index in the lane's history; 0: has had nothing of this lane
    bool open = false, gap = false;
};

struct LaneFollower {
    std::unique_ptr<Reader> reader;
    std::uint32_t origin = 0;
    std::map<std::uint16_t, Told> lanes;
    bool ended = false;
};

class LanesModel {
public:
    LanesModel(unsigned seed, std::uint64_t ring_bytes) : random_(seed) {
        bench_.settings.ring_bytes = ring_bytes;
        bench_.settings.lean = seed % 2 == 0;
        bench_.open();
    }
    void step() {
        const auto lane = static_cast<std::uint16_t>(random_() % 5);
        switch (random_() % 14) {
            case 0:
                open(lane);
                break;
            case 1:
                close(lane);
                break;
            case 2:
                join();
                break;
            case 3:
                if (followers_.size() > 4)
                    followers_.erase(followers_.begin() + static_cast<std::ptrdiff_t>(random_() % followers_.size()));
                break;
            case 4:
            case 5:
                for (auto& follower : followers_)
                    if (random_() % 3 == 0) poll(follower);
                break;
            default:
                publish(lane);
        }
    }
    void finish() {
        for (std::uint16_t lane = 0; lane < 5; ++lane) close(lane);
        bench_.stream->close(End{});
        for (auto& follower : followers_) {
            while (poll(follower)) {
            }
            EXPECT_TRUE(follower.ended);
            for (const auto& [lane, known] : follower.lanes) EXPECT_FALSE(known.open) << "lane " << lane;
        }
    }
    std::uint64_t delivered = 0, skips = 0;

private:
    struct Lane {
        bool open = false;
        std::uint32_t epoch = 0;
        std::vector<Chunk> history;  ///< chunks; origin says whose
    };

    void open(std::uint16_t n) {
        auto& lane = lanes_[n];
        lane.open = true;
        ASSERT_TRUE(bench_.put({init_of("vabm"[random_() % 4], n, ++lane.epoch)}));
    }
    void close(std::uint16_t n) {
        auto& lane = lanes_[n];
        if (!std::exchange(lane.open, false)) return;
        ASSERT_TRUE(bench_.put({init_of('x', n, ++lane.epoch)}));
    }
    void publish(std::uint16_t n) {
        auto& lane = lanes_[n];
        if (!lane.open) return;
        for (auto count = random_() % 6; count-- > 0;) {
            auto made = chunk(random_() % 5 == 0 ? "r" : "", 0, random_() % 900, n);
            made.epoch = lane.epoch;
            made.origin = n + 1u;
            made.seq = bench_.stream->stats().items + 1;
            ASSERT_TRUE(bench_.put({made}));
            lane.history.push_back(made);
        }
    }
    void join() {
        if (followers_.size() >= 10) return;
        Policy policy;
        policy.budget_bytes = 1'000 + random_() % 30'000;
        if (random_() % 3 == 0) policy.origin = static_cast<std::uint32_t>(1 + random_() % 5);
        followers_.push_back({bench_.stream->attach(policy), policy.origin, {}});
    }

    bool poll(LaneFollower& f) {
        auto batch = f.reader->poll(1 + random_() % 10'000, 1 + random_() % 20);
        if (!batch || (*batch)->items.empty()) return false;
        for (const auto& item : (*batch)->items) {
            if (const auto* init = std::get_if<InitPtr>(item.get())) take_init(f, **init);
            if (const auto* gap = std::get_if<Gap>(item.get())) {
                f.lanes[gap->lane].gap = true;
                ++skips;
            }
            if (const auto* c = std::get_if<Chunk>(item.get())) take_chunk(f, *c);
            f.ended = f.ended || std::holds_alternative<End>(*item);
        }
        return true;
    }
    void take_init(LaneFollower& f, const Init& init) {
        auto& known = f.lanes[init.lane];
        EXPECT_GT(init.epoch, known.epoch);
        if (init.closed) {
            EXPECT_TRUE(known.open) << "told only to who knew it";
        }
        known.open = !init.closed;
        known.epoch = init.epoch;
        if (init.closed) known.next = 0;
    }
    void take_chunk(LaneFollower& f, const Chunk& c) {
        auto& known = f.lanes[c.lane];
        const auto& history = lanes_[c.lane].history;
        const auto at = std::lower_bound(history.begin(), history.end(), c.seq,
                                         [](const Chunk& one, std::uint64_t seq) { return one.seq < seq; });
        ASSERT_TRUE(at != history.end() && at->seq == c.seq);
        EXPECT_TRUE(known.open);
        EXPECT_EQ(known.epoch, c.epoch) << "the right Init came before";
        EXPECT_NE(f.origin, c.origin);
        const auto index = static_cast<std::size_t>(at - history.begin());
        if (known.next != 0 && !known.gap) {
            EXPECT_EQ(index, known.next) << "nothing is missing that no Gap tells";
        }
        EXPECT_GE(index, known.next) << "nothing twice";
        known.next = index + 1;
        known.gap = false;
        ++delivered;
    }

    Bench bench_;
    std::mt19937 random_;
    std::map<std::uint16_t, Lane> lanes_;
    std::vector<LaneFollower> followers_;
};

class StreamLanesModel : public ::testing::TestWithParam<std::tuple<unsigned, std::uint64_t>> {};

TEST_P(StreamLanesModel, WhoKnowsALaneMissesNothingUntoldAndHearsItsEnd) {
    LanesModel model(std::get<0>(GetParam()), std::get<1>(GetParam()));
    for (int i = 0; i < 10'000 && !HasFailure(); ++i) model.step();
    model.finish();
    EXPECT_GT(model.delivered, 2'000u);
    EXPECT_GT(model.skips, 50u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, StreamLanesModel,
                         ::testing::Combine(::testing::Range(1u, 9u), ::testing::Values(5'000u, 40'000u)));

}  // namespace
}  // namespace weir
