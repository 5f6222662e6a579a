#include "proto/hls/attributes.h"

#include <charconv>
#include <chrono>
#include <cmath>

namespace weir::hls {
namespace {

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) noexcept {
    if (at + count > text.size()) return std::nullopt;
    int value = 0;
    for (std::size_t i = at; i < at + count; ++i) {
        if (text[i] < '0' || text[i] > '9') return std::nullopt;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/// Minutes east of UTC of "Z", "+09:00", "+0900", "+09" or nothing.
std::optional<int> zone_minutes(std::string_view zone) noexcept {
    if (zone.empty() || zone == "Z" || zone == "z") return 0;
    if (zone[0] != '+' && zone[0] != '-') return std::nullopt;
    const auto hours = digits(zone, 1, 2);
    if (!hours) return std::nullopt;
    int minutes = 0;
    if (zone.size() > 3) {
        const std::size_t at = zone[3] == ':' ? 4 : 3;
        const auto m = digits(zone, at, 2);
        if (!m || zone.size() != at + 2) return std::nullopt;
        minutes = *m;
    }
    return (zone[0] == '-' ? -1 : 1) * (*hours * 60 + minutes);
}

}  // namespace

std::string_view trim(std::string_view text) noexcept {
    constexpr std::string_view blank = " \t\r";
    const auto from = text.find_first_not_of(blank);
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(blank) - from + 1);
}

std::optional<std::uint64_t> whole_number(std::string_view text) noexcept {
    text = trim(text);
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

std::optional<double> decimal(std::string_view text) noexcept {
    text = trim(text);
    if (text.empty() || text.find_first_not_of("0123456789.-") != std::string_view::npos) return std::nullopt;
    double value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (ec != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) || std::fabs(value) > 1e12)
        return std::nullopt;
    return value;
}

std::optional<Micros> seconds(std::string_view text) noexcept {
    const auto value = decimal(text);
    if (!value || *value < 0) return std::nullopt;
    return Micros(static_cast<std::int64_t>(std::llround(*value * 1e6)));
}

std::optional<std::int64_t> date_time(std::string_view text) noexcept {
    text = trim(text);
    const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
    const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':')
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok() || *hour > 24 || *minute > 59 || *second > 60) return std::nullopt;
    std::size_t at = 19;
    std::int64_t millis = 0;
    if (at < text.size() && (text[at] == '.' || text[at] == ',')) {
        std::int64_t unit = 100;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
            millis += unit * (text[at] - '0');
    }
    const auto zone = zone_minutes(text.substr(at));
    if (!zone) return std::nullopt;
    const auto days = std::chrono::sys_days(date).time_since_epoch().count();
    return (((static_cast<std::int64_t>(days) * 24 + *hour) * 60 + *minute - *zone) * 60 + *second) * 1000 + millis;
}

Result<Attributes> Attributes::parse(std::string_view text, std::size_t limit) {
    Attributes out;
    std::size_t at = 0;
    while (at < text.size()) {
        while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == ',')) ++at;
        if (at == text.size()) break;
        const auto equals = text.find_first_of("=,", at);
        if (equals == std::string_view::npos || text[equals] == ',')
            return Error{Errc::bad_input, fmt::format("attribute '{:.40}' has no value", text.substr(at))};
        const auto name = trim(text.substr(at, equals - at));
        at = equals + 1;
        std::string_view value;
        if (at < text.size() && text[at] == '"') {
            const auto close = text.find('"', at + 1);
            if (close == std::string_view::npos)
                return Error{Errc::bad_input, fmt::format("attribute {:.40} has no closing quote", name)};
            value = text.substr(at + 1, close - at - 1);
            at = text.find(',', close);
        } else {
            const auto comma = text.find(',', at);
            value = trim(text.substr(at, comma == std::string_view::npos ? comma : comma - at));
            at = comma;
        }
        if (out.all_.size() == limit) return Error{Errc::bad_input, fmt::format("more than {} attributes", limit)};
        out.all_.emplace_back(name, value);
        if (at == std::string_view::npos) break;
    }
    return out;
}

std::optional<std::string_view> Attributes::find(std::string_view name) const noexcept {
    for (const auto& [n, v] : all_)
        if (n == name) return v;
    return std::nullopt;
}

std::string Attributes::text(std::string_view name) const {
    return std::string(find(name).value_or(""));
}

bool Attributes::yes(std::string_view name) const noexcept {
    return find(name) == std::optional<std::string_view>("YES");
}

}  // namespace weir::hls
