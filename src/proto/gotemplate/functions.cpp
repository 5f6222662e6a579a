#include "proto/gotemplate/functions.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

#include "proto/gotemplate/format.h"
#include "proto/gotemplate/text.h"

namespace weir::gotemplate {
namespace {

using Arguments = std::span<const Value>;

bool too_long(std::string& error, std::size_t max_bytes) {
    error = fmt::format("a result of more than {} bytes", max_bytes);
    return false;
}

bool done(Value& result, Value v) {
    result = std::move(v);
    return true;
}

// len, index, slice

bool run_len(Arguments a, std::size_t, Value& result, std::string& error) {
    bool nil = false;
    const Value v = followed(a[0], nil);
    if (nil) return error = "len of nil pointer", false;
    const Kind kind = v.kind();
    if (kind == Kind::string || kind == Kind::slice || kind == Kind::array || kind == Kind::map)
        return done(result, Value::integer(static_cast<std::int64_t>(v.length())));
    error = v.valid() ? "len of type " + v.type()->name : "reflect: call of reflect.Value.Type on zero Value";
    return false;
}

bool position(const Value& given, std::size_t most, std::size_t& at, std::string& error) {
    const Value v = out_of_interface(given);
    std::int64_t x = 0;
    if (is_signed(v.kind()))
        x = v.as_int();
    else if (is_unsigned(v.kind()))
        x = static_cast<std::int64_t>(v.as_uint());
    else if (v.valid())
        return error = "cannot index slice/array with type " + v.type()->name, false;
    else
        return error = "cannot index slice/array with nil", false;
    if (x < 0 || static_cast<std::uint64_t>(x) > most) return error = fmt::format("index out of range: {}", x), false;
    at = static_cast<std::size_t>(x);
    return true;
}

bool is_integer_like(Kind kind) {
    return is_signed(kind) || is_unsigned(kind);
}

/// To another integer type; what does not fit is cut, as in Go.
Value converted(const Value& v, const TypeRef& type) {
    const auto bits = is_signed(v.kind()) ? static_cast<std::uint64_t>(v.as_int()) : v.as_uint();
    switch (type->kind) {
        case Kind::int8:
            return Value::integer(static_cast<std::int8_t>(bits), type);
        case Kind::int16:
            return Value::integer(static_cast<std::int16_t>(bits), type);
        case Kind::int32:
            return Value::integer(static_cast<std::int32_t>(bits), type);
        case Kind::uint8:
            return Value::natural(static_cast<std::uint8_t>(bits), type);
        case Kind::uint16:
            return Value::natural(static_cast<std::uint16_t>(bits), type);
        case Kind::uint32:
            return Value::natural(static_cast<std::uint32_t>(bits), type);
        default:
            if (is_signed(type->kind)) return Value::integer(static_cast<std::int64_t>(bits), type);
            return Value::natural(bits, type);
    }
}

bool prepared(const Value& given, const TypeRef& type, Value& out, std::string& error) {
    out = given;
    if (!given.valid()) {
        if (!can_be_nil(type->kind)) return error = "value is nil; should be of type " + type->name, false;
        out = Value::zero(type);
        return true;
    }
    if (same_type(given.type(), type) || type->is_any()) return true;
    if (type->kind == Kind::interface && has_text_method(*given.type())) return true;
    if (is_integer_like(given.kind()) && is_integer_like(type->kind)) return done(out, converted(given, type));
    error = fmt::format("value has type {}; should be {}", given.type()->name, type->name);
    return false;
}

bool index_once(Value& item, const Value& index, std::string& error) {
    bool nil = false;
    item = followed(item, nil);
    if (nil) return error = "index of nil pointer", false;
    const Kind kind = item.kind();
    if (kind == Kind::map) {
        Value key;
        if (!prepared(out_of_interface(index), item.type()->key, key, error)) return false;
        Value found = item.find(key);
        item = found.valid() ? std::move(found) : Value::zero(item.type()->elem);
        return true;
    }
    if (kind != Kind::string && kind != Kind::slice && kind != Kind::array)
        return error = "can't index item of type " + item.type()->name, false;
    std::size_t at = 0;
    if (!position(index, item.length(), at, error)) return false;
    if (at == item.length()) {
        const auto what = kind == Kind::string ? "string" : kind == Kind::slice ? "slice" : "array";
        return error = fmt::format("reflect: {} index out of range", what), false;
    }
    item = item.at(at);
    return true;
}

bool run_index(Arguments a, std::size_t, Value& result, std::string& error) {
    Value item = out_of_interface(a[0]);
    if (!item.valid()) return error = "index of untyped nil", false;
    for (const auto& index : a.subspan(1))
        if (!index_once(item, index, error)) return false;
    return done(result, std::move(item));
}

bool run_slice(Arguments a, std::size_t, Value& result, std::string& error) {
    Value item = out_of_interface(a[0]);
    if (!item.valid()) return error = "slice of untyped nil", false;
    bool nil = false;
    item = followed(std::move(item), nil);
    if (nil) return error = "slice of nil pointer", false;
    const auto indexes = a.subspan(1);
    if (indexes.size() > 3) return error = fmt::format("too many slice indexes: {}", indexes.size()), false;
    const Kind kind = item.kind();
    if (kind == Kind::string && indexes.size() == 3) return error = "cannot 3-index slice a string", false;
    if (kind != Kind::string && kind != Kind::slice && kind != Kind::array)
        return error = "can't slice item of type " + item.type()->name, false;
    const std::size_t capacity = kind == Kind::string ? item.length() : item.capacity();
    std::array<std::size_t, 3> at{0, item.length(), capacity};
    for (std::size_t i = 0; i < indexes.size(); ++i)
        if (!position(indexes[i], capacity, at[i], error)) return false;
    const auto wrong = [&](std::size_t i) {
        error = fmt::format("invalid slice index: {} > {}", at[i], at[i + 1]);
        return false;
    };
    if (at[0] > at[1]) return wrong(0);
    if (indexes.size() == 3 && at[1] > at[2]) return wrong(1);
    if (kind == Kind::array && !item.addressable())
        return error =
                   fmt::format("reflect.Value.Slice{}: slice of unaddressable array", indexes.size() == 3 ? "3" : ""),
               false;
    return done(result, item.cut(at[0], at[1], at[2]));
}

// print and the escapers

bool run_print(Arguments a, std::size_t max_bytes, Value& result, std::string& error) {
    std::string out;
    return print_values(a, max_bytes, out) ? done(result, Value::text(std::move(out))) : too_long(error, max_bytes);
}

bool run_println(Arguments a, std::size_t max_bytes, Value& result, std::string& error) {
    std::string out;
    return print_line(a, max_bytes, out) ? done(result, Value::text(std::move(out))) : too_long(error, max_bytes);
}

bool run_printf(Arguments a, std::size_t max_bytes, Value& result, std::string& error) {
    std::string out;
    if (!print_format(a[0].as_text(), a.subspan(1), max_bytes, out)) return too_long(error, max_bytes);
    return done(result, Value::text(std::move(out)));
}

bool joined(Arguments a, std::size_t max_bytes, std::string& out) {
    Values shown;
    for (const auto& v : a) {
        Value p;
        shown.push_back(printable(out_of_interface(v), p) ? std::move(p) : v);
    }
    return print_values(shown, max_bytes, out);
}

void escape_html(std::string_view in, std::string& out) {
    for (const char c : in) {
        switch (c) {
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '&':
                out += "&amp;";
                break;
            case '\'':
                out += "&#39;";
                break;
            case '"':
                out += "&#34;";
                break;
            case '\0':
                out += "\xEF\xBF\xBD";
                break;
            default:
                out += c;
        }
    }
}

void escape_js(std::string_view in, std::string& out) {
    while (!in.empty()) {
        const auto rune = first_rune(in);
        const char c = in.front();
        if (c == '\\' || c == '\'' || c == '"')
            out += '\\', out += c;
        else if (rune.point < 0x20 || c == '<' || c == '>' || c == '&' || c == '=')
            fmt::format_to(std::back_inserter(out), "\\u{:04X}", static_cast<unsigned>(rune.point));
        else if (rune.point < 0x80 || is_printable(rune.point))
            out += in.substr(0, rune.bytes);
        else
            fmt::format_to(std::back_inserter(out), "\\u{:04X}", static_cast<unsigned>(rune.point));
        in.remove_prefix(rune.bytes);
    }
}

void escape_query(std::string_view in, std::string& out) {
    for (const char c : in) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '_' || c == '.' || c == '~';
        if (plain)
            out += c;
        else if (c == ' ')
            out += '+';
        else
            fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
}

template <void (*escape)(std::string_view, std::string&)>
bool run_escape(Arguments a, std::size_t max_bytes, Value& result, std::string& error) {
    std::string text, out;
    if (!joined(a, max_bytes / 6, text)) return too_long(error, max_bytes);
    escape(text, out);
    return done(result, Value::text(std::move(out)));
}

// logic and comparisons

bool run_not(Arguments a, std::size_t, Value& result, std::string&) {
    return done(result, Value::boolean(!truth(a[0])));
}

bool run_eq(Arguments a, std::size_t, Value& result, std::string& error) {
    bool equal = false;
    return compare_equal(a, equal, error) && done(result, Value::boolean(equal));
}

bool run_ne(Arguments a, std::size_t, Value& result, std::string& error) {
    bool equal = false;
    return compare_equal(a, equal, error) && done(result, Value::boolean(!equal));
}

bool less_or_equal(Arguments a, bool& yes, std::string& error) {
    if (!compare_less(a[0], a[1], yes, error)) return false;
    return yes || compare_equal(a, yes, error);
}

bool run_lt(Arguments a, std::size_t, Value& result, std::string& error) {
    bool less = false;
    return compare_less(a[0], a[1], less, error) && done(result, Value::boolean(less));
}

bool run_le(Arguments a, std::size_t, Value& result, std::string& error) {
    bool yes = false;
    return less_or_equal(a, yes, error) && done(result, Value::boolean(yes));
}

bool run_gt(Arguments a, std::size_t, Value& result, std::string& error) {
    bool yes = false;
    return less_or_equal(a, yes, error) && done(result, Value::boolean(!yes));
}

bool run_ge(Arguments a, std::size_t, Value& result, std::string& error) {
    bool less = false;
    return compare_less(a[0], a[1], less, error) && done(result, Value::boolean(!less));
}

constexpr std::array<Builtin, 19> builtins{{
    {.name = "and", .fixed = 1, .variadic = true},
    {.name = "or", .fixed = 1, .variadic = true},
    {.name = "not", .fixed = 1, .run = run_not},
    {.name = "len", .fixed = 1, .run = run_len},
    {.name = "index", .fixed = 1, .variadic = true, .run = run_index},
    {.name = "slice", .fixed = 1, .variadic = true, .run = run_slice},
    {.name = "print", .takes_any = true, .variadic = true, .run = run_print},
    {.name = "printf", .takes_any = true, .first_is_text = true, .fixed = 1, .variadic = true, .run = run_printf},
    {.name = "println", .takes_any = true, .variadic = true, .run = run_println},
    {.name = "html", .takes_any = true, .variadic = true, .run = run_escape<escape_html>},
    {.name = "js", .takes_any = true, .variadic = true, .run = run_escape<escape_js>},
    {.name = "urlquery", .takes_any = true, .variadic = true, .run = run_escape<escape_query>},
    {.name = "call", .fixed = 1, .variadic = true},
    {.name = "eq", .fixed = 1, .variadic = true, .run = run_eq},
    {.name = "ne", .fixed = 2, .run = run_ne},
    {.name = "lt", .fixed = 2, .run = run_lt},
    {.name = "le", .fixed = 2, .run = run_le},
    {.name = "gt", .fixed = 2, .run = run_gt},
    {.name = "ge", .fixed = 2, .run = run_ge},
}};

}  // namespace

const Builtin* find_builtin(std::string_view name) {
    for (const auto& b : builtins)
        if (b.name == name) return &b;
    return nullptr;
}

bool is_function(std::string_view name) {
    return find_builtin(name) != nullptr;
}

bool printable(const Value& given, Value& out) {
    bool nil = false;
    out = given.kind() == Kind::pointer ? followed(given, nil) : given;
    if (!out.valid()) {
        out = Value::text("<no value>");
        return true;
    }
    return out.kind() != Kind::function || has_text_method(*out.type());
}

bool call_value(std::string_view name, const Value& given, std::span<const Value> arguments, Value& result,
                std::string& error) {
    const Value f = out_of_interface(given);
    if (!f.valid()) return error = "call of nil", false;
    if (f.kind() != Kind::function)
        return error = fmt::format("non-function {} of type {}", name, f.type()->name), false;
    const Type& type = *f.type();
    const std::size_t fixed = type.in.size() - (type.variadic ? 1 : 0);
    if (type.variadic ? arguments.size() < fixed : arguments.size() != fixed) {
        error = fmt::format("wrong number of args for {}: got {} want {}{}", name, arguments.size(),
                            type.variadic ? "at least " : "", fixed);
        return false;
    }
    Values ready;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const TypeRef& wanted = i < fixed ? type.in[i] : type.in.back()->elem;
        Value v;
        if (!prepared(out_of_interface(arguments[i]), wanted, v, error)) {
            error = fmt::format("arg {}: {}", i, error);
            return false;
        }
        ready.push_back(std::move(v));
    }
    if (f.is_nil()) return error = "reflect.Value.Call: call of nil function", false;
    auto answer = f.as_function()(ready);
    if (!answer) return error = answer.error().what, false;
    return done(result, std::move(answer.value()));
}

}  // namespace weir::gotemplate
