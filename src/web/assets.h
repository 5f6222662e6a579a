#pragma once
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace weir::web {

/// A file of a page, built into the program.
struct Asset {
    std::string_view content_type;  ///< with charset where it is text
    std::string_view etag;          ///< quoted; changes with the content
    Bytes body;                     ///< lies in the program itself: no copy
};

/// By path as it stands below a page's root: "relay/index.html", "players/mpegts.js". None: no such file.
/// threads  any
[[nodiscard]] std::optional<Asset> find_asset(std::string_view path);

}  // namespace weir::web
