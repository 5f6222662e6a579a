#pragma once
#include <span>
#include <string>
#include <string_view>

#include "proto/gotemplate/value.h"

namespace weir::gotemplate {

/// Is it one of the built-in functions (section 9 of the facts)? There are no others.
[[nodiscard]] bool is_function(std::string_view name);

struct Builtin {
    std::string_view name;
    bool takes_any = false;      ///< arguments become `any` (print …), else they stay as they are (index …)
    bool first_is_text = false;  ///< printf
    std::size_t fixed = 0;       ///< arguments it must have
    bool variadic = false;
    bool (*run)(std::span<const Value> arguments, std::size_t max_bytes, Value& result, std::string& error) = nullptr;
};
/// Null for a name that is none. `and`, `or` and `call` have no `run`: the caller knows how to.
[[nodiscard]] const Builtin* find_builtin(std::string_view name);

/// What `call` does with a value that is a function, or not.
[[nodiscard]] bool call_value(std::string_view name, const Value& f, std::span<const Value> arguments, Value& result,
                              std::string& error);

[[nodiscard]] bool compare_equal(std::span<const Value> arguments, bool& equal, std::string& error);
[[nodiscard]] bool compare_less(const Value& a, const Value& b, bool& less, std::string& error);

/// What `{{x}}` prints: pointers are followed; false when it cannot be printed.
[[nodiscard]] bool printable(const Value& v, Value& out);

}  // namespace weir::gotemplate
