#pragma once
// Inner part of the HTTP server and of dial(): TLS on a non-blocking descriptor, without OpenSSL's headers.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

struct ssl_st;
struct ssl_ctx_st;

namespace weir::net {

using TlsContext = std::shared_ptr<ssl_ctx_st>;

enum class Ready : std::uint8_t { nothing, read, write };  ///< what the socket must be ready for before a retry

/// One TLS connection over a descriptor that belongs to somebody else. Never blocks, holds no buffer while it is idle.
/// errors   lost_peer; of the handshake unreachable, with the reason of the library in it
/// threads  one owner; a reader and a writer may take turns
class TlsStream {
public:
    /// `host`: the client's side, empty: the server's. A name is sent as SNI; `verify` holds the certificate to it.
    static Result<std::unique_ptr<TlsStream>> create(const TlsContext& context, int fd, const std::string& host = {},
                                                     bool verify = true);
    ~TlsStream();
    TlsStream(const TlsStream&) = delete;

    /// One step: `nothing` when it is done.
    Result<Ready> handshake();
    /// As many records as there are and fit. Nothing: would block; 0: the peer has closed its side.
    Result<std::optional<std::size_t>> try_read(std::span<std::byte> into);
    /// How much of `parts`, behind the first `skip` bytes, was taken; 0: would block. Small pieces share records of 16 KiB.
    /// A record that the socket did not take whole is kept here and counted but for its last byte, so that its owner
    /// comes back with what begins with that byte; a record never ends with the first byte of a piece of several.
    Result<std::size_t> try_write(std::span<const Bytes> parts, std::size_t skip);

    /// Decrypted bytes may be waiting here, whatever the socket says.
    [[nodiscard]] bool readable() const noexcept { return maybe_more_; }
    [[nodiscard]] Ready reading_needs() const noexcept { return read_needs_; }
    [[nodiscard]] Ready writing_needs() const noexcept { return write_needs_; }
    /// Tells the peer that nothing comes any more, when that is possible at once.
    void say_goodbye() noexcept;
    /// The first bytes were those of a request without TLS.
    [[nodiscard]] bool was_plain_http() const noexcept { return plain_http_; }

private:
    TlsStream(ssl_st* ssl, bool client, std::string host);
    Result<std::size_t> push(std::span<const std::byte> record);
    /// What OpenSSL wants after it returned `result`, or why it gave up.
    Result<Ready> wanted(int result, const char* step);

    ssl_st* ssl_;
    std::string host_;
    std::vector<std::byte> held_;    ///< of the record that did not fit, what OpenSSL has not acknowledged
    std::optional<std::byte> owed_;  ///< its last byte: sent, but not counted yet
    Ready read_needs_ = Ready::read, write_needs_ = Ready::write;
    bool client_ = false, maybe_more_ = false, done_ = false, broken_ = false, plain_http_ = false, bye_ = false;
};

}  // namespace weir::net
