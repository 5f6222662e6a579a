#include "proto/ts/psi.h"

#include <algorithm>
#include <array>

namespace weir::ts {
namespace {

constexpr std::size_t max_section = 1024 + 3;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t c = i << 24;
        for (int k = 0; k < 8; ++k) c = c & 0x80000000u ? c << 1 ^ 0x04c11db7u : c << 1;
        table[i] = c;
    }
    return table;
}
constexpr auto crc_table = make_crc_table();

struct Descriptors {
    std::string registration, language;
    bool ac3 = false, eac3 = false, dts = false, subtitles = false, teletext = false;
};

Descriptors read_descriptors(std::span<const std::uint8_t> d) {
    Descriptors out;
    while (d.size() >= 2 && d.size() >= 2u + d[1]) {
        const auto tag = d[0];
        const auto body = d.subspan(2, d[1]);
        if (tag == 0x05 && body.size() >= 4) out.registration.assign(body.begin(), body.begin() + 4);
        if (tag == 0x0a && body.size() >= 3 &&
            std::all_of(body.begin(), body.begin() + 3, [](auto c) { return c >= 'a' && c <= 'z'; }))
            out.language.assign(body.begin(), body.begin() + 3);
        out.ac3 |= tag == 0x6a;
        out.eac3 |= tag == 0x7a;
        out.dts |= tag == 0x7b;
        out.subtitles |= tag == 0x59;
        out.teletext |= tag == 0x56;
        d = d.subspan(2u + d[1]);
    }
    return out;
}

struct Kind {
    std::uint8_t stream_type;
    TrackKind kind;
    const char* codec;
};

constexpr Kind kinds[] = {
    {0x01, TrackKind::video, "mpeg1video"},
    {0x02, TrackKind::video, "mpeg2video"},
    {0x03, TrackKind::audio, "mp2"},
    {0x04, TrackKind::audio, "mp2"},
    {0x0f, TrackKind::audio, "aac"},
    {0x10, TrackKind::video, "mpeg4"},
    {0x11, TrackKind::audio, "aac_latm"},
    {0x15, TrackKind::data, "timed_id3"},
    {0x1b, TrackKind::video, "h264"},
    {0x24, TrackKind::video, "hevc"},
    {0x33, TrackKind::video, "vvc"},
    {0x42, TrackKind::video, "cavs"},
    {0x81, TrackKind::audio, "ac3"},
    {0x82, TrackKind::audio, "dts"},
    {0x86, TrackKind::data, "scte_35"},
    {0x87, TrackKind::audio, "eac3"},
    {0x8a, TrackKind::audio, "dts"},
    {0xea, TrackKind::video, "vc1"},
    {0xdb, TrackKind::video, "h264-sample-aes"},
    {0xcf, TrackKind::audio, "aac-sample-aes"},
    {0xc1, TrackKind::audio, "ac3-sample-aes"},
};

/// Private data: the descriptors say what it is.
Kind private_kind(const Descriptors& d) {
    if (d.registration == "HEVC") return {0x06, TrackKind::video, "hevc"};
    if (d.registration == "AV01") return {0x06, TrackKind::video, "av1"};
    if (d.registration == "VP09") return {0x06, TrackKind::video, "vp9"};
    if (d.registration == "Opus") return {0x06, TrackKind::audio, "opus"};
    if (d.registration == "EAC3" || d.eac3) return {0x06, TrackKind::audio, "eac3"};
    if (d.registration == "AC-3" || d.ac3) return {0x06, TrackKind::audio, "ac3"};
    if (d.dts) return {0x06, TrackKind::audio, "dts"};
    if (d.subtitles) return {0x06, TrackKind::text, "dvb_subtitle"};
    if (d.teletext) return {0x06, TrackKind::text, "dvb_teletext"};
    return {0x06, TrackKind::data, nullptr};
}

Track make_track(std::uint8_t stream_type, std::uint16_t pid, std::span<const std::uint8_t> descriptors) {
    const auto d = read_descriptors(descriptors);
    Kind kind{stream_type, TrackKind::data, nullptr};
    if (stream_type == 0x06) kind = private_kind(d);
    for (const auto& known : kinds)
        if (known.stream_type == stream_type) kind = known;
    Track track;
    track.id = pid;
    track.kind = kind.kind;
    track.codec = kind.codec ? kind.codec : fmt::format("stream-type-{:#04x}", stream_type);
    track.language = d.language;
    return track;
}

}  // namespace

std::uint32_t crc32_mpeg(std::span<const std::uint8_t> bytes) noexcept {
    std::uint32_t c = 0xffffffffu;
    for (const auto b : bytes) c = c << 8 ^ crc_table[(c >> 24 ^ b) & 0xff];
    return c;
}

void SectionReader::reset() noexcept {
    bytes_.clear();
    done_ = false;
}

bool SectionReader::feed(std::span<const std::uint8_t> p, bool starts_unit) {
    if (starts_unit) {
        if (p.empty() || p[0] >= p.size()) return false;
        p = p.subspan(1u + p[0]);
        reset();
    } else if (!open()) {
        return false;
    }
    bytes_.insert(bytes_.end(), p.begin(), p.end());
    if (bytes_.size() < 3) return false;
    const std::size_t whole = 3u + ((bytes_[1] & 0x0fu) << 8 | bytes_[2]);
    if (whole > max_section || bytes_[0] == 0xff) {
        reset();
        return false;
    }
    if (bytes_.size() < whole) return false;
    bytes_.resize(whole);
    done_ = true;
    if (whole < 12 || crc32_mpeg(bytes_) != 0) {
        reset();
        return false;
    }
    return true;
}

std::optional<std::uint16_t> read_pat(std::span<const std::uint8_t> s) {
    if (s.size() < 12 || s[0] != 0x00 || !(s[5] & 1)) return std::nullopt;
    for (std::size_t at = 8; at + 4 <= s.size() - 4; at += 4) {
        const unsigned program = s[at] << 8 | s[at + 1];
        if (program != 0) return static_cast<std::uint16_t>((s[at + 2] & 0x1f) << 8 | s[at + 3]);
    }
    return std::nullopt;
}

std::optional<ProgramMap> read_pmt(std::span<const std::uint8_t> s) {
    if (s.size() < 16 || s[0] != 0x02 || !(s[5] & 1)) return std::nullopt;
    ProgramMap map;
    map.pcr_pid = static_cast<std::uint16_t>((s[8] & 0x1f) << 8 | s[9]);
    const std::size_t end = s.size() - 4;
    std::size_t at = 12u + ((s[10] & 0x0fu) << 8 | s[11]);
    while (at + 5 <= end && map.tracks.size() < 64) {
        const auto pid = static_cast<std::uint16_t>((s[at + 1] & 0x1f) << 8 | s[at + 2]);
        const std::size_t length = static_cast<std::size_t>((s[at + 3] & 0x0f) << 8 | s[at + 4]);
        if (at + 5 + length > end) break;
        map.tracks.push_back(make_track(s[at], pid, s.subspan(at + 5, length)));
        at += 5 + length;
    }
    if (map.tracks.empty()) return std::nullopt;
    map.content.assign(s.begin(), s.begin() + static_cast<std::ptrdiff_t>(end));
    map.content[5] = 0;  // version and current_next
    return map;
}

}  // namespace weir::ts
