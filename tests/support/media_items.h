#pragma once
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/ids.h"
#include "core/item.h"

namespace weir::test {

/// Bytes that have the outer form of TS packets and a content that names their unit, so that every byte can be checked
/// later.
inline std::string ts_bytes(std::uint64_t unit, std::size_t packets, std::uint64_t salt = 0) {
    std::mt19937_64 random(unit * 1'000'003 + salt);
    std::string out;
    for (std::size_t i = 0; i < packets; ++i) {
        const auto at = out.size();
        for (int k = 0; k < 188; ++k) out += static_cast<char>(random() & 0xff);
        out[at] = 0x47;
        out[at + 1] = i == 0 ? 0x40 : 0x01;
        out[at + 2] = 0;
    }
    return out;
}

struct UnitShape {
    std::size_t packets = 60, chunk_packets = 20;
    Micros duration{1'000'000};
    std::uint32_t gen = 0;
};

/// A unit as a source hands it out: what it is, then its chunks.
inline std::vector<Item> unit_items(std::uint64_t unit, Micros dts, UnitShape shape = {}) {
    const auto bytes = Bytes::copy_of(ts_bytes(unit, shape.packets, shape.gen));
    std::vector<Item> items;
    UnitInfo info;
    info.unit = unit;
    info.gen = shape.gen;
    info.duration = shape.duration;
    info.uri_hash = hex16(unit);
    items.emplace_back(info);
    const auto chunks = (shape.packets + shape.chunk_packets - 1) / shape.chunk_packets;
    for (std::size_t i = 0; i < chunks; ++i) {
        Chunk c;
        c.epoch = 1;
        c.unit = unit;
        c.unit_begin = c.rap = i == 0;
        c.unit_end = i + 1 == chunks;
        c.dts = dts + shape.duration * static_cast<int>(i) / static_cast<int>(chunks);
        c.raw_dts = *c.dts + Micros{7'000'000};
        const auto from = i * shape.chunk_packets * 188;
        c.bytes = bytes.slice(from, std::min(shape.chunk_packets * 188, bytes.size() - from));
        items.emplace_back(std::move(c));
    }
    return items;
}

inline Item ts_init(std::uint32_t epoch = 1) {
    Init init;
    init.epoch = epoch;
    init.format.container = Container::ts;
    init.tracks = {{256, TrackKind::video, "h264"}, {257, TrackKind::audio, "aac"}};
    return std::make_shared<const Init>(std::move(init));
}

}  // namespace weir::test
