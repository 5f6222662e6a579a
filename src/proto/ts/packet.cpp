#include "proto/ts/packet.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace weir::ts {
namespace {

std::optional<std::uint64_t> timestamp(std::span<const std::uint8_t> b) noexcept {
    if (b.size() < 5 || !(b[0] & 1) || !(b[2] & 1) || !(b[4] & 1)) return std::nullopt;
    return std::uint64_t{b[0] & 0x0eu} << 29 | std::uint64_t{b[1]} << 22 | std::uint64_t{b[2] & 0xfeu} << 14 |
           std::uint64_t{b[3]} << 7 | std::uint64_t{b[4]} >> 1;
}

bool has_pes_header(std::uint8_t stream_id) noexcept {
    constexpr std::array<std::uint8_t, 8> bare{0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xff, 0xf2, 0xf8};
    return std::find(bare.begin(), bare.end(), stream_id) == bare.end();
}

}  // namespace

std::optional<PesHead> read_pes_head(std::span<const std::uint8_t> p) noexcept {
    if (p.size() < 6 || p[0] != 0 || p[1] != 0 || p[2] != 1) return std::nullopt;
    PesHead head;
    head.stream_id = p[3];
    if (!has_pes_header(head.stream_id)) {
        head.body = p.subspan(6);
        return head;
    }
    if (p.size() < 9 || (p[6] & 0xc0) != 0x80) return std::nullopt;
    const std::size_t length = p[8], flags = p[7] >> 6;
    const auto rest = p.subspan(9);
    if ((flags & 2) && length >= 5) head.pts = timestamp(rest);
    if (flags == 3 && length >= 10 && rest.size() >= 10) head.dts = timestamp(rest.subspan(5));
    head.body = rest.subspan(std::min(length, rest.size()));
    return head;
}

std::int64_t unroll(std::optional<std::int64_t> last, std::uint64_t now) noexcept {
    constexpr std::int64_t wrap = std::int64_t{1} << 33;
    if (!last) return static_cast<std::int64_t>(now);
    std::int64_t delta = (static_cast<std::int64_t>(now) - *last) & (wrap - 1);
    if (delta >= wrap / 2) delta -= wrap;
    return *last + delta;
}

bool begins_decodable(std::string_view codec, std::span<const std::uint8_t> b) noexcept {
    const bool h264 = codec == "h264", hevc = codec == "hevc", mpeg = codec.starts_with("mpeg");
    if (!h264 && !hevc && !mpeg) return false;
    for (std::size_t i = 0; i + 3 < b.size(); ++i) {
        if (b[i + 2] > 1) {
            i += 2;
            continue;
        }
        if (b[i] != 0 || b[i + 1] != 0 || b[i + 2] != 1) continue;
        const auto n = b[i + 3];
        if (mpeg && n == 0xb3) return true;
        if (h264 && ((n & 0x1f) == 5 || (n & 0x1f) == 7)) return true;
        if (h264 && (n & 0x1f) == 1) return false;
        if (hevc) {
            const auto type = (n >> 1) & 0x3f;
            if ((type >= 16 && type <= 21) || type == 32 || type == 33) return true;
            if (type < 16) return false;
        }
    }
    return false;
}

std::size_t find_sync(std::span<const std::byte> data, std::size_t from) noexcept {
    const auto good = [&](std::size_t at) { return at >= data.size() || data[at] == std::byte{sync_byte}; };
    while (from < data.size()) {
        const void* hit = std::memchr(data.data() + from, sync_byte, data.size() - from);
        if (!hit) return data.size();
        from = static_cast<std::size_t>(static_cast<const std::byte*>(hit) - data.data());
        if (good(from + packet_size) && good(from + 2 * packet_size)) return from;
        ++from;
    }
    return data.size();
}

}  // namespace weir::ts
