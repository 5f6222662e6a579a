#pragma once
// What the fan-out benches send: whole 188-byte packets of one PID, each with a running number and the time it was
// made.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bench {

inline constexpr std::size_t packet_size = 188;
inline constexpr std::uint64_t bits_per_second = 4'000'000;

inline std::uint64_t now_ns() {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

inline void fill(std::byte* into, std::size_t packets, std::uint64_t& number) {
    const auto made = now_ns();
    for (; packets-- > 0; into += packet_size, ++number) {
        const std::uint8_t head[4] = {0x47, 0x01, 0x00, static_cast<std::uint8_t>(0x10 | (number & 15))};
        std::memcpy(into, head, 4);
        std::memcpy(into + 4, &number, 8);
        std::memcpy(into + 12, &made, 8);
        std::memset(into + 20, static_cast<int>(number & 0xff), packet_size - 20);
    }
}

}  // namespace bench
