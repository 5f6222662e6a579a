#pragma once
#include <optional>
#include <utility>

namespace weir {
namespace detail {

/// Puts `job` on the pool and returns when it has ended, or was dropped by the pool's end (false). Cancellation of the
/// caller sets `cancelled` and is otherwise ignored.
Task<bool> run_on(WorkerPool& pool, std::function<void()> job, std::shared_ptr<std::atomic<bool>> cancelled);

}  // namespace detail

template <class T>
Task<Result<T>> run_blocking(WorkerPool& pool, std::function<Result<T>(const std::atomic<bool>& cancelled)> job) {
    const auto result = std::make_shared<std::optional<Result<T>>>();
    const auto cancelled = std::make_shared<std::atomic<bool>>(false);
    std::function<void()> call = [result, cancelled, work = std::move(job)] { result->emplace(work(*cancelled)); };
    if (!co_await detail::run_on(pool, std::move(call), cancelled))
        co_return Error{Errc::cancelled, "the worker pool was closed"};
    if (!*result) co_return Error{Errc::internal, "a blocking job ended by an exception"};
    co_return std::move(**result);
}

}  // namespace weir
