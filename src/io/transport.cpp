#include "io/transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace weir::net {
namespace {

constexpr std::size_t record_guess = 16u << 10;

Error lost(int err) {
    return Error{Errc::lost_peer, from_errno(err, "").what, "connection"};
}

void set_number(int fd, int level, int option, int value) {
    (void)::setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

Transport::Transport(asio::ip::tcp::socket socket) : socket_(std::move(socket)), fd_(socket_.native_handle()) {
    boost::system::error_code ignored;
    socket_.native_non_blocking(true, ignored);
    set_number(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
    set_number(fd_, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_number(fd_, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set_number(fd_, IPPROTO_TCP, TCP_KEEPINTVL, 15);
    set_number(fd_, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

void Transport::cancel() noexcept {
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

void Transport::shutdown() noexcept {
    say_goodbye();
    boost::system::error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
}

void Transport::shutdown_send() noexcept {
    say_goodbye();
    boost::system::error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

std::size_t Transport::waiting() const noexcept {
    if (tls_) return tls_->readable() ? record_guess : 0;
    int count = 0;
    return ::ioctl(fd_, FIONREAD, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
}

Result<std::optional<std::size_t>> Transport::read_plain(std::span<std::byte> into) {
    for (;;) {
        const auto n = ::recv(fd_, into.data(), into.size(), 0);
        if (n >= 0) return std::optional(static_cast<std::size_t>(n));
        if (errno == EAGAIN || errno == EWOULDBLOCK) return std::optional<std::size_t>{};
        if (errno != EINTR) return lost(errno);
    }
}

Result<std::optional<std::size_t>> Transport::drop_some() {
    std::array<std::byte, 4096>
        scratch;  // never in a coroutine: it would stay in the frame as long as the connection lives
    return try_read(scratch);
}

Result<std::size_t> Transport::write_plain(std::span<const Bytes> parts, std::size_t skip) {
    std::array<iovec, 64> pieces;
    std::size_t count = 0;
    for (const auto& part : parts) {
        if (count == pieces.size()) break;
        if (skip >= part.size()) {
            skip -= part.size();
            continue;
        }
        // sendmsg only reads, whatever the type of iovec says
        pieces[count++] = {const_cast<std::byte*>(part.data()) + skip, part.size() - skip};
        skip = 0;
    }
    if (count == 0) return std::size_t{0};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    for (;;) {
        const auto n = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
        if (errno != EINTR) return lost(errno);
    }
}

}  // namespace weir::net
