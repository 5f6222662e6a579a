#include "base/env.h"

#include <cstdlib>

namespace weir {

std::optional<std::string> env(const char* name) {
    const char* value = std::getenv(name);
    return value ? std::optional<std::string>(value) : std::nullopt;
}

std::optional<std::string> env_either_case(const char* upper_name) {
    if (auto upper = env(upper_name); upper && !upper->empty()) return upper;
    std::string lower(upper_name);
    for (auto& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (auto value = env(lower.c_str()); value && !value->empty()) return value;
    return std::nullopt;
}

}  // namespace weir
