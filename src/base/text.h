#pragma once
#include <string>
#include <string_view>

namespace weir {

/// Appends `text` fit for a terminal line: control characters (C0, DEL, C1) and broken UTF-8 as \n, \t or \xHH; the
/// rest as it is. With `quotes`, " and \ are escaped too.
void append_printable(std::string& out, std::string_view text, bool quotes = false);

/// Appends `text` as the inside of a JSON string; broken UTF-8 becomes U+FFFD.
void append_json(std::string& out, std::string_view text);

/// `text` as a JSON string with its quotes.
[[nodiscard]] std::string json_quoted(std::string_view text);

/// Length of the well-formed UTF-8 sequence at the front of `text`, 0 when there is none (RFC 3629: no surrogates, no
/// overlong).
[[nodiscard]] std::size_t utf8_length(std::string_view text) noexcept;

/// `text` with every byte that is not part of well-formed UTF-8 replaced by U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view text);

/// ASCII only: for the names of protocols, hosts and headers, whatever the locale.
[[nodiscard]] constexpr char ascii_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] std::string ascii_lowered(std::string_view text);

/// 0 to 15, or -1 for what is no hexadecimal digit.
[[nodiscard]] constexpr int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = ascii_lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/// Each `what` in `text`, from the left, becomes `with`; an empty `what` is nowhere.
void replace_all(std::string& text, std::string_view what, std::string_view with);

/// Without spaces, tabs and line ends at both ends.
[[nodiscard]] std::string_view stripped(std::string_view text) noexcept;

}  // namespace weir
