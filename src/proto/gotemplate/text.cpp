#include "proto/gotemplate/text.h"

#include <fmt/format.h>

#include <iterator>

#include "base/text.h"

namespace weir::gotemplate {
namespace {

constexpr char32_t replacement = 0xFFFD;

bool is_character(char32_t c) {
    return c < 0xD800 || (c > 0xDFFF && c <= 0x10FFFF);
}

void append_escaped(std::string& out, char32_t c, char quote, bool ascii) {
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
        out += '\\';
        out += static_cast<char>(c);
        return;
    }
    if (is_printable(c) && (!ascii || c < 0x80)) return append_rune(out, c);
    constexpr std::string_view letters = "abtnvfr";  // U+0007 to U+000D
    if (c >= 7 && c <= 13) {
        out += '\\';
        out += letters[c - 7];
    } else if (c < 0x20 || c == 0x7F) {
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(c));
    } else if (!is_character(c)) {
        out += "\\ufffd";
    } else if (c < 0x10000) {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
        fmt::format_to(std::back_inserter(out), "\\U{:08x}", static_cast<unsigned>(c));
    }
}

struct Unescaped {
    char32_t point;
    bool byte;  ///< \x and octal escapes are bytes, the others characters
};

/// `digits` digits of `base` from the front of `rest`.
std::optional<char32_t> take_number(std::string_view& rest, std::size_t digits, unsigned base) {
    if (rest.size() < digits) return std::nullopt;
    char32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
        const int digit = hex_value(rest[i]);
        if (digit < 0 || static_cast<unsigned>(digit) >= base) return std::nullopt;
        value = value * base + static_cast<unsigned>(digit);
    }
    rest.remove_prefix(digits);
    return value;
}

/// What follows a backslash.
std::optional<Unescaped> take_escape(std::string_view& rest, char quote) {
    if (rest.empty()) return std::nullopt;
    const char c = rest.front();
    if (c >= '0' && c <= '7') {
        const auto value = take_number(rest, 3, 8);
        if (!value || *value > 255) return std::nullopt;
        return Unescaped{*value, true};
    }
    rest.remove_prefix(1);
    constexpr std::string_view letters = "abtnvfr";
    if (const auto at = letters.find(c); at != letters.npos) return Unescaped{static_cast<char32_t>(7 + at), false};
    if (c == '\\' || (c == quote && quote != '`')) return Unescaped{static_cast<unsigned char>(c), false};
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) return std::nullopt;
    const auto value = take_number(rest, digits, 16);
    if (!value || (c != 'x' && !is_character(*value))) return std::nullopt;
    return Unescaped{*value, c == 'x'};
}

}  // namespace

Rune first_rune(std::string_view text) noexcept {
    if (text.empty()) return {replacement, 0, false};
    const auto length = utf8_length(text);
    const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
    switch (length) {
        case 1:
            return {byte(0), 1, true};
        case 2:
            return {((byte(0) & 0x1F) << 6) | (byte(1) & 0x3F), 2, true};
        case 3:
            return {((byte(0) & 0x0F) << 12) | ((byte(1) & 0x3F) << 6) | (byte(2) & 0x3F), 3, true};
        case 4:
            return {((byte(0) & 0x07) << 18) | ((byte(1) & 0x3F) << 12) | ((byte(2) & 0x3F) << 6) | (byte(3) & 0x3F), 4,
                    true};
        default:
            return {replacement, 1, false};
    }
}

std::size_t rune_count(std::string_view text) noexcept {
    std::size_t count = 0;
    for (; !text.empty(); ++count) text.remove_prefix(first_rune(text).bytes);
    return count;
}

std::string_view first_runes(std::string_view text, std::size_t runes) noexcept {
    std::size_t end = 0;
    for (; runes > 0 && end < text.size(); --runes) end += first_rune(text.substr(end)).bytes;
    return text.substr(0, end);
}

void append_rune(std::string& out, char32_t c) {
    if (!is_character(c)) c = replacement;
    const auto put = [&](char32_t v) { out += static_cast<char>(static_cast<unsigned char>(v)); };
    if (c < 0x80) return put(c);
    if (c < 0x800) return put(0xC0 | (c >> 6)), put(0x80 | (c & 0x3F));
    if (c < 0x10000) return put(0xE0 | (c >> 12)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
    put(0xF0 | (c >> 18)), put(0x80 | ((c >> 12) & 0x3F)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
}

std::string quoted(std::string_view text, bool ascii) {
    std::string out = "\"";
    while (!text.empty()) {
        const auto rune = first_rune(text);
        if (rune.valid)
            append_escaped(out, rune.point, '"', ascii);
        else
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text.front()));
        text.remove_prefix(rune.bytes);
    }
    return out += '"';
}

std::string quoted_rune(char32_t point, bool ascii) {
    std::string out = "'";
    append_escaped(out, is_character(point) ? point : replacement, '\'', ascii);
    return out += '\'';
}

bool can_be_raw(std::string_view text) noexcept {
    while (!text.empty()) {
        const auto rune = first_rune(text);
        if (!rune.valid || rune.point == 0xFEFF || rune.point == '`' || rune.point == 0x7F) return false;
        if (rune.point < 0x20 && rune.point != '\t') return false;
        text.remove_prefix(rune.bytes);
    }
    return true;
}

std::optional<std::string> unquoted(std::string_view literal) {
    if (literal.size() < 2 || literal.front() != literal.back()) return std::nullopt;
    auto rest = literal.substr(1, literal.size() - 2);
    std::string out;
    if (literal.front() == '`') {
        for (const char c : rest)
            if (c != '\r') out += c;
        return out;
    }
    while (!rest.empty()) {
        const char c = rest.front();
        if (c == '"' || c == '\n') return std::nullopt;
        if (c != '\\') {
            out += c;
            rest.remove_prefix(1);
            continue;
        }
        rest.remove_prefix(1);
        const auto escape = take_escape(rest, '"');
        if (!escape) return std::nullopt;
        if (escape->byte)
            out += static_cast<char>(static_cast<unsigned char>(escape->point));
        else
            append_rune(out, escape->point);
    }
    return out;
}

std::optional<char32_t> unquoted_char(std::string_view literal, std::string& error) {
    error = "invalid syntax";
    auto rest = literal.substr(1);
    if (rest.empty() || rest.front() == '\'') return std::nullopt;
    char32_t point = 0;
    if (rest.front() == '\\') {
        rest.remove_prefix(1);
        const auto escape = take_escape(rest, '\'');
        if (!escape) return std::nullopt;
        point = escape->point;
    } else {
        const auto rune = first_rune(rest);
        point = rune.point;
        rest.remove_prefix(rune.bytes);
    }
    if (rest != "'") {
        error = fmt::format("malformed character constant: {}", literal);
        return std::nullopt;
    }
    error.clear();
    return point;
}

}  // namespace weir::gotemplate
