#include "runtime/clock.h"

#include <map>

#include "runtime/wait_impl.h"

namespace weir {

namespace {

class RealClock final : public Clock {
public:
    explicit RealClock(asio::any_io_executor ex) : ex_(std::move(ex)) {}
    [[nodiscard]] SteadyTime now() const override { return SteadyTime::clock::now(); }
    [[nodiscard]] WallTime wall() const override { return WallTime::clock::now(); }

    Task<bool> sleep_until(SteadyTime when) override {
        const bool throws = co_await asio::this_coro::throw_if_cancelled();
        co_await asio::this_coro::throw_if_cancelled(false);
        bool time_came = false;
        if (!co_await detail::cancelled_before()) {
            asio::steady_timer timer(ex_, when);
            boost::system::error_code ec;
            co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
            time_came = !ec;
        }
        co_await asio::this_coro::throw_if_cancelled(throws);
        co_return time_came;
    }

private:
    asio::any_io_executor ex_;
};

}  // namespace

std::unique_ptr<Clock> real_clock(asio::any_io_executor ex) {
    return std::make_unique<RealClock>(std::move(ex));
}

struct SimulatedClock::State {
    struct Sleeper {
        asio::steady_timer wake;
        bool time_came = false;
    };
    // Any fixed start will do; far from zero, so that tests may look back.
    SteadyTime now{std::chrono::hours(1000)};
    WallTime wall{std::chrono::seconds(1'767'225'600)};  // 2026-01-01T00:00:00Z
    std::multimap<SteadyTime, std::shared_ptr<Sleeper>> sleepers;
};

SimulatedClock::SimulatedClock(asio::any_io_executor) : state_(std::make_unique<State>()) {}
SimulatedClock::~SimulatedClock() = default;
SteadyTime SimulatedClock::now() const {
    return state_->now;
}
WallTime SimulatedClock::wall() const {
    return state_->wall;
}
std::size_t SimulatedClock::waiting() const {
    return state_->sleepers.size();
}
SteadyTime SimulatedClock::next() const {
    return state_->sleepers.empty() ? SteadyTime::max() : state_->sleepers.begin()->first;
}

Task<bool> SimulatedClock::sleep_until(SteadyTime when) {
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    bool time_came = false;
    if (!co_await detail::cancelled_before()) {
        if (when <= state_->now) {
            time_came = true;
        } else {
            const auto ex = co_await asio::this_coro::executor;
            const auto sleeper = std::make_shared<State::Sleeper>(State::Sleeper{detail::never_timer(ex)});
            const auto place = state_->sleepers.emplace(when, sleeper);
            boost::system::error_code ec;
            co_await sleeper->wake.async_wait(asio::redirect_error(asio::use_awaitable, ec));
            time_came = sleeper->time_came;
            if (!time_came) state_->sleepers.erase(place);
        }
    }
    co_await asio::this_coro::throw_if_cancelled(throws);
    co_return time_came;
}

void SimulatedClock::advance(Micros by) {
    state_->now += by;
    state_->wall += by;
    auto& sleepers = state_->sleepers;
    while (!sleepers.empty() && sleepers.begin()->first <= state_->now) {
        const auto sleeper = sleepers.begin()->second;
        sleepers.erase(sleepers.begin());
        sleeper->time_came = true;
        sleeper->wake.cancel();
    }
}

void SimulatedClock::step_wall(Micros by) {
    state_->wall += by;
}

}  // namespace weir
