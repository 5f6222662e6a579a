#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "base/text.h"
#include "proto/yaml/reader.h"

namespace weir::yaml {
namespace {

struct DurationUnit {
    std::string_view name;
    std::uint64_t nanoseconds;
};
constexpr std::array duration_units{
    DurationUnit{"ns", 1},
    DurationUnit{"us", 1'000},
    DurationUnit{"µs", 1'000},
    DurationUnit{"μs", 1'000},
    DurationUnit{"ms", 1'000'000},
    DurationUnit{"s", 1'000'000'000},
    DurationUnit{"m", 60'000'000'000},
    DurationUnit{"h", 3'600'000'000'000},
};
constexpr std::uint64_t most_nanoseconds = std::uint64_t{1} << 63;

bool is_decimal(char c) {
    return c >= '0' && c <= '9';
}

/// Digits, a point, digits. What of a fraction does not fit is dropped, as Go drops it.
struct DurationNumber {
    std::uint64_t whole = 0, fraction = 0;
    double scale = 1;
    bool any = false, overflow = false;

    std::string_view take(std::string_view text) {
        std::size_t at = 0;
        for (; at < text.size() && is_decimal(text[at]); ++at) {
            any = true;
            overflow = overflow || whole > most_nanoseconds / 10;
            if (!overflow) whole = whole * 10 + static_cast<unsigned>(text[at] - '0');
        }
        if (at == text.size() || text[at] != '.') return text.substr(at);
        bool cut = false;
        for (++at; at < text.size() && is_decimal(text[at]); ++at) {
            any = true;
            if (fraction > (most_nanoseconds - 1) / 10) cut = true;
            if (cut) continue;
            fraction = fraction * 10 + static_cast<unsigned>(text[at] - '0');
            scale *= 10;
        }
        return text.substr(at);
    }
    /// At most 2^64 - 1: above most_nanoseconds is too much.
    [[nodiscard]] std::uint64_t times(std::uint64_t unit) const {
        if (overflow || whole > most_nanoseconds / unit) return most_nanoseconds + 1;
        const double part = static_cast<double>(fraction) * (static_cast<double>(unit) / scale);
        return whole * unit + static_cast<std::uint64_t>(part);
    }
};

}  // namespace

Result<std::chrono::nanoseconds> parse_go_duration(std::string_view text) {
    const auto quoted = [&] {
        std::string out = "\"";
        append_printable(out, text.substr(0, 100), true);
        return out + "\"";
    };
    const auto bad = [](std::string what) {
        return Error{.code = Errc::bad_input, .what = "time: " + std::move(what)};
    };
    auto rest = text;
    const bool minus = rest.starts_with('-');
    if (minus || rest.starts_with('+')) rest.remove_prefix(1);
    if (rest == "0") return std::chrono::nanoseconds(0);
    if (rest.empty()) return bad("invalid duration " + quoted());
    std::uint64_t total = 0;
    while (!rest.empty()) {
        DurationNumber number;
        rest = number.take(rest);
        if (!number.any) return bad("invalid duration " + quoted());
        std::size_t size = 0;
        while (size < rest.size() && rest[size] != '.' && !is_decimal(rest[size])) ++size;
        const auto name = rest.substr(0, size);
        rest.remove_prefix(size);
        if (name.empty()) return bad("missing unit in duration " + quoted());
        const auto* unit = std::find_if(duration_units.begin(), duration_units.end(),
                                        [&](const DurationUnit& u) { return u.name == name; });
        if (unit == duration_units.end())
            return bad(fmt::format("unknown unit \"{}\" in duration {}", valid_utf8(name.substr(0, 40)), quoted()));
        const auto more = number.times(unit->nanoseconds);
        if (more > most_nanoseconds || (total += more) > most_nanoseconds) return bad("invalid duration " + quoted());
    }
    if (minus && total == most_nanoseconds) return std::chrono::nanoseconds(std::numeric_limits<std::int64_t>::min());
    if (total >= most_nanoseconds) return bad("invalid duration " + quoted());
    const auto count = static_cast<std::int64_t>(total);
    return std::chrono::nanoseconds(minus ? -count : count);
}

}  // namespace weir::yaml
