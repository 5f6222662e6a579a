#pragma once
// What cmake/pages.cmake writes into the build folder.
#include <span>
#include <string_view>

namespace weir::web {

struct Embedded {
    std::string_view path, etag;
    const unsigned char *begin, *end;
};
[[nodiscard]] std::span<const Embedded> embedded_files();

}  // namespace weir::web
