#include "web/assets.h"

#include <array>

#include "web/embedded.h"

namespace weir::web {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> types{{
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".txt", "text/plain; charset=utf-8"},
}};

std::string_view type_of(std::string_view path) {
    for (const auto& [ending, type] : types)
        if (path.ends_with(ending)) return type;
    return "application/octet-stream";
}

/// The bytes are part of the program: nobody owns them.
Bytes in_program(const unsigned char* begin, const unsigned char* end) {
    const auto* data = reinterpret_cast<const std::byte*>(begin);
    return {std::shared_ptr<const std::byte[]>(std::shared_ptr<void>(), data),
            std::span(data, static_cast<std::size_t>(end - begin))};
}

}  // namespace

std::optional<Asset> find_asset(std::string_view path) {
    for (const auto& file : embedded_files())
        if (file.path == path) return Asset{type_of(path), file.etag, in_program(file.begin, file.end)};
    return std::nullopt;
}

}  // namespace weir::web
