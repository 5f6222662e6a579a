#include "proto/yaml/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "base/text.h"

namespace weir::yaml {
namespace {

constexpr std::size_t most_told = 20, most_warnings = 100;

bool is_collection(const Node& node) {
    return node.kind() == Kind::sequence || node.kind() == Kind::mapping;
}

bool before(Mark a, Mark b) {
    return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/// At most `most` bytes, cut between characters.
std::string_view utf8_front(std::string_view text, std::size_t most) {
    auto end = std::min(text.size(), most);
    while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return text.substr(0, end);
}

/// yaml.v3 where a bool is wanted: YAML 1.2's spellings unquoted, YAML 1.1's either way.
std::optional<bool> bool_of(const Node& node) {
    const auto word = ascii_lowered(node.text());
    if (!node.quoted() && (word == "true" || word == "false")) return word == "true";
    if (word == "yes" || word == "y" || word == "on") return true;
    if (word == "no" || word == "n" || word == "off") return false;
    return std::nullopt;
}

/// A whole number as Go's library reads it: signs, '_' between digits, 0x 0o 0b, and 20.0 or 2e1.
std::optional<long long> whole_number(std::string_view written) {
    std::string text;
    for (const char c : written)
        if (c != '_') text += c;
    std::string_view digits = text;
    const bool minus = digits.starts_with('-');
    if (minus || digits.starts_with('+')) digits.remove_prefix(1);
    if (digits.empty() || digits.size() > 40 || digits[0] < '0' || digits[0] > '9') return std::nullopt;
    int base = 10;
    if (digits.size() > 2 && digits[0] == '0') {
        const char sign = ascii_lower(digits[1]);
        base = sign == 'x' ? 16 : sign == 'o' ? 8 : sign == 'b' ? 2 : 10;
        if (base != 10) digits.remove_prefix(2);
    }
    if (base == 10 && digits.find_first_of(".eE") != digits.npos) {
        char* end = nullptr;
        const std::string copy(digits);
        const double value = std::strtod(copy.c_str(), &end);
        if (*end != '\0' || !(value < 9e15) || value != std::floor(value)) return std::nullopt;
        return static_cast<long long>(minus ? -value : value);
    }
    long long value = 0;
    for (const char c : digits) {
        const int digit = hex_value(c);
        if (digit < 0 || digit >= base) return std::nullopt;
        value = std::min(value * base + digit, 9'000'000'000'000'000LL);
    }
    return minus ? -value : value;
}

std::optional<long long> whole_number(const Node& node) {
    return node.quoted() ? std::nullopt : whole_number(node.text());
}

/// 010 is 8 in Go's library and 10 for people.
bool looks_octal(const Node& node) {
    const auto text = stripped(node.text());
    return text.size() > 1 && text[0] == '0' && text.find_first_not_of("0123456789") == text.npos;
}

/// "5min", "10 s", "2 days" as Go writes it; empty when it cannot be guessed. A bare number is seconds.
std::string guessed_duration(std::string_view text) {
    text = stripped(text);
    const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const auto number = text.substr(0, digits);
    const auto unit = ascii_lowered(stripped(text.substr(digits)));
    if (number.empty() || number.size() > 6) return "";
    struct Spelling {
        std::string_view word, unit;
    };
    static constexpr std::array spellings{
        Spelling{"", "s"},       Spelling{"s", "s"},       Spelling{"sec", "s"},     Spelling{"secs", "s"},
        Spelling{"second", "s"}, Spelling{"seconds", "s"}, Spelling{"m", "m"},       Spelling{"min", "m"},
        Spelling{"mins", "m"},   Spelling{"minute", "m"},  Spelling{"minutes", "m"}, Spelling{"h", "h"},
        Spelling{"hr", "h"},     Spelling{"hrs", "h"},     Spelling{"hour", "h"},    Spelling{"hours", "h"},
        Spelling{"ms", "ms"},    Spelling{"msec", "ms"},
    };
    for (const auto& spelling : spellings)
        if (unit == spelling.word) return fmt::format("{}{}", number, spelling.unit);
    const bool days = unit == "d" || unit == "day" || unit == "days";
    if (days && number.find('.') == number.npos) return fmt::format("{}h", std::stoi(std::string(number)) * 24);
    return "";
}

std::string joined_lines(const std::vector<std::string>& lines, std::size_t most) {
    std::string out;
    for (std::size_t i = 0; i < std::min(lines.size(), most); ++i) out += (i == 0 ? "" : "\n") + lines[i];
    if (lines.size() > most) out += fmt::format("\n… and {} more", lines.size() - most);
    return out;
}

std::string folded_key(std::string_view key) {
    std::string out;
    for (const char c : key)
        if (c != '_' && c != '-') out += ascii_lower(c);
    return out;
}

/// Edits (one character more, less, another, two changed round) between two short words.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t other = a[i - 1] == b[j - 1] ? 0 : 1;
            cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + other});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a.size()][b.size()];
}

}  // namespace

