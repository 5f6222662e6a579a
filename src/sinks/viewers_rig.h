#pragma once
// Helpers of the viewers' tests: a shard that runs only when told, connections without sockets, and what their peers saw.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "simulated_shard.h"
#include "sinks/fan_out.h"

namespace weir::test {

/// The far end of a connection: what arrived, how much more it takes, what it sends, whether it was shut.
struct Peer {
    explicit Peer(const asio::any_io_executor& ex) : room_came(ex), input_came(ex) {}
    std::string got, input;
    std::size_t room = SIZE_MAX;
    std::size_t writes = 0, most_pieces = 0;
    bool shut = false, destroyed = false;
    Bell room_came, input_came;

    [[nodiscard]] std::string body() const {
        const auto head = got.find("\r\n\r\n");
        return head == got.npos ? "" : got.substr(head + 4);
    }
    void make_room(std::size_t more) {
        room += more;
        room_came.notify();
    }
    void send(std::string_view bytes) {
        input += bytes;
        input_came.notify();
    }
    void leave() {
        shut = true;
        room_came.notify();
        input_came.notify();
    }
};

class FakeConnection final : public Connection {
public:
    FakeConnection(Shard& shard, Peer& peer, Bytes early = {}) : shard_(shard), peer_(peer), early_(std::move(early)) {}
    ~FakeConnection() override { peer_.destroyed = true; }
    [[nodiscard]] asio::any_io_executor executor() const noexcept override { return shard_.executor(); }
    [[nodiscard]] Shard& shard() noexcept override { return shard_; }
    Task<Result<std::size_t>> read_some(std::span<std::byte>) override { co_return Error{Errc::internal, "not used"}; }
    Task<Result<>> write(std::span<const Bytes>) override { co_return Error{Errc::internal, "not used"}; }
    Result<std::size_t> try_write(std::span<const Bytes> parts) override {
        if (peer_.shut) return Error{Errc::lost_peer, "shut"};
        ++peer_.writes;
        peer_.most_pieces = std::max(peer_.most_pieces, parts.size());
        std::size_t taken = 0;
        for (const auto& part : parts) {
            const auto count = std::min(part.size(), peer_.room);
            peer_.got += part.text().substr(0, count);
            if (peer_.room != SIZE_MAX) peer_.room -= count;
            taken += count;
        }
        return taken;
    }
    Task<Result<>> wait_writable() override {
        bool woken = true;
        while (peer_.room == 0 && !peer_.shut && woken) woken = co_await peer_.room_came.wait();
        if (!woken) co_return Error{Errc::cancelled, "stopped"};
        if (peer_.shut) co_return Error{Errc::lost_peer, "shut"};
        co_return Result<>{};
    }
    Task<Result<>> wait_readable() override {
        bool woken = true;
        while (peer_.input.empty() && !peer_.shut && woken) woken = co_await peer_.input_came.wait();
        if (!woken) co_return Error{Errc::cancelled, "stopped"};
        co_return Result<>{};
    }
    Result<std::optional<std::size_t>> try_read(std::span<std::byte> into) override {
        if (peer_.shut) return std::optional<std::size_t>(0);
        const auto count = std::min(into.size(), peer_.input.size());
        if (count == 0) return std::optional<std::size_t>();
        std::memcpy(into.data(), peer_.input.data(), count);
        peer_.input.erase(0, count);
        return std::optional(count);
    }
    Task<Result<>> wait_closed() override {
        bool woken = true;
        while (!peer_.shut && woken) woken = co_await peer_.input_came.wait();
        co_return Error{Errc::lost_peer, "shut"};
    }
    void shutdown() override { peer_.leave(); }
    [[nodiscard]] const Bytes& early() const noexcept override { return early_; }
    [[nodiscard]] int descriptor() const noexcept override { return -1; }

private:
    Shard& shard_;
    Peer& peer_;
    Bytes early_;
};

/// A Stream of transport-stream chunks and a FanOut on it.
class FanOutRig : public ::testing::Test {
protected:
    SimulatedShard shard;
    std::unique_ptr<Stream> stream = Stream::create(shard.executor(), shard.time, {.name = "test"});
    Viewers::Settings settings;
    std::vector<std::unique_ptr<Peer>> peers;
    std::unique_ptr<fan_out::FanOut> out;
    std::string all;  ///< every byte published

    void open(const std::string& tables = "TABLES ") {
        make();
        out->open(*stream);
        auto init = std::make_shared<Init>();
        init->epoch = 1;
        init->format.container = Container::ts;
        init->tracks = {{.id = 256, .kind = TrackKind::video, .codec = "mpeg1video"}};
        init->header = Bytes::copy_of(tables);
        put(InitPtr(std::move(init)));
    }
    void make() { out = std::make_unique<fan_out::FanOut>(shard, settings); }
    void put(Item item) {
        const std::vector<Item> items{std::move(item)};
        ASSERT_TRUE(stream->publish(items).has_value());
        shard.turn();
    }
    void send(const std::string& text, bool rap = false, std::uint32_t origin = 0) {
        Chunk chunk;
        chunk.epoch = 1;
        chunk.rap = rap;
        chunk.origin = origin;
        chunk.bytes = Bytes::copy_of(text);
        all += text;
        put(std::move(chunk));
    }
    Peer& new_peer(std::size_t room) {
        peers.push_back(std::make_unique<Peer>(shard.executor()));
        peers.back()->room = room;
        return *peers.back();
    }
    void pass(Millis time) {
        shard.time.advance(time);
        shard.turn();
    }
    void TearDown() override {
        if (!out) return;
        bool stopped = false;
        asio::co_spawn(shard.context, stop_it(*out), [&](std::exception_ptr) { stopped = true; });
        shard.turn();
        for (int i = 0; i < 10 && !stopped; ++i) pass(settings.goodbye);
        EXPECT_TRUE(stopped);
        for (const auto& peer : peers) EXPECT_TRUE(peer->destroyed);
        EXPECT_EQ(out->stats().viewers, 0u);
        EXPECT_EQ(stream->stats().readers, 0u);
    }

private:
    static Task<void> stop_it(fan_out::FanOut& fan) { co_await fan.stop(); }
};

}  // namespace weir::test
