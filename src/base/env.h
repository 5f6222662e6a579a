#pragma once
#include <optional>
#include <string>

namespace weir {

/// One environment variable; an empty one counts as set. Reads only: weir never changes its own environment.
[[nodiscard]] std::optional<std::string> env(const char* name);

/// NAME, else name: for the proxy variables, which exist in both cases (FC2-137). Empty counts as not set here.
[[nodiscard]] std::optional<std::string> env_either_case(const char* upper_name);

}  // namespace weir
