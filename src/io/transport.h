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

}  // namespace weir::net
