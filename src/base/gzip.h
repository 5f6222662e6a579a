#pragma once
#include <string>
#include <string_view>

namespace weir {

enum class GzipEffort : unsigned char { quick, small };

/// RFC 1952, in one piece. Throws std::bad_alloc alone. Limit: 4 GiB.
[[nodiscard]] std::string gzipped(std::string_view plain, GzipEffort effort = GzipEffort::quick);

}  // namespace weir
