#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace weir::ts {

inline constexpr std::size_t packet_size = 188;
inline constexpr std::uint8_t sync_byte = 0x47;
inline constexpr std::byte sync{sync_byte};
inline constexpr std::uint16_t null_pid = 0x1fff;

/// One transport packet, read in place; `data` has packet_size bytes and begins with the sync byte.
/// source  ISO/IEC 13818-1, 2.4.3.2
class Packet {
public:
    explicit Packet(const std::byte* data) : d_(reinterpret_cast<const std::uint8_t*>(data)) {}
    [[nodiscard]] std::uint16_t pid() const noexcept { return static_cast<std::uint16_t>((d_[1] & 0x1f) << 8 | d_[2]); }
    [[nodiscard]] bool starts_unit() const noexcept { return (d_[1] & 0x40) != 0; }  ///< payload_unit_start_indicator
    [[nodiscard]] bool in_error() const noexcept { return (d_[1] & 0x80) != 0; }
    [[nodiscard]] bool scrambled() const noexcept { return (d_[3] & 0xc0) != 0; }
    [[nodiscard]] bool random_access() const noexcept { return (d_[3] & 0x20) && d_[4] > 0 && (d_[5] & 0x40); }
    /// Empty when there is none or the adaptation field lies about its length.
    [[nodiscard]] std::span<const std::uint8_t> payload() const noexcept {
        if (!(d_[3] & 0x10)) return {};
        const std::size_t at = (d_[3] & 0x20) ? 5u + d_[4] : 4u;
        if (at >= packet_size) return {};
        return {d_ + at, packet_size - at};
    }

private:
    const std::uint8_t* d_;
};

/// The head of a PES packet as far as it lies in the first transport packet.
/// source  ISO/IEC 13818-1, 2.4.3.6
struct PesHead {
    std::uint8_t stream_id = 0;
    std::optional<std::uint64_t> pts, dts;  ///< 90 kHz, 33 bits; dts only where written
    std::span<const std::uint8_t> body;     ///< what follows the head in this packet
    [[nodiscard]] std::optional<std::uint64_t> decode_time() const noexcept { return dts ? dts : pts; }
};
[[nodiscard]] std::optional<PesHead> read_pes_head(std::span<const std::uint8_t> payload) noexcept;

/// Counts a 33-bit clock on past its wrap: the nearest value to `last` that is `now` modulo 2^33.
[[nodiscard]] std::int64_t unroll(std::optional<std::int64_t> last, std::uint64_t now) noexcept;

/// Does a video PES body that begins so start at a picture a decoder can begin with? `codec` as in Track::codec.
[[nodiscard]] bool begins_decodable(std::string_view codec, std::span<const std::uint8_t> body) noexcept;

/// First offset >= from where a run of packets plausibly begins: a sync byte, and further ones each 188 bytes on as far
/// as the data goes (two are looked for). data.size() when there is none.
[[nodiscard]] std::size_t find_sync(std::span<const std::byte> data, std::size_t from) noexcept;

}  // namespace weir::ts
