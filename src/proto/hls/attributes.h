#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace weir::hls {

/// NAME=value,NAME="quoted, value",… of one tag; views into the line.
/// errors   bad_input: too many, an unclosed quote, a pair without '='
/// source   RFC 8216 4.2
class Attributes {
public:
    static Result<Attributes> parse(std::string_view text, std::size_t limit);
    [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
    [[nodiscard]] std::string text(std::string_view name) const;  ///< empty when absent
    [[nodiscard]] bool yes(std::string_view name) const noexcept;
    [[nodiscard]] const std::vector<std::pair<std::string_view, std::string_view>>& all() const noexcept {
        return all_;
    }

private:
    std::vector<std::pair<std::string_view, std::string_view>> all_;
};

/// Decimal digits only, the whole text; none on anything else or overflow.
[[nodiscard]] std::optional<std::uint64_t> whole_number(std::string_view text) noexcept;
/// "1", "1.5", "-3.25"; finite, no exponent games, at most 1e12.
[[nodiscard]] std::optional<double> decimal(std::string_view text) noexcept;
[[nodiscard]] std::optional<Micros> seconds(std::string_view text) noexcept;  ///< not negative
/// "2024-08-19T23:23:47.099Z", "+09:00", "+0900", or without a zone (taken as UTC): Unix milliseconds.
[[nodiscard]] std::optional<std::int64_t> date_time(std::string_view text) noexcept;
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

}  // namespace weir::hls
