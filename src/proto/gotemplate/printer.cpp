#include "proto/gotemplate/printer.h"

#include <fmt/format.h>

#include "proto/gotemplate/go_time.h"

namespace weir::gotemplate {
namespace {

constexpr std::string_view nil_text = "<nil>";
constexpr std::string_view nil_suffix = "(nil)";
constexpr std::uint64_t some_address = 0xc000010000;  // pointers have none here

std::string bytes_of(const Value& v) {
    std::string bytes;
    for (std::size_t i = 0; i < v.length(); ++i)
        bytes += static_cast<char>(static_cast<unsigned char>(v.at(i).as_uint()));
    return bytes;
}

bool is_bytes(const Value& v) {
    return (v.kind() == Kind::slice || v.kind() == Kind::array) && v.type()->elem->kind == Kind::uint8;
}

std::string go_syntax(const Moment& m) {
    const auto c = calendar_of(m);
    return fmt::format("time.Date({}, time.{}, {}, {}, {}, {}, {}, {})", c.year, month_name(c.month), c.day, c.hour,
                       c.minute, c.second, m.nanos,
                       m.offset == 0 && m.zone == "UTC" ? "time.UTC" : fmt::format("time.Location(\"{}\")", m.zone));
}

}  // namespace

void Printer::argument(const Value& given, char32_t verb) {
    const Value v = out_of_interface(given);
    argument_ = v;
    if (!v.valid()) {
        if (verb == 'T' || verb == 'v') return f.pad(nil_text);
        return bad_verb(verb);
    }
    if (verb == 'T') return f.text(v.type()->name);
    if (verb == 'p') return address(v, verb);
    if (v.type()->name == "[]uint8") return bytes_value(v, verb);
    if (!by_method(v, verb)) value(v, verb, 0, true);
}

bool Printer::by_method(const Value& v, char32_t verb) {
    if (reporting_) return false;
    if (verb == 'w') return bad_verb(verb), true;
    if (f.flags.sharp_v) {
        if (v.valid() && v.is_time()) return f.text(go_syntax(v.as_time())), true;
        return false;
    }
    if (verb != 'v' && verb != 's' && verb != 'x' && verb != 'X' && verb != 'q') return false;
    std::string text;
    if (!text_by_method(v, text)) return false;
    if (v.kind() == Kind::pointer && v.is_nil())
        f.write(nil_text);
    else
        string_value(text, verb);
    return true;
}

void Printer::bad_verb(char32_t verb) {
    reporting_ = true;
    f.write("%!");
    f.write_rune(verb);
    f.write('(');
    if (argument_.valid()) {
        const Value v = argument_;
        f.write(v.type()->name);
        f.write('=');
        argument(v, 'v');
    } else {
        f.write(nil_text);
    }
    f.write(')');
    reporting_ = false;
}

void Printer::value(const Value& v, char32_t verb, int depth, bool open) {
    if (f.full()) return;
    if (depth > 0 && v.valid()) {
        argument_ = out_of_interface(v);
        if (open && by_method(argument_, verb)) return;
    }
    const Kind kind = v.kind();
    if (is_signed(kind)) return integer_value(static_cast<std::uint64_t>(v.as_int()), true, verb);
    if (is_unsigned(kind)) return integer_value(v.as_uint(), false, verb);
    if (is_float(kind)) return float_value(v.as_float(), kind == Kind::float32, verb);
    switch (kind) {
        case Kind::invalid:
            return depth == 0 ? f.write("<invalid reflect.Value>") : verb == 'v' ? f.write(nil_text) : bad_verb(verb);
        case Kind::boolean:
            return bool_value(v.as_bool(), verb);
        case Kind::complex128:
            return complex_value(v.as_complex(), verb);
        case Kind::string:
            return string_value(v.as_text(), verb);
        case Kind::map:
            return map_value(v, verb, depth, open);
        case Kind::structure:
            return struct_value(v, verb, depth, open);
        case Kind::interface:
            if (!v.is_nil()) return value(v.held(), verb, depth + 1, open);
            if (f.flags.sharp_v) return f.write(v.type()->name), f.write(nil_suffix);
            return f.write(nil_text);
        case Kind::slice:
        case Kind::array:
            return list_value(v, verb, depth, open);
        case Kind::pointer:
            return pointer_value(v, verb, depth, open);
        default:
            return address(v, verb);
    }
}

void Printer::bool_value(bool v, char32_t verb) {
    verb == 't' || verb == 'v' ? f.boolean(v) : bad_verb(verb);
}

void Printer::hex_with_prefix(std::uint64_t v, bool prefix) {
    const bool sharp = std::exchange(f.flags.sharp, prefix);
    f.integer(v, 16, false, 'v', false);
    f.flags.sharp = sharp;
}

void Printer::integer_value(std::uint64_t v, bool is_signed, char32_t verb) {
    switch (verb) {
        case 'v':
            if (f.flags.sharp_v && !is_signed) return hex_with_prefix(v, true);
            return f.integer(v, 10, is_signed, verb, false);
        case 'd':
            return f.integer(v, 10, is_signed, verb, false);
        case 'b':
            return f.integer(v, 2, is_signed, verb, false);
        case 'o':
        case 'O':
            return f.integer(v, 8, is_signed, verb, false);
        case 'x':
        case 'X':
            return f.integer(v, 16, is_signed, verb, verb == 'X');
        case 'c':
            return f.character(v);
        case 'q':
            return f.quoted_character(v);
        case 'U':
            return f.unicode(v);
        default:
            return bad_verb(verb);
    }
}

void Printer::float_value(double v, bool single, char32_t verb) {
    switch (verb) {
        case 'v':
            return f.real(v, single, 'g', -1);
        case 'b':
        case 'g':
        case 'G':
        case 'x':
        case 'X':
            return f.real(v, single, static_cast<char>(verb), -1);
        case 'f':
        case 'e':
        case 'E':
            return f.real(v, single, static_cast<char>(verb), 6);
        case 'F':
            return f.real(v, single, 'f', 6);
        default:
            return bad_verb(verb);
    }
}

void Printer::complex_value(std::complex<double> v, char32_t verb) {
    if (std::u32string_view(U"vbgGxXfFeE").find(verb) == std::u32string_view::npos) return bad_verb(verb);
    const bool plus = f.flags.plus;
    f.write('(');
    float_value(v.real(), false, verb);
    f.flags.plus = true;
    float_value(v.imag(), false, verb);
    f.write("i)");
    f.flags.plus = plus;
}

void Printer::string_value(std::string_view v, char32_t verb) {
    switch (verb) {
        case 'v':
            return f.flags.sharp_v ? f.quoted_text(v) : f.text(v);
        case 's':
            return f.text(v);
        case 'x':
        case 'X':
            return f.hex_text(v, verb == 'X');
        case 'q':
            return f.quoted_text(v);
        default:
            return bad_verb(verb);
    }
}

void Printer::bytes_value(const Value& v, char32_t verb) {
    const bool text = verb == 's' || verb == 'q' || verb == 'x' || verb == 'X';
    if (text) return string_value(bytes_of(v), verb);
    if (verb != 'v' && verb != 'd') return value(v, verb, 0, true);
    if (!f.flags.sharp_v) {
        f.write('[');
        for (std::size_t i = 0; i < v.length() && !f.full(); ++i) {
            if (i > 0) f.write(' ');
            f.integer(v.at(i).as_uint(), 10, false, verb, false);
        }
        return f.write(']');
    }
    f.write("[]byte");
    if (v.is_nil()) return f.write(nil_suffix);
    f.write('{');
    for (std::size_t i = 0; i < v.length() && !f.full(); ++i) {
        if (i > 0) f.write(", ");
        hex_with_prefix(v.at(i).as_uint(), true);
    }
    f.write('}');
}

void Printer::map_value(const Value& v, char32_t verb, int depth, bool open) {
    const bool sharp = f.flags.sharp_v;
    if (sharp) f.write(v.type()->name);
    if (sharp && v.is_nil()) return f.write(nil_suffix);
    f.write(sharp ? "{" : "map[");
    bool first = true;
    for (const auto& [key, element] : v.entries()) {
        if (f.full()) return;
        if (!first) f.write(sharp ? ", " : " ");
        first = false;
        value(key, verb, depth + 1, open);
        f.write(':');
        value(element, verb, depth + 1, open);
    }
    f.write(sharp ? '}' : ']');
}

void Printer::struct_value(const Value& v, char32_t verb, int depth, bool open) {
    const bool sharp = f.flags.sharp_v;
    if (sharp) f.write(v.type()->name);
    f.write('{');
    for (std::size_t i = 0; i < v.type()->fields.size() && !v.is_time(); ++i) {
        const auto& name = v.type()->fields[i].name;
        if (i > 0) f.write(sharp ? ", " : " ");
        if (f.flags.plus_v || sharp) f.write(name), f.write(':');
        const Value field = v.field(i);
        const bool empty_interface = field.kind() == Kind::interface && field.is_nil();
        value(empty_interface ? field : out_of_interface(field), verb, depth + 1, open && is_exported(name));
    }
    f.write('}');
}

void Printer::list_value(const Value& v, char32_t verb, int depth, bool open) {
    const bool text = verb == 's' || verb == 'q' || verb == 'x' || verb == 'X';
    if (text && is_bytes(v)) return string_value(bytes_of(v), verb);
    const bool sharp = f.flags.sharp_v;
    if (sharp) f.write(v.type()->name);
    if (sharp && v.is_nil()) return f.write(nil_suffix);
    f.write(sharp ? '{' : '[');
    for (std::size_t i = 0; i < v.length() && !f.full(); ++i) {
        if (i > 0) f.write(sharp ? ", " : " ");
        value(v.at(i), verb, depth + 1, open);
    }
    f.write(sharp ? '}' : ']');
}

void Printer::pointer_value(const Value& v, char32_t verb, int depth, bool open) {
    if (depth == 0 && !v.is_nil()) {
        const Value to = v.held();
        const Kind kind = to.kind();
        if (kind == Kind::array || kind == Kind::slice || kind == Kind::structure || kind == Kind::map) {
            f.write('&');
            return value(to, verb, depth + 1, open);
        }
    }
    address(v, verb);
}

void Printer::address(const Value& v, char32_t verb) {
    if (!can_be_nil(v.kind()) || v.kind() == Kind::interface) return bad_verb(verb);
    const std::uint64_t where = v.is_nil() ? 0 : some_address;
    switch (verb) {
        case 'v':
            if (f.flags.sharp_v) {
                f.write('(');
                f.write(v.type()->name);
                f.write(")(");
                where == 0 ? f.write("nil") : hex_with_prefix(where, true);
                return f.write(')');
            }
            return where == 0 ? f.pad(nil_text) : hex_with_prefix(where, !f.flags.sharp);
        case 'p':
            return hex_with_prefix(where, !f.flags.sharp);
        case 'b':
        case 'o':
        case 'd':
        case 'x':
        case 'X':
            return integer_value(where, false, verb);
        default:
            return bad_verb(verb);
    }
}

}  // namespace weir::gotemplate
