#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/asio.h"
#include "runtime/clock.h"

namespace weir {

/// One io_context with one thread. A Stream, its source and the readers beside it live wholly on one shard.
class Shard {
public:
    virtual ~Shard() = default;
    [[nodiscard]] virtual std::size_t index() const noexcept = 0;
    [[nodiscard]] virtual asio::any_io_executor executor() const noexcept = 0;
    [[nodiscard]] virtual Clock& clock() noexcept = 0;
    /// Runs `f` on this shard's thread; from any thread. Never inline.
    virtual void post(std::function<void()> f) = 0;
    [[nodiscard]] virtual bool is_here() const noexcept = 0;  ///< called on this shard's thread?

    /// What is being served here, in arbitrary units of work, for choosing a shard by weight. Any thread.
    virtual void add_weight(int w) noexcept = 0;
    [[nodiscard]] virtual int weight() const noexcept = 0;
};

/// The shards of the process. Shard 0 runs on the thread that calls run().
class Shards {
public:
    /// count 0: one per usable core (usable_cores()).
    explicit Shards(std::size_t count = 0);
    ~Shards();
    [[nodiscard]] std::size_t size() const noexcept;
    [[nodiscard]] Shard& at(std::size_t index) noexcept;
    [[nodiscard]] Shard& lightest() noexcept;
    /// Runs `main` as a coroutine on shard 0, the other shards on threads of their own; returns its value when it ended, after
    /// stopping every shard. An exception that leaves `main` is rethrown.
    int run(std::function<Task<int>(Shards&)> main);

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Cores this process may really use: affinity and cgroup v1/v2 CPU quotas, rounded up, at least 1.
[[nodiscard]] std::size_t usable_cores();
/// Memory this process may use in bytes: the cgroup limit or the machine's.
[[nodiscard]] std::uint64_t usable_memory();

}  // namespace weir
