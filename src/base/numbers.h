#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weir {

/// The whole of `text` as a decimal number between `min` and `max`. Errors: bad_input, saying what is accepted.
[[nodiscard]] Result<std::int64_t> parse_int(std::string_view text,
                                             std::int64_t min = std::numeric_limits<std::int64_t>::min(),
                                             std::int64_t max = std::numeric_limits<std::int64_t>::max());

/// "0.5", "12", "1e3": finite. Errors: bad_input.
[[nodiscard]] Result<double> parse_number(std::string_view text);

/// What Go's flag and environment readers take: 1 t T true TRUE True, 0 f F false FALSE False. Errors: bad_input.
[[nodiscard]] Result<bool> parse_bool(std::string_view text);

}  // namespace weir
