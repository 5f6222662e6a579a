#include "runtime/deadline.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <list>
#include <random>

#include "runtime/wait_impl.h"

namespace weir {

struct Bell::State {
    struct Waiter {
        asio::steady_timer wake;
        bool rung = false;
    };
    std::list<std::shared_ptr<Waiter>> waiters;
    bool pending = false;  ///< rung while nobody waited
};

Bell::Bell(asio::any_io_executor) : state_(std::make_shared<State>()) {}

Bell::~Bell() {
    for (const auto& waiter : state_->waiters) waiter->wake.cancel();
}

void Bell::notify() {
    auto& waiters = state_->waiters;
    if (waiters.empty()) state_->pending = true;
    for (const auto& waiter : waiters) {
        waiter->rung = true;
        waiter->wake.cancel();
    }
    waiters.clear();
}

Task<bool> Bell::wait() {
    return wait_until(SteadyTime::max());
}

Task<bool> Bell::wait_until(SteadyTime when) {
    const auto state = state_;  // the bell may go while somebody waits
    if (std::exchange(state->pending, false)) co_return true;
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    bool rung = false;
    if (!co_await detail::cancelled_before()) {
        const auto waiter = std::make_shared<State::Waiter>(
            State::Waiter{asio::steady_timer(co_await asio::this_coro::executor, when)});
        const auto place = state->waiters.insert(state->waiters.end(), waiter);
        boost::system::error_code ec;
        co_await waiter->wake.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        rung = waiter->rung;
        if (!rung) state->waiters.erase(place);
    }
    co_await asio::this_coro::throw_if_cancelled(throws);
    co_return rung;
}

namespace detail {

struct Race::Parts {
    explicit Parts(const asio::any_io_executor& executor) : ex(executor), wake(never_timer(executor)) {}
    asio::any_io_executor ex;
    asio::steady_timer wake;
    asio::cancellation_signal body, sleeper;
    bool body_runs = false, sleeper_runs = false;
};

Race::Race(const asio::any_io_executor& ex) : parts(std::make_unique<Parts>(ex)) {}
Race::~Race() = default;

namespace {

Task<void> guarded(Task<void> body) {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await std::move(body);
}

Task<void> cancel_at(std::shared_ptr<Race> race, Clock& clock, SteadyTime when) {
    const bool came = co_await clock.sleep_until(when);
    if (!came || !race->parts->body_runs) co_return;
    race->time_came = true;
    race->parts->body.emit(asio::cancellation_type::all);
}

}  // namespace

void Race::start(const std::shared_ptr<Race>& self, Task<void> task, Clock& clock, SteadyTime when) {
    parts->body_runs = parts->sleeper_runs = true;
    asio::co_spawn(parts->ex, guarded(std::move(task)), Cancellable{parts->body.slot(), [self](std::exception_ptr why) {
                                                                        self->failure = std::move(why);
                                                                        self->parts->body_runs = false;
                                                                        self->parts->wake.cancel();
                                                                    }});
    asio::co_spawn(parts->ex, guarded(cancel_at(self, clock, when)),
                   Cancellable{parts->sleeper.slot(), [self](std::exception_ptr) {
                                   self->parts->sleeper_runs = false;
                                   self->parts->wake.cancel();
                               }});
}

Task<void> Race::finish() {
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    boost::system::error_code ec;
    bool passed_on = false;
    while (parts->body_runs) {
        const auto state = co_await asio::this_coro::cancellation_state;
        if (passed_on) {
            co_await parts->wake.async_wait(unreached(ec));
        } else if (state.cancelled() != asio::cancellation_type::none) {
            passed_on = true;
            parts->body.emit(asio::cancellation_type::all);
        } else {
            co_await parts->wake.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        }
    }
    parts->sleeper.emit(asio::cancellation_type::all);
    while (parts->sleeper_runs) co_await parts->wake.async_wait(unreached(ec));
    co_await asio::this_coro::throw_if_cancelled(throws);
}

}  // namespace detail

Backoff::Backoff(Settings s, std::uint64_t seed) : settings_(s), state_(seed) {
    if (seed == 0) state_ = (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
}

Millis Backoff::next() {
    // attempts_ may grow for days: pow() then gives infinity, which min() cuts.
    const auto grown = static_cast<double>(settings_.first.count()) * std::pow(settings_.factor, attempts_);
    const auto whole = std::min(grown, static_cast<double>(settings_.ceiling.count()));
    if (attempts_ < std::numeric_limits<int>::max()) ++attempts_;
    // splitmix64: 53 good bits are plenty for jitter
    state_ += 0x9e3779b97f4a7c15u;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    const auto share = static_cast<double>(z >> 11) * 0x1.0p-53;
    return Millis(std::llround(whole * (0.5 + share / 2)));
}

Millis Backoff::next(std::optional<Millis> asked_for, Millis most) {
    const auto own = next();
    return asked_for ? std::max(own, std::min(*asked_for, most)) : own;
}

void Backoff::reset() noexcept {
    attempts_ = 0;
}
int Backoff::attempts() const noexcept {
    return attempts_;
}

}  // namespace weir
