#include "store/names.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "proto/gotemplate/text.h"

namespace weir::store {
namespace {

/// Unicode's white space.
bool is_space(char32_t c) {
    constexpr std::u32string_view spaces = U" \u00A0\u1680\u2028\u2029\u202F\u205F\u3000";
    return (c >= 0x09 && c <= 0x0D) || c == 0x85 || (c >= 0x2000 && c <= 0x200A) ||
           spaces.find(c) != std::u32string_view::npos;
}

/// Letters, marks, numbers, punctuation, symbols and blanks; not controls, formats, line ends, private use, unassigned.
bool is_graphic(char32_t c) {
    const bool blank = is_space(c) && c > 0x85 && c != 0x2028 && c != 0x2029;
    return gotemplate::is_printable(c) || blank;
}

bool is_device_name(std::string_view name) {
    std::string upper(name);
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    if (upper == "CON" || upper == "PRN" || upper == "AUX" || upper == "NUL") return true;
    return upper.size() == 4 && (upper.starts_with("COM") || upper.starts_with("LPT")) && upper[3] >= '1' &&
           upper[3] <= '9';
}

template <class Drop>
std::u32string_view trimmed(std::u32string_view s, Drop drop) {
    while (!s.empty() && drop(s.front())) s.remove_prefix(1);
    while (!s.empty() && drop(s.back())) s.remove_suffix(1);
    return s;
}

}  // namespace

std::string sanitise_name(std::string_view name) {
    std::u32string kept;
    bool in_run = false;
    while (!name.empty()) {
        const auto [c, bytes, valid] = gotemplate::first_rune(name);
        name.remove_prefix(bytes);
        const bool forbidden = std::u32string_view(U"\\/:*?\"<>|").find(c) != std::u32string_view::npos;
        if (forbidden && !in_run) kept.push_back(U'_');
        in_run = forbidden;
        if (!forbidden && is_graphic(c)) kept.push_back(c);
    }
    const auto middle = trimmed(trimmed(kept, is_space), [](char32_t c) { return c == U'.'; });
    std::string out;
    for (const char32_t c : middle) gotemplate::append_rune(out, c);
    if (is_device_name(out)) out.insert(out.begin(), '_');
    return out.empty() ? "_" : out;
}

std::string shorten_name(std::string_view name, std::size_t max_bytes) {
    if (name.size() <= max_bytes) return std::string(name);
    std::size_t keep = 0;
    for (std::string_view rest = name; !rest.empty();) {
        const auto bytes = gotemplate::first_rune(rest).bytes;
        if (keep + bytes > max_bytes) break;
        keep += bytes;
        rest.remove_prefix(bytes);
    }
    while (keep > 0 && (name[keep - 1] == ' ' || name[keep - 1] == '.')) --keep;
    return std::string(name.substr(0, keep));
}

}  // namespace weir::store
