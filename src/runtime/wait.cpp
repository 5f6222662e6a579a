#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include "runtime/wait_impl.h"

namespace weir::detail {

Task<bool> cancelled_before() {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() == asio::cancellation_type::none) co_return false;
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    co_return true;
}

Completion::Completion(const asio::any_io_executor& ex)
    : ex_(asio::prefer(ex, asio::execution::outstanding_work.tracked)), wake_(never_timer(ex)) {}

void Completion::complete() {
    asio::post(ex_, [self = shared_from_this()] {
        self->done_ = true;
        self->ex_ = {};
        self->wake_.cancel();
    });
}

Task<void> Completion::wait(std::atomic<bool>* cancelled) {
    const auto self = shared_from_this();
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    boost::system::error_code ec;
    while (!done_) {
        const auto state = co_await asio::this_coro::cancellation_state;
        if (cancelled && state.cancelled() != asio::cancellation_type::none) cancelled->store(true);
        if (cancelled)
            co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        else
            co_await wake_.async_wait(unreached(ec));
    }
    co_await asio::this_coro::throw_if_cancelled(throws);
}

}  // namespace weir::detail
