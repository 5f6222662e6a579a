#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/error.h"

/// The templates of a configuration tried before anything is recorded or sent with them (FC2-68 to FC2-73, FC2-129).
namespace weir::fc2 {

/// Errors: bad_input saying what is wrong and which fields there are.
[[nodiscard]] Result<> check_out_format(const std::string& text, const std::map<std::string, std::string>& labels);

/// `event`: a name of notificationFormats. Errors: bad_input; fields that this event does not have.
[[nodiscard]] Result<> check_notice(const std::string& event, const std::string& text);

[[nodiscard]] const std::vector<std::string>& event_names();

}  // namespace weir::fc2
