#pragma once
#include <functional>
#include <utility>

#include "runtime/shard.h"

namespace weir::test {

/// Runs a coroutine on a shard of its own and waits for it. `body` may capture: it lives until the coroutine has ended.
inline void on_shard(const std::function<Task<void>(Shard&)>& body) {
    Shards shards(1);
    shards.run([&body](Shards& all) -> Task<int> {
        co_await body(all.at(0));
        co_return 0;
    });
}

}  // namespace weir::test
