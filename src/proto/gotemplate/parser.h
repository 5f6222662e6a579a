#pragma once
#include <string>
#include <string_view>

#include "base/error.h"
#include "proto/gotemplate/node.h"

namespace weir::gotemplate {

/// Reads a text into its own body, under `name`, and what it defines. Errors: bad_input with Go's text.
[[nodiscard]] Result<Definitions> parse_text(std::string_view name, std::string_view text, std::size_t nesting);

}  // namespace weir::gotemplate
