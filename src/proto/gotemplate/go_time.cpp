#include "proto/gotemplate/go_time.h"

#include <fmt/format.h>

#include <array>
#include <ctime>
#include <limits>

namespace weir::gotemplate {
namespace {

__extension__ using Wide = __int128;

constexpr std::int64_t nanos_per_second = 1'000'000'000;
constexpr std::int64_t year_one = -62135596800;  // 0001-01-01T00:00:00Z
constexpr std::array<std::string_view, 12> months{"January",   "February", "March",    "April",
                                                  "May",       "June",     "July",     "August",
                                                  "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> days{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                               "Thursday", "Friday", "Saturday"};

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
    return a / b - (a % b < 0 ? 1 : 0);
}

/// Days since 1970 of a date of the proleptic Gregorian calendar, counted in 400-year eras that begin in March.
std::int64_t days_of(std::int64_t year, int month, std::int64_t day) {
    if (month <= 2) --year;
    const std::int64_t era = floor_div(year, 400), in_era = year - era * 400;
    const std::int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

Wide nanos_since_year_one(const Moment& m) {
    return Wide(m.seconds - year_one) * nanos_per_second + m.nanos;
}

Moment shifted(Moment m, Wide nanos) {
    const Wide total = Wide(m.nanos) + nanos;
    Wide carry = total / nanos_per_second, rest = total % nanos_per_second;
    if (rest < 0) rest += nanos_per_second, --carry;
    m.seconds = static_cast<std::int64_t>(static_cast<std::uint64_t>(m.seconds) + static_cast<std::uint64_t>(carry));
    m.nanos = static_cast<std::int32_t>(rest);
    return m;
}

}  // namespace

Moment zero_moment() {
    return {year_one, 0, 0, "UTC"};
}

Calendar calendar_of(const Moment& m) {
    const std::int64_t local = m.seconds + m.offset;
    const std::int64_t day = floor_div(local, 86400), clock = local - day * 86400;
    const std::int64_t shifted_day = day + 719468, era = floor_div(shifted_day, 146097);
    const std::int64_t in_era = shifted_day - era * 146097;
    const std::int64_t year_in_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    const std::int64_t in_year = in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
    const std::int64_t march_month = (5 * in_year + 2) / 153;
    Calendar c{};
    c.day = static_cast<int>(in_year - (153 * march_month + 2) / 5 + 1);
    c.month = static_cast<int>(march_month < 10 ? march_month + 3 : march_month - 9);
    c.year = year_in_era + era * 400 + (c.month <= 2 ? 1 : 0);
    c.hour = static_cast<int>(clock / 3600);
    c.minute = static_cast<int>(clock / 60 % 60);
    c.second = static_cast<int>(clock % 60);
    c.year_day = static_cast<int>(day - days_of(c.year, 1, 1) + 1);
    c.weekday = static_cast<int>(((day % 7) + 11) % 7);
    return c;
}

Moment moment_of(std::int64_t year, std::int64_t month, std::int64_t day, std::int64_t hour, std::int64_t minute,
                 std::int64_t second, const Moment& zone_of) {
    const std::int64_t carried = floor_div(month - 1, 12);
    const auto first = days_of(year + carried, static_cast<int>(month - carried * 12), 1);
    Moment m = zone_of;
    m.seconds = (first + day - 1) * 86400 + hour * 3600 + minute * 60 + second - zone_of.offset;
    return m;
}

Moment in_local_zone(Moment m) {
    const auto when = static_cast<std::time_t>(m.seconds);
    std::tm local{};
    if (::localtime_r(&when, &local) == nullptr) return m;
    m.offset = static_cast<std::int32_t>(local.tm_gmtoff);
    m.zone = local.tm_zone != nullptr ? local.tm_zone : "";
    return m;
}

Moment added(Moment m, std::int64_t nanoseconds) {
    return shifted(std::move(m), nanoseconds);
}

std::int64_t difference(const Moment& a, const Moment& b) {
    using Limit = std::numeric_limits<std::int64_t>;
    const Wide d = nanos_since_year_one(a) - nanos_since_year_one(b);
    return d > Limit::max() ? Limit::max() : d < Limit::min() ? Limit::min() : static_cast<std::int64_t>(d);
}

int compare(const Moment& a, const Moment& b) {
    const Wide d = nanos_since_year_one(a) - nanos_since_year_one(b);
    return d < 0 ? -1 : d > 0 ? 1 : 0;
}

Moment stepped(const Moment& m, std::int64_t step, bool nearest) {
    if (step <= 0) return m;
    Wide over = nanos_since_year_one(m) % step;
    if (over < 0) over += step;
    const bool up = nearest && over + over >= step;
    return shifted(m, up ? step - over : -over);
}

std::int64_t stepped_duration(std::int64_t d, std::int64_t step, bool nearest) {
    using Limit = std::numeric_limits<std::int64_t>;
    if (step <= 0) return d;
    const std::int64_t over = d % step;
    Wide result = Wide(d) - over;
    const Wide size = over < 0 ? -Wide(over) : Wide(over);
    if (nearest && size + size >= step) result += d < 0 ? -Wide(step) : Wide(step);
    return result > Limit::max()   ? Limit::max()
           : result < Limit::min() ? Limit::min()
                                   : static_cast<std::int64_t>(result);
}

std::string month_name(std::int64_t month) {
    if (month >= 1 && month <= 12) return std::string(months[static_cast<std::size_t>(month - 1)]);
    return fmt::format("%!Month({})", static_cast<std::uint64_t>(month));
}

std::string weekday_name(std::int64_t day) {
    if (day >= 0 && day <= 6) return std::string(days[static_cast<std::size_t>(day)]);
    return fmt::format("%!Weekday({})", static_cast<std::uint64_t>(day));
}

std::string time_text(const Moment& m) {
    return format_time(m, "2006-01-02 15:04:05.999999999 -0700 MST");
}

namespace {

/// "1.5" of 1500000000 at 9 places: no trailing zeros, no bare point.
std::string decimal(std::uint64_t value, int places) {
    std::uint64_t unit = 1;
    for (int i = 0; i < places; ++i) unit *= 10;
    std::string text = fmt::format("{}", value / unit);
    if (value % unit == 0) return text;
    text += fmt::format(".{:0{}}", value % unit, places);
    text.erase(text.find_last_not_of('0') + 1);
    return text;
}

}  // namespace

std::string duration_text(std::int64_t nanoseconds) {
    if (nanoseconds == 0) return "0s";
    const bool negative = nanoseconds < 0;
    auto left = static_cast<std::uint64_t>(nanoseconds);
    if (negative) left = 0 - left;
    std::string text = negative ? "-" : "";
    if (left < 1000) return text + fmt::format("{}ns", left);
    if (left < 1'000'000) return text + decimal(left, 3) + "µs";
    if (left < 1'000'000'000) return text + decimal(left, 6) + "ms";
    const std::uint64_t minute = 60ull * 1'000'000'000, minutes = left / minute;
    if (minutes >= 60) text += fmt::format("{}h", minutes / 60);
    if (minutes > 0) text += fmt::format("{}m", minutes % 60);
    return text + decimal(left % minute, 9) + "s";
}

bool parse_rfc3339(std::string_view text, Moment& m) {
    const auto number = [&](std::size_t from, std::size_t count, int& out) {
        out = 0;
        if (text.size() < from + count) return false;
        for (const char c : text.substr(from, count)) {
            if (c < '0' || c > '9') return false;
            out = out * 10 + (c - '0');
        }
        return true;
    };
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    if (!number(0, 4, year) || !number(5, 2, month) || !number(8, 2, day) || !number(11, 2, hour) ||
        !number(14, 2, minute) || !number(17, 2, second) || text[4] != '-' || text[7] != '-' || text[13] != ':' ||
        text[16] != ':' || (text[10] != 'T' && text[10] != 't' && text[10] != ' ') || month < 1 || month > 12 ||
        day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59)
        return false;
    std::size_t at = 19;
    std::int32_t nanos = 0;
    if (at < text.size() && text[at] == '.') {
        std::int32_t unit = 100'000'000;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
            nanos += unit * (text[at] - '0');
    }
    m = Moment{};
    if (text.substr(at) != "Z" && text.substr(at) != "z") {
        int hours = 0, minutes = 0;
        if (text.size() != at + 6 || (text[at] != '+' && text[at] != '-') || !number(at + 1, 2, hours) ||
            text[at + 3] != ':' || !number(at + 4, 2, minutes))
            return false;
        m.offset = (hours * 3600 + minutes * 60) * (text[at] == '-' ? -1 : 1);
        m.zone.clear();
    }
    m = moment_of(year, month, day, hour, minute, second, m);
    m.nanos = nanos;
    return true;
}

}  // namespace weir::gotemplate
