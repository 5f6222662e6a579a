#include "core/mirror.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "core/testing.h"
#include "runtime/task_group.h"

namespace weir {
namespace {

using namespace weir::test;

constexpr int chunks = 2000;

/// What a reader on the other shard saw; written there, read after that shard was joined.
struct Seen {
    std::uint64_t delivered = 0, last_seq = 0, out_of_order = 0;
    std::uint64_t bytes = 0, gap_bytes = 0;
    bool init_first = false, ended = false;
    std::atomic<bool> attached{false}, done{false};
};

void note(Seen& seen, const Item& item) {
    if (std::holds_alternative<InitPtr>(item) && seen.delivered == 0) seen.init_first = true;
    if (const auto* gap = std::get_if<Gap>(&item)) seen.gap_bytes += gap->bytes.value_or(0);
    if (std::holds_alternative<End>(item)) seen.ended = true;
    if (const auto* c = std::get_if<Chunk>(&item)) {
        if (c->seq <= seen.last_seq) ++seen.out_of_order;
        seen.last_seq = c->seq;
        seen.bytes += c->bytes.size();
        ++seen.delivered;
    }
}

Task<void> follow(Stream& image, Seen& seen) {
    const auto reader = image.attach({});
    seen.attached = true;
    while (!seen.ended) {
        const auto batch = co_await reader->next_batch();
        if (!batch) break;
        for (const auto& item : batch->items) note(seen, *item);
    }
    seen.done = true;
}

void start_following(Shard& away, Stream& image, Seen& seen) {
    away.post([&] { asio::co_spawn(away.executor(), follow(image, seen), [](std::exception_ptr) {}); });
}

Task<void> turns_until(Shard& home, const std::atomic<bool>& flag) {
    while (!flag) (void)co_await home.clock().sleep_for(Millis(1));
}

TEST(Mirror, ReaderOnAnotherShardGetsEverythingInOrder) {
    Shards shards(2);
    Seen seen;
    shards.run([&](Shards& all) -> Task<int> {
        auto& home = all.at(0);
        const auto stream = Stream::create(home.executor(), home.clock(), {.name = "mirrored"});
        const auto mirror = Mirror::make(home, *stream, all.at(1));
        start_following(all.at(1), mirror->stream(), seen);
        co_await turns_until(home, seen.attached);
        std::vector<Item> items;
        items.push_back(init());
        (void)stream->publish(items);
        for (int i = 0; i < chunks; ++i) {
            items.assign(1, chunk(i % 50 == 0 ? "r" : "", 0, 1316));
            (void)stream->publish(items);
            if (i % 100 == 0) (void)co_await home.clock().sleep_for(Micros(100));
        }
        stream->close(End{});
        co_await turns_until(home, seen.done);
        co_await mirror->close();
        co_return 0;
    });
    EXPECT_TRUE(seen.init_first);
    EXPECT_TRUE(seen.ended);
    EXPECT_EQ(seen.delivered, std::uint64_t{chunks});
    EXPECT_EQ(seen.last_seq, std::uint64_t{chunks} + 1);
    EXPECT_EQ(seen.out_of_order, 0u);
}

TEST(Mirror, StuckShardCostsAGapAndNoMemory) {
    Shards shards(2);
    Seen seen;
    shards.run([&](Shards& all) -> Task<int> {
        auto& home = all.at(0);
        auto& away = all.at(1);
        Stream::Settings settings{.name = "mirrored", .ring_bytes = 256u << 10};
        const auto stream = Stream::create(home.executor(), home.clock(), settings);
        const auto mirror = Mirror::make(home, *stream, away);
        start_following(away, mirror->stream(), seen);
        co_await turns_until(home, seen.attached);
        std::atomic<bool> release{false};
        away.post([&release] {
            while (!release) std::this_thread::yield();
        });
        std::vector<Item> items;
        items.push_back(init());
        (void)stream->publish(items);
        for (int i = 0; i < chunks; ++i) {
            items.assign(1, chunk(i % 10 == 0 ? "r" : "", 0, 1316));
            (void)stream->publish(items);
            if (i % 20 == 0) (void)co_await home.clock().sleep_for(Micros(10));
        }
        EXPECT_LE(stream->stats().ring_bytes, 256u << 10);
        release = true;
        (void)co_await home.clock().sleep_for(Millis(1));
        stream->close(End{});
        co_await turns_until(home, seen.done);
        co_await mirror->close();
        co_return 0;
    });
    EXPECT_TRUE(seen.ended);
    EXPECT_GT(seen.gap_bytes, 0u);
    EXPECT_EQ(seen.bytes + seen.gap_bytes, std::uint64_t{chunks} * 1316);
}

TEST(Mirror, CloseEndsTheReadersThere) {
    Shards shards(2);
    Seen seen;
    shards.run([&](Shards& all) -> Task<int> {
        auto& home = all.at(0);
        const auto stream = Stream::create(home.executor(), home.clock(), {.name = "mirrored"});
        const auto mirror = Mirror::make(home, *stream, all.at(1));
        start_following(all.at(1), mirror->stream(), seen);
        co_await turns_until(home, seen.attached);
        co_await mirror->close();
        EXPECT_EQ(stream->stats().readers, 0u);
        co_await turns_until(home, seen.done);
        co_return 0;
    });
    EXPECT_TRUE(seen.ended);
}

}  // namespace
}  // namespace weir
