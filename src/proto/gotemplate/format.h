#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "proto/gotemplate/value.h"

namespace weir::gotemplate {

// Go's fmt.Sprint, Sprintln and Sprintf (sections 10 and 11 of the facts). At most `max_bytes` are made: false when there
// would be more.
[[nodiscard]] bool print_values(std::span<const Value> values, std::size_t max_bytes, std::string& out);
[[nodiscard]] bool print_line(std::span<const Value> values, std::size_t max_bytes, std::string& out);
[[nodiscard]] bool print_format(std::string_view format, std::span<const Value> values, std::size_t max_bytes,
                                std::string& out);

/// One value as %v or %s would print it in an error text.
[[nodiscard]] std::string text_of(const Value& v, char verb = 'v');

}  // namespace weir::gotemplate
