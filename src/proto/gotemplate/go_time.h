#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::gotemplate {

/// A time.Time: an instant and the zone it is shown in.
struct Moment {
    std::int64_t seconds = 0;  ///< since 1970, UTC
    std::int32_t nanos = 0;    ///< 0 to 999999999
    std::int32_t offset = 0;   ///< seconds east of UTC
    std::string zone = "UTC";  ///< abbreviation; empty: only the offset is known

    bool operator==(const Moment&) const = default;
};

struct Calendar {
    std::int64_t year;
    int month, day, hour, minute, second, year_day, weekday;  ///< month, day and year_day from 1; weekday 0 = Sunday
};

[[nodiscard]] Moment zero_moment();  ///< the year 1
[[nodiscard]] Calendar calendar_of(const Moment& m);
/// time.Date: values out of their range are carried over.
[[nodiscard]] Moment moment_of(std::int64_t year, std::int64_t month, std::int64_t day, std::int64_t hour,
                               std::int64_t minute, std::int64_t second, const Moment& zone_of);
[[nodiscard]] Moment in_local_zone(Moment m);
[[nodiscard]] Moment added(Moment m, std::int64_t nanoseconds);
/// In nanoseconds, at most what 64 bits hold (292 years).
[[nodiscard]] std::int64_t difference(const Moment& a, const Moment& b);
[[nodiscard]] int compare(const Moment& a, const Moment& b);
/// To a multiple of `step` since the year 1; `nearest` rounds half up, else down. A step below 1 changes nothing.
[[nodiscard]] Moment stepped(const Moment& m, std::int64_t step, bool nearest);
[[nodiscard]] std::int64_t stepped_duration(std::int64_t d, std::int64_t step, bool nearest);

/// time.Time.Format (layout elements: section 12 of the facts).
[[nodiscard]] std::string format_time(const Moment& m, std::string_view layout);
/// "2024-08-04 16:02:03.5 +0000 UTC"
[[nodiscard]] std::string time_text(const Moment& m);
/// "1h2m3.5s"
[[nodiscard]] std::string duration_text(std::int64_t nanoseconds);
[[nodiscard]] std::string month_name(std::int64_t month);
[[nodiscard]] std::string weekday_name(std::int64_t day);
/// RFC 3339 with any number of fraction digits. False when it is none.
[[nodiscard]] bool parse_rfc3339(std::string_view text, Moment& m);

}  // namespace weir::gotemplate
