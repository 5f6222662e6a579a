#pragma once
// Inner part of dial(): the connection it hands out.
#include <memory>
#include <optional>
#include <string>

#include "io/http_server.h"
#include "io/transport.h"

namespace weir::net {

/// A connection that we opened. Each wait for room has its own time limit; when it is over, so is the connection.
class Dialed final : public Connection {
public:
    Dialed(Shard& shard, asio::ip::tcp::socket socket, Millis write_timeout)
        : shard_(shard), transport_(std::move(socket)), write_timeout_(write_timeout) {}
    ~Dialed() override { transport_.shutdown(); }

    [[nodiscard]] asio::any_io_executor executor() const noexcept override { return shard_.executor(); }
    [[nodiscard]] Shard& shard() noexcept override { return shard_; }
    Task<Result<std::size_t>> read_some(std::span<std::byte> into) override;
    Task<Result<>> wait_readable() override;
    Result<std::optional<std::size_t>> try_read(std::span<std::byte> into) override;
    Task<Result<>> write(std::span<const Bytes> parts) override;
    Result<std::size_t> try_write(std::span<const Bytes> parts) override { return try_write(parts, 0); }
    Result<std::size_t> try_write(std::span<const Bytes> parts, std::size_t skip);
    Task<Result<>> wait_writable() override;
    Task<Result<>> wait_closed() override;
    void shutdown() override { transport_.shutdown(); }
    [[nodiscard]] const Bytes& early() const noexcept override { return early_; }
    [[nodiscard]] int descriptor() const noexcept override { return transport_.descriptor(); }

    Task<Result<>> start_tls(TlsContext context, std::string host, bool verify);
    /// Appends what has arrived to `head`, at most up to its first empty line; false: nothing has. `head` grows to `most`.
    Result<bool> take_line(std::string& head, std::size_t most);
    Task<void> breathe();
    Result<std::optional<std::size_t>> drop_some() { return transport_.drop_some(); }

private:
    Task<Result<>> wait(asio::ip::tcp::socket::wait_type what);

    Shard& shard_;
    Transport transport_;
    Millis write_timeout_;
    Bytes early_;
    std::optional<Error> ended_;
    int busy_steps_ = 0;
};

}  // namespace weir::net
