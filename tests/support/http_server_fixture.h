#pragma once
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "io/http_server.h"

namespace weir::test {

using asio::ip::tcp;
using Routes = std::function<void(HttpServer&)>;
using ServerBody = std::function<Task<void>(HttpServer&, Shards&)>;

/// Runs `body` against a started server, then stops it and checks that nothing is left of its connections.
inline void with_server(HttpServer::Settings settings, const Routes& routes, const ServerBody& body,
                        std::size_t count = 1) {
    Shards shards(count);
    const auto main = [&](Shards& all) -> Task<int> {
        auto server = HttpServer::create(all, settings);
        routes(*server);
        auto started = server->start();
        EXPECT_TRUE(started.has_value()) << (started ? "" : started.error().text());
        if (started) co_await body(*server, all);
        co_await server->stop();
        co_return 0;
    };
    EXPECT_EQ(shards.run(main), 0);
    EXPECT_EQ(open_connections(), 0U);
}

/// A client that says exactly the bytes it is told.
class Wire {
public:
    explicit Wire(asio::any_io_executor ex, std::uint16_t port) : socket_(ex) {
        socket_.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port));
        socket_.non_blocking(true);
    }
    Task<bool> send(std::string_view text) {
        boost::system::error_code ec;
        co_await asio::async_write(socket_, asio::buffer(text), asio::redirect_error(asio::use_awaitable, ec));
        co_return !ec;
    }
    /// Reads until `end` was seen, or the close.
    Task<std::string> until(std::string_view end) {
        while (end.empty() || seen_.find(end) == std::string::npos) {
            char part[4096];
            boost::system::error_code ec;
            const auto n =
                co_await socket_.async_read_some(asio::buffer(part), asio::redirect_error(asio::use_awaitable, ec));
            if (ec) break;
            seen_.append(part, n);
        }
        const auto at = end.empty() ? std::string::npos : seen_.find(end);
        auto out = seen_.substr(0, at == std::string::npos ? at : at + end.size());
        seen_.erase(0, out.size());
        co_return out;
    }
    Task<std::string> all() { return until(""); }
    void close() { socket_.close(); }
    tcp::socket& socket() { return socket_; }

private:
    tcp::socket socket_;
    std::string seen_;
};

inline Task<std::string> talk(Shards& shards, const HttpServer& server, std::string text) {
    Wire wire(shards.at(0).executor(), server.port());
    co_await wire.send(text);
    co_return co_await wire.all();
}

inline std::string request(std::string line, std::string more = "Connection: close\r\n", std::string body = "") {
    return line + " HTTP/1.1\r\nHost: h\r\n" + more + "\r\n" + body;
}

}  // namespace weir::test
