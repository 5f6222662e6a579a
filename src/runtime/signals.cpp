#include "runtime/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "base/error.h"
#include "runtime/wait_impl.h"

namespace weir {

namespace {

/// Bare descriptors, open for the life of the process. The handlers stay installed between two calls of next_signal(),
/// so that a signal in between is neither lost nor deadly.
struct SignalPipe {
    std::array<int, 2> ends{-1, -1};
    SignalPipe();
};
int write_end = -1;

extern "C" void note_signal(int number) {
    const int saved = errno;
    const auto byte = static_cast<unsigned char>(number);
    [[maybe_unused]] const auto wrote = ::write(write_end, &byte, 1);
    errno = saved;
}

SignalPipe::SignalPipe() {
    WEIR_ASSERT(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    write_end = ends[1];
    struct sigaction act {};
    sigfillset(&act.sa_mask);
    act.sa_flags = SA_RESTART;
    act.sa_handler = note_signal;
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) WEIR_ASSERT(::sigaction(number, &act, nullptr) == 0);
    act.sa_handler = SIG_IGN;
    WEIR_ASSERT(::sigaction(SIGPIPE, &act, nullptr) == 0);
}

}  // namespace

Task<int> next_signal() {
    static const SignalPipe pipe;
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    int number = 0;
    const int copy = ::fcntl(pipe.ends[0], F_DUPFD_CLOEXEC, 0);  // a descriptor object closes what it was given
    const bool cancelled = co_await detail::cancelled_before();
    if (copy >= 0 && !cancelled) {
        asio::posix::stream_descriptor in(co_await asio::this_coro::executor, copy);
        unsigned char byte = 0;
        boost::system::error_code ec;
        const auto got =
            co_await in.async_read_some(asio::buffer(&byte, 1), asio::redirect_error(asio::use_awaitable, ec));
        if (!ec && got == 1) number = byte;
    } else if (copy >= 0) {
        ::close(copy);
    }
    co_await asio::this_coro::throw_if_cancelled(throws);
    co_return number;
}

}  // namespace weir
