#include "base/numbers.h"

#include <charconv>
#include <cmath>

namespace weir {

Result<std::int64_t> parse_int(std::string_view text, std::int64_t min, std::int64_t max) {
    std::int64_t value = 0;
    const auto digits = text.starts_with('+') && !text.starts_with("+-") ? text.substr(1) : text;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (ec == std::errc{} && !digits.empty() && end == digits.data() + digits.size() && value >= min && value <= max)
        return value;
    return Error{Errc::bad_input, fmt::format("'{}' is not a whole number between {} and {}", text, min, max)};
}

Result<double> parse_number(std::string_view text) {
    double value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec == std::errc{} && !text.empty() && end == text.data() + text.size() && std::isfinite(value)) return value;
    return Error{Errc::bad_input, fmt::format("'{}' is not a number", text)};
}

Result<bool> parse_bool(std::string_view text) {
    for (const auto* yes : {"1", "t", "T", "true", "TRUE", "True"})
        if (text == yes) return true;
    for (const auto* no : {"0", "f", "F", "false", "FALSE", "False"})
        if (text == no) return false;
    return Error{Errc::bad_input, fmt::format("'{}' is neither true nor false", text)};
}

}  // namespace weir
