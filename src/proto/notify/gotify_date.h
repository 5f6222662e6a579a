#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace weir::notify {

/// RFC 3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05" (both UTC) or Unix seconds, as RFC 3339 in UTC; nothing for anything else.
/// Where a query made the "+" of an offset a space, it is one again.
/// source  notify.md 5.4
[[nodiscard]] std::optional<std::string> gotify_date(std::string_view text);

}  // namespace weir::notify
