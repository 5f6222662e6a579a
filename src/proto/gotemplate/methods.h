#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/gotemplate/value.h"

namespace weir::gotemplate {

/// A method of one of the types that have any (section 12 of the facts).
struct Method {
    std::vector<TypeRef> in;
    bool (*run)(const Value& receiver, std::span<const Value> arguments, Value& result, std::string& error);
};
/// Null when the type has no such method; pointers have those of what they point to.
[[nodiscard]] const Method* find_method(const Type& type, std::string_view name);

}  // namespace weir::gotemplate
