#pragma once
// For the tests of what dials out by websocket: a far server in the same shard, and a stream to push.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/stream.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "io/resolver.h"
#include "io/websocket.h"
#include "runtime/shard.h"

namespace weir::test {

/// A websocket server that notes what comes in on each path.
class FarServer {
public:
    struct Seen {
        std::vector<std::string> messages;  ///< "text …" or "binary …"
        int connections = 0, open = 0;
        std::optional<std::uint16_t> closed;
        std::string query;  ///< of the newest connection
        WebSocket* socket = nullptr;
    };
    /// Runs before messages are read; false: the connection is cut.
    using Greeter = std::function<Task<bool>(WebSocket&)>;

    explicit FarServer(Shards& shards) : server_(HttpServer::create(shards, {})) {
        server_->route("GET", "/ws/", [this](Exchange& exchange) { return serve(exchange); });
    }
    void start() { EXPECT_TRUE(server_->start().has_value()); }
    [[nodiscard]] HttpServer& http() noexcept { return *server_; }
    [[nodiscard]] std::string url(std::string_view path, std::string_view scheme = "ws") const {
        return fmt::format("{}://127.0.0.1:{}{}", scheme, server_->port(), path);
    }
    [[nodiscard]] Seen& at(const std::string& path) { return seen_[path]; }
    Task<void> stop() { return server_->stop(); }

    Greeter greeter = {};
    bool shouts_back = false;  ///< answers texts in upper case
    bool hangs_up = false;     ///< closes each connection at once

private:
    Task<void> serve(Exchange& exchange) {
        auto& seen = seen_[exchange.request().path];
        seen.query = exchange.request().query;
        WebSocket::Settings settings;
        auto socket = co_await accept_websocket(exchange, "", settings);
        if (!socket) co_return;
        ++seen.connections;
        ++seen.open;
        seen.socket = socket->get();
        co_await talk(**socket, seen);
        seen.closed = (*socket)->close_code();
        seen.socket = nullptr;
        --seen.open;
    }
    Task<void> talk(WebSocket& socket, Seen& seen) {
        if (hangs_up) {
            co_await socket.close(1000, "go away");
            co_return;
        }
        if (greeter) {
            const bool welcome = co_await greeter(socket);
            if (!welcome) co_return;
        }
        for (;;) {
            auto got = co_await socket.read();
            if (!got) co_return;
            std::string text(got->payload.text());
            seen.messages.push_back((got->text ? "text " : "binary ") + text);
            if (!shouts_back || !got->text) continue;
            for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
            auto back = Bytes::copy_of(text);
            (void)co_await socket.send(ws::Opcode::text, std::move(back));
        }
    }

    std::unique_ptr<HttpServer> server_;
    std::map<std::string, Seen> seen_;
};

inline Item opened(Container container, std::string_view header = {}) {
    Init init;
    init.epoch = 1;
    init.format.container = container;
    if (container == Container::ts) init.tracks.push_back({256, TrackKind::video, "h264"});
    init.header = Bytes::copy_of(header);
    return std::make_shared<const Init>(std::move(init));
}
inline Item message(std::string_view payload, bool text = false, bool rap = false) {
    Chunk chunk;
    chunk.epoch = 1;
    chunk.text = text;
    chunk.rap = rap;
    chunk.bytes = Bytes::copy_of(payload);
    return chunk;
}
inline void publish(Stream& stream, Item item) {
    const std::vector<Item> items{std::move(item)};
    EXPECT_TRUE(stream.publish(items).has_value());
}

}  // namespace weir::test
