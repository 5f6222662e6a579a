#pragma once
#include <optional>

#include "base/error.h"
#include "base/time.h"
#include "runtime/asio.h"
#include "runtime/clock.h"

namespace weir {

/// A wake-up bell on one shard. notify() wakes everybody who waits; with nobody waiting it is kept, and the next wait() returns
/// true at once, so that with one waiter no ring between its check and its wait is lost. With several, each looks at its
/// condition again right before wait(), with no co_await between. A wake-up may be stale: loop over the condition.
/// wait() returns false when cancelled, earlier or now (unless uncancellable() was awaited since), or when the bell goes. Never
/// throws.
class Bell {
public:
    explicit Bell(asio::any_io_executor ex);
    ~Bell();
    Bell(const Bell&) = delete;
    Task<bool> wait();
    Task<bool> wait_until(SteadyTime when);  ///< real time; true when rung, false when cancelled or the time came
    void notify();

private:
    struct State;
    std::shared_ptr<State> state_;
};

/// Runs `body` and cancels it when the time comes; returns only when it has really ended. `timed_out` is set when the deadline
/// did it. The body must be cancellable and report through its result.
template <class T>
Task<T> with_deadline(Clock& clock, SteadyTime when, Task<T> body, bool* timed_out = nullptr);

/// Back-off between attempts: grows by `factor` from `first` to `ceiling`, each wait drawn from [½, 1] of it (jitter).
class Backoff {
public:
    struct Settings {
        Millis first{500}, ceiling{30'000};
        double factor = 2.0;
    };
    explicit Backoff(Settings s, std::uint64_t seed = 0);  ///< seed 0: from the system
    [[nodiscard]] Millis next();
    /// As next(), or what the peer asked for (Retry-After) when that is longer, up to `most`: it never hurries us.
    [[nodiscard]] Millis next(std::optional<Millis> asked_for, Millis most = Millis{30'000});
    void reset() noexcept;
    [[nodiscard]] int attempts() const noexcept;

private:
    Settings settings_;
    std::uint64_t state_;
    int attempts_ = 0;
};

}  // namespace weir

#include "runtime/deadline_impl.h"
