#include "base/time.h"

#include <time.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace weir {

std::string utc_text(WallTime t) {
    const auto ms = unix_millis(t);
    auto seconds = ms / 1000;
    auto rest = ms % 1000;
    if (rest < 0) rest += 1000, --seconds;
    const auto as_time = static_cast<std::time_t>(seconds);
    std::tm tm{};
    gmtime_r(&as_time, &tm);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                       tm.tm_hour, tm.tm_min, tm.tm_sec, rest);
}

std::int64_t unix_millis(WallTime t) {
    return std::chrono::floor<std::chrono::milliseconds>(t.time_since_epoch()).count();
}

WallTime from_unix_millis(std::int64_t ms) {
    return WallTime(std::chrono::milliseconds(ms));
}

std::string duration_text(Micros d) {
    const bool negative = d < Micros::zero();
    auto seconds = std::abs(std::chrono::duration_cast<std::chrono::seconds>(d).count());
    const auto hours = seconds / 3600;
    const auto minutes = seconds / 60 % 60;
    seconds %= 60;
    const char* sign = negative && (hours || minutes || seconds) ? "-" : "";
    if (hours) return fmt::format("{}{}:{:02}:{:02}", sign, hours, minutes, seconds);
    return fmt::format("{}{}:{:02}", sign, minutes, seconds);
}

namespace {

struct Unit {
    std::string_view name;
    double millis;
};
constexpr std::array units{Unit{"ms", 1.0},        Unit{"us", 1e-3},    Unit{"\xc2\xb5s", 1e-3}, Unit{"ns", 1e-6},
                           Unit{"h", 3'600'000.0}, Unit{"m", 60'000.0}, Unit{"s", 1000.0}};
constexpr double longest_millis = 9.0e15;  // some 285 000 years; doubles count milliseconds exactly up to here

}  // namespace

Result<Millis> parse_duration(std::string_view text) {
    const auto refuse = [&] {
        return Error{
            Errc::bad_input,
            fmt::format("'{}' is not a duration: write it like 500ms, 90s, 1m30s or 1h; a bare number is seconds",
                        text)};
    };
    auto rest = text;
    double total = 0;
    while (!rest.empty()) {
        if (rest.front() != '.' && (rest.front() < '0' || rest.front() > '9')) return refuse();
        double number = 0;
        const auto [end, ec] =
            std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
        if (ec != std::errc{}) return refuse();
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        double scale = 0;
        if (rest.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos) scale = 1000.0;
        for (const auto& unit : units) {
            if (scale != 0 || !rest.starts_with(unit.name)) continue;
            scale = unit.millis;
            rest.remove_prefix(unit.name.size());
        }
        if (scale == 0) return refuse();
        total += number * scale;
        if (!(total <= longest_millis)) return refuse();
    }
    if (text.empty()) return refuse();
    return Millis(std::llround(total));
}

std::string size_text(std::uint64_t bytes) {
    if (bytes < 1000) return fmt::format("{} B", bytes);
    double value = static_cast<double>(bytes);
    std::string_view name = "B";
    for (const std::string_view larger : {"kB", "MB", "GB", "TB", "PB", "EB"}) {
        if (value < 999.95) break;
        value /= 1000;
        name = larger;
    }
    return fmt::format("{:.1f} {}", value, name);
}

}  // namespace weir
