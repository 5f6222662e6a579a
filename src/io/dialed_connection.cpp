#include "io/dialed_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>

#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::net {
namespace {

constexpr int steps_without_wait = 32;

}  // namespace

Task<Result<>> Dialed::wait(asio::ip::tcp::socket::wait_type what) {
    co_await errors_not_throws();
    if (ended_) co_return *ended_;
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return Error{Errc::cancelled, "stopped", "connection"};
    boost::system::error_code ec;
    co_await transport_.socket().async_wait(what, asio::redirect_error(asio::use_awaitable, ec));
    busy_steps_ = 0;
    if (ended_) co_return *ended_;
    if (ec == asio::error::operation_aborted) co_return Error{Errc::cancelled, "stopped", "connection"};
    if (ec) co_return Error{Errc::lost_peer, ec.message(), "connection"};
    co_return Result<>{};
}

/// A peer that is always ready must not keep the others on this shard from their turn.
Task<void> Dialed::breathe() {
    if (++busy_steps_ < steps_without_wait) co_return;
    busy_steps_ = 0;
    co_await asio::post(shard_.executor(), asio::use_awaitable);
}

Task<Result<>> Dialed::wait_readable() {
    if (transport_.readable()) {
        co_await breathe();
        co_return Result<>{};
    }
    co_return co_await wait(transport_.reading_needs());
}

Task<Result<>> Dialed::wait_writable() {
    bool late = false;
    const auto by = shard_.clock().now() + write_timeout_;
    auto waiting = wait(transport_.writing_needs());
    auto done = co_await with_deadline(shard_.clock(), by, std::move(waiting), &late);
    if (late && !done && !ended_) {
        ended_ = Error{Errc::timed_out, "the peer took nothing for too long", "connection"};
        transport_.cancel();  // a reader of this connection is told too
        co_return *ended_;
    }
    co_return done;
}

Result<std::optional<std::size_t>> Dialed::try_read(std::span<std::byte> into) {
    if (ended_) return *ended_;
    return transport_.try_read(into);
}

Task<Result<std::size_t>> Dialed::read_some(std::span<std::byte> into) {
    if (into.empty()) co_return std::size_t{0};
    co_await breathe();
    for (;;) {
        auto got = try_read(into);
        if (!got) co_return got.error();
        if (*got && **got == 0) co_return Error{Errc::lost_peer, "the peer has closed", "connection"};
        if (*got) co_return **got;
        if (auto r = co_await wait_readable(); !r) co_return r.error();
    }
}

Result<std::size_t> Dialed::try_write(std::span<const Bytes> parts, std::size_t skip) {
    if (ended_) return *ended_;
    return transport_.try_write(parts, skip);
}

Task<Result<>> Dialed::write(std::span<const Bytes> parts) {
    return write_all(*this, parts);
}

Task<Result<>> Dialed::wait_closed() {
    return drop_until_closed(*this);
}

Task<Result<>> Dialed::start_tls(TlsContext context, std::string host, bool verify) {
    auto made = TlsStream::create(context, transport_.descriptor(), host, verify);
    if (!made) co_return made.error();
    transport_.secure_with(std::move(*made));
    for (;;) {
        auto step = transport_.tls()->handshake();
        if (!step) co_return step.error();
        if (*step == Ready::nothing) co_return Result<>{};
        const auto what = Transport::type_of(*step);
        if (auto r = co_await wait(what); !r) co_return r;
    }
}

Result<bool> Dialed::take_line(std::string& head, std::size_t most) {
    constexpr std::string_view end = "\r\n\r\n";
    std::array<char, 1024> scratch;
    const auto room = std::min(scratch.size(), most - head.size());
    const auto peeked = ::recv(transport_.descriptor(), scratch.data(), room, MSG_PEEK);
    if (peeked < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
    if (peeked <= 0)
        return Error{Errc::lost_peer, peeked == 0 ? "the peer has closed" : from_errno(errno, "").what, "connection"};
    const auto from = head.size();
    head.append(scratch.data(), static_cast<std::size_t>(peeked));
    if (const auto at = head.find(end, from > 3 ? from - 3 : 0); at != head.npos) head.resize(at + end.size());
    const auto used = head.size() - from;
    (void)!::recv(transport_.descriptor(), scratch.data(), used, 0);
    return true;
}

}  // namespace weir::net
