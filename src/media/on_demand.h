#pragma once
#include <string>
#include <utility>
#include <vector>

namespace weir::media {

/// Makes sure that libav is there, where it is loaded on demand (docs/decisions/0009): returns nothing when it is; otherwise starts
/// this program again with it, which only returns, with what is missing, when that failed. Called by the media tool before
/// anything else.
[[nodiscard]] std::string load_libav();

/// Names and versions, also where libav is not loaded; empty when it is not installed.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> libav_versions();

}  // namespace weir::media
