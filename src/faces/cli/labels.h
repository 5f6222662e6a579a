#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace weir::faces {

/// What --label said, KEY=VALUE each; the last of a key counts. Errors: bad_input naming the flag.
[[nodiscard]] Result<std::map<std::string, std::string>> parse_labels(const std::vector<std::string>& texts);

}  // namespace weir::faces
