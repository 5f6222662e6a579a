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

inline std::string random_bytes(std::uint64_t seed, std::size_t n) {
    std::mt19937_64 random(seed);
    std::string out;
    while (out.size() < n) out += static_cast<char>(random() & 0xff);
    return out;
}
inline std::string be_bytes(std::uint64_t value, int n) {
    std::string out;
    for (int i = n - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
    return out;
}
inline std::string mp4_box(std::string_view type, std::string_view body) {
    return be_bytes(8 + body.size(), 4) + std::string(type) + std::string(body);
}

/// Those that raw files are made of.
inline constexpr Container all_containers[] = {Container::ts, Container::fmp4, Container::flv, Container::packed_audio,
                                               Container::opaque};

/// A moof that says where in time one sample stands.
inline std::string moof_bytes(std::uint64_t seed) {
    const auto full = [](std::uint64_t version_and_flags, const std::string& body) {
        return be_bytes(version_and_flags, 4) + body;
    };
    return mp4_box("moof", mp4_box("mfhd", full(0, be_bytes(seed, 4))) +
                               mp4_box("traf", mp4_box("tfhd", full(0x020000, be_bytes(1, 4))) +
                                                   mp4_box("tfdt", full(1u << 24, be_bytes(seed, 8))) +
                                                   mp4_box("trun", full(0, be_bytes(1, 4)))));
}

/// One piece of a container, of about 3 KB: what a kill leaves whole or not at all. Its outer form is right, its content
/// names it.
inline std::string piece_bytes(Container container, std::uint64_t seed) {
    const auto body = random_bytes(seed, 3000 + seed % 61);
    switch (container) {
        case Container::ts:
            return ts_bytes(seed, 16);
        case Container::fmp4:
            return (seed % 3 ? std::string() : mp4_box("styp", "msdh")) + moof_bytes(seed) + mp4_box("mdat", body);
        case Container::flv:
            return "\x09" + be_bytes(body.size(), 3) + be_bytes(0, 7) + body + be_bytes(11 + body.size(), 4);
        case Container::packed_audio: {
            const auto size = 7 + body.size();
            return std::string("\xff\xf1\x50", 3) + be_bytes(0x80u << 16 | size << 5 | 0x1f, 3) + "\xfc" + body;
        }
        case Container::text:
        case Container::opaque:
            break;
    }
    return body;
}
inline std::string header_bytes(Container container, std::uint64_t seed = 1) {
    const auto body = random_bytes(seed, 400);
    if (container == Container::fmp4) return mp4_box("ftyp", "iso6") + mp4_box("moov", body);
    if (container == Container::flv) return std::string("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00", 13) + body;
    return {};
}

struct UnitShape {
    std::size_t packets = 60, chunk_packets = 20;
    Micros duration{1'000'000};
    std::uint32_t gen = 0;
    Container container = Container::ts;  ///< others: three pieces a unit, a chunk each
    std::uint16_t lane = 0;
};
/// What makes the pieces of a unit other than those of any other lane.
inline std::uint64_t piece_seed(std::uint64_t unit, std::uint16_t lane, std::size_t piece) {
    return unit * 1000 + lane * 100u + piece;
}
inline std::string unit_bytes(std::uint64_t unit, UnitShape shape = {}) {
    if (shape.container == Container::ts) return ts_bytes(unit + 1'000'000u * shape.lane, shape.packets, shape.gen);
    std::string out;
    for (std::size_t i = 0; i < 3; ++i) out += piece_bytes(shape.container, piece_seed(unit, shape.lane, i));
    return out;
}
/// Where its chunks end.
inline std::vector<std::size_t> chunk_ends(std::uint64_t unit, const UnitShape& shape) {
    std::vector<std::size_t> ends;
    if (shape.container == Container::ts) {
        for (std::size_t at = 0; at < shape.packets;)
            ends.push_back((at = std::min(at + shape.chunk_packets, shape.packets)) * 188);
        return ends;
    }
    std::size_t at = 0;
    for (std::size_t i = 0; i < 3; ++i)
        ends.push_back(at += piece_bytes(shape.container, piece_seed(unit, shape.lane, i)).size());
    return ends;
}

/// A unit as a source hands it out: what it is, then its chunks.
inline std::vector<Item> unit_items(std::uint64_t unit, Micros dts, UnitShape shape = {}) {
    const auto bytes = Bytes::copy_of(unit_bytes(unit, shape));
    const auto ends = chunk_ends(unit, shape);
    std::vector<Item> items;
    UnitInfo info;
    info.unit = unit;
    info.lane = shape.lane;
    info.gen = shape.gen;
    info.duration = shape.duration;
    info.uri_hash = hex16(unit);
    items.emplace_back(info);
    const auto chunks = ends.size();
    for (std::size_t i = 0; i < chunks; ++i) {
        Chunk c;
        c.epoch = 1;
        c.lane = shape.lane;
        c.unit = unit;
        c.unit_begin = c.rap = i == 0;
        c.unit_end = i + 1 == chunks;
        if (shape.container != Container::opaque) {
            c.dts = dts + shape.duration * static_cast<int>(i) / static_cast<int>(chunks);
            c.raw_dts = *c.dts + Micros{7'000'000};
        }
        const auto from = i ? ends[i - 1] : 0;
        c.bytes = bytes.slice(from, ends[i] - from);
        items.emplace_back(std::move(c));
    }
    return items;
}

inline Item init_of(Container container, std::uint16_t lane = 0, std::uint64_t header = 1, std::uint32_t epoch = 1) {
    Init init;
    init.epoch = epoch;
    init.lane = lane;
    init.format.container = container;
    if (lane == 0) init.tracks.push_back({256, TrackKind::video, "h264"});
    init.tracks.push_back({257, TrackKind::audio, "aac", {}, 90'000, lane ? "jpn" : ""});
    init.header = Bytes::copy_of(header_bytes(container, header));
    return std::make_shared<const Init>(std::move(init));
}
inline Item ts_init(std::uint32_t epoch = 1) {
    return init_of(Container::ts, 0, 1, epoch);
}

}  // namespace weir::test
