#pragma once
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <type_traits>
#include <utility>

namespace weir {
namespace detail {

/// A body and a sleeper side by side, and the coroutine that waits for both. Held by all three: none of them may
/// outlive it.
struct Race {
    explicit Race(const asio::any_io_executor& ex);
    ~Race();
    Race(const Race&) = delete;

    void start(const std::shared_ptr<Race>& self, Task<void> body, Clock& clock, SteadyTime when);
    /// Returns when both ended; hands a cancellation of the caller, earlier or now, on to the body.
    Task<void> finish();

    struct Parts;
    std::unique_ptr<Parts> parts;
    std::exception_ptr failure;
    bool time_came = false;  ///< the body was still running then
};

template <class T>
Task<void> store_result(Task<T> body, std::shared_ptr<std::optional<T>> into) {
    into->emplace(co_await std::move(body));
}

}  // namespace detail

template <class T>
Task<T> with_deadline(Clock& clock, SteadyTime when, Task<T> body, bool* timed_out) {
    const auto race = std::make_shared<detail::Race>(co_await asio::this_coro::executor);
    if (timed_out) *timed_out = false;
    if constexpr (std::is_void_v<T>) {
        race->start(race, std::move(body), clock, when);
        co_await race->finish();
        if (timed_out) *timed_out = race->time_came;
        if (race->failure) std::rethrow_exception(race->failure);
    } else {
        const auto result = std::make_shared<std::optional<T>>();
        race->start(race, detail::store_result<T>(std::move(body), result), clock, when);
        co_await race->finish();
        if (timed_out) *timed_out = race->time_came;
        if (race->failure) std::rethrow_exception(race->failure);
        co_return std::move(**result);
    }
}

}  // namespace weir
