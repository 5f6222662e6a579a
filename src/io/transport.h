#pragma once
// Inner part of the HTTP server and of dial(): a connected socket, plain or with TLS on it.
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "io/tls_stream.h"
#include "runtime/asio.h"

namespace weir::net {

/// Reads and writes that never block, and what to wait for between them.
/// limits   a gather write takes at most 64 pieces when there is no TLS
/// threads  one owner; a reader and a writer may take turns
class Transport {
public:
    /// Makes the socket non-blocking, without Nagle's delay, and has the kernel ask a silent peer: gone for two minutes
    /// is lost.
    explicit Transport(asio::ip::tcp::socket socket);
    Transport(Transport&&) = default;
    ~Transport() { say_goodbye(); }

    [[nodiscard]] asio::ip::tcp::socket& socket() noexcept { return socket_; }
    [[nodiscard]] int descriptor() const noexcept { return fd_; }
    [[nodiscard]] TlsStream* tls() const noexcept { return tls_.get(); }
    void secure_with(std::unique_ptr<TlsStream> tls) { tls_ = std::move(tls); }

    /// Nothing: would block. 0: the peer has closed its side.
    Result<std::optional<std::size_t>> try_read(std::span<std::byte> into) {
        return tls_ ? tls_->try_read(into) : read_plain(into);
    }
    Result<std::size_t> try_write(std::span<const Bytes> parts, std::size_t skip) {
        return tls_ ? tls_->try_write(parts, skip) : write_plain(parts, skip);
    }
    /// Reads a little and forgets it; as try_read.
    Result<std::optional<std::size_t>> drop_some();
    /// Bytes that try_read would bring at once, as far as that is known without reading; of TLS, whole records only.
    [[nodiscard]] std::size_t waiting() const noexcept;
    /// A wait for reading would wait for what is here already.
    [[nodiscard]] bool readable() const noexcept { return tls_ && tls_->readable(); }
    [[nodiscard]] asio::ip::tcp::socket::wait_type reading_needs() const noexcept {
        return tls_ ? type_of(tls_->reading_needs()) : asio::ip::tcp::socket::wait_read;
    }
    [[nodiscard]] asio::ip::tcp::socket::wait_type writing_needs() const noexcept {
        return tls_ ? type_of(tls_->writing_needs()) : asio::ip::tcp::socket::wait_write;
    }
    void cancel() noexcept;
    void shutdown() noexcept;       ///< both ways
    void shutdown_send() noexcept;  ///< the peer sees the end, and may still send
    void say_goodbye() noexcept {
        if (tls_) tls_->say_goodbye();
    }

    static asio::ip::tcp::socket::wait_type type_of(Ready ready) noexcept {
        return ready == Ready::write ? asio::ip::tcp::socket::wait_write : asio::ip::tcp::socket::wait_read;
    }

private:
    Result<std::optional<std::size_t>> read_plain(std::span<std::byte> into);
    Result<std::size_t> write_plain(std::span<const Bytes> parts, std::size_t skip);

    asio::ip::tcp::socket socket_;
    int fd_;
    std::unique_ptr<TlsStream> tls_;
};

/// How much a peer may send that nobody asked for.
inline constexpr std::size_t unasked_limit = 64u << 10;

/// All of `parts`, in turns with the others on this shard. `side`: a connection with a Transport, which outlives this.
template <class Side>
Task<Result<>> write_all(Side& side, std::span<const Bytes> parts) {
    std::size_t total = 0, done = 0;
    for (const auto& part : parts) total += part.size();
    co_await side.breathe();
    while (done < total) {
        auto wrote = side.try_write(parts, done);
        if (!wrote) co_return wrote.error();
        done += *wrote;
        if (done == total) break;
        if (auto r = co_await side.wait_writable(); !r) co_return r;
    }
    co_return Result<>{};
}

/// Ends with the peer's close, or when it has sent more than unasked_limit.
template <class Side>
Task<Result<>> drop_until_closed(Side& side) {
    std::size_t unasked = 0;
    for (;;) {
        if (auto r = co_await side.wait_readable(); !r) co_return r;
        auto got = side.drop_some();
        if (!got) co_return got.error();
        if (!*got) continue;
        if (**got == 0) co_return Error{Errc::lost_peer, "the peer has closed", "connection"};
        unasked += **got;
        if (unasked > unasked_limit)
            co_return Error{Errc::bad_input, "the peer keeps sending what nobody asked for", "connection"};
    }
}

}  // namespace weir::net
