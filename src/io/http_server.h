#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "runtime/asio.h"
#include "runtime/shard.h"

namespace weir {

/// The head of a request, checked against the limits before anything else is read.
struct ServerRequest {
    std::string method, target;                                ///< target as sent
    std::string path, query;                                   ///< path percent-decoded; query as sent
    std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
    std::string peer;                                          ///< numeric address
    bool secure = false;                                       ///< came over TLS
    bool chunked = false;
    std::optional<std::uint64_t> content_length;
    [[nodiscard]] const std::string* find(std::string_view name) const;
};

/// The raw connection after an upgrade, or for a response written by hand (fan-out). Bytes the client sent ahead are kept in `early`.
/// It may outlive the handler that took it; once the server has stopped, everything on it ends with `cancelled`.
/// threads  its shard, the destructor too; one reading and one writing call at a time
class Connection {
public:
    virtual ~Connection() = default;  ///< closes
    [[nodiscard]] virtual asio::any_io_executor executor() const noexcept = 0;
    [[nodiscard]] virtual Shard& shard() noexcept = 0;
    virtual Task<Result<std::size_t>> read_some(std::span<std::byte> into) = 0;
    /// Waits (no thread, no buffer) until try_read has something; also when the peer has closed. For those who hold many connections
    /// and want no buffer for each.
    virtual Task<Result<>> wait_readable() = 0;
    /// One non-blocking read. Nothing: would block. 0: the peer has closed its side.
    virtual Result<std::optional<std::size_t>> try_read(std::span<std::byte> into) = 0;
    virtual Task<Result<>> write(std::span<const Bytes> parts) = 0;
    /// One non-blocking gather write; 0 means "would block". For fan-outs.
    virtual Result<std::size_t> try_write(std::span<const Bytes> parts) = 0;
    /// Waits (no thread, no buffer) until try_write may go on, or the peer has closed (lost_peer), or has taken nothing for the
    /// server's write_timeout (timed_out).
    virtual Task<Result<>> wait_writable() = 0;
    /// Ends (always with an error) when the peer closes, lost_peer, or goes on sending what is not expected from it, bad_input: up to
    /// 64 KiB are read and dropped.
    virtual Task<Result<>> wait_closed() = 0;
    virtual void shutdown() = 0;
    [[nodiscard]] virtual const Bytes& early() const noexcept = 0;
    [[nodiscard]] virtual int descriptor()
        const noexcept = 0;  ///< for accounting and socket options; stays ours to close
};

/// What one read of a request body brought.
struct BodyPiece {
    Bytes bytes;  ///< framing taken off; empty: the end
    std::vector<std::uint32_t>
        borders;        ///< places in `bytes` where a chunk of the transfer coding ended, rising; the last may be
                        ///< bytes.size()
    bool more = false;  ///< more had arrived already: another read returns at once
};

/// One request being answered. Exactly one of respond/begin_stream/take is called; if none is, the client gets 500.
class Exchange {
public:
    virtual ~Exchange() = default;
    [[nodiscard]] virtual const ServerRequest& request() const noexcept = 0;
    /// The next piece of the request body (any size in all; Expect: 100-continue is answered now). Empty: the end.
    virtual Task<Result<Bytes>> read_body() = 0;
    /// The next piece with what its framing tells, for an ingest that keeps the sender's borders.
    virtual Task<Result<BodyPiece>> read_piece() = 0;
    /// For this body instead of Settings::body_timeout; 0: no limit (a peer that vanished is noticed by TCP keep-alive).
    virtual void set_body_timeout(Millis between_pieces) = 0;
    /// All of it, at most `limit` bytes: bad_input with status 413 beyond.
    virtual Task<Result<std::string>> read_body_text(std::size_t limit) = 0;
    virtual Task<Result<>> respond(int status, std::string_view content_type, Bytes body,
                                   std::vector<std::pair<std::string, std::string>> headers = {}) = 0;
    /// Chunked response (or until close for HTTP/1.0), written piece by piece; finish() ends it.
    virtual Task<Result<>> begin_stream(int status, std::string_view content_type,
                                        std::vector<std::pair<std::string, std::string>> headers = {}) = 0;
    virtual Task<Result<>> write(Bytes piece) = 0;
    virtual Task<Result<>> finish() = 0;
    /// text/event-stream: one event; begin with begin_stream(200, "text/event-stream").
    virtual Task<Result<>> event(std::string_view name, std::string_view data) = 0;
    /// Takes the connection away (upgrade, fan-out): nothing has been answered; the caller writes everything.
    virtual std::unique_ptr<Connection> take() = 0;
};

/// A small HTTP/1.1 server on Asio with Beast's parser: keep-alive, pipelining one at a time, HEAD, limits; handlers are coroutines.
/// limits   head 16 KiB and 100 fields, head within 10 s, idle 60 s, a write without progress 30 s, connections per server
/// threads  accepts on shard 0 of `shards`; a connection lives on one shard (round robin) where its handler runs
class HttpServer {
public:
    struct Settings {
        std::string address = "127.0.0.1";
        std::uint16_t port = 0;  ///< 0: any free one
        std::size_t max_connections = 4096;
        /// So many connections stay on shard 0 before others go round: while there are few, waking a second thread for each
        /// piece costs more than it brings.
        std::size_t spread_from = 0;
        Millis head_timeout{10'000}, idle_timeout{60'000}, write_timeout{30'000};
        Millis body_timeout{60'000};  ///< between two pieces of a request body; read_body_text() as a whole
        std::string port_option;      ///< named in the complaint about a port in use: "--listen"
        std::string tls_certificate,
            tls_key;  ///< PEM files; both: every connection speaks TLS 1.2 or 1.3. Looked at again
                      ///< when their time stamps change, so that a renewal needs no restart
        bool clean_paths =
            false;  ///< a path with "//", "." or ".." is answered 301 to the clean one (VW-18), not resolved
        bool allow_header = true;  ///< 405 names the methods (RFC 9110); vw's had neither header nor body (VW-20)
    };
    using Handler = std::function<Task<void>(Exchange&)>;

    static std::unique_ptr<HttpServer> create(Shards& shards, Settings settings);
    virtual ~HttpServer() = default;  ///< stop() was awaited
    /// Exact path, or a prefix when it ends in '/'. The longest match wins; `methods` like "GET HEAD" (405 + Allow else), "*": any.
    /// Before start().
    virtual void route(std::string methods, std::string path, Handler handler) = 0;
    virtual Result<> start() = 0;  ///< binds and listens; errors name address and port
    [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;
    virtual Task<void> stop() = 0;  ///< from shard 0
};

/// The connections of all servers of this process, taken ones included, for accounting in tests.
[[nodiscard]] std::size_t open_connections() noexcept;

}  // namespace weir
