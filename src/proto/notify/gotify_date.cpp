#include "proto/notify/gotify_date.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/numbers.h"

namespace weir::notify {
namespace {

constexpr std::int64_t year_9999_ends = 253'402'300'799;

/// The number in exactly `count` digits at the front, which go.
std::optional<int> take_digits(std::string_view& text, std::size_t count, int most) {
    if (text.size() < count) return std::nullopt;
    int value = 0;
    for (const char c : text.substr(0, count)) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + (c - '0');
    }
    text.remove_prefix(count);
    if (value > most) return std::nullopt;
    return value;
}

bool take_one(std::string_view& text, std::string_view of) {
    if (text.empty() || of.find(text.front()) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
}

void take_fraction(std::string_view& text) {
    if (text.size() < 2 || text[0] != '.' || text[1] < '0' || text[1] > '9') return;
    text.remove_prefix(1);
    while (take_one(text, "0123456789")) {
    }
}

/// "Z", "+09:00", "" as UTC: what is to be taken away from the local time, in seconds.
std::optional<std::int64_t> take_offset(std::string_view& text) {
    if (text.empty()) return 0;
    const char sign = text.front();
    if (!take_one(text, "Zz+- ")) return std::nullopt;
    if (sign == 'Z' || sign == 'z') return 0;
    const auto hours = take_digits(text, 2, 23);
    if (!hours || !take_one(text, ":")) return std::nullopt;
    const auto minutes = take_digits(text, 2, 59);
    if (!minutes) return std::nullopt;
    return (*hours * 3600 + *minutes * 60) * (sign == '-' ? -1 : 1);
}

std::optional<std::int64_t> seconds_of(std::string_view text) {
    const auto year = take_digits(text, 4, 9999);
    if (!year || !take_one(text, "-")) return std::nullopt;
    const auto month = take_digits(text, 2, 12);
    if (!month || !take_one(text, "-")) return std::nullopt;
    const auto day = take_digits(text, 2, 31);
    if (!day || !take_one(text, "Tt ")) return std::nullopt;
    const auto hour = take_digits(text, 2, 23);
    if (!hour || !take_one(text, ":")) return std::nullopt;
    const auto minute = take_digits(text, 2, 59);
    if (!minute || !take_one(text, ":")) return std::nullopt;
    const auto second = take_digits(text, 2, 59);
    if (!second) return std::nullopt;
    take_fraction(text);
    const auto offset = take_offset(text);
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!offset || !text.empty() || !date.ok()) return std::nullopt;
    const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
    return days * 86'400 + *hour * 3600 + *minute * 60 + *second - *offset;
}

}  // namespace

std::optional<std::string> gotify_date(std::string_view text) {
    auto at = seconds_of(text);
    if (!at) {
        const auto number = parse_int(text, 0, year_9999_ends);
        if (!number) return std::nullopt;
        at = *number;
    }
    if (*at > year_9999_ends) return std::nullopt;
    const std::chrono::sys_seconds time{std::chrono::seconds(*at)};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    if (static_cast<int>(date.year()) < 0) return std::nullopt;
    const std::int64_t rest = (time - day).count();
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), rest / 3600,
                       rest / 60 % 60, rest % 60);
}

}  // namespace weir::notify
