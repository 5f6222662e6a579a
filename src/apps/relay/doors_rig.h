// For tests: doors with a hub behind them on real sockets of this machine, and clients.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "apps/relay/doors.h"
#include "http_server_fixture.h"
#include "io/resolver.h"
#include "io/websocket.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::relay::rig {

using namespace std::chrono_literals;
using Wire = test::Wire;

/// A websocket client that says in words what came.
class Caller {
public:
    Caller(Shard& shard, Result<std::unique_ptr<WebSocket>> made) : shard_(shard) {
        if (made)
            socket_ = std::move(*made);
        else
            error_ = made.error();
    }
    [[nodiscard]] bool open() const noexcept { return socket_ != nullptr; }
    [[nodiscard]] int status() const noexcept { return error_.status; }  ///< of the answer that was no 101
    [[nodiscard]] WebSocket& socket() noexcept { return *socket_; }
    /// "text hello", "binary …", "closed 1008", or "silent" after five seconds.
    Task<std::string> next() {
        if (!socket_) co_return "refused " + std::to_string(error_.status);
        bool late = false;
        auto got = co_await with_deadline(shard_.clock(), shard_.clock().now() + 5s, socket_->read(), &late);
        if (late) co_return "silent";
        if (!got) co_return "closed " + std::to_string(socket_->close_code().value_or(0));
        co_return (got->text ? "text " : "binary ") + std::string(got->payload.text());
    }
    Task<void> say(std::string text) {
        auto payload = Bytes::copy_of(text);
        if (socket_) (void)co_await socket_->send(ws::Opcode::text, std::move(payload));
    }
    Task<void> close() {
        if (socket_) co_await socket_->close(1000, "");
        socket_.reset();
    }

private:
    Shard& shard_;
    std::unique_ptr<WebSocket> socket_;
    Error error_;
};

class DoorsRig {
public:
    DoorsRig(Shards& shards, AccessSettings who, Doors::Settings settings)
        : shards_(shards), access(std::move(who)), hub(Hub::create(shards, shards.at(0), hub_settings())) {
        doors = std::make_unique<Doors>(*hub, access, shards, std::move(settings));
        for (auto* server : {&main, &ingest, &view}) *server = HttpServer::create(shards, {});
        doors->add_routes(*main);
        doors->add_jsmpeg_ingest(*ingest, Secret("s3cret"));
        doors->add_jsmpeg_view(*view);
        for (auto* server : {&main, &ingest, &view}) EXPECT_TRUE((*server)->start());
    }
    Task<void> stop() {
        co_await hub->stop();
        co_await main->stop();
        co_await ingest->stop();
        co_await view->stop();
    }
    [[nodiscard]] Shard& here() { return shards_.at(0); }
    [[nodiscard]] std::int64_t now() { return unix_millis(here().clock().wall()) / 1000; }

    /// One request by hand; `more`: whole header lines. The whole answer.
    Task<std::string> ask(std::string line, std::string more = {}, std::string body = {}) {
        co_return co_await ask(*main, std::move(line), std::move(more), std::move(body));
    }
    Task<std::string> ask(HttpServer& server, std::string line, std::string more, std::string body) {
        Wire wire(here().executor(), server.port());
        auto text = line + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + more;
        if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
        text += "\r\n" + body;
        (void)co_await wire.send(text);
        co_return co_await wire.all();
    }
    Task<Caller> call(std::string path, ws::Headers headers = {}, std::vector<std::string> protocols = {},
                      HttpServer* server = nullptr) {
        WebSocketPlan plan;
        plan.url = "ws://127.0.0.1:" + std::to_string((server ? *server : *main).port()) + path;
        plan.headers = std::move(headers);
        plan.protocols = std::move(protocols);
        plan.use_proxy = false;
        auto made = co_await connect_websocket(here(), *resolver_, std::move(plan));
        co_return Caller(here(), std::move(made));
    }
    /// Until `true_now`; false after ten seconds.
    Task<bool> until(std::function<bool()> true_now) {
        const auto by = here().clock().now() + 10s;
        while (!true_now()) {
            if (here().clock().now() > by) co_return false;
            (void)co_await here().clock().sleep_for(2ms);
        }
        co_return true;
    }
    [[nodiscard]] std::size_t publishers(const std::string& topic) const {
        for (const auto& one : hub->stats())
            if (one.name == topic) return one.publishers.size();
        return 0;
    }

private:
    static Hub::Settings hub_settings() {
        Hub::Settings s;
        s.viewers.goodbye = Millis(200);
        return s;
    }
    Shards& shards_;
    std::shared_ptr<Resolver> resolver_ = Resolver::create(1);

public:
    Access access;
    std::unique_ptr<Hub> hub;
    std::unique_ptr<Doors> doors;
    std::unique_ptr<HttpServer> main, ingest, view;
};

/// Runs `body`, stops all, and looks that nothing is left.
inline void with_doors(AccessSettings who, Doors::Settings settings, const std::function<Task<void>(DoorsRig&)>& body,
                       std::size_t shard_count = 1) {
    Shards shards(shard_count);
    shards.run([&](Shards& all) -> Task<int> {
        DoorsRig rig(all, who, settings);
        co_await body(rig);
        co_await rig.stop();
        EXPECT_TRUE(rig.doors->connected().empty());
        co_return 0;
    });
    EXPECT_EQ(open_connections(), 0U);
}
inline void with_doors(const std::function<Task<void>(DoorsRig&)>& body) {
    with_doors({}, {}, body);
}

[[nodiscard]] inline int status_of(const std::string& answer) {
    return answer.size() < 12 ? 0 : std::atoi(answer.c_str() + 9);
}
[[nodiscard]] inline std::string body_of(const std::string& answer) {
    const auto end = answer.find("\r\n\r\n");
    return end == std::string::npos ? std::string() : answer.substr(end + 4);
}
[[nodiscard]] inline bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace weir::relay::rig
