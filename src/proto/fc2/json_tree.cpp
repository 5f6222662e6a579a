#include "proto/fc2/json_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <cmath>

#include "base/numbers.h"
#include "base/text.h"

namespace weir::fc2 {
namespace {

constexpr std::size_t max_json = 4u << 20, max_levels = 64, max_values = 500'000;

/// What Boost's parser tells, as a tree. The path points into the tree: a list grows only at its open end.
class TreeBuilder {
public:
    using Code = boost::json::error_code;
    using View = boost::json::string_view;
    static constexpr std::size_t max_object_size = max_values, max_array_size = max_values, max_key_size = max_json,
                                 max_string_size = max_json;

    Json root;

    bool on_document_begin(Code&) { return true; }
    bool on_document_end(Code&) { return true; }
    bool on_object_begin(Code& ec) { return open(Json::Kind::object, ec); }
    bool on_object_end(std::size_t, Code&) { return close(); }
    bool on_array_begin(Code& ec) { return open(Json::Kind::list, ec); }
    bool on_array_end(std::size_t, Code&) { return close(); }
    bool on_key_part(View s, std::size_t, Code&) { return keep(s); }
    bool on_key(View s, std::size_t, Code&) {
        keep(s);
        key_ = std::exchange(part_, {});
        return true;
    }
    bool on_string_part(View s, std::size_t, Code&) { return keep(s); }
    bool on_string(View s, std::size_t, Code& ec) {
        return keep(s) && add(Json::text_of(std::exchange(part_, {})), ec);
    }
    bool on_number_part(View s, Code&) { return keep(s); }
    bool on_int64(std::int64_t, View s, Code& ec) { return number(s, ec); }
    bool on_uint64(std::uint64_t, View s, Code& ec) { return number(s, ec); }
    bool on_double(double, View s, Code& ec) { return number(s, ec); }
    bool on_bool(bool b, Code& ec) {
        Json made;
        made.kind = Json::Kind::boolean;
        made.truth = b;
        return add(std::move(made), ec);
    }
    bool on_null(Code& ec) { return add(Json(), ec); }
    bool on_comment_part(View, Code&) { return true; }
    bool on_comment(View, Code&) { return true; }

private:
    bool keep(View s) {
        part_.append(s.data(), s.size());
        return true;
    }
    bool number(View s, Code& ec) { return keep(s) && add(Json::number_of(std::exchange(part_, {})), ec); }
    Json* place(Json v, Code& ec) {
        if (++values_ > max_values) {
            ec = boost::json::error::array_too_large;
            return nullptr;
        }
        if (path_.empty()) {
            root = std::move(v);
            return &root;
        }
        auto& in = *path_.back();
        in.items.emplace_back(std::exchange(key_, {}), std::move(v));
        return &in.items.back().second;
    }
    bool add(Json v, Code& ec) { return place(std::move(v), ec) != nullptr; }
    bool open(Json::Kind kind, Code& ec) {
        auto* at = place(kind == Json::Kind::object ? Json::object() : Json::list(), ec);
        if (at) path_.push_back(at);
        return at != nullptr;
    }
    bool close() {
        path_.pop_back();
        return true;
    }

    std::vector<Json*> path_;
    std::string key_, part_;
    std::size_t values_ = 0;
};

/// The 16 bits of "\uXXXX" at the front; nothing when there is none.
std::optional<unsigned> unit_escape(std::string_view text) {
    if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return {};
    unsigned value = 0;
    for (const char c : text.substr(2, 4)) {
        if (hex_value(c) < 0) return {};
        value = value << 4 | static_cast<unsigned>(hex_value(c));
    }
    return value;
}

bool is_high(unsigned unit) {
    return unit >= 0xd800 && unit < 0xdc00;
}

bool is_low(unsigned unit) {
    return unit >= 0xdc00 && unit < 0xe000;
}

/// A text that was cut in the middle of an emoji ends in half of one, which strict parsers refuse.
std::string without_half_pairs(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto next = std::min(text.find('\\', at), text.size());
        out += text.substr(at, next - at);
        at = next;
        const auto rest = text.substr(at);
        const auto unit = unit_escape(rest);
        if (!unit) {
            out += rest.substr(0, 2);
            at += std::min<std::size_t>(rest.size(), 2);
            continue;
        }
        const auto second = unit_escape(rest.substr(6));
        const bool pair = is_high(*unit) && second && is_low(*second);
        const std::size_t length = pair ? 12 : 6;
        out += !pair && (is_high(*unit) || is_low(*unit)) ? std::string_view("\\ufffd") : rest.substr(0, length);
        at += length;
    }
    return out;
}

void append_go_text(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"' || c == '\\')
            (out += '\\') += c;
        else if (c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f')
            (out += '\\') += c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : c == '\b' ? 'b' : 'f';
        else if (static_cast<unsigned char>(c) < 0x20 || c == '<' || c == '>' || c == '&')
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else if (text.substr(i, 2) == "\xe2\x80" && i + 2 < text.size() && (text[i + 2] & '\xfe') == '\xa8')
            out += text[i += 2] == '\xa8' ? "\\u2028" : "\\u2029";
        else
            out += c;
    }
    out += '"';
}

void append_value(std::string& out, const Json& v, bool indented, std::size_t level) {
    switch (v.kind) {
        case Json::Kind::null:
            out += "null";
            return;
        case Json::Kind::boolean:
            out += v.truth ? "true" : "false";
            return;
        case Json::Kind::number:
            out += v.text;
            return;
        case Json::Kind::text:
            append_go_text(out, v.text);
            return;
        default:
            break;
    }
    const bool object = v.is(Json::Kind::object);
    const auto new_line = [&](std::size_t depth) {
        if (indented) out.append("\n").append(2 * depth, ' ');
    };
    out += object ? '{' : '[';
    for (std::size_t i = 0; i < v.items.size(); ++i) {
        if (i > 0) out += ',';
        new_line(level + 1);
        if (object) {
            append_go_text(out, v.items[i].first);
            out += indented ? ": " : ":";
        }
        append_value(out, v.items[i].second, indented, level + 1);
    }
    if (!v.items.empty()) new_line(level);
    out += object ? '}' : ']';
}

}  // namespace

// Here, where the type is whole: its own vector needs that.
Json::Json() = default;
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

Json Json::scalar(Kind kind, std::string text) {
    Json made;
    made.kind = kind;
    made.text = std::move(text);
    return made;
}

const Json* Json::find(std::string_view name) const noexcept {
    if (kind != Kind::object) return nullptr;
    const auto it = std::find_if(items.rbegin(), items.rend(), [name](const auto& item) { return item.first == name; });
    return it == items.rend() ? nullptr : &it->second;
}

Result<Json> parse_json_tree(std::string_view text) {
    if (text.size() > max_json) return Error{Errc::bad_input, fmt::format("JSON above {} bytes", max_json)};
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    const auto mended = without_half_pairs(valid_utf8(text));
    boost::json::parse_options options;
    options.max_depth = max_levels;
    boost::json::basic_parser<TreeBuilder> parser(options);
    boost::json::error_code ec;
    const auto used = parser.write_some(false, mended.data(), mended.size(), ec);
    if (ec) return Error{Errc::bad_input, fmt::format("not JSON: {}", ec.message())};
    if (used != mended.size()) return Error{Errc::bad_input, "not JSON: something follows it"};
    return std::move(parser.handler().root);
}

std::optional<std::int64_t> integer_in(const Json* v) {
    if (!v) return {};
    if (v->is(Json::Kind::boolean)) return v->truth ? 1 : 0;
    if (!v->is(Json::Kind::number) && !v->is(Json::Kind::text)) return {};
    const auto digits = stripped(v->text);
    if (const auto whole = parse_int(digits)) return *whole;
    const auto number = parse_number(digits);
    if (!number || std::abs(*number) >= 9e18) return {};
    return static_cast<std::int64_t>(*number);
}

std::optional<std::string> text_in(const Json* v) {
    if (!v) return {};
    if (v->is(Json::Kind::boolean)) return v->truth ? "true" : "false";
    if (v->is(Json::Kind::number) || v->is(Json::Kind::text)) return v->text;
    return {};
}

bool is_json_number(std::string_view digits) noexcept {
    const auto run = [&digits] {
        const auto count = std::min(digits.find_first_not_of("0123456789"), digits.size());
        digits.remove_prefix(count);
        return count;
    };
    if (digits.starts_with('-')) digits.remove_prefix(1);
    const bool leading_zero = digits.starts_with('0');
    const auto whole = run();
    if (whole == 0 || (leading_zero && whole > 1)) return false;
    if (digits.starts_with('.')) {
        digits.remove_prefix(1);
        if (run() == 0) return false;
    }
    if (digits.starts_with('e') || digits.starts_with('E')) {
        digits.remove_prefix(1);
        if (digits.starts_with('+') || digits.starts_with('-')) digits.remove_prefix(1);
        if (run() == 0) return false;
    }
    return digits.empty();
}

std::string_view name_of(Json::Kind kind) noexcept {
    switch (kind) {
        case Json::Kind::null:
            return "null";
        case Json::Kind::boolean:
            return "true or false";
        case Json::Kind::number:
            return "a number";
        case Json::Kind::text:
            return "text";
        case Json::Kind::list:
            return "a list";
        default:
            return "an object";
    }
}

void append_go_json(std::string& out, const Json& v, JsonLayout layout) {
    append_value(out, v, layout == JsonLayout::two_blanks, 0);
}

}  // namespace weir::fc2