std::string shown(std::string_view text) {
    constexpr std::size_t most = 60;
    const auto begin = utf8_front(text, most);
    std::string out = "\"";
    append_printable(out, begin, true);
    return out + (begin.size() < text.size() ? "…\"" : "\"");
}

std::string one_line(const std::string& file, Mark at, std::string_view what) {
    constexpr std::size_t most = 1'000;
    const auto begin = utf8_front(what, most);
    auto out = fmt::format("{}:{}:{}: ", file, at.line, at.column);
    append_printable(out, begin);
    return begin.size() < what.size() ? out + "…" : out;
}

std::string shown(const Node& node) {
    switch (node.kind()) {
        case Kind::null:
            return "nothing";
        case Kind::sequence:
            return "a list";
        case Kind::mapping:
            return "a block of keys and values";
        case Kind::scalar:
            break;
    }
    if (!node.quoted() && bool_of(node)) return node.text();
    if (whole_number(node)) return "the number " + node.text();
    return shown(node.text());
}

std::string go_duration_text(Millis duration) {
    using namespace std::chrono;
    if (duration < Millis(0)) return "-" + go_duration_text(-duration);
    if (duration == Millis(0)) return "0s";
    std::string out;
    const auto part = [&](auto unit, std::string_view name) {
        const auto count = duration / unit;
        duration -= duration_cast<Millis>(unit * count);
        if (count > 0) out += fmt::format("{}{}", count, name);
    };
    part(hours(1), "h");
    part(minutes(1), "m");
    part(seconds(1), "s");
    part(Millis(1), "ms");
    return out;
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
    if (word.size() > 64) return "";
    const auto folded = folded_key(word);
    const auto most = std::clamp<std::size_t>(folded.size() / 3, 1, 3);
    std::string best;
    auto least = most + 1;
    for (const auto& candidate : known) {
        const auto distance = edit_distance(folded, folded_key(candidate));
        if (distance >= least || distance >= candidate.size()) continue;
        least = distance;
        best = candidate;
    }
    return best;
}

void Complaints::error(Mark at, std::string what) {
    const auto place = std::upper_bound(places_.begin(), places_.end(), at, before);
    errors_.insert(errors_.begin() + (place - places_.begin()), one_line(file_, at, what));
    places_.insert(place, at);
}

void Complaints::warning(Mark at, std::string what) {
    if (warnings_.size() < most_warnings)
        warnings_.push_back(one_line(file_, at, what));
    else if (warnings_.size() == most_warnings)
        warnings_.push_back(fmt::format("{}: more warnings than are told", file_));
}

Result<> Complaints::result() const {
    if (errors_.empty()) return {};
    return Error{.code = Errc::bad_input, .what = joined_lines(errors_, most_told)};
}

MapReader::MapReader(const Node& node, std::string what, Complaints& complaints)
    : node_(node), what_(std::move(what)), complaints_(complaints) {
    if (node.kind() == Kind::null || node.kind() == Kind::mapping) return;
    complaints_.error(node.mark(), fmt::format("{}{} stands where keys and values are wanted; write KEY: VALUE lines",
                                               what_.empty() ? "" : what_ + ": ", shown(node)));
    node_ = Node();
}

