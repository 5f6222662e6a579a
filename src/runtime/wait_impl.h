// How coroutines of runtime/ wait: inner parts, for files of this folder only.
#pragma once
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <memory>
#include <utility>

#include "runtime/asio.h"

namespace weir::detail {

/// A token for a wait that the caller's cancellation does not reach. The cancellation is not lost: it stays in the
/// caller's cancellation state, unlike with reset_cancellation_state(), which forgets it.
inline auto unreached(boost::system::error_code& ec) {
    return asio::bind_cancellation_slot(asio::cancellation_slot(), asio::redirect_error(asio::use_awaitable, ec));
}

inline asio::steady_timer never_timer(const asio::any_io_executor& ex) {
    return asio::steady_timer(ex, asio::steady_timer::time_point::max());
}

/// The completion of a co_spawn with the slot its cancellation comes by. Not bind_cancellation_slot(): with that,
/// co_spawn posts each emission with a bare pointer into the slot, which is gone when the task ended before the post
/// ran.
template <class F>
struct Cancellable {
    using cancellation_slot_type = asio::cancellation_slot;
    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept { return slot; }
    void operator()(std::exception_ptr why) { then(std::move(why)); }

    asio::cancellation_slot slot;
    F then;
};
template <class F>
Cancellable(asio::cancellation_slot, F) -> Cancellable<F>;

/// True when a cancellation came earlier and is still to be obeyed. Lets others run once before it says so: a loop that
/// overlooks the answer then burns time, but does not hang the shard.
Task<bool> cancelled_before();

/// A one-shot meeting of a thread and a coroutine: complete() once, from any thread, after the job and all it held are
/// gone; wait() returns then. Counts as work of its executor until it completed, so that the executor runs on.
class Completion : public std::enable_shared_from_this<Completion> {
public:
    explicit Completion(const asio::any_io_executor& ex);
    void complete();
    /// Ignores cancellation, but tells of it in `cancelled`, when given, as soon as it comes.
    Task<void> wait(std::atomic<bool>* cancelled = nullptr);

private:
    asio::any_io_executor ex_;  ///< tracked: keeps run() from returning
    asio::steady_timer wake_;
    bool done_ = false;
};

}  // namespace weir::detail
