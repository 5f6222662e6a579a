// Viewers over plain HTTP behind a real server on two shards.
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "runtime/task_group.h"
#include "sinks/viewers.h"

namespace weir {
namespace {

using asio::ip::tcp;

struct Download {
    std::string all;
    bool done = false;
    [[nodiscard]] std::string body() const {
        const auto head = all.find("\r\n\r\n");
        return head == all.npos ? "" : all.substr(head + 4);
    }
};

Task<void> download(Shard& shard, std::uint16_t port, Download& into) {
    tcp::socket socket(shard.executor());
    boost::system::error_code ec;
    const tcp::endpoint server(asio::ip::address_v4::loopback(), port);
    co_await socket.async_connect(server, asio::redirect_error(asio::use_awaitable, ec));
    const std::string request = "GET /a.ts HTTP/1.1\r\nHost: test\r\n\r\n";
    co_await asio::async_write(socket, asio::buffer(request), asio::redirect_error(asio::use_awaitable, ec));
    co_await asio::async_read(socket, asio::dynamic_buffer(into.all), asio::redirect_error(asio::use_awaitable, ec));
    into.done = true;
}

std::vector<Item> beginning() {
    auto init = std::make_shared<Init>();
    init->epoch = 1;
    init->format.container = Container::ts;
    Chunk chunk;
    chunk.epoch = 1;
    chunk.rap = true;
    chunk.bytes = Bytes::copy_of("first ");
    return {InitPtr(std::move(init)), std::move(chunk)};
}

struct House {
    explicit House(Shards& shards)
        : all(shards),
          home(shards.at(0)),
          stream(Stream::create(home.executor(), home.clock(), {.name = "a"})),
          fan_out(Viewers::create(shards, home, *stream, {})),
          server(HttpServer::create(shards, {})),
          clients(home.executor()) {
        server->route("GET HEAD", "/a.ts", http_ts_handler(*fan_out));
        EXPECT_TRUE(server->start().has_value());
        EXPECT_TRUE(stream->publish(beginning()).has_value());
    }
    Task<void> until_viewers(std::size_t count) {
        while (fan_out->stats().viewers != count) (void)co_await home.clock().sleep_for(Millis(1));
    }
    Task<void> stop() {
        co_await fan_out->stop();
        co_await server->stop();
        co_await clients.stop("end of the test");
    }

    Shards& all;
    Shard& home;
    std::unique_ptr<Stream> stream;
    std::unique_ptr<Viewers> fan_out;
    std::unique_ptr<HttpServer> server;
    TaskGroup clients;
};

TEST(ViewersServer, TwoShardsDeliverEveryByteToEveryViewer) {
    Shards shards(2);
    std::vector<Download> downloads(6);
    std::string sent = "first ";
    shards.run([&](Shards& all) -> Task<int> {
        House house(all);
        for (auto& one : downloads) house.clients.spawn(download(house.home, house.server->port(), one));
        co_await house.until_viewers(downloads.size());
        std::vector<Item> items(1);
        for (int i = 0; i < 500; ++i) {
            Chunk chunk;
            chunk.epoch = 1;
            chunk.rap = i % 10 == 0;
            chunk.bytes = Bytes::copy_of(std::string(1316, static_cast<char>('a' + i % 26)));
            sent += chunk.bytes.text();
            items[0] = std::move(chunk);
            EXPECT_TRUE(house.stream->publish(items).has_value());
            if (i % 50 == 0) (void)co_await house.home.clock().sleep_for(Millis(1));
        }
        house.stream->close(End{});
        co_await house.clients.join();
        EXPECT_GT(house.fan_out->stats(0).bytes, 0u);
        EXPECT_GT(house.fan_out->stats(1).bytes, 0u);
        co_await house.until_viewers(0);
        co_await house.stop();
        co_return 0;
    });
    for (const auto& one : downloads) {
        EXPECT_TRUE(one.done);
        EXPECT_EQ(one.body(), sent);
    }
    EXPECT_EQ(open_connections(), 0u);
}

TEST(ViewersServer, StopEndsViewersInTheMiddle) {
    Shards shards(2);
    std::vector<Download> downloads(4);
    shards.run([&](Shards& all) -> Task<int> {
        House house(all);
        for (auto& one : downloads) house.clients.spawn(download(house.home, house.server->port(), one));
        co_await house.until_viewers(downloads.size());
        co_await house.fan_out->stop();
        co_await house.clients.join();
        co_await house.stop();
        co_return 0;
    });
    for (const auto& one : downloads) EXPECT_TRUE(one.done);
    EXPECT_EQ(open_connections(), 0u);
}

}  // namespace
}  // namespace weir