const Node* MapReader::take(std::string_view key) {
    known_.emplace_back(key);
    const auto* node = node_.find(key);
    return node && node->kind() != Kind::null ? node : nullptr;
}

std::string MapReader::path_of(std::string_view key) const {
    return what_.empty() ? std::string(key) : fmt::format("{}.{}", what_, key);
}

Mark MapReader::place_of(std::string_view key) const {
    const auto* node = node_.find(key);
    return node ? node->mark() : node_.mark();
}

bool MapReader::read(std::string_view key, std::string& into) {
    const auto* node = take(key);
    if (!node) return false;
    if (is_collection(*node)) {
        complaints_.error(node->mark(), fmt::format("{}: {} stands where one text is wanted; write {}: 'TEXT'",
                                                    path_of(key), shown(*node), key));
        return false;
    }
    into = node->text();
    return true;
}

bool MapReader::read(std::string_view key, bool& into) {
    const auto* node = take(key);
    if (!node) return false;
    const auto value = is_collection(*node) ? std::nullopt : bool_of(*node);
    if (value) {
        into = *value;
        return true;
    }
    const auto word = ascii_lowered(node->text());
    const bool in_quotes = node->quoted() && (word == "true" || word == "false");
    complaints_.error(node->mark(),
                      in_quotes
                          ? fmt::format("{}: {} in quotes is text; write {}: {}", path_of(key), shown(*node), key, word)
                          : fmt::format("{}: {} is neither true nor false; write {}: true or {}: false", path_of(key),
                                        shown(*node), key, key));
    return false;
}

bool MapReader::read(std::string_view key, int& into, int least, int most) {
    const auto* node = take(key);
    if (!node) return false;
    const auto fail = [&](std::string what) {
        complaints_.error(node->mark(), fmt::format("{}: {}", path_of(key), what));
        return false;
    };
    const auto value = is_collection(*node) ? std::nullopt : whole_number(*node);
    if (!value && node->kind() == Kind::scalar && whole_number(node->text()))
        return fail(fmt::format("{} in quotes is text; write {}: {}", shown(*node), key, node->text()));
    if (!value) return fail(fmt::format("{} is no whole number; write {}: {}", shown(*node), key, into));
    if (looks_octal(*node)) {
        const auto digits = node->text().find_first_not_of('0');
        const auto plain = digits == std::string::npos ? "0" : node->text().substr(digits);
        return fail(fmt::format("{} may be read as an octal number; write {}: {}", shown(*node), key, plain));
    }
    if (*value < least) return fail(fmt::format("{} is too small; write {} or more", node->text(), least));
    if (*value > most) return fail(fmt::format("{} is too large; write {} or less", node->text(), most));
    into = static_cast<int>(*value);
    return true;
}

bool MapReader::read(std::string_view key, std::vector<std::string>& into) {
    const auto* node = take(key);
    if (!node) return false;
    if (node->kind() != Kind::sequence) {
        complaints_.error(node->mark(),
                          fmt::format("{}: {} stands where a list is wanted; write \"- ITEM\" lines under it",
                                      path_of(key), node->kind() == Kind::mapping ? shown(*node) : "one text"));
        return false;
    }
    std::vector<std::string> items;
    for (const auto& item : node->items()) {
        if (item.kind() == Kind::scalar)
            items.push_back(item.text());
        else
            complaints_.error(item.mark(), fmt::format("{}: {} stands where an item is wanted; write - 'TEXT'",
                                                       path_of(key), shown(item)));
    }
    into = std::move(items);
    return true;
}

