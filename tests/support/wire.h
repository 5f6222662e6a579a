#pragma once
// A connection whose far end is the test, and a shard in simulated time.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/http_server.h"
#include "runtime/deadline.h"
#include "runtime/run_testing.h"

namespace weir::test {

/// A shard on a test's own context, in simulated time.
class BenchShard final : public Shard {
public:
    explicit BenchShard(testing_support::Bench& bench) : bench_(bench) {}
    [[nodiscard]] std::size_t index() const noexcept override { return 0; }
    [[nodiscard]] asio::any_io_executor executor() const noexcept override { return bench_.io.get_executor(); }
    [[nodiscard]] Clock& clock() noexcept override { return bench_.clock; }
    void post(std::function<void()> f) override { asio::post(bench_.io, std::move(f)); }
    [[nodiscard]] bool is_here() const noexcept override { return true; }
    void add_weight(int) noexcept override {}
    [[nodiscard]] int weight() const noexcept override { return 0; }

private:
    testing_support::Bench& bench_;
};

/// What the far end of a connection sees and does.
struct FarEnd {
    explicit FarEnd(testing_support::Bench& bench)
        : readable(bench.io.get_executor()), writable(bench.io.get_executor()) {}
    void arrive(std::string bytes) {
        incoming.push_back(std::move(bytes));
        readable.notify();
    }
    void cut() {
        eof = true;
        readable.notify();
    }
    void unblock() {
        blocked = false;
        writable.notify();
    }

    std::deque<std::string> incoming;
    std::string written;
    std::vector<std::size_t> write_pieces;  ///< of each write
    std::size_t try_room = SIZE_MAX;        ///< taken by one try_write
    bool eof = false, blocked = false, shut = false;
    std::optional<Error> write_error;
    Bell readable, writable;
};

/// Our end of it.
class WireConnection final : public Connection {
public:
    WireConnection(Shard& shard, std::shared_ptr<FarEnd> wire) : shard_(shard), wire_(std::move(wire)) {}
    ~WireConnection() override { wire_->shut = true; }
    [[nodiscard]] asio::any_io_executor executor() const noexcept override { return shard_.executor(); }
    [[nodiscard]] Shard& shard() noexcept override { return shard_; }
    Task<Result<>> wait_readable() override {
        const auto wire = wire_;
        while (wire->incoming.empty() && !wire->eof && !wire->shut) {
            const bool rung = co_await wire->readable.wait();
            if (!rung) co_return Error{Errc::cancelled, "stopped", "connection"};
        }
        co_return Result<>{};
    }
    Result<std::optional<std::size_t>> try_read(std::span<std::byte> into) override {
        if (wire_->shut) return Error{Errc::lost_peer, "shut down", "connection"};
        if (wire_->incoming.empty()) return wire_->eof ? std::optional<std::size_t>(0) : std::nullopt;
        auto& first = wire_->incoming.front();
        const auto count = std::min(first.size(), into.size());
        std::memcpy(into.data(), first.data(), count);
        first.erase(0, count);
        if (first.empty()) wire_->incoming.pop_front();
        return std::optional(count);
    }
    Task<Result<std::size_t>> read_some(std::span<std::byte>) override { co_return Error{Errc::internal, "not used"}; }
    Task<Result<>> write(std::span<const Bytes> parts) override {
        const auto wire = wire_;
        wire->write_pieces.push_back(parts.size());
        while (wire->blocked && !wire->shut) {
            const bool rung = co_await wire->writable.wait();
            if (!rung) co_return Error{Errc::cancelled, "stopped", "connection"};
        }
        if (wire->write_error) co_return *wire->write_error;
        if (wire->shut) co_return Error{Errc::lost_peer, "shut down", "connection"};
        for (const auto& part : parts) wire->written += part.text();
        co_return Result<>{};
    }
    Result<std::size_t> try_write(std::span<const Bytes> parts) override {
        if (wire_->blocked) return std::size_t{0};
        std::string all;
        for (const auto& part : parts) all += part.text();
        all.resize(std::min(all.size(), wire_->try_room));
        wire_->written += all;
        return all.size();
    }
    Task<Result<>> wait_writable() override { co_return Error{Errc::internal, "not used"}; }
    Task<Result<>> wait_closed() override { co_return Error{Errc::internal, "not used"}; }
    void shutdown() override {
        wire_->shut = true;
        wire_->readable.notify();
        wire_->writable.notify();
    }
    [[nodiscard]] const Bytes& early() const noexcept override { return early_; }
    [[nodiscard]] int descriptor() const noexcept override { return -1; }

private:
    Shard& shard_;
    std::shared_ptr<FarEnd> wire_;
    Bytes early_;
};

}  // namespace weir::test
