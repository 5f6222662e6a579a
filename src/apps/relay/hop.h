#pragma once
// A question from a connection's shard to the home shard, and the way back.
#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/deadline.h"
#include "runtime/shard.h"

namespace weir::relay {

/// Runs `question` on `home`; it calls what it is given once, there, at once or later. Comes back to the caller's shard with that
/// value; none: cancelled meanwhile, and what comes later is dropped.
template <class T>
Task<std::optional<T>> ask(Shard& home, std::function<void(std::function<void(T)>)> question) {
    struct Hop {
        explicit Hop(const asio::any_io_executor& ex) : back(ex) {}
        Bell back;
        std::optional<T> value;
    };
    const auto ex = co_await asio::this_coro::executor;
    const auto hop = std::make_shared<Hop>(ex);
    std::function<void(T)> reply = [ex, hop = hop](T value) {
        asio::post(ex, [hop, value = std::move(value)]() mutable {
            hop->value.emplace(std::move(value));
            hop->back.notify();
        });
    };
    home.post([question = std::move(question), reply = std::move(reply)]() mutable { question(std::move(reply)); });
    while (!hop->value) {
        const bool rung = co_await hop->back.wait();
        if (!rung && !hop->value) co_return std::nullopt;
    }
    co_return std::move(hop->value);
}

/// The shard this runs on.
[[nodiscard]] inline Shard& shard_here(Shards& shards) {
    for (std::size_t i = 0; i < shards.size(); ++i)
        if (shards.at(i).is_here()) return shards.at(i);
    return shards.at(0);
}

}  // namespace weir::relay
