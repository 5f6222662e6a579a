#include "proto/audio/frame.h"

#include <algorithm>
#include <array>
#include <vector>

#include "proto/field_reader.h"

namespace weir::audio {
namespace {

using Span = std::span<const std::byte>;

constexpr std::array<std::uint32_t, 13> aac_rates{96'000, 88'200, 64'000, 48'000, 44'100, 32'000, 24'000,
                                                  22'050, 16'000, 12'000, 11'025, 8'000,  7'350};

std::optional<FrameHead> adts(const std::array<unsigned, head_size>& b) noexcept {
    const auto rate = b[2] >> 2 & 15;
    const std::size_t size = (b[3] & 3) << 11 | b[4] << 3 | b[5] >> 5;
    const std::size_t least = b[1] & 1 ? 7 : 9;
    if (rate >= aac_rates.size() || size <= least) return std::nullopt;
    FrameHead head{"aac", size, aac_rates[rate], 1024 * ((b[6] & 3) + 1)};
    head.channels = (b[2] & 1) << 2 | b[3] >> 6;
    head.profile = static_cast<std::uint8_t>((b[2] >> 6) + 1);
    return head;
}

/// kbit/s by [version 1 or not][layer - 1][index].
constexpr std::uint16_t bit_rates[2][3][15] = {{{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
                                                {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
                                                {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}},
                                               {{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
                                                {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
                                                {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}}};

std::optional<FrameHead> mpeg(const std::array<unsigned, head_size>& b) noexcept {
    constexpr std::array<std::uint32_t, 3> rates{44'100, 48'000, 32'000};
    constexpr std::array<std::string_view, 3> names{"mp1", "mp2", "mp3"};
    const auto version = b[1] >> 3 & 3;  // 3: 1, 2: 2, 0: 2.5
    const auto layer = 4 - (b[1] >> 1 & 3);
    const auto bits = b[2] >> 4, rate = b[2] >> 2 & 3;
    if (version == 1 || layer == 4 || bits == 0 || bits == 15 || rate == 3) return std::nullopt;
    const bool low = version != 3;
    FrameHead head;
    head.codec = names[layer - 1];
    head.rate = rates[rate] >> (version == 3 ? 0 : version == 2 ? 1 : 2);
    const std::uint32_t kbits = bit_rates[low ? 1 : 0][layer - 1][bits];
    const auto padding = b[2] >> 1 & 1;
    head.samples = layer == 1 ? 384 : layer == 3 && low ? 576 : 1152;
    head.size =
        layer == 1 ? (12'000 * kbits / head.rate + padding) * 4 : head.samples / 8 * 1000 * kbits / head.rate + padding;
    head.channels = b[3] >> 6 == 3 ? 1 : 2;
    return head;
}

std::optional<FrameHead> dolby(const std::array<unsigned, head_size>& b) noexcept {
    constexpr std::array<std::uint32_t, 3> rates{48'000, 44'100, 32'000};
    constexpr std::array<std::uint32_t, 19> kbits{32,  40,  48,  56,  64,  80,  96,  112, 128, 160,
                                                  192, 224, 256, 320, 384, 448, 512, 576, 640};
    const auto id = b[5] >> 3;
    FrameHead head;
    if (id <= 10) {
        const auto rate = b[4] >> 6, code = b[4] & 63;
        if (rate == 3 || code >= 2 * kbits.size()) return std::nullopt;
        const auto k = kbits[code / 2];
        head.codec = "ac3";
        head.rate = rates[rate];
        head.samples = 1536;
        head.size = rate == 0 ? 4 * k : rate == 2 ? 6 * k : 2 * (320 * k / 147 + (code & 1));
        head.channels = b[6] >> 5;
        if (id > 8) head.rate >>= id - 8;
        return head;
    }
    if (id > 16) return std::nullopt;
    const auto rate = b[4] >> 6, second = b[4] >> 4 & 3, type = b[2] >> 6;
    if (type == 3 || (rate == 3 && second == 3)) return std::nullopt;
    constexpr std::array<std::uint32_t, 4> blocks{1, 2, 3, 6};
    head.codec = "eac3";
    head.rate = rate == 3 ? rates[second] / 2 : rates[rate];
    head.size = 2 * (((b[2] & 7) << 8 | b[3]) + 1);
    if (head.size <= head_size) return std::nullopt;
    const bool adds = type == 1 || (type == 0 && (b[2] >> 3 & 7) != 0);
    head.samples = adds ? 0 : 256 * (rate == 3 ? 6 : blocks[second]);
    head.channels = b[4] >> 1 & 7;
    return head;
}

std::uint32_t synchsafe(std::uint32_t v) noexcept {
    return (v & 0x7f) | (v >> 8 & 0x7f) << 7 | (v >> 16 & 0x7f) << 14 | (v >> 24 & 0x7f) << 21;
}

std::vector<std::byte> without_unsynchronisation(Span in) {
    std::vector<std::byte> out;
    out.reserve(in.size());
    for (std::size_t i = 0; i < in.size(); ++i) {
        out.push_back(in[i]);
        if (in[i] == std::byte{0xff} && i + 1 < in.size() && in[i + 1] == std::byte{0}) ++i;
    }
    return out;
}

std::optional<std::uint64_t> timestamp_of(Span priv) {
    constexpr std::string_view owner{"com.apple.streaming.transportStreamTimestamp\0", 45};
    const std::string_view text(reinterpret_cast<const char*>(priv.data()), priv.size());
    if (!text.starts_with(owner) || text.size() < owner.size() + 8) return std::nullopt;
    FieldReader in(priv.subspan(owner.size()));
    return in.u64() & ((std::uint64_t{1} << 33) - 1);
}

}  // namespace

std::optional<FrameHead> frame_head(Span bytes) noexcept {
    if (bytes.size() < head_size) return std::nullopt;
    std::array<unsigned, head_size> b{};
    for (std::size_t i = 0; i < head_size; ++i) b[i] = std::to_integer<unsigned>(bytes[i]);
    if (b[0] == 0x0b && b[1] == 0x77) return dolby(b);
    if (b[0] != 0xff || (b[1] & 0xe0) != 0xe0) return std::nullopt;
    return (b[1] & 0xf6) == 0xf0 ? adts(b) : mpeg(b);
}

Bytes config_of(const FrameHead& head) {
    if (head.codec != "aac") return {};
    for (unsigned i = 0; i < aac_rates.size(); ++i) {
        if (aac_rates[i] != head.rate) continue;
        const auto bits = unsigned{head.profile} << 11 | i << 7 | head.channels << 3;
        const std::array<std::byte, 2> out{std::byte(bits >> 8 & 0xff), std::byte(bits & 0xff)};
        return Bytes::copy_of(out);
    }
    return {};
}

std::optional<std::size_t> id3_size(Span bytes) noexcept {
    if (bytes.size() < id3_head_size) return std::nullopt;
    FieldReader in(bytes);
    if (in.u24() != 0x49'4433) return std::nullopt;  // "ID3"
    const auto version = in.u8(), revision = in.u8(), flags = in.u8();
    const auto size = in.u32();
    if (version == 0xff || revision == 0xff || (size & 0x8080'8080)) return std::nullopt;
    return id3_head_size + synchsafe(size) + (version >= 4 && (flags & 0x10) ? 10u : 0u);
}

Id3 read_id3(Span tag) {
    Id3 out;
    out.size = id3_size(tag).value_or(0);
    if (out.size == 0 || out.size > tag.size()) return {};
    FieldReader in(tag.first(out.size));
    in.u24();
    const auto version = in.u8();
    in.u8();
    const auto flags = in.u8();
    const auto body_size = synchsafe(in.u32());
    const auto raw = in.bytes(body_size);
    std::vector<std::byte> plain;
    if (flags & 0x80) plain = without_unsynchronisation(raw);
    FieldReader body(flags & 0x80 ? Span(plain) : raw);
    if (flags & 0x40) {  // the extended header's size counts itself in 2.4 only
        const auto size = body.u32();
        body.skip(version >= 4 ? std::max(synchsafe(size), 4u) - 4 : size);
    }
    while (body.rest().size() > id3_head_size) {
        const auto id = body.u32();
        const auto size = body.u32();
        body.u16();
        if (id == 0) break;  // padding
        const auto content = body.bytes(version >= 4 ? synchsafe(size) : size);
        if (id == 0x5052'4956) out.timestamp = timestamp_of(content);  // PRIV
        if (out.timestamp || body.short_of()) break;
    }
    return out;
}

}  // namespace weir::audio