bool MapReader::read(std::string_view key, std::map<std::string, std::string>& into) {
    const auto* node = take(key);
    if (!node) return false;
    if (node->kind() != Kind::mapping) {
        complaints_.error(
            node->mark(),
            fmt::format("{}: {} stands where keys and values are wanted; write NAME: 'TEXT' lines under it",
                        path_of(key), shown(*node)));
        return false;
    }
    for (const auto& entry : node->entries()) {
        if (is_collection(entry.value))
            complaints_.error(entry.value.mark(),
                              fmt::format("{}.{}: {} stands where one text is wanted; write {}: 'TEXT'", path_of(key),
                                          entry.key.text(), shown(entry.value), entry.key.text()));
        else
            into[entry.key.text()] = entry.value.kind() == Kind::null ? "" : entry.value.text();
    }
    return true;
}

bool MapReader::read_duration(std::string_view key, Millis& into, Millis least, Millis most) {
    const auto* node = take(key);
    if (!node) return false;
    const auto fail = [&](std::string what) {
        complaints_.error(node->mark(), fmt::format("{}: {}", path_of(key), what));
        return false;
    };
    if (is_collection(*node))
        return fail(fmt::format("{} is no duration; write {}: {}", shown(*node), key, go_duration_text(into)));
    const auto& text = node->text();
    const bool bare = whole_number(*node).has_value() || text.find_first_not_of("0123456789.") == text.npos;
    const auto value = parse_go_duration(text);
    if (!value || (bare && !node->quoted())) {  // a bare 0 is a number for YAML, and no duration (FC2-105)
        const auto guess = guessed_duration(text);
        const auto fix = guess.empty() ? go_duration_text(into == Millis(0) ? std::chrono::hours(24) : into) : guess;
        if (bare) return fail(fmt::format("{} has no unit; write \"{}\"", shown(text), fix));
        return fail(
            fmt::format("{} is no duration; write {}\"{}\"", shown(text), guess.empty() ? "it like " : "", fix));
    }
    const auto millis = std::chrono::duration_cast<Millis>(*value);
    if (millis < least)
        return fail(fmt::format("{} is too short; write {} or more{}", shown(text), go_duration_text(least),
                                into > least ? fmt::format(", like \"{}\"", go_duration_text(into)) : ""));
    if (millis > most)
        return fail(fmt::format("{} is too long; write {} or less", shown(text), go_duration_text(most)));
    into = millis;
    return true;
}

bool MapReader::read(std::string_view key, const std::function<void(const Node&)>& with) {
    known_.emplace_back(key);
    const auto* node = node_.find(key);
    if (node) with(*node);
    return node != nullptr;
}

bool MapReader::read_checked(std::string_view key, std::string& into,
                             const std::function<Result<>(const std::string&)>& check) {
    auto text = into;
    if (!read(key, text)) return false;
    if (const auto checked = check(text); !checked) {
        complaints_.error(place_of(key), fmt::format("{}: {}", path_of(key), checked.error().what));
        return false;
    }
    into = std::move(text);
    return true;
}

void MapReader::deprecated(std::string_view key, std::string_view instead) {
    known_.emplace_back(key);
    for (const auto& entry : node_.entries())
        if (entry.key.text() == key)
            complaints_.warning(entry.key.mark(), fmt::format("{} is deprecated; {}", path_of(key), instead));
}

void MapReader::finish(const std::map<std::string, std::string>& elsewhere) {
    std::vector<std::string> others;
    for (const auto& one : elsewhere) others.push_back(one.first);
    for (const auto& entry : node_.entries()) {
        const auto& key = entry.key.text();
        if (std::find(known_.begin(), known_.end(), key) != known_.end() || key.starts_with("x-")) continue;
        const auto said = elsewhere.find(key);
        auto near = said == elsewhere.end() ? nearest(key, known_) : "";
        std::string fix = "it is ignored, take it out";
        if (said != elsewhere.end())
            fix = said->second;
        else if (!near.empty())
            fix = fmt::format("write \"{}\"", near);
        else if (near = nearest(key, others); !near.empty())
            fix = elsewhere.at(near);
        complaints_.warning(entry.key.mark(),
                            fmt::format("unknown key {}{}; {}", shown(key), what_.empty() ? "" : " in " + what_, fix));
    }
}

}  // namespace weir::yaml
