#pragma once
// What the relay's benches push: a transport stream of 25 pictures a second at 4 Mbit/s, with tables and a random-access
// point every half second. Each packet of the picture carries a running number and the time it was made.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "bench/ts_pattern.h"

namespace bench {

inline constexpr std::size_t packets_of_a_picture = 106;
inline constexpr std::uint64_t picture_ns = 40'000'000;
inline constexpr std::size_t number_at = 160, stamp_at = 170, filler_at = 180;
inline constexpr std::uint8_t picture_pid_high = 0x01;  ///< PID 0x100

/// Seven bits a byte with the top bit set: never a start code.
inline void put(std::byte* into, std::uint64_t value) {
    for (int i = 0; i < 10; ++i) into[i] = static_cast<std::byte>(0x80 | (value >> (7 * i) & 0x7f));
}
inline std::uint64_t get(const std::byte* from) {
    std::uint64_t value = 0;
    for (int i = 0; i < 9; ++i) value |= (std::to_integer<std::uint64_t>(from[i]) & 0x7f) << (7 * i);
    return value;
}

inline std::uint32_t mpeg_crc(const std::uint8_t* data, std::size_t size) {
    std::uint32_t crc = 0xffff'ffff;
    for (std::size_t i = 0; i < size; ++i) {
        crc ^= std::uint32_t{data[i]} << 24;
        for (int bit = 0; bit < 8; ++bit) crc = crc << 1 ^ (crc & 0x8000'0000 ? 0x04c1'1db7 : 0);
    }
    return crc;
}

class Pictures {
public:
    [[nodiscard]] std::uint64_t packets() const { return number_; }

    /// The next picture, tables in front of a random-access point.
    void next(std::vector<std::byte>& into) {
        into.clear();
        const bool key = picture_ % 12 == 0;
        if (key) {
            table(into, 0x00, {0x00, 0xb0, 0x0d, 0x00, 0x01, 0xc1, 0x00, 0x00, 0x00, 0x01, 0xe0, 0x20});
            table(
                into, 0x20,
                {0x02, 0xb0, 0x12, 0x00, 0x01, 0xc1, 0x00, 0x00, 0xe1, 0x00, 0xf0, 0x00, 0x1b, 0xe1, 0x00, 0xf0, 0x00});
        }
        const auto made = now_ns();
        for (std::size_t i = 0; i < packets_of_a_picture; ++i) packet(into, made, i == 0, key);
        ++picture_;
    }

private:
    void packet(std::vector<std::byte>& into, std::uint64_t made, bool start, bool key) {
        into.resize(into.size() + packet_size);
        auto* p = into.data() + into.size() - packet_size;
        const auto filler = static_cast<std::uint8_t>(0x80 | (number_ & 0x7f)),
                   cc = static_cast<std::uint8_t>(number_ & 15);
        std::memset(p, filler, packet_size);
        if (start) {
            const std::uint64_t time = picture_ * 3600;
            const auto t = [time](int shift) { return static_cast<std::uint8_t>(time >> shift); };
            const std::uint8_t head[] = {0x47,
                                         0x41,
                                         0x00,
                                         static_cast<std::uint8_t>(0x30 | cc),
                                         7,
                                         static_cast<std::uint8_t>(key ? 0x50 : 0x10),
                                         t(25),
                                         t(17),
                                         t(9),
                                         t(1),
                                         static_cast<std::uint8_t>(t(0) << 7 | 0x7e),
                                         0,
                                         0,
                                         0,
                                         1,
                                         0xe0,
                                         0,
                                         0,
                                         0x80,
                                         0x80,
                                         5,
                                         static_cast<std::uint8_t>(0x21 | (t(30) & 7) << 1),
                                         t(22),
                                         static_cast<std::uint8_t>(1 | t(15) << 1),
                                         t(7),
                                         static_cast<std::uint8_t>(1 | t(0) << 1),
                                         0,
                                         0,
                                         1,
                                         9,
                                         0xf0,
                                         0,
                                         0,
                                         1,
                                         static_cast<std::uint8_t>(key ? 0x65 : 0x41)};
            std::memcpy(p, head, sizeof head);
        } else {
            const std::uint8_t head[] = {0x47, 0x01, 0x00, static_cast<std::uint8_t>(0x10 | cc)};
            std::memcpy(p, head, sizeof head);
        }
        put(p + number_at, number_++);
        put(p + stamp_at, made);
    }

    void table(std::vector<std::byte>& into, std::uint8_t pid, std::vector<std::uint8_t> section) {
        const auto crc = mpeg_crc(section.data(), section.size());
        for (int shift = 24; shift >= 0; shift -= 8) section.push_back(static_cast<std::uint8_t>(crc >> shift));
        std::vector<std::uint8_t> p(packet_size, 0xff);
        const std::uint8_t head[] = {0x47, 0x40, pid, static_cast<std::uint8_t>(0x10 | (tables_++ / 2 & 15)), 0};
        std::copy(std::begin(head), std::end(head), p.begin());
        std::copy(section.begin(), section.end(), p.begin() + 5);
        const auto* first = reinterpret_cast<const std::byte*>(p.data());
        into.insert(into.end(), first, first + packet_size);
    }

    std::uint64_t picture_ = 0, number_ = 0, tables_ = 0;
};

/// Takes such packets in any pieces; those of other PIDs are not looked at.
class PictureCheck {
public:
    std::uint64_t packets = 0, missing = 0, broken = 0, next = 0;
    std::vector<std::uint32_t> latency_us;

    [[nodiscard]] bool between_packets() const { return held_ == 0; }

    void feed(const std::byte* data, std::size_t size, bool measuring) {
        const auto now = now_ns();
        while (size > 0) {
            if (held_ == 0 && size >= packet_size) {
                packet(data, now, measuring);
                data += packet_size, size -= packet_size;
                continue;
            }
            const auto part = std::min(size, packet_size - held_);
            std::memcpy(part_.data() + held_, data, part);
            held_ += part, data += part, size -= part;
            if (held_ < packet_size) return;
            held_ = 0;
            packet(part_.data(), now, measuring);
        }
    }

private:
    void packet(const std::byte* p, std::uint64_t now, bool measuring) {
        if (p[0] != std::byte{0x47}) {
            ++broken;
            return;
        }
        if ((p[1] & std::byte{0x1f}) != std::byte{picture_pid_high} || p[2] != std::byte{0}) return;
        const auto number = get(p + number_at);
        const auto filler = static_cast<std::byte>(0x80 | (number & 0x7f));
        if (p[filler_at] != filler || p[packet_size - 1] != filler || p[90] != filler ||
            (p[3] & std::byte{15}) != static_cast<std::byte>(number & 15))
            ++broken;
        else if (packets++ != 0 && number != next)
            missing += number - next;
        next = number + 1;
        if (measuring && number % 7 == 0)
            latency_us.push_back(static_cast<std::uint32_t>((now - get(p + stamp_at)) / 1000));
    }

    std::array<std::byte, packet_size> part_;
    std::size_t held_ = 0;
};

}  // namespace bench
