#pragma once
#include <optional>
#include <utility>

#include "base/error.h"
#include "runtime/task_group.h"

namespace weir::apps {

template <class T>
Task<void> into(Task<Result<T>> work, std::optional<Result<T>>& result) {
    co_await errors_not_throws();
    result = co_await std::move(work);
}

/// Awaits `work` as a task of its own. Whoever shields its clean-up from cancellation (media::join, media::probe) shields
/// all that its caller does afterwards, too; apart, the caller stays cancellable, and its cancellation reaches the work.
template <class T>
Task<Result<T>> apart(asio::any_io_executor ex, Task<Result<T>> work) {
    std::optional<Result<T>> result;
    TaskGroup group(ex);
    group.spawn(into(std::move(work), result), "apart");
    co_await group.join();
    co_await group.stop("done");
    if (!result) co_return Error{Errc::cancelled, "stopped before it began"};
    co_return std::move(*result);
}

}  // namespace weir::apps
