#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "proto/fc2/json_tree.h"
#include "proto/gotemplate/value.h"

namespace weir::fc2 {

/// `data` of memberApi in the shape that FC2-8 tells: every known key in order and of its kind (absent numbers 0, absent text ""),
/// the unknown ones after those of their object. A known key of a kind that FC2-8 does not list for it is told in `drifts`, once.
[[nodiscard]] Json shaped_member(const Json& data, std::vector<std::string>& drifts);

/// That shape under the Go names (FC2-69, FC2-70); unknown keys are not in it. Numbers print as they were received.
[[nodiscard]] gotemplate::Value member_value(const Json& shaped);

}  // namespace weir::fc2
