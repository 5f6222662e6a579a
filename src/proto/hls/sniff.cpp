#include <algorithm>
#include <array>

#include "proto/hls/playlist.h"

namespace weir::hls {
namespace {

std::string_view as_text(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_box(std::string_view text) noexcept {
    if (text.size() < 8) return false;
    constexpr std::array<std::string_view, 11> boxes{"ftyp", "styp", "moof", "moov", "sidx", "emsg",
                                                     "prft", "free", "skip", "mdat", "wide"};
    return std::find(boxes.begin(), boxes.end(), text.substr(4, 4)) != boxes.end();
}

std::uint32_t u32_at(std::string_view text, std::size_t at) noexcept {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(text[at + i]);
    return value;
}

/// Do the boxes that are seen say that this is no fragmented file?
bool is_plain_mp4(std::string_view text) noexcept {
    for (std::size_t at = 0; at + 8 <= text.size();) {
        const auto name = text.substr(at + 4, 4);
        const std::size_t size = u32_at(text, at);
        if (name == "mdat") return true;
        if (name == "moov")
            return size >= 8 && size <= text.size() - at &&
                   text.substr(at, size).find("mvex") == std::string_view::npos;
        if ((name != "ftyp" && name != "free" && name != "skip" && name != "wide") || size < 8) return false;
        if (size > text.size() - at) return false;
        at += size;
    }
    return false;
}

}  // namespace

Content sniff(std::span<const std::byte> first_bytes) noexcept {
    auto text = as_text(first_bytes);
    if (text.empty()) return Content::unknown;
    const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    if (at(0) == 0x47 && (text.size() <= 188 || at(188) == 0x47)) return Content::ts;
    if (text.starts_with(std::string_view("FLV\x01", 4))) return Content::flv;
    if (text.starts_with("\x1a\x45\xdf\xa3")) return Content::matroska;
    if (is_box(text)) return text.substr(4, 4) == "ftyp" && is_plain_mp4(text) ? Content::mp4 : Content::fmp4;
    if (text.starts_with("ID3")) return Content::packed_audio;
    if (at(0) == 0xff && (at(1) & 0xe0) == 0xe0 && at(1) != 0xff && at(1) != 0xfe)
        return Content::packed_audio;                                  // ADTS or MPEG audio
    if (at(0) == 0x0b && at(1) == 0x77) return Content::packed_audio;  // AC-3
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    if (text.starts_with("#EXTM3U")) return Content::playlist;
    if (text.starts_with("WEBVTT")) return Content::webvtt;
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && (text[first] == '<' || text[first] == '{')) return Content::text;
    const auto head = text.substr(0, 64);
    if (std::all_of(head.begin(), head.end(),
                    [](unsigned char c) { return (c >= 0x20 && c < 0x7f) || (c >= 9 && c <= 13); }))
        return Content::text;
    // Some packets may be torn at the front of a segment: a steady beat of sync bytes further on is still TS.
    for (std::size_t i = 0; i < 188 && i + 376 < text.size(); ++i)
        if (at(i) == 0x47 && at(i + 188) == 0x47 && at(i + 376) == 0x47) return Content::ts;
    return Content::unknown;
}

std::string_view name_of(Content c) noexcept {
    switch (c) {
        case Content::ts:
            return "MPEG-TS";
        case Content::fmp4:
            return "fragmented MP4";
        case Content::packed_audio:
            return "packed audio";
        case Content::webvtt:
            return "WebVTT";
        case Content::text:
            return "a text page";
        case Content::playlist:
            return "a playlist";
        case Content::flv:
            return "FLV";
        case Content::matroska:
            return "Matroska";
        case Content::mp4:
            return "MP4";
        case Content::unknown:
            return "unknown data";
    }
    return "unknown data";
}

}  // namespace weir::hls
