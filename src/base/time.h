#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weir {

using Micros = std::chrono::microseconds;                  ///< stream time and its durations
using Millis = std::chrono::milliseconds;                  ///< waits and limits
using SteadyTime = std::chrono::steady_clock::time_point;  ///< deadlines, arrival; never steps
using WallTime = std::chrono::system_clock::time_point;    ///< for people and for the journal; may step

/// "2026-11-21T13:52:40.123Z"
[[nodiscard]] std::string utc_text(WallTime t);
[[nodiscard]] std::int64_t unix_millis(WallTime t);
[[nodiscard]] WallTime from_unix_millis(std::int64_t ms);

/// "1:02:03" for people; hours only when there are any.
[[nodiscard]] std::string duration_text(Micros d);

/// "90", "90s", "1m30s", "1h", "500ms", "1.5s". A bare number is seconds. Errors: bad_input, saying what is accepted.
[[nodiscard]] Result<Millis> parse_duration(std::string_view text);

/// "12.3 MB" (powers of 1000) for people.
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace weir
