#pragma once
// What the tests of websocket viewers share: a framed stream, and peers that mask and decode.
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "proto/websocket/framer.h"
#include "sinks/viewers_rig.h"

namespace weir::test {

class WebsocketRig : public FanOutRig {
protected:
    struct Watching {
        Peer& peer;
        std::shared_ptr<Viewers::Handle> handle = {};
        std::vector<std::string> heard = {};  ///< "t:" or "b:" and the message
        std::vector<std::string> gone = {};
    };
    std::vector<std::unique_ptr<Watching>> viewers;
    std::unique_ptr<Transmuxer> framer = ws::make_framer();
    bool may_write = true;  ///< those who join

    WebsocketRig() { settings.wire = Viewers::Wire::websocket; }

    void open() {
        make();
        out->open(*stream);
        auto init = std::make_shared<Init>();
        init->epoch = 1;
        init->format.container = Container::ts;
        init->tracks = {{.id = 256, .kind = TrackKind::video, .codec = "mpeg1video"}};
        init->header = Bytes::copy_of("TABLES ");
        put_framed(InitPtr(std::move(init)));
    }
    void put_framed(const Item& item) {
        std::vector<Item> framed;
        ASSERT_TRUE(framer->feed(item, framed).has_value());
        ASSERT_TRUE(stream->publish(framed).has_value());
        shard.turn();
    }
    void message(const std::string& payload, bool rap = false, std::uint32_t origin = 0, bool text = false) {
        Chunk chunk;
        chunk.epoch = 1;
        chunk.rap = rap;
        chunk.origin = origin;
        chunk.text = text;
        chunk.arrival = shard.time.now();
        chunk.bytes = Bytes::copy_of(payload);
        put_framed(std::move(chunk));
    }

    Watching& join(Viewers::Plan plan = {}, std::size_t room = SIZE_MAX, const std::string& early = "") {
        viewers.push_back(std::make_unique<Watching>(Watching{new_peer(room)}));
        auto& viewer = *viewers.back();
        plan.head = Bytes::copy_of("HTTP/1.1 101 Switching Protocols\r\n\r\n");
        if (may_write)
            plan.on_message = [&viewer](Viewers::Message m) {
                viewer.heard.push_back((m.text ? "t:" : "b:") + std::string(m.payload.text()));
            };
        plan.on_gone = [&viewer](const std::string& why) { viewer.gone.push_back(why); };
        viewer.handle =
            out->add(std::make_unique<FakeConnection>(shard, viewer.peer, Bytes::copy_of(early)), std::move(plan));
        shard.turn();
        return viewer;
    }

    static std::string masked(ws::Opcode opcode, const std::string& payload) {
        constexpr std::array<std::byte, 4> key{std::byte{1}, std::byte{0xa2}, std::byte{3}, std::byte{0x44}};
        return std::string(ws::make_frame(opcode, std::as_bytes(std::span(payload)), key).text());
    }
    void say(Watching& viewer, ws::Opcode opcode, const std::string& payload) {
        say_raw(viewer, masked(opcode, payload));
    }
    void say_raw(Watching& viewer, const std::string& bytes) {
        viewer.peer.send(bytes);
        shard.turn();
    }
    void say_close(Watching& viewer, std::uint16_t code) {
        constexpr std::array<std::byte, 4> key{};
        say_raw(viewer, std::string(ws::make_close(code, "", key).text()));
    }

    /// Everything a viewer got, after the answer's head: "b:…", "t:…", "ping:…", "pong:…", "close:CODE REASON".
    static std::vector<std::string> seen(const Watching& viewer) {
        ws::Decoder decoder(ws::Role::client);
        std::vector<ws::Event> events;
        const auto body = viewer.peer.body();
        const auto fed = decoder.feed(std::as_bytes(std::span(body)), events);
        EXPECT_TRUE(fed.has_value()) << (fed ? "" : fed.error().text());
        std::vector<std::string> lines;
        for (const auto& event : events) {
            const std::string payload(event.payload.text());
            switch (event.kind) {
                case ws::Event::Kind::message:
                    lines.push_back((event.text ? "t:" : "b:") + payload);
                    break;
                case ws::Event::Kind::ping:
                    lines.push_back("ping:" + payload);
                    break;
                case ws::Event::Kind::pong:
                    lines.push_back("pong:" + payload);
                    break;
                case ws::Event::Kind::close:
                    lines.push_back("close:" + std::to_string(event.code) + (payload.empty() ? "" : " " + payload));
                    break;
            }
        }
        return lines;
    }

    void TearDown() override {
        FanOutRig::TearDown();
        for (const auto& viewer : viewers) EXPECT_EQ(viewer->gone.size(), 1u) << "on_gone comes exactly once";
    }
};

}  // namespace weir::test
