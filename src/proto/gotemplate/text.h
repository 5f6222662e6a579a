#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weir::gotemplate {

/// Text as Go sees it: bytes that are meant to be UTF-8. What is broken counts as one U+FFFD per byte.
struct Rune {
    char32_t point;
    std::size_t bytes;  ///< 0 only at the end of the text
    bool valid;
};
[[nodiscard]] Rune first_rune(std::string_view text) noexcept;
[[nodiscard]] std::size_t rune_count(std::string_view text) noexcept;
/// The longest front of `text` with at most `runes` runes.
[[nodiscard]] std::string_view first_runes(std::string_view text, std::size_t runes) noexcept;
/// What is no character (surrogates, above U+10FFFF) becomes U+FFFD.
void append_rune(std::string& out, char32_t point);

[[nodiscard]] bool is_printable(char32_t c) noexcept;
/// May stand in a field's or function's name: letters of any script, decimal digits, '_'.
[[nodiscard]] bool is_word(char32_t c) noexcept;

/// A Go string literal of `text`; with `ascii`, everything else is escaped.
[[nodiscard]] std::string quoted(std::string_view text, bool ascii = false);
[[nodiscard]] std::string quoted_rune(char32_t point, bool ascii = false);
/// Can stand unchanged between back quotes on one line.
[[nodiscard]] bool can_be_raw(std::string_view text) noexcept;

/// The value of a string literal in double or back quotes; nothing when it is malformed.
[[nodiscard]] std::optional<std::string> unquoted(std::string_view literal);
/// The value of a character literal, quotes included. On failure `error` says what Go says.
[[nodiscard]] std::optional<char32_t> unquoted_char(std::string_view literal, std::string& error);

}  // namespace weir::gotemplate
