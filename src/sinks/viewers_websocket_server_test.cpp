// Viewers over websockets behind a real server on two shards.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "proto/websocket/framer.h"
#include "proto/websocket/handshake.h"
#include "runtime/task_group.h"
#include "sinks/viewers.h"

namespace weir {
namespace {

using asio::ip::tcp;

/// A topic everybody may publish on, as the relay's hub has them.
struct Topic {
    explicit Topic(Shards& shards)
        : all(shards),
          home(shards.at(0)),
          stream(Stream::create(home.executor(), home.clock(), {.name = "a"})),
          framer(ws::make_framer()),
          viewers(Viewers::create(shards, home, *stream, settings())),
          server(HttpServer::create(shards, {})),
          clients(home.executor()) {
        server->route("GET", "/ws", [this](Exchange& exchange) -> Task<void> { return serve(exchange); });
        EXPECT_TRUE(server->start().has_value());
        auto init = std::make_shared<Init>();
        init->epoch = 1;
        publish(InitPtr(std::move(init)));
    }
    static Viewers::Settings settings() {
        Viewers::Settings made;
        made.wire = Viewers::Wire::websocket;
        made.goodbye = Millis(100);
        return made;
    }
    Task<void> serve(Exchange& exchange) {
        auto offer = ws::read_upgrade(exchange.request().method, exchange.request().headers);
        EXPECT_TRUE(offer.has_value());
        Viewers::Plan plan;
        plan.head = Bytes::copy_of(ws::accept_answer(*offer));
        plan.origin = ++origins;
        plan.on_message = [this, origin = plan.origin](Viewers::Message message) {
            home.post([this, origin, message = std::move(message)] { publish(message, origin); });
        };
        plan.on_gone = [this](const std::string&) { ++gone; };
        (void)viewers->add(exchange.take(), std::move(plan));
        co_return;
    }
    void publish(const Viewers::Message& message, std::uint32_t origin) {
        Chunk chunk;
        chunk.epoch = 1;
        chunk.origin = origin;
        chunk.text = message.text;
        chunk.rap = true;
        chunk.bytes = message.payload;
        publish(std::move(chunk));
    }
    void publish(const Item& item) {
        std::vector<Item> framed;
        EXPECT_TRUE(framer->feed(item, framed).has_value());
        EXPECT_TRUE(stream->publish(framed).has_value());
    }
    Task<void> until_viewers(std::size_t count) {
        while (viewers->stats().viewers != count) (void)co_await home.clock().sleep_for(Millis(1));
    }
    Task<void> stop() {
        co_await viewers->stop();
        co_await server->stop();
        co_await clients.stop("end of the test");
    }

    Shards& all;
    Shard& home;
    std::unique_ptr<Stream> stream;
    std::unique_ptr<Transmuxer> framer;
    std::unique_ptr<Viewers> viewers;
    std::unique_ptr<HttpServer> server;
    std::atomic<std::uint32_t> origins{0}, gone{0};
    TaskGroup clients;
};

constexpr std::array<std::byte, 4> mask{std::byte{9}, std::byte{8}, std::byte{7}, std::byte{6}};

struct WsClient {
    explicit WsClient(Topic& t) : topic(t), socket(t.home.executor()) {}
    Topic& topic;
    tcp::socket socket;
    ws::Decoder decoder{ws::Role::client};
    std::vector<ws::Event> events = {};

    Task<bool> connect() {
        boost::system::error_code ec;
        const tcp::endpoint server(asio::ip::address_v4::loopback(), topic.server->port());
        co_await socket.async_connect(server, asio::redirect_error(asio::use_awaitable, ec));
        ws::ClientHandshake::Request request;
        request.host = "test";
        request.target = "/ws";
        constexpr std::array<std::byte, 16> nonce{};
        ws::ClientHandshake handshake(request, nonce);
        const std::string text = handshake.text();
        co_await asio::async_write(socket, asio::buffer(text), asio::redirect_error(asio::use_awaitable, ec));
        std::array<std::byte, 4096> buffer;
        while (!ec) {
            const auto count =
                co_await socket.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, ec));
            std::size_t used = 0;
            auto answer = handshake.feed(std::span(buffer.data(), count), used);
            if (!answer) co_return false;
            if (!*answer) continue;
            EXPECT_TRUE(decoder.feed(std::span(buffer.data() + used, count - used), events).has_value());
            co_return (*answer)->status == 101;
        }
        co_return false;
    }
    Task<void> say(ws::Opcode opcode, std::string payload) {
        boost::system::error_code ec;
        const auto frame = ws::make_frame(opcode, std::as_bytes(std::span(payload)), mask);
        co_await asio::async_write(socket, asio::buffer(frame.text()), asio::redirect_error(asio::use_awaitable, ec));
    }
    /// Reads until the server has said goodbye, which is answered.
    Task<void> read_to_the_end() {
        boost::system::error_code ec;
        std::vector<std::byte> buffer(1u << 16);
        while (!ec) {
            const auto count =
                co_await socket.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, ec));
            EXPECT_TRUE(decoder.feed(std::span(buffer.data(), count), events).has_value());
            if (events.empty() || events.back().kind != ws::Event::Kind::close) continue;
            const auto frame = ws::make_close(events.back().code, "", mask);
            co_await asio::async_write(socket, asio::buffer(frame.text()),
                                       asio::redirect_error(asio::use_awaitable, ec));
        }
    }
    [[nodiscard]] std::vector<std::string> messages() const {
        std::vector<std::string> texts;
        for (const auto& event : events)
            if (event.kind == ws::Event::Kind::message) texts.emplace_back(event.payload.text());
        return texts;
    }
};

