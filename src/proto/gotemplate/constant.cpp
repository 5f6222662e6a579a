#include <charconv>
#include <cmath>
#include <cstdlib>

#include "proto/gotemplate/node.h"
#include "proto/gotemplate/number.h"
#include "proto/gotemplate/text.h"

namespace weir::gotemplate {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// '_' only between digits, or between a base prefix and a digit.
bool underscores_fit(std::string_view s) {
    if (!s.empty() && (s[0] == '+' || s[0] == '-')) s.remove_prefix(1);
    char before = '^';  // what stands before: a digit '0', an underscore, or neither
    bool hex = false;
    if (s.size() >= 2 && s[0] == '0' && std::string_view("bBoOxX").find(s[1]) != std::string_view::npos) {
        hex = s[1] == 'x' || s[1] == 'X';
        before = '0';
        s.remove_prefix(2);
    }
    for (const char c : s) {
        const bool digit = is_digit(c) || (hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
        if (c == '_' && before != '0') return false;
        if (c != '_' && !digit && before == '_') return false;
        before = digit ? '0' : c == '_' ? '_' : '!';
    }
    return before != '_';
}

std::string without_underscores(std::string_view s) {
    std::string out;
    for (const char c : s)
        if (c != '_') out += c;
    return out;
}

/// An unsigned integer with Go's base prefixes.
std::optional<std::uint64_t> parse_natural(std::string_view s) {
    if (s.empty() || s[0] == '+' || s[0] == '-' || !underscores_fit(s)) return std::nullopt;
    int base = 10;
    std::string digits = without_underscores(s);
    if (digits.size() > 1 && digits[0] == '0') {
        const char p = digits[1];
        base = p == 'x' || p == 'X' ? 16 : p == 'b' || p == 'B' ? 2 : 8;
        digits.erase(0, base == 8 && p != 'o' && p != 'O' ? 1 : 2);
    }
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (digits.empty() || ec != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

std::optional<std::int64_t> parse_signed(std::string_view s) {
    const bool negative = s.starts_with('-');
    if (negative || s.starts_with('+')) s.remove_prefix(1);
    const auto size = parse_natural(s);
    const std::uint64_t most = std::uint64_t{1} << 63;
    if (!size || *size > most || (*size == most && !negative)) return std::nullopt;
    return static_cast<std::int64_t>(negative ? 0 - *size : *size);
}

void take_integers_of(Number& n, double f) {
    if (!n.is_int && f >= -0x1p63 && f < 0x1p63 && std::trunc(f) == f) {
        n.is_int = true;
        n.int_value = static_cast<std::int64_t>(f);
    }
    if (!n.is_uint && f >= 0 && f < 0x1p64 && std::trunc(f) == f) {
        n.is_uint = true;
        n.uint_value = static_cast<std::uint64_t>(f);
    }
}

std::optional<Number> complex_number(double real, double imaginary) {
    Number n;
    n.is_complex = true;
    n.complex_value = {real, imaginary};
    n.is_float = imaginary == 0;
    n.float_value = real;
    if (n.is_float) take_integers_of(n, real);
    return n;
}

std::optional<Number> parse_pair(const std::string& text, std::string& error) {
    const auto split = text.find_first_of("+-", 1);
    auto at = split;
    // The sign of an exponent is none of the sum.
    while (at != text.npos && std::string_view("eEpP").find(text[at - 1]) != std::string_view::npos)
        at = text.find_first_of("+-", at + 1);
    const auto real = at == text.npos ? std::nullopt : parse_go_float(text.substr(0, at));
    const auto imaginary = at == text.npos ? std::nullopt : parse_go_float(text.substr(at, text.size() - at - 1));
    if (real && imaginary) return complex_number(*real, *imaginary);
    error = "syntax error scanning complex number";
    return std::nullopt;
}

std::optional<Number> parse_character(const std::string& text, std::string& error) {
    const auto point = unquoted_char(text, error);
    if (!point) return std::nullopt;
    Number n;
    n.is_int = n.is_uint = n.is_float = true;
    n.int_value = static_cast<std::int64_t>(*point);
    n.uint_value = *point;
    n.float_value = static_cast<double>(*point);
    return n;
}

}  // namespace

std::optional<double> parse_go_float(std::string_view given) {
    if (given.find('_') != given.npos && !underscores_fit(given)) return std::nullopt;
    const std::string text = without_underscores(given);
    std::string_view s = text;
    const bool negative = s.starts_with('-');
    if (negative || s.starts_with('+')) s.remove_prefix(1);
    const bool hex = s.size() > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    if (hex) s.remove_prefix(2);
    if (s.empty() || (hex && s.find_first_of("pP") == s.npos)) return std::nullopt;
    if (!hex && !is_digit(s[0]) && s[0] != '.') return std::nullopt;
    if (s.find_first_of("+-") == 0) return std::nullopt;
    double value = 0;
    const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), value,
                                           hex ? std::chars_format::hex : std::chars_format::general);
    if (end != s.data() + s.size()) return std::nullopt;
    if (ec == std::errc::result_out_of_range) {
        // Too small is 0 for Go, too large an error.
        value = std::strtod((std::string(hex ? "0x" : "") + std::string(s)).c_str(), nullptr);
        if (std::isinf(value)) return std::nullopt;
    } else if (ec != std::errc()) {
        return std::nullopt;
    }
    return negative ? -value : value;
}

std::optional<Number> parse_constant(const std::string& text, NumberForm form, std::string& error) {
    if (form == NumberForm::character) return parse_character(text, error);
    if (form == NumberForm::complex) return parse_pair(text, error);
    if (text.ends_with('i'))
        if (const auto f = parse_go_float(text.substr(0, text.size() - 1))) return complex_number(0, *f);
    Number n;
    if (const auto u = parse_natural(text)) {
        n.is_uint = true;
        n.uint_value = *u;
    }
    if (const auto i = parse_signed(text)) {
        n.is_int = true;
        n.int_value = *i;
        if (*i == 0) n.is_uint = true;
    }
    if (n.is_int || n.is_uint) {
        n.is_float = true;
        n.float_value = n.is_int ? static_cast<double>(n.int_value) : static_cast<double>(n.uint_value);
        return n;
    }
    const auto f = parse_go_float(text);
    if (!f) {
        error = "illegal number syntax: " + quoted(text);
        return std::nullopt;
    }
    if (text.find_first_of(".eEpP") == text.npos) {
        error = "integer overflow: " + quoted(text);
        return std::nullopt;
    }
    n.is_float = true;
    n.float_value = *f;
    take_integers_of(n, *f);
    return n;
}

}  // namespace weir::gotemplate
