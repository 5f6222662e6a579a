#include "proto/websocket/framer.h"

#include <gtest/gtest.h>

#include <string>

#include "proto/websocket/frame.h"

namespace weir::ws {
namespace {

Chunk chunk_of(std::string_view bytes, bool text = false) {
    Chunk chunk;
    chunk.bytes = Bytes::copy_of(bytes);
    chunk.text = text;
    return chunk;
}

std::vector<Item> framed(const std::vector<Item>& items) {
    const auto framer = make_framer();
    std::vector<Item> out;
    for (const auto& item : items) EXPECT_TRUE(framer->feed(item, out));
    return out;
}

Bytes bytes_of(const Item& item) {
    return std::get<Chunk>(item).bytes;
}

std::vector<Event> read(std::span<const std::byte> bytes) {
    Decoder decoder(Role::client);
    std::vector<Event> events;
    EXPECT_TRUE(decoder.feed(bytes, events));
    return events;
}

TEST(WebsocketFramer, WIN7_OneFrameAMessageAndTextStaysText) {
    const auto out = framed({chunk_of("media"), chunk_of("hello", true), chunk_of("")});
    ASSERT_EQ(out.size(), 3u);
    EXPECT_EQ(bytes_of(out[0]).text(), "\x82\x05media");
    EXPECT_EQ(bytes_of(out[1]).text(), "\x81\x05hello");
    EXPECT_EQ(bytes_of(out[2]).text(), std::string("\x82\0", 2));
}

TEST(WebsocketFramer, WhatIsKnownOfAChunkStaysKnown) {
    auto chunk = chunk_of("x");
    chunk.rap = chunk.unit_begin = true;
    chunk.lane = 3;
    chunk.epoch = 4;
    chunk.origin = 5;
    chunk.dts = Micros(6);
    chunk.source_first = 7;
    const auto out = framed({chunk});
    const auto& got = std::get<Chunk>(out.at(0));
    EXPECT_TRUE(got.rap && got.unit_begin);
    EXPECT_EQ(got.lane, 3);
    EXPECT_EQ(got.epoch, 4u);
    EXPECT_EQ(got.origin, 5u);
    EXPECT_EQ(got.dts, Micros(6));
    EXPECT_EQ(got.source_first, 7u);
}

TEST(WebsocketFramer, AnInitHasItsHeaderAsAMessageAndIsOtherwiseTheSame) {
    auto init = std::make_shared<Init>();
    init->epoch = 9;
    init->lane = 2;
    init->closed = true;
    init->format.container = Container::ts;
    init->header = Bytes::copy_of(std::string_view("pat+pmt"));
    init->tracks.push_back({256, TrackKind::video, "h264"});
    const auto bare = std::make_shared<Init>();
    const auto out = framed({InitPtr(init), InitPtr(bare)});
    const auto& got = *std::get<InitPtr>(out.at(0));
    EXPECT_EQ(got.header.text(), "\x82\x07pat+pmt");
    EXPECT_EQ(got.format, (Format{Container::ts, Framing::websocket, 0}));
    EXPECT_EQ(got.epoch, 9u);
    EXPECT_EQ(got.lane, 2);
    EXPECT_TRUE(got.closed);
    EXPECT_EQ(got.tracks.size(), 1u);
    EXPECT_TRUE(std::get<InitPtr>(out.at(1))->header.empty());
    EXPECT_EQ(init->format.framing, Framing::none) << "the source's Init is not ours";
}

TEST(WebsocketFramer, LossAndEndsPassThroughInOrder) {
    const auto out = framed({Gap{}, chunk_of("a"), Discontinuity{}, UnitInfo{}, End{EndReason::stopped, "why"}});
    ASSERT_EQ(out.size(), 5u);
    EXPECT_TRUE(std::holds_alternative<Gap>(out[0]));
    EXPECT_TRUE(std::holds_alternative<Chunk>(out[1]));
    EXPECT_TRUE(std::holds_alternative<Discontinuity>(out[2]));
    EXPECT_TRUE(std::holds_alternative<UnitInfo>(out[3]));
    EXPECT_EQ(std::get<End>(out[4]).why, "why");
}

TEST(WebsocketFramer, WIN1_SmallMessagesLieBehindEachOther) {
    const std::string packet(188, 'p');
    const std::vector<Item> in(400, Item(chunk_of(packet)));
    const auto out = framed(in);
    std::size_t pieces = 1;
    for (std::size_t i = 1; i < out.size(); ++i) {
        const auto before = bytes_of(out[i - 1]), here = bytes_of(out[i]);
        if (before.owner() != here.owner() || before.data() + before.size() != here.data()) ++pieces;
    }
    EXPECT_EQ(pieces, 2u);  // 400 frames of 192 bytes in arenas of 64 KiB
    const auto first = bytes_of(out[0]);
    const auto all = read({first.data(), 192u * 341});
    ASSERT_EQ(all.size(), 341u);
    for (const auto& event : all) EXPECT_EQ(event.payload.text(), packet);
}

TEST(WebsocketFramer, EverySizeAroundTheArenaComesBack) {
    std::vector<Item> in;
    for (const std::size_t size :
         {1u, 125u, 126u, 16'380u, 16'384u, 65'000u, 65'532u, 65'533u, 65'535u, 65'536u, 200'000u, 3u})
        in.emplace_back(chunk_of(std::string(size, static_cast<char>(size % 251))));
    const auto out = framed(in);
    for (std::size_t i = 0; i < in.size(); ++i) {
        const auto events = read(bytes_of(out[i]).view());
        ASSERT_EQ(events.size(), 1u);
        EXPECT_TRUE(events[0].payload.text() == bytes_of(in[i]).text()) << i;
    }
}

TEST(WebsocketFramer, ALargeChunkPinsLittleMoreThanItself) {
    const auto framer = make_framer();
    std::vector<Item> out;
    ASSERT_TRUE(framer->feed(chunk_of("small"), out));
    ASSERT_TRUE(framer->feed(chunk_of(std::string(70'000, 'x')), out));
    ASSERT_TRUE(framer->feed(chunk_of("small"), out));
    EXPECT_NE(bytes_of(out[1]).owner(), bytes_of(out[0]).owner());
    EXPECT_EQ(bytes_of(out[2]).owner(), bytes_of(out[0]).owner()) << "the arena goes on";
}

}  // namespace
}  // namespace weir::ws
