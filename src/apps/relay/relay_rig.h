// For tests: a whole relay on loopback, and clients of it.
#pragma once
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <map>
#include <memory>
#include <string>

#include "apps/relay/relay.h"
#include "base/text.h"
#include "io/websocket.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "temp_folder.h"

namespace weir::relay::rig {

using namespace std::chrono_literals;

struct Answer {
    int status = 0;
    std::map<std::string, std::string> headers;  ///< names in lower case
    std::string body;
    [[nodiscard]] std::string header(const std::string& name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string() : found->second;
    }
};

inline Answer read_answer(const std::string& text) {
    Answer a;
    const auto end = text.find("\r\n\r\n");
    if (text.size() < 12 || end == std::string::npos) return a;
    a.status = std::atoi(text.c_str() + 9);
    for (auto at = text.find("\r\n") + 2; at < end;) {
        const auto line_end = text.find("\r\n", at);
        const auto colon = text.find(':', at);
        a.headers[ascii_lowered(text.substr(at, colon - at))] = text.substr(colon + 2, line_end - colon - 2);
        at = line_end + 2;
    }
    a.body = text.substr(end + 4);
    return a;
}

/// One relay. Everything of a test happens on shard 0.
class RelayRig {
public:
    explicit RelayRig(Shards& shards, RelayOptions options = {}) : shards_(shards), lane_(real_file_system(), {}) {
        options.port = 0;
        if (options.recordings_folder == "recordings") options.recordings_folder = folder_.path() / "recordings";
        options.use_proxy = false;
        relay_ = std::make_unique<Relay>(shards, lane_, std::move(options));
    }
    Relay& relay() { return *relay_; }
    Shard& here() { return shards_.at(0); }
    [[nodiscard]] const test::TempFolder& folder() const { return folder_; }

    /// Sends `text` as it is and reads to the end of the connection, or until `enough` is in what came.
    Task<std::string> talk(std::string text, std::string enough = {}) {
        return talk_to(relay_->port(), std::move(text), std::move(enough));
    }
    Task<std::string> talk_to(std::uint16_t port, std::string text, std::string enough = {}) {
        asio::ip::tcp::socket socket(here().executor());
        const asio::ip::tcp::endpoint at(asio::ip::address_v4::loopback(), port);
        co_await socket.async_connect(at, asio::use_awaitable);
        boost::system::error_code ec;
        co_await asio::async_write(socket, asio::buffer(text), asio::redirect_error(asio::use_awaitable, ec));
        std::string got;
        ec = {};
        while (!ec && (enough.empty() || got.find(enough) == std::string::npos)) {
            char part[8192];
            const auto n =
                co_await socket.async_read_some(asio::buffer(part), asio::redirect_error(asio::use_awaitable, ec));
            got.append(part, n);
        }
        co_return got;
    }
    Task<Answer> ask(std::string method, std::string path, std::string body = {}, std::string headers = {}) {
        auto text = method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + headers;
        if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
        auto got = co_await talk(text + "\r\n" + body);
        co_return read_answer(got);
    }
    Task<Answer> ask_at(std::uint16_t port, std::string method, std::string path, std::string headers) {
        auto text = method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + headers + "\r\n";
        auto got = co_await talk_to(port, std::move(text));
        co_return read_answer(got);
    }
    [[nodiscard]] std::string url(const std::string& path) const {
        return "ws://127.0.0.1:" + std::to_string(relay_->port()) + path;
    }
    Task<Result<std::unique_ptr<WebSocket>>> connect(std::string path) {
        WebSocketPlan plan;
        plan.url = url(path);
        plan.use_proxy = false;
        auto socket = co_await connect_websocket(here(), *resolver_, std::move(plan));
        co_return socket;
    }
    /// Until `true_now`, at most `patience`.
    Task<bool> until(std::function<bool()> true_now, Micros patience = 10s) {
        const auto by = here().clock().now() + patience;
        while (!true_now()) {
            if (here().clock().now() > by) co_return false;
            (void)co_await here().clock().sleep_for(2ms);
        }
        co_return true;
    }

private:
    Shards& shards_;
    test::TempFolder folder_;
    FileLane lane_;
    std::shared_ptr<Resolver> resolver_ = Resolver::create();
    std::unique_ptr<Relay> relay_;
};

/// Starts a relay, runs `body`, stops the relay: within five seconds.
inline void with_relay(RelayOptions options, const std::function<Task<void>(RelayRig&)>& body,
                       std::size_t shard_count = 2) {
    Shards shards(shard_count);
    shards.run([&](Shards& all) -> Task<int> {
        RelayRig rig(all, options);
        auto started = co_await rig.relay().start();
        EXPECT_TRUE(started) << (started ? "" : started.error().text());
        if (started) co_await body(rig);
        const auto from = std::chrono::steady_clock::now();
        std::string reason = "test";
        co_await rig.relay().stop(std::move(reason));
        EXPECT_LT(std::chrono::steady_clock::now() - from, 5s);
        co_return 0;
    });
}

}  // namespace weir::relay::rig
