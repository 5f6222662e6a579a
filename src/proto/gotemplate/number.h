#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace weir::gotemplate {

/// Go's strconv.ParseFloat for decimal and hexadecimal texts; nothing when malformed or too large.
[[nodiscard]] std::optional<double> parse_go_float(std::string_view text);

/// Go's strconv.FormatFloat: verb one of e E f g G x X b; a precision of -1 is the shortest text that reads back as the
/// same number (of 32 bits, with `single`).
[[nodiscard]] std::string format_float(double v, char verb, int precision, bool single);

}  // namespace weir::gotemplate
