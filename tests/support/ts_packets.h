#pragma once
// Transport streams by hand: one H.264 track (PID 0x100) and one AAC track (PID 0x101), small enough to check by eye.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "proto/ts/psi.h"

namespace weir::test {

using RawPacket = std::array<std::uint8_t, 188>;
inline constexpr std::uint16_t pmt_pid = 0x1000, video = 0x100, audio = 0x101;

struct PacketPlan {
    std::uint16_t pid = video;
    std::uint8_t counter = 0;
    std::optional<std::uint64_t> pts = {}, dts = {}, pcr = {};
    bool start = true, payload = true, rap = false;
};

inline void put_time(std::uint8_t* at, std::uint8_t mark, std::uint64_t t) {
    at[0] = static_cast<std::uint8_t>(mark << 4 | ((t >> 30) & 7) << 1 | 1);
    at[1] = static_cast<std::uint8_t>(t >> 22);
    at[2] = static_cast<std::uint8_t>((t >> 14) | 1);
    at[3] = static_cast<std::uint8_t>(t >> 7);
    at[4] = static_cast<std::uint8_t>(t << 1 | 1);
}

inline RawPacket packet(const PacketPlan& plan) {
    RawPacket p{};
    p.fill(0xff);
    p[0] = 0x47;
    p[1] = static_cast<std::uint8_t>((plan.start ? 0x40 : 0) | plan.pid >> 8);
    p[2] = static_cast<std::uint8_t>(plan.pid);
    const bool field = plan.pcr || plan.rap || !plan.payload;
    p[3] = static_cast<std::uint8_t>((plan.payload ? 0x10 : 0) | (field ? 0x20 : 0) | plan.counter);
    std::size_t at = 4;
    if (field) {
        p[4] = plan.payload ? 7 : 183;
        p[5] = static_cast<std::uint8_t>((plan.pcr ? 0x10 : 0) | (plan.rap ? 0x40 : 0));
        if (const auto t = plan.pcr.value_or(0); plan.pcr) {
            p[6] = static_cast<std::uint8_t>(t >> 25);
            p[7] = static_cast<std::uint8_t>(t >> 17);
            p[8] = static_cast<std::uint8_t>(t >> 9);
            p[9] = static_cast<std::uint8_t>(t >> 1);
            p[10] = static_cast<std::uint8_t>((t & 1) << 7 | 0x7e);
            p[11] = 0x2a;
        }
        at = 12;
    }
    if (plan.start && plan.payload && plan.pts) {
        const std::array<std::uint8_t, 9> head{0,
                                               0,
                                               1,
                                               0xe0,
                                               0,
                                               0,
                                               0x80,
                                               static_cast<std::uint8_t>(plan.dts ? 0xc0 : 0x80),
                                               static_cast<std::uint8_t>(plan.dts ? 10 : 5)};
        std::copy(head.begin(), head.end(), p.begin() + static_cast<std::ptrdiff_t>(at));
        put_time(p.data() + at + 9, plan.dts ? 3 : 2, *plan.pts);
        if (plan.dts) put_time(p.data() + at + 14, 1, *plan.dts);
    }
    return p;
}

inline std::uint64_t pcr_of(const RawPacket& p) {
    return std::uint64_t{p[6]} << 25 | std::uint64_t{p[7]} << 17 | std::uint64_t{p[8]} << 9 | std::uint64_t{p[9]} << 1 |
           p[10] >> 7;
}

inline RawPacket section_packet(std::uint16_t pid, std::vector<std::uint8_t> section) {
    const auto crc = ts::crc32_mpeg(section);
    for (int shift = 24; shift >= 0; shift -= 8) section.push_back(static_cast<std::uint8_t>(crc >> shift));
    auto p = packet({.pid = pid});
    p[4] = 0;  // pointer
    std::copy(section.begin(), section.end(), p.begin() + 5);
    return p;
}

inline RawPacket pat() {
    return section_packet(0, {0x00, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | pmt_pid >> 8, pmt_pid & 0xff});
}
inline RawPacket pmt() {
    return section_packet(pmt_pid, {0x02, 0xb0, 23,   0,    1,    0xc1, 0,    0,    0xe1, 0x00, 0xf0,
                                    0,    0x1b, 0xe1, 0x00, 0xf0, 0,    0x0f, 0xe1, 0x01, 0xf0, 0});
}

inline std::vector<std::byte> file_of(const std::vector<RawPacket>& packets) {
    std::vector<std::byte> out;
    for (const auto& p : packets)
        for (auto b : p) out.push_back(std::byte{b});
    return out;
}

/// `pictures` of 3 packets each, `gop` to a group, tables in front of each group, 30 a second, beginning at `first` (90
/// kHz). A picture's number is in its last four bytes.
inline std::vector<std::byte> pattern_file(int pictures, int gop, std::uint64_t first = 90'000) {
    std::vector<RawPacket> all;
    for (int i = 0; i < pictures; ++i) {
        const bool rap = i % gop == 0;
        if (rap) all.insert(all.end(), {pat(), pmt()});
        const auto time = (first + static_cast<std::uint64_t>(i) * 3000) & ((std::uint64_t{1} << 33) - 1);
        auto start = packet({.pts = time, .pcr = time, .rap = rap});
        const std::array<std::uint8_t, 5> nal{0, 0, 1, static_cast<std::uint8_t>(rap ? 0x65 : 0x41), 0x80};
        std::copy(nal.begin(), nal.end(), start.begin() + 12 + 14);
        for (int b = 0; b < 4; ++b)
            start[static_cast<std::size_t>(184 + b)] = static_cast<std::uint8_t>(i >> (24 - 8 * b));
        all.push_back(start);
        all.push_back(packet({.start = false}));
        all.push_back(packet({.pid = audio, .pts = time}));
    }
    return file_of(all);
}

}  // namespace weir::test
