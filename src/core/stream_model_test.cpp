// Stream against a model that keeps everything: random publishing, reading, joining and falling behind, from one seed.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "core/testing.h"

namespace weir {
namespace {

using namespace weir::test;

struct Published {
    Chunk chunk;  ///< with its seq
};

struct Follower {
    std::unique_ptr<Reader> reader;
    bool began = false;
    std::uint64_t next = 0;  ///< index into the history of chunks: what is delivered or listed next
    std::uint64_t owed_bytes = 0, owed_first = 0, owed_last = 0;
    bool owed = false;
    std::uint32_t epoch = 0;
};

class Model {
public:
    Model(unsigned seed, bool units, bool lean) : random_(seed), units_(units) {
        bench_.settings.lean = lean;
        bench_.settings.ring_bytes = 40'000;
        bench_.open();
        new_epoch();
    }

    void step() {
        switch (random_() % 12) {
            case 0:
                join();
                break;
            case 1:
                leave();
                break;
            case 2:
                if (random_() % 10 == 0) new_epoch();
                break;
            case 3:
                bench_.clock.advance(std::chrono::milliseconds(random_() % 400));
                break;
            case 4:
            case 5:
            case 6:
                read();
                break;
            default:
                publish();
                break;
        }
    }

    void finish() {
        bench_.stream->close(End{});
        for (auto& follower : followers_) {
            while (poll(follower)) {
            }
        }
    }

    std::uint64_t delivered = 0, listed = 0;

private:
    void new_epoch() {
        epoch_ += 1;
        ASSERT_TRUE(bench_.put({init(epoch_)}));
        unit_left_ = 0;
    }

    void publish() {
        for (auto n = random_() % 20; n-- > 0;) {
            Chunk made = chunk("", 0, random_() % 1500);
            made.epoch = epoch_;
            if (units_) {
                if (unit_left_ == 0) {
                    unit_left_ = 1 + random_() % 6;
                    ++unit_;
                    made.unit_begin = true;
                    rap_in_ = random_() % unit_left_;
                }
                --unit_left_;
                made.unit_end = unit_left_ == 0;
                made.rap = rap_in_-- == 0;
                made.unit = unit_;
            } else {
                made.rap = random_() % 12 == 0;
            }
            made.seq = bench_.stream->stats().items + 1;
            ASSERT_TRUE(bench_.put({made}));
            history_.push_back({made});
        }
    }

    void join() {
        if (followers_.size() >= 12) return;
        Policy policy;
        policy.budget_bytes = 5'000 + random_() % 60'000;
        policy.budget_time = std::chrono::milliseconds(500 + random_() % 3000);
        followers_.push_back({bench_.stream->attach(policy)});
    }
    void leave() {
        if (followers_.size() < 6) return;
        followers_.erase(followers_.begin() + static_cast<std::ptrdiff_t>(random_() % followers_.size()));
    }
    void read() {
        if (followers_.empty()) return;
        auto& one = followers_[random_() % followers_.size()];
        for (auto n = random_() % 8; n-- > 0;) poll(one);
    }

    std::uint64_t index_of(std::uint64_t seq) const {
        const auto it = std::lower_bound(history_.begin(), history_.end(), seq,
                                         [](const Published& p, std::uint64_t s) { return p.chunk.seq < s; });
        return static_cast<std::uint64_t>(it - history_.begin());
    }

    bool poll(Follower& f) {
        auto batch = f.reader->poll(1 + random_() % 20'000, 1 + random_() % 30);
        if (!batch || (*batch)->items.empty()) return false;
        for (const auto& item : (*batch)->items) {
            if (const auto* i = std::get_if<InitPtr>(item.get())) f.epoch = (*i)->epoch;
            if (const auto* g = std::get_if<Gap>(item.get())) take_gap(f, *g);
            if (const auto* c = std::get_if<Chunk>(item.get())) take_chunk(f, *c);
            if (std::holds_alternative<End>(*item)) at_end(f);
        }
        return true;
    }

    void take_gap(Follower& f, const Gap& g) {
        if (!f.owed) f.owed_first = g.first_unit;
        f.owed_bytes = (f.owed ? f.owed_bytes : 0) + g.bytes.value_or(0);
        f.owed_last = g.last_unit;
        f.owed = true;
        ++listed;
    }

    void take_chunk(Follower& f, const Chunk& c) {
        const auto at = index_of(c.seq);
        ASSERT_LT(at, history_.size());
        const auto& origin = history_[at].chunk;
        EXPECT_EQ(c.bytes.owner(), origin.bytes.owner());
        EXPECT_EQ(c.epoch, f.epoch) << "the right Init came before";
        if (!f.began || f.owed) check_entry(at);
        if (f.began && !f.owed) {
            EXPECT_EQ(at, f.next) << "nothing is missing that no Gap tells";
        }
        if (f.began && f.owed) settle(f, at);
        f.began = true;
        f.owed = false;
        f.next = at + 1;
        ++delivered;
    }

    // Half a unit is never delivered to who joins in, and what it begins with can be decoded.
    void check_entry(std::uint64_t at) const {
        if (!units_) {
            EXPECT_TRUE(history_[at].chunk.rap);
            return;
        }
        EXPECT_TRUE(history_[at].chunk.unit_begin);
        bool decodable = false;
        for (auto i = at; i < history_.size() && history_[i].chunk.unit == history_[at].chunk.unit; ++i)
            decodable = decodable || history_[i].chunk.rap;
        EXPECT_TRUE(decodable);
    }

    void settle(const Follower& f, std::uint64_t to) const {
        std::uint64_t bytes = 0;
        ASSERT_LT(f.next, to);
        for (auto i = f.next; i < to; ++i) bytes += history_[i].chunk.bytes.size();
        EXPECT_EQ(f.owed_bytes, bytes);
        if (!units_) return;
        EXPECT_LE(f.owed_first, history_[f.next].chunk.unit);
        EXPECT_EQ(f.owed_last, history_[to - 1].chunk.unit);
    }

    void at_end(Follower& f) {
        if (!f.began) return;
        if (f.owed)
            settle(f, history_.size());
        else
            EXPECT_EQ(f.next, history_.size());
        f.next = history_.size();
        f.owed = false;
    }

    Bench bench_;
    std::mt19937 random_;
    bool units_;
    std::uint32_t epoch_ = 0;
    std::uint64_t unit_ = 0, unit_left_ = 0, rap_in_ = 0;
    std::vector<Published> history_;
    std::vector<Follower> followers_;
};

class StreamModel : public ::testing::TestWithParam<std::tuple<unsigned, bool, bool>> {};

TEST_P(StreamModel, HandedOutIsDeliveredPlusListed) {
    Model model(std::get<0>(GetParam()), std::get<1>(GetParam()), std::get<2>(GetParam()));
    for (int i = 0; i < 10'000 && !HasFailure(); ++i) model.step();
    model.finish();
    EXPECT_GT(model.delivered, 5'000u);
    EXPECT_GT(model.listed, 50u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, StreamModel,
                         ::testing::Combine(::testing::Values(1u, 2u, 3u, 4u), ::testing::Bool(), ::testing::Bool()));

}  // namespace
}  // namespace weir