Task<void> listen(WsClient& client, std::size_t& connected) {
    const bool open = co_await client.connect();
    EXPECT_TRUE(open);
    ++connected;
    co_await client.read_to_the_end();
}

TEST(ViewersWebsocketServer, SC23_EachMessageOnceToEveryOtherClientOnTwoShards) {
    Shards shards(2);
    constexpr std::size_t count = 12, rounds = 20;
    shards.run([&](Shards& both) -> Task<int> {
        Topic topic(both);
        std::vector<std::unique_ptr<WsClient>> clients;
        std::size_t connected = 0;
        for (std::size_t i = 0; i < count; ++i) {
            clients.push_back(std::make_unique<WsClient>(topic));
            topic.clients.spawn(listen(*clients.back(), connected));
        }
        while (connected != count) (void)co_await topic.home.clock().sleep_for(Millis(1));
        Viewers::Message begin;
        begin.payload = Bytes::copy_of("begin");
        topic.publish(begin, 0);
        // who has it is where the stream is: what comes now reaches all
        for (auto& client : clients)
            while (client->messages().empty()) (void)co_await topic.home.clock().sleep_for(Millis(1));
        for (std::size_t round = 0; round < rounds; ++round)
            for (std::size_t i = 0; i < count; ++i)
                co_await clients[i]->say(ws::Opcode::text, std::to_string(i) + "/" + std::to_string(round));
        const auto missing = [&] {
            return std::any_of(clients.begin(), clients.end(),
                               [&](const auto& one) { return one->messages().size() < (count - 1) * rounds + 1; });
        };
        for (int i = 0; i < 5000 && missing(); ++i) (void)co_await topic.home.clock().sleep_for(Millis(1));
        co_await topic.viewers->stop();
        co_await topic.clients.join();
        for (std::size_t i = 0; i < count; ++i) {
            auto got = clients[i]->messages();
            std::erase(got, "begin");
            EXPECT_EQ(got.size(), (count - 1) * rounds);
            for (const auto& text : got) EXPECT_NE(std::stoul(text), i) << "an echo";
            std::sort(got.begin(), got.end());
            EXPECT_EQ(std::adjacent_find(got.begin(), got.end()), got.end()) << "a message twice";
            EXPECT_EQ(clients[i]->events.back().code, 1001);
        }
        EXPECT_GT(topic.viewers->stats(0).bytes, 0u);
        EXPECT_GT(topic.viewers->stats(1).bytes, 0u);
        EXPECT_EQ(topic.gone, count);
        co_await topic.stop();
        co_return 0;
    });
    EXPECT_EQ(open_connections(), 0u);
}

TEST(ViewersWebsocketServer, ThousandConnectsAndDisconnectsLeaveNothing) {
    Shards shards(2);
    constexpr int times = 1000;
    shards.run([&](Shards& both) -> Task<int> {
        Topic topic(both);
        for (int i = 0; i < times; ++i) {
            WsClient client(topic);
            const bool open = co_await client.connect();
            EXPECT_TRUE(open);
            if (!open) break;
            if (i % 2 == 0) co_await client.say(ws::Opcode::binary, std::string(1000, 'x'));
            if (i % 3 == 0) co_await client.say(ws::Opcode::close, "\x03\xe8");
            boost::system::error_code ignored;
            if (i % 5 == 0) client.socket.set_option(asio::socket_base::linger(true, 0), ignored);  // a reset
        }
        co_await topic.until_viewers(0);
        EXPECT_EQ(topic.gone, std::uint32_t{times});
        EXPECT_EQ(open_connections(), 0u);
        EXPECT_EQ(topic.stream->stats().readers, 1u);  // the mirror's
        co_await topic.stop();
        co_return 0;
    });
    EXPECT_EQ(open_connections(), 0u);
}

TEST(ViewersWebsocketServer, StopDoesNotWaitForViewersThatTakeNothing) {
    Shards shards(2);
    shards.run([&](Shards& both) -> Task<int> {
        Topic topic(both);
        std::vector<std::unique_ptr<WsClient>> clients;
        for (int i = 0; i < 4; ++i) {
            clients.push_back(std::make_unique<WsClient>(topic));
            const bool open = co_await clients.back()->connect();
            EXPECT_TRUE(open);
        }
        Viewers::Message begin;
        begin.payload = Bytes::copy_of("begin");
        topic.publish(begin, 0);
        for (auto& client : clients)
            while (client->socket.available() == 0) (void)co_await topic.home.clock().sleep_for(Millis(1));
        Viewers::Message big;
        big.payload = Bytes::copy_of(std::string(3u << 20, 'z'));
        while (topic.viewers->stats().blocked < clients.size()) {
            topic.publish(big, 0);
            (void)co_await topic.home.clock().sleep_for(Millis(1));
        }
        const auto from = topic.home.clock().now();
        co_await topic.viewers->stop();
        EXPECT_LT(topic.home.clock().now() - from, std::chrono::seconds(3));
        EXPECT_EQ(topic.viewers->stats().viewers, 0u);
        EXPECT_EQ(topic.gone, clients.size());
        co_await topic.stop();
        co_return 0;
    });
    EXPECT_EQ(open_connections(), 0u);
}

}  // namespace
}  // namespace weir
