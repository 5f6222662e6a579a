#pragma once
#include <boost/json/fwd.hpp>
#include <string_view>

#include "base/error.h"
#include "proto/gotemplate/value.h"

namespace weir::gotemplate {

/// Data for a template from JSON, as Go's decoder makes it of an `any`: objects are map[string]interface {}, lists
/// []interface {}, numbers float64, null is nil. An object whose "t" names a kind is a typed value instead (section 14 of the
/// facts). Errors: bad_input.
[[nodiscard]] Result<Value> value_from_json(std::string_view text);
[[nodiscard]] Value plain_value(const boost::json::value& v);
[[nodiscard]] Result<Value> typed_value(const boost::json::value& v);

}  // namespace weir::gotemplate
