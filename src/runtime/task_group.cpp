#include "runtime/task_group.h"

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <list>

#include "base/error.h"
#include "base/log.h"
#include "runtime/wait_impl.h"

namespace weir {

namespace {

std::atomic<std::size_t> tasks_alive{0};

/// One running coroutine; held by the group, by the coroutine and by its completion.
struct Running {
    asio::cancellation_signal signal;
    bool begun = false;
};

Task<void> guarded(Task<void> body, std::shared_ptr<Running> task, const Stop& stop) {
    co_await asio::this_coro::throw_if_cancelled(
        false);  // a task learns of a stop from results, and can still clean up
    task->begun = true;
    if (!stop.asked()) co_await std::move(body);
}

}  // namespace

struct TaskGroup::State {
    explicit State(asio::any_io_executor executor) : ex(std::move(executor)), idle(detail::never_timer(ex)) {}

    void ended(std::list<std::shared_ptr<Running>>::iterator task, const char* name, std::exception_ptr why) {
        if (why) complain(name, std::move(why));
        tasks_alive.fetch_sub(1, std::memory_order_relaxed);
        tasks.erase(task);
        if (tasks.empty()) idle.cancel();
    }

    void complain(const char* name, std::exception_ptr why) const {
        try {
            std::rethrow_exception(std::move(why));
        } catch (const std::exception& e) {
            WEIR_LOG(error, "a task ended by an exception; please report this", {"task", name}, {"error", e.what()});
        } catch (...) {
            WEIR_LOG(error, "a task ended by an exception; please report this", {"task", name});
        }
    }

    void ask_stop(std::string reason) {
        stop.ask(std::move(reason));
        const auto running = tasks;  // a task may end inside emit
        for (const auto& task : running) {
            // Before its first step Asio's own entry would throw, past the completion; guarded() looks at the stop.
            if (task->begun) task->signal.emit(asio::cancellation_type::all);
        }
    }

    asio::any_io_executor ex;
    asio::steady_timer idle;  ///< never fires; cancelled to wake stop() and join()
    Stop stop;
    std::list<std::shared_ptr<Running>> tasks;
};

TaskGroup::TaskGroup(asio::any_io_executor ex) : state_(std::make_unique<State>(std::move(ex))) {}

TaskGroup::~TaskGroup() {
    WEIR_ASSERT(state_->tasks.empty() && "co_await stop() before destroying a TaskGroup");
}

const Stop& TaskGroup::stopping() const noexcept {
    return state_->stop;
}
std::size_t TaskGroup::size() const noexcept {
    return state_->tasks.size();
}

void TaskGroup::spawn(Task<void> body, const char* name) {
    if (state_->stop.asked()) return;
    const auto place = state_->tasks.emplace(state_->tasks.end(), std::make_shared<Running>());
    tasks_alive.fetch_add(1, std::memory_order_relaxed);
    // The completion holds the signal too: the body may end inside emit, which must not destroy what emits.
    auto done = [state = state_.get(), place, task = *place, name](std::exception_ptr why) {
        state->ended(place, name, std::move(why));
    };
    asio::co_spawn(state_->ex, guarded(std::move(body), *place, state_->stop),
                   detail::Cancellable{(*place)->signal.slot(), std::move(done)});
}

void TaskGroup::ask_stop(std::string reason) {
    state_->ask_stop(std::move(reason));
}

Task<void> TaskGroup::stop(std::string reason) {
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    state_->ask_stop(std::move(reason));
    boost::system::error_code ignored;
    while (!state_->tasks.empty()) co_await state_->idle.async_wait(detail::unreached(ignored));
    co_await asio::this_coro::throw_if_cancelled(throws);
}

Task<void> TaskGroup::join() {
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    boost::system::error_code ignored;
    while (!state_->tasks.empty()) {
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (cancellation.cancelled() == asio::cancellation_type::none) {
            co_await state_->idle.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        } else {
            if (!state_->stop.asked()) state_->ask_stop("the owner was stopped");
            if (!state_->tasks.empty()) co_await state_->idle.async_wait(detail::unreached(ignored));
        }
    }
    co_await asio::this_coro::throw_if_cancelled(throws);
}

std::size_t live_tasks() noexcept {
    return tasks_alive.load(std::memory_order_relaxed);
}

Task<void> errors_not_throws() {
    co_await asio::this_coro::throw_if_cancelled(false);
}

Task<void> uncancellable() {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
}

}  // namespace weir
