#pragma once
// For tests of the hub: waits, and what a reader of a topic got.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "apps/relay/hub.h"
#include "runtime/task_group.h"

namespace weir::relay::rig {

/// Turns of the shard until `done`, at most 10 s.
inline Task<bool> turns_until(Shard& home, std::function<bool()> done) {
    for (int i = 0; i < 10'000; ++i) {
        if (done()) co_return true;
        (void)co_await home.clock().sleep_for(Millis(1));
    }
    co_return done();
}

inline BodyPiece piece(std::string_view bytes, bool more = false) {
    BodyPiece p;
    p.bytes = Bytes::copy_of(bytes);
    p.more = more;
    if (!bytes.empty()) p.borders.push_back(static_cast<std::uint32_t>(bytes.size()));
    return p;
}

inline PublisherInfo pusher() {
    return {"http", "127.0.0.1", "test"};
}
inline PublisherInfo talker() {
    return {"websocket", "127.0.0.1", "test"};
}

/// A destination or recording of a topic.
struct Follower {
    Follower(Hub& hub, const std::string& topic, Policy policy = {}) {
        auto at = hub.attach(topic);
        EXPECT_TRUE(at.has_value());
        pin = std::move(at->first);
        reader = at->second->attach(policy);
    }
    std::shared_ptr<Pin> pin;
    std::unique_ptr<Reader> reader;
    std::vector<std::shared_ptr<const Item>> items;

    void drain() {
        while (true) {
            auto batch = reader->poll();
            if (!batch || (*batch)->items.empty()) return;
            items.insert(items.end(), (*batch)->items.begin(), (*batch)->items.end());
        }
    }
    std::string bytes() {
        drain();
        std::string all;
        for (const auto& item : items)
            if (const auto* c = std::get_if<Chunk>(item.get())) all += c->bytes.text();
        return all;
    }
    std::vector<std::pair<std::uint16_t, std::uint32_t>> inits() {
        drain();
        std::vector<std::pair<std::uint16_t, std::uint32_t>> all;
        for (const auto& item : items)
            if (const auto* i = std::get_if<InitPtr>(item.get()); i && !(*i)->closed)
                all.emplace_back((*i)->lane, (*i)->epoch);
        return all;
    }
};

inline const TopicStats* find(const std::vector<TopicStats>& all, const std::string& name) {
    for (const auto& one : all)
        if (one.name == name) return &one;
    return nullptr;
}

inline void run_shards(std::size_t count, const std::function<Task<void>(Shards&)>& body) {
    Shards shards(count);
    shards.run([&body](Shards& all) -> Task<int> {
        co_await body(all);
        co_return 0;
    });
}

/// Runs `body` as a task on another shard and waits for it.
inline Task<void> on_other(Shard& home, Shard& other, std::function<Task<void>()> body) {
    std::atomic<bool> ended{false};
    std::unique_ptr<TaskGroup> tasks;
    other.post([&] {
        tasks = std::make_unique<TaskGroup>(other.executor());
        tasks->spawn([](std::function<Task<void>()> run, std::atomic<bool>& done) -> Task<void> {
            co_await run();
            done = true;
        }(body, ended));
    });
    const bool came = co_await turns_until(home, [&] { return ended.load(); });
    EXPECT_TRUE(came);
    std::atomic<bool> gone{false};
    const std::function<void()> clear = [&] {
        if (tasks->size() != 0) return other.post(clear);
        tasks.reset();
        gone = true;
    };
    other.post(clear);
    (void)co_await turns_until(home, [&] { return gone.load(); });
}

}  // namespace weir::relay::rig
