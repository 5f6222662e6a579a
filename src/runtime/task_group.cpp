#include "runtime/task_group.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <list>

#include "base/error.h"
#include "base/log.h"
#include "runtime/wait_impl.h"

namespace weir {

namespace {

Task<void> guarded(Task<void> body) {
    co_await asio::this_coro::throw_if_cancelled(
        false);  // a task learns of a stop from results, and can still clean up
    co_await std::move(body);
}

}  // namespace

struct TaskGroup::State {
    explicit State(asio::any_io_executor executor) : ex(std::move(executor)), idle(detail::never_timer(ex)) {}

    void ended(std::list<std::shared_ptr<asio::cancellation_signal>>::iterator task, const char* name,
               std::exception_ptr why) {
        if (why) complain(name, std::move(why));
        tasks.erase(task);
        if (tasks.empty()) idle.cancel();
    }

    void complain(const char* name, std::exception_ptr why) const {
        try {
            std::rethrow_exception(std::move(why));
        } catch (const boost::system::system_error& e) {
            // A task that was stopped before its first step is ended by Asio with this.
            if (stop.asked() && e.code() == asio::error::operation_aborted) return;
            WEIR_LOG(error, "a task ended by an exception; please report this", {"task", name}, {"error", e.what()});
        } catch (const std::exception& e) {
            WEIR_LOG(error, "a task ended by an exception; please report this", {"task", name}, {"error", e.what()});
        } catch (...) {
            WEIR_LOG(error, "a task ended by an exception; please report this", {"task", name});
        }
    }

    void ask_stop(std::string reason) {
        stop.ask(std::move(reason));
        const auto running = tasks;  // a task may end inside emit
        for (const auto& task : running) task->emit(asio::cancellation_type::all);
    }

    asio::any_io_executor ex;
    asio::steady_timer idle;  ///< never fires; cancelled to wake stop() and join()
    Stop stop;
    std::list<std::shared_ptr<asio::cancellation_signal>> tasks;
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
    const auto task = state_->tasks.emplace(state_->tasks.end(), std::make_shared<asio::cancellation_signal>());
    // The signal is held by the handler too: the body may end inside emit, which must not destroy what emits.
    auto done = [state = state_.get(), task, signal = *task, name](std::exception_ptr why) {
        state->ended(task, name, std::move(why));
    };
    asio::co_spawn(state_->ex, guarded(std::move(body)), detail::Cancellable{(*task)->slot(), std::move(done)});
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

Task<void> errors_not_throws() {
    co_await asio::this_coro::throw_if_cancelled(false);
}

Task<void> uncancellable() {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
}

}  // namespace weir
