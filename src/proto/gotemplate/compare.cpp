#include <fmt/format.h>

#include "proto/gotemplate/format.h"
#include "proto/gotemplate/functions.h"

namespace weir::gotemplate {
namespace {

enum class Basic { other, boolean, integer, natural, real, complex, text };

Basic basic_of(const Value& v) {
    const Kind kind = v.kind();
    if (is_signed(kind)) return Basic::integer;
    if (is_unsigned(kind)) return Basic::natural;
    if (is_float(kind)) return Basic::real;
    if (kind == Kind::boolean) return Basic::boolean;
    if (kind == Kind::complex128) return Basic::complex;
    return kind == Kind::string ? Basic::text : Basic::other;
}

std::string incompatible(const Value& a, const Value& b) {
    return fmt::format("incompatible types for comparison: {} and {}", a.type()->name, b.type()->name);
}

bool integer_is_natural(const Value& i, const Value& n) {
    return i.as_int() >= 0 && static_cast<std::uint64_t>(i.as_int()) == n.as_uint();
}

/// A value inside which something cannot be compared, found only when its turn comes.
const Type* hidden_incomparable(const Value& v) {
    const Value in = out_of_interface(v);
    if (!in.valid()) return nullptr;
    if (!is_comparable(*in.type())) return in.type().get();
    if (in.kind() == Kind::structure && !in.is_time())
        for (std::size_t i = 0; i < in.type()->fields.size(); ++i)
            if (const auto* found = hidden_incomparable(in.field(i))) return found;
    if (in.kind() == Kind::array)
        for (std::size_t i = 0; i < in.length(); ++i)
            if (const auto* found = hidden_incomparable(in.at(i))) return found;
    return nullptr;
}

bool others_equal(const Value& a, const Value& b, bool& equal, std::string& error) {
    if (a.kind() != b.kind() && a.valid() && b.valid()) {
        error = fmt::format("non-comparable types {}: {}, {}: {}", text_of(a, 's'), a.type()->name, b.type()->name,
                            text_of(b));
        return false;
    }
    if (a.is_nil() || b.is_nil()) {
        equal = a.is_nil() == b.is_nil();
        return true;
    }
    if (!is_comparable(*b.type())) {
        error = fmt::format("non-comparable type {}: {}", text_of(b, 's'), b.type()->name);
        return false;
    }
    if (same_type(a.type(), b.type()))
        if (const auto* type = hidden_incomparable(b)) {
            error = "runtime error: comparing uncomparable type " + type->name;
            return false;
        }
    equal = same_value(a, b);
    return true;
}

bool pair_equal(const Value& a, const Value& b, bool& equal, std::string& error) {
    const Basic ka = basic_of(a), kb = basic_of(b);
    equal = false;
    if (ka != kb) {
        if (ka == Basic::integer && kb == Basic::natural)
            equal = integer_is_natural(a, b);
        else if (ka == Basic::natural && kb == Basic::integer)
            equal = integer_is_natural(b, a);
        else if (a.valid() && b.valid())
            return error = incompatible(a, b), false;
        return true;
    }
    switch (ka) {
        case Basic::boolean:
            equal = a.as_bool() == b.as_bool();
            return true;
        case Basic::integer:
            equal = a.as_int() == b.as_int();
            return true;
        case Basic::natural:
            equal = a.as_uint() == b.as_uint();
            return true;
        case Basic::real:
            equal = a.as_float() == b.as_float();
            return true;
        case Basic::complex:
            equal = a.as_complex() == b.as_complex();
            return true;
        case Basic::text:
            equal = a.as_text() == b.as_text();
            return true;
        case Basic::other:
            break;
    }
    return others_equal(a, b, equal, error);
}

}  // namespace

bool compare_equal(std::span<const Value> arguments, bool& equal, std::string& error) {
    equal = false;
    if (arguments.size() < 2) {
        error = "missing argument for comparison";
        return false;
    }
    const Value first = out_of_interface(arguments[0]);
    for (const auto& other : arguments.subspan(1)) {
        if (!pair_equal(first, out_of_interface(other), equal, error)) return false;
        if (equal) return true;
    }
    return true;
}

bool compare_less(const Value& ga, const Value& gb, bool& less, std::string& error) {
    const Value a = out_of_interface(ga), b = out_of_interface(gb);
    const Basic ka = basic_of(a), kb = basic_of(b);
    error = "invalid type for comparison";
    if (ka == Basic::other || kb == Basic::other) return false;
    if (ka != kb) {
        if (ka == Basic::integer && kb == Basic::natural) {
            less = a.as_int() < 0 || static_cast<std::uint64_t>(a.as_int()) < b.as_uint();
        } else if (ka == Basic::natural && kb == Basic::integer) {
            less = b.as_int() >= 0 && a.as_uint() < static_cast<std::uint64_t>(b.as_int());
        } else {
            error = incompatible(a, b);
            return false;
        }
        return true;
    }
    switch (ka) {
        case Basic::integer:
            less = a.as_int() < b.as_int();
            return true;
        case Basic::natural:
            less = a.as_uint() < b.as_uint();
            return true;
        case Basic::real:
            less = a.as_float() < b.as_float();
            return true;
        case Basic::text:
            less = a.as_text() < b.as_text();
            return true;
        default:
            return false;
    }
}

}  // namespace weir::gotemplate
