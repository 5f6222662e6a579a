#include "store/names.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace weir::store {
namespace {

struct Decoded {
    char32_t point;
    std::size_t bytes;
};

constexpr char32_t replacement = 0xFFFD;

/// One code point of UTF-8; anything broken is one replacement character per byte.
Decoded decode(std::string_view s) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(s[i]); };
    const auto first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t need = first >= 0xF0 && first < 0xF5 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
    if (need == 0 || first >= 0xF5 || s.size() < need) return {replacement, 1};
    char32_t point = first & (0xFFu >> (need + 1));
    for (std::size_t i = 1; i < need; ++i) {
        if ((byte(i) & 0xC0u) != 0x80u) return {replacement, 1};
        point = (point << 6) | (byte(i) & 0x3Fu);
    }
    constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    if (point < least[need] || surrogate || point > 0x10FFFF) return {replacement, 1};
    return {point, need};
}

void append(std::string& out, char32_t c) {
    const auto put = [&](char32_t v) { out.push_back(static_cast<char>(static_cast<std::uint8_t>(v))); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | (c >> 6)), put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | (c >> 12)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | (c >> 18)), put(0x80 | ((c >> 12) & 0x3F)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
    }
}

struct Range {
    char32_t from, to;
};

bool in(std::span<const Range> ranges, char32_t c) {
    return std::any_of(ranges.begin(), ranges.end(), [c](Range r) { return c >= r.from && c <= r.to; });
}

/// Not graphic: Unicode's Cc, Cf, Zl, Zp, Co, and the non-characters.
bool is_hidden(char32_t c) {
    static constexpr std::array<Range, 24> ranges{
        {{0x00, 0x1F},       {0x7F, 0x9F},       {0xAD, 0xAD},        {0x600, 0x605},     {0x61C, 0x61C},
         {0x6DD, 0x6DD},     {0x70F, 0x70F},     {0x180E, 0x180E},    {0x200B, 0x200F},   {0x2028, 0x202E},
         {0x2060, 0x206F},   {0xE000, 0xF8FF},   {0xFDD0, 0xFDEF},    {0xFEFF, 0xFEFF},   {0xFFF0, 0xFFFB},
         {0xFFFE, 0xFFFF},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},  {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
         {0x1FFFE, 0x1FFFF}, {0xE0000, 0xE0FFF}, {0xF0000, 0x10FFFF}, {0x2FFFE, 0x2FFFF}}};
    return in(ranges, c);
}

bool is_space(char32_t c) {
    static constexpr std::array<Range, 9> ranges{{{0x09, 0x0D},
                                                  {0x20, 0x20},
                                                  {0x85, 0x85},
                                                  {0xA0, 0xA0},
                                                  {0x1680, 0x1680},
                                                  {0x2000, 0x200A},
                                                  {0x2028, 0x2029},
                                                  {0x202F, 0x205F},
                                                  {0x3000, 0x3000}}};
    return in(ranges, c);
}

bool is_device_name(std::string_view name) {
    std::string upper(name);
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    if (upper == "CON" || upper == "PRN" || upper == "AUX" || upper == "NUL") return true;
    return upper.size() == 4 && (upper.starts_with("COM") || upper.starts_with("LPT")) && upper[3] >= '1' &&
           upper[3] <= '9';
}

template <class Drop>
std::u32string_view trimmed(std::u32string_view s, Drop drop) {
    while (!s.empty() && drop(s.front())) s.remove_prefix(1);
    while (!s.empty() && drop(s.back())) s.remove_suffix(1);
    return s;
}

}  // namespace

std::string sanitise_name(std::string_view name) {
    std::u32string kept;
    bool in_run = false;
    while (!name.empty()) {
        const auto [c, bytes] = decode(name);
        name.remove_prefix(bytes);
        const bool forbidden = std::u32string_view(U"\\/:*?\"<>|").find(c) != std::u32string_view::npos;
        if (forbidden && !in_run) kept.push_back(U'_');
        in_run = forbidden;
        if (!forbidden && !is_hidden(c)) kept.push_back(c);
    }
    const auto middle = trimmed(trimmed(kept, is_space), [](char32_t c) { return c == U'.'; });
    std::string out;
    for (const char32_t c : middle) append(out, c);
    if (is_device_name(out)) out.insert(out.begin(), '_');
    return out.empty() ? "_" : out;
}

std::string shorten_name(std::string_view name, std::size_t max_bytes) {
    if (name.size() <= max_bytes) return std::string(name);
    std::size_t keep = 0;
    for (std::string_view rest = name; !rest.empty();) {
        const auto bytes = decode(rest).bytes;
        if (keep + bytes > max_bytes) break;
        keep += bytes;
        rest.remove_prefix(bytes);
    }
    while (keep > 0 && (name[keep - 1] == ' ' || name[keep - 1] == '.')) --keep;
    return std::string(name.substr(0, keep));
}

}  // namespace weir::store
