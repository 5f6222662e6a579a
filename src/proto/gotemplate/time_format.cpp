#include <fmt/format.h>

#include <array>

#include "proto/gotemplate/go_time.h"

namespace weir::gotemplate {
namespace {

enum class Part {
    none,
    month_long,
    month_short,
    month_number,
    month_two,
    day_long,
    day_short,
    day,
    day_spaced,
    day_two,
    year_day_spaced,
    year_day_three,
    hour_24,
    hour_12,
    hour_12_two,
    minute,
    minute_two,
    second,
    second_two,
    year_long,
    year_two,
    pm_upper,
    pm_lower,
    zone_name,
    offset,        ///< -0700, Z0700
    offset_colon,  ///< -07:00, Z07:00
    offset_hour,   ///< -07, Z07
    offset_seconds,
    offset_seconds_colon,
    fraction,
};

struct Word {
    std::string_view text;
    Part part;
    bool utc_is_z = false;
};

// Longer ones before their fronts.
constexpr std::array<Word, 38> words{{
    {"January", Part::month_long},
    {"Jan", Part::month_short},
    {"Monday", Part::day_long},
    {"Mon", Part::day_short},
    {"MST", Part::zone_name},
    {"002", Part::year_day_three},
    {"01", Part::month_two},
    {"02", Part::day_two},
    {"03", Part::hour_12_two},
    {"04", Part::minute_two},
    {"05", Part::second_two},
    {"06", Part::year_two},
    {"15", Part::hour_24},
    {"1", Part::month_number},
    {"2006", Part::year_long},
    {"2", Part::day},
    {"__2", Part::year_day_spaced},
    {"_2006", Part::none},  // a literal '_' before the year
    {"_2", Part::day_spaced},
    {"3", Part::hour_12},
    {"4", Part::minute},
    {"5", Part::second},
    {"PM", Part::pm_upper},
    {"pm", Part::pm_lower},
    {"-070000", Part::offset_seconds},
    {"-07:00:00", Part::offset_seconds_colon},
    {"-0700", Part::offset},
    {"-07:00", Part::offset_colon},
    {"-07", Part::offset_hour},
    {"Z070000", Part::offset_seconds, true},
    {"Z07:00:00", Part::offset_seconds_colon, true},
    {"Z0700", Part::offset, true},
    {"Z07:00", Part::offset_colon, true},
    {"Z07", Part::offset_hour, true},
}};

struct Found {
    Part part = Part::none;
    std::size_t length = 1;
    bool utc_is_z = false;
};

bool is_layout_digit(char c) {
    return c >= '0' && c <= '9';
}

/// ".000" or ",999": a point or comma, then a run of one digit 0 or 9 that no other digit follows.
std::size_t fraction_length(std::string_view layout) {
    if (layout.size() < 2 || (layout[0] != '.' && layout[0] != ',') || (layout[1] != '0' && layout[1] != '9')) return 0;
    const auto end = std::min(layout.find_first_not_of(layout[1], 1), layout.size());
    return end < layout.size() && is_layout_digit(layout[end]) ? 0 : end;
}

Found part_at(std::string_view layout) {
    if (const auto length = fraction_length(layout)) return {Part::fraction, length};
    for (const auto& word : words) {
        if (word.text.empty() || !layout.starts_with(word.text)) continue;
        if (word.part == Part::none) return {Part::none, 1};
        const bool lower_follows =
            word.text.size() < layout.size() && layout[word.text.size()] >= 'a' && layout[word.text.size()] <= 'z';
        if (word.part == Part::month_short && lower_follows) continue;
        if (word.part == Part::day_short && lower_follows) continue;
        return {word.part, word.text.size(), word.utc_is_z};
    }
    return {};
}

std::string offset_text(const Moment& m, Part part, bool utc_is_z) {
    if (utc_is_z && m.offset == 0) return "Z";
    const char sign = m.offset < 0 ? '-' : '+';
    const int size = m.offset < 0 ? -m.offset : m.offset;
    const int hours = size / 3600, minutes = size / 60 % 60, seconds = size % 60;
    switch (part) {
        case Part::offset_colon:
            return fmt::format("{}{:02}:{:02}", sign, hours, minutes);
        case Part::offset_hour:
            return fmt::format("{}{:02}", sign, hours);
        case Part::offset_seconds:
            return fmt::format("{}{:02}{:02}{:02}", sign, hours, minutes, seconds);
        case Part::offset_seconds_colon:
            return fmt::format("{}{:02}:{:02}:{:02}", sign, hours, minutes, seconds);
        default:
            return fmt::format("{}{:02}{:02}", sign, hours, minutes);
    }
}

std::string fraction_text(const Moment& m, std::string_view element) {
    std::string digits = fmt::format("{:09}", m.nanos);
    digits.resize(element.size() - 1, '0');
    if (element[1] == '9') {
        digits.erase(digits.find_last_not_of('0') + 1);
        if (digits.empty()) return {};
    }
    return element.front() + digits;
}

std::string year_text(std::int64_t year) {
    return year < 0 ? fmt::format("-{:04}", -year) : fmt::format("{:04}", year);
}

std::string part_text(const Moment& m, const Calendar& c, const Found& found, std::string_view element) {
    const int twelve = c.hour % 12 == 0 ? 12 : c.hour % 12;
    switch (found.part) {
        case Part::month_long:
            return month_name(c.month);
        case Part::month_short:
            return month_name(c.month).substr(0, 3);
        case Part::month_number:
            return fmt::format("{}", c.month);
        case Part::month_two:
            return fmt::format("{:02}", c.month);
        case Part::day_long:
            return weekday_name(c.weekday);
        case Part::day_short:
            return weekday_name(c.weekday).substr(0, 3);
        case Part::day:
            return fmt::format("{}", c.day);
        case Part::day_spaced:
            return fmt::format("{:2}", c.day);
        case Part::day_two:
            return fmt::format("{:02}", c.day);
        case Part::year_day_spaced:
            return fmt::format("{:3}", c.year_day);
        case Part::year_day_three:
            return fmt::format("{:03}", c.year_day);
        case Part::hour_24:
            return fmt::format("{:02}", c.hour);
        case Part::hour_12:
            return fmt::format("{}", twelve);
        case Part::hour_12_two:
            return fmt::format("{:02}", twelve);
        case Part::minute:
            return fmt::format("{}", c.minute);
        case Part::minute_two:
            return fmt::format("{:02}", c.minute);
        case Part::second:
            return fmt::format("{}", c.second);
        case Part::second_two:
            return fmt::format("{:02}", c.second);
        case Part::year_long:
            return year_text(c.year);
        case Part::year_two:
            return fmt::format("{:02}", (c.year < 0 ? -c.year : c.year) % 100);
        case Part::pm_upper:
            return c.hour >= 12 ? "PM" : "AM";
        case Part::pm_lower:
            return c.hour >= 12 ? "pm" : "am";
        case Part::zone_name:
            return m.zone.empty() ? offset_text(m, Part::offset, false) : m.zone;
        case Part::fraction:
            return fraction_text(m, element);
        case Part::none:
            return std::string(element);
        default:
            return offset_text(m, found.part, found.utc_is_z);
    }
}

}  // namespace

std::string format_time(const Moment& m, std::string_view layout) {
    const auto calendar = calendar_of(m);
    std::string out;
    while (!layout.empty()) {
        const auto found = part_at(layout);
        out += part_text(m, calendar, found, layout.substr(0, found.length));
        layout.remove_prefix(found.length);
    }
    return out;
}

}  // namespace weir::gotemplate
