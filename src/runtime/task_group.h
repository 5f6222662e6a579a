#pragma once
#include <cstddef>
#include <memory>
#include <string>

#include "runtime/asio.h"
#include "runtime/stop.h"

namespace weir {

/// Owns every coroutine it starts: none outlives the group, none is detached. The last member of its class, so that what its
/// tasks use is still alive when they end.
/// threads  lives on one shard; call all members from that shard's thread
/// errors   an exception that leaves a task is a bug: it is logged as such, and the other tasks go on
class TaskGroup {
public:
    explicit TaskGroup(asio::any_io_executor ex);
    ~TaskGroup();  ///< asserts that stop() was awaited
    TaskGroup(const TaskGroup&) = delete;

    [[nodiscard]] const Stop& stopping() const noexcept;
    [[nodiscard]] std::size_t size() const noexcept;  ///< tasks still running

    /// Starts nothing when the group is already stopped. `name` is for logs.
    void spawn(Task<void> body, const char* name = "task");

    /// Wakes every task (cancellation) and sets stopping(), without waiting.
    void ask_stop(std::string reason);
    /// Asks every task to end, then waits until each one has. Safe to call twice, and from a task that is being stopped.
    Task<void> stop(std::string reason);
    /// Waits until every task has ended by itself.
    Task<void> join();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Tasks of all groups of this process that run now, for who watches.
/// threads  any
[[nodiscard]] std::size_t live_tasks() noexcept;

/// To be awaited first in any coroutine that must clean up after a cancellation: results, not exceptions, tell of a stop.
Task<void> errors_not_throws();
/// To be awaited before clean-up that itself awaits: from here on this coroutine can no longer be cancelled.
Task<void> uncancellable();

}  // namespace weir
