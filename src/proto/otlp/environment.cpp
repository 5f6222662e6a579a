#include "proto/otlp/environment.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "base/numbers.h"
#include "base/text.h"

namespace weir::otlp {
namespace {

constexpr std::int64_t longest_millis = 86'400'000;

std::optional<std::string> unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

bool is_header_name(std::string_view name) {
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
    return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
        const char l = ascii_lower(c);
        return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || marks.find(c) != std::string_view::npos;
    });
}

bool is_header_value(std::string_view value) {
    return std::all_of(value.begin(), value.end(), [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
}

}  // namespace

std::optional<Environment::Found> Environment::first(std::initializer_list<std::string> names) const {
    for (const auto& name : names) {
        const auto value = get_(name.c_str());
        if (!value) continue;
        const auto held = stripped(*value);
        if (!held.empty()) return Found{name, std::string(held)};
    }
    return std::nullopt;
}

bool Environment::truth(std::initializer_list<std::string> names) const {
    const auto found = first(names);
    return found && ascii_lowered(found->value) == "true";
}

std::int64_t Environment::number(std::initializer_list<std::string> names, std::int64_t otherwise, std::int64_t least,
                                 std::int64_t most, std::string_view what) {
    const auto found = first(names);
    if (!found) return otherwise;
    if (const auto value = parse_int(found->value, least, most)) return *value;
    complain(found->name, fmt::format("{} from {} to {}", what, least, most));
    return otherwise;
}

Millis Environment::millis(std::initializer_list<std::string> names, Millis otherwise) {
    return Millis(number(names, otherwise.count(), 1, longest_millis, "milliseconds"));
}

std::size_t Environment::limit(std::initializer_list<std::string> names, std::size_t otherwise) {
    const auto found = first(names);
    if (!found) return otherwise;
    const auto value = parse_int(found->value);
    if (!value) {
        complain(found->name, "a whole number (negative: no limit)");
        return otherwise;
    }
    return *value < 0 ? std::numeric_limits<std::size_t>::max() : static_cast<std::size_t>(*value);
}

std::size_t Environment::choice(std::initializer_list<std::string> names, std::size_t otherwise,
                                std::initializer_list<std::string_view> words) {
    const auto found = first(names);
    if (!found) return otherwise;
    const auto at = std::find(words.begin(), words.end(), ascii_lowered(found->value));
    if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
    complain(found->name, fmt::format("one of {}", fmt::join(words, ", ")));
    return otherwise;
}

std::vector<std::pair<std::string, std::string>> Environment::pairs(std::initializer_list<std::string> names,
                                                                    bool header) {
    std::vector<std::pair<std::string, std::string>> out;
    const auto found = first(names);
    if (!found) return out;
    std::string_view rest = found->value;
    for (int number = 1; !rest.empty(); ++number) {
        const auto comma = std::min(rest.find(','), rest.size());
        const auto entry = stripped(rest.substr(0, comma));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
        if (entry.empty()) continue;
        const auto equals = entry.find('=');
        const auto key = unescaped(stripped(entry.substr(0, equals)));
        const auto value =
            equals == std::string_view::npos ? std::nullopt : unescaped(stripped(entry.substr(equals + 1)));
        if (!key || !value || key->empty() || (header && !(is_header_name(*key) && is_header_value(*value)))) {
            complain(found->name, fmt::format("key=value pairs with commas between, percent-encoded{}; the {}. is none",
                                              header ? ", such as a header can hold" : "", number));
            return {};
        }
        std::erase_if(out, [&](const auto& one) {
            return header ? ascii_lowered(one.first) == ascii_lowered(*key) : one.first == *key;
        });
        out.emplace_back(*key, *value);
    }
    return out;
}

void Environment::complain(std::string_view name, std::string_view takes) {
    if (!complaint_) complaint_ = Error{Errc::bad_input, fmt::format("{} takes {}", name, takes)};
}

}  // namespace weir::otlp
