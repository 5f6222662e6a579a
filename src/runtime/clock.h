#pragma once
#include <memory>

#include "base/time.h"
#include "runtime/asio.h"

namespace weir {

/// Where time comes from. Everything that waits or stamps takes a Clock, so that tests run hours in milliseconds.
/// threads  one shard (each shard has its own real clock)
class Clock {
public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual SteadyTime now() const = 0;
    [[nodiscard]] virtual WallTime wall() const = 0;
    /// True when the time came, false when the wait was cancelled, or the coroutine had been cancelled before. Never throws.
    virtual Task<bool> sleep_until(SteadyTime when) = 0;
    Task<bool> sleep_for(Micros d) { return sleep_until(now() + d); }
};

[[nodiscard]] std::unique_ptr<Clock> real_clock(asio::any_io_executor ex);

/// Time moves only by advance(); waiters wake in the order of their deadlines, each through its executor.
class SimulatedClock final : public Clock {
public:
    explicit SimulatedClock(asio::any_io_executor ex);
    ~SimulatedClock() override;
    [[nodiscard]] SteadyTime now() const override;
    [[nodiscard]] WallTime wall() const override;
    Task<bool> sleep_until(SteadyTime when) override;
    void advance(Micros by);
    void step_wall(Micros by);                  ///< F9: the wall clock jumps, the steady one does not
    [[nodiscard]] std::size_t waiting() const;  ///< how many sleep now
    [[nodiscard]] SteadyTime next() const;      ///< the earliest deadline, or max

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir
