#include "apps/relay/json_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace weir::relay {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

void append_utf8(std::string& out, std::uint32_t c) {
    const auto put = [&out](std::uint32_t b) { out += static_cast<char>(b); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | (c >> 6));
        put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | (c >> 12));
        put(0x80 | ((c >> 6) & 0x3F));
        put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | (c >> 18));
        put(0x80 | ((c >> 12) & 0x3F));
        put(0x80 | ((c >> 6) & 0x3F));
        put(0x80 | (c & 0x3F));
    }
}

class Parser {
public:
    Parser(std::string_view text, int deepest) : text_(text), deepest_(deepest) {}

    Result<JsonText> whole() {
        auto value = read(0);
        if (!value) return value;
        skip_space();
        if (at_ != text_.size()) return fail("there is more behind the value");
        return value;
    }

private:
    [[nodiscard]] Error fail(std::string what) const {
        return {Errc::bad_input, fmt::format("{}: {}", place_of(text_, at_), what)};
    }
    [[nodiscard]] bool done() const { return at_ == text_.size(); }
    [[nodiscard]] Error unexpected(std::string_view wanted) const {
        if (done()) return fail(fmt::format("it ends where {} should be", wanted));
        std::string seen;
        const auto length = std::max<std::size_t>(utf8_length(text_.substr(at_)), 1);
        append_printable(seen, text_.substr(at_, length));
        return fail(fmt::format("'{}' where {} should be", seen, wanted));
    }
    void skip_space() {
        while (!done() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
    }
    bool take(char c) {
        if (done() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    Result<JsonText> read(int depth);
    Result<> read_array(JsonText& into, int depth);
    Result<> read_object(JsonText& into, int depth);
    Result<std::string> read_text();
    Result<> read_escape(std::string& out);
    Result<std::uint32_t> read_hex4();
    Result<> read_number(JsonText& into);
    bool digits();

    std::string_view text_;
    int deepest_;
    std::size_t at_ = 0;
};

Result<JsonText> Parser::read(int depth) {
    skip_space();
    if (depth > deepest_) return fail(fmt::format("nested deeper than {} levels", deepest_));
    JsonText value;
    value.at = at_;
    if (done()) return unexpected("a value");
    const char c = text_[at_];
    Result<> ok;
    if (c == '{') {
        ok = read_object(value, depth);
    } else if (c == '[') {
        ok = read_array(value, depth);
    } else if (c == '"') {
        auto s = read_text();
        if (!s) return s.error();
        value.kind = JsonText::Kind::text;
        value.text = std::move(*s);
    } else if (c == '-' || is_digit(c)) {
        ok = read_number(value);
    } else {
        for (const std::string_view word : {"null", "true", "false"}) {
            if (!text_.substr(at_).starts_with(word)) continue;
            at_ += word.size();
            if (word == "null") return value;
            value.kind = JsonText::Kind::boolean;
            value.text = word;
            return value;
        }
        return unexpected("a value");
    }
    if (!ok) return ok.error();
    return value;
}

Result<> Parser::read_array(JsonText& into, int depth) {
    into.kind = JsonText::Kind::array;
    ++at_;
    skip_space();
    if (take(']')) return {};
    for (;;) {
        auto item = read(depth + 1);
        if (!item) return item.error();
        into.items.push_back(std::move(*item));
        skip_space();
        if (take(']')) return {};
        if (!take(',')) return unexpected("',' or ']'");
    }
}

Result<> Parser::read_object(JsonText& into, int depth) {
    into.kind = JsonText::Kind::object;
    ++at_;
    skip_space();
    if (take('}')) return {};
    for (;;) {
        skip_space();
        if (done() || text_[at_] != '"') return unexpected("a name in quotes");
        auto name = read_text();
        if (!name) return name.error();
        skip_space();
        if (!take(':')) return unexpected("':'");
        auto value = read(depth + 1);
        if (!value) return value.error();
        into.members.emplace_back(std::move(*name), std::move(*value));
        skip_space();
        if (take('}')) return {};
        if (!take(',')) return unexpected("',' or '}'");
    }
}

Result<std::string> Parser::read_text() {
    ++at_;
    std::string out;
    for (;;) {
        if (done()) return fail("a text without its closing quote");
        const char c = text_[at_];
        if (c == '"') {
            ++at_;
            return out;
        }
        if (c == '\\') {
            if (auto r = read_escape(out); !r) return r.error();
        } else if (static_cast<unsigned char>(c) < 0x20) {
            return unexpected("a character of a text (control characters are written \\u00XX)");
        } else if (const auto length = utf8_length(text_.substr(at_)); length > 0) {
            out += text_.substr(at_, length);
            at_ += length;
        } else {
            append_utf8(out, 0xFFFD);
            ++at_;
        }
    }
}

Result<> Parser::read_escape(std::string& out) {
    ++at_;
    if (done()) return unexpected("an escape");
    static constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    if (const auto i = letters.find(text_[at_]); i != std::string_view::npos) {
        out += meant[i];
        ++at_;
        return {};
    }
    if (text_[at_] != 'u') return unexpected("an escape");
    ++at_;
    auto c = read_hex4();
    if (!c) return c.error();
    if (*c >= 0xD800 && *c < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
        const auto before = at_;
        at_ += 2;
        auto low = read_hex4();
        if (!low) return low.error();
        if (*low >= 0xDC00 && *low < 0xE000) {
            append_utf8(out, 0x10000 + ((*c - 0xD800) << 10) + (*low - 0xDC00));
            return {};
        }
        at_ = before;  // not its other half: that one is a character of its own
    }
    append_utf8(out, *c >= 0xD800 && *c < 0xE000 ? 0xFFFD : *c);
    return {};
}

Result<std::uint32_t> Parser::read_hex4() {
    std::uint32_t c = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
        const int digit = done() ? -1 : hex_value(text_[at_]);
        if (digit < 0) return unexpected("one of four hexadecimal digits");
        c = c * 16 + static_cast<std::uint32_t>(digit);
    }
    return c;
}

bool Parser::digits() {
    const auto from = at_;
    while (!done() && is_digit(text_[at_])) ++at_;
    return at_ > from;
}

Result<> Parser::read_number(JsonText& into) {
    const auto from = at_;
    take('-');
    if (!take('0') && !digits()) return unexpected("a digit");
    if (take('.') && !digits()) return unexpected("a digit");
    if (take('e') || take('E')) {
        if (!take('+')) take('-');
        if (!digits()) return unexpected("a digit");
    }
    into.kind = JsonText::Kind::number;
    into.text = text_.substr(from, at_ - from);
    return {};
}

}  // namespace

const JsonText* JsonText::find(std::string_view name) const {
    const auto same = [wanted = folded(name)](const auto& m) { return folded(m.first) == wanted; };
    const auto found = std::find_if(members.rbegin(), members.rend(), same);
    return found == members.rend() ? nullptr : &found->second;
}

Result<JsonText> parse_json_text(std::string_view text, int deepest) {
    return Parser(text, deepest).whole();
}

std::string folded(std::string_view name) {
    std::string out;
    while (!name.empty()) {
        if (name.starts_with("\xC5\xBF")) {  // U+017F, long s
            out += 's';
            name.remove_prefix(2);
        } else if (name.starts_with("\xE2\x84\xAA")) {  // U+212A, the Kelvin sign
            out += 'k';
            name.remove_prefix(3);
        } else {
            out += ascii_lower(name.front());
            name.remove_prefix(1);
        }
    }
    return out;
}

std::string place_of(std::string_view text, std::size_t at) {
    const auto before = text.substr(0, at);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto begin = before.rfind('\n') + 1;  // npos + 1 is 0
    const auto is_start = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
    const auto rest = before.substr(begin);
    return fmt::format("line {}, column {}", line, 1 + std::count_if(rest.begin(), rest.end(), is_start));
}

std::string_view name_of(JsonText::Kind kind) noexcept {
    switch (kind) {
        case JsonText::Kind::null:
            return "null";
        case JsonText::Kind::boolean:
            return "true or false";
        case JsonText::Kind::number:
            return "a number";
        case JsonText::Kind::text:
            return "a text";
        case JsonText::Kind::array:
            return "a list";
        case JsonText::Kind::object:
            return "an object";
    }
    return "?";
}

}  // namespace weir::relay
