#include "proto/gotemplate/number.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace weir::gotemplate {
namespace {

struct Digits {
    std::string digits;  ///< the first before the point, no trailing zeros
    int exponent = 0;
};

Digits shortest_digits(double v, bool single) {
    char buffer[64];
    const auto end =
        single ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(v), std::chars_format::scientific).ptr
               : std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific).ptr;
    const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
    const auto e = text.find('e');
    Digits d;
    for (const char c : text.substr(0, e))
        if (c != '.') d.digits += c;
    const auto exponent = text.substr(e + (text[e + 1] == '+' ? 2 : 1));
    (void)std::from_chars(exponent.data(), exponent.data() + exponent.size(), d.exponent);
    return d;
}

std::string exponent_text(char letter, int exponent) {
    return fmt::format("{}{}{:02}", letter, exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
}

/// From here on, the shortest form of a number has an exponent (measured).
constexpr int general_limit = 6;

std::string shortest_text(double v, char verb, bool single) {
    const auto d = shortest_digits(v, single);
    const bool general = verb == 'g' || verb == 'G';
    const bool with_exponent = general ? d.exponent < -4 || d.exponent >= general_limit : verb == 'e' || verb == 'E';
    if (with_exponent) {
        std::string out = d.digits.substr(0, 1);
        if (d.digits.size() > 1) out += "." + d.digits.substr(1);
        return out + exponent_text(verb == 'E' || verb == 'G' ? 'E' : 'e', d.exponent);
    }
    if (d.exponent < 0) return "0." + std::string(static_cast<std::size_t>(-d.exponent - 1), '0') + d.digits;
    const auto whole = static_cast<std::size_t>(d.exponent) + 1;
    if (d.digits.size() <= whole) return d.digits + std::string(whole - d.digits.size(), '0');
    return d.digits.substr(0, whole) + "." + d.digits.substr(whole);
}

std::string exact_text(double v, char verb, int precision) {
    if (precision == 0 && (verb == 'g' || verb == 'G')) precision = 1;
    const char form[] = {'%', '.', '*', verb == 'F' ? 'f' : verb, '\0'};
    const int size = std::snprintf(nullptr, 0, form, precision, v);
    std::string out(static_cast<std::size_t>(size) + 1, '\0');
    std::snprintf(out.data(), out.size(), form, precision, v);
    out.pop_back();
    return out;
}

struct Bits {
    std::uint64_t mantissa;
    int exponent;  ///< of the mantissa's lowest bit
    int mantissa_bits;
};

Bits bits_of(double v, bool single) {
    if (single) {
        const auto raw = std::bit_cast<std::uint32_t>(static_cast<float>(v));
        const int field = static_cast<int>((raw >> 23) & 0xFF);
        const std::uint64_t fraction = raw & 0x7FFFFF;
        return field == 0 ? Bits{fraction, -149, 23} : Bits{fraction | 0x800000, field - 150, 23};
    }
    const auto raw = std::bit_cast<std::uint64_t>(v);
    const int field = static_cast<int>((raw >> 52) & 0x7FF);
    const std::uint64_t fraction = raw & 0xFFFFFFFFFFFFF;
    return field == 0 ? Bits{fraction, -1074, 52} : Bits{fraction | 0x10000000000000, field - 1075, 52};
}

/// 0x1.8p+01: the leading digit is in bit 60, 15 digits below it.
std::string hexadecimal_text(double v, int precision, bool single, bool upper) {
    constexpr std::uint64_t lead = std::uint64_t{1} << 60;
    auto [mantissa, exponent, width] = bits_of(v, single);
    if (mantissa == 0) {
        exponent = 0;
    } else {
        exponent += 60;
        for (; (mantissa & lead) == 0; --exponent) mantissa <<= 1;
    }
    if (precision >= 0 && precision < 15) {
        const auto kept = static_cast<unsigned>(precision * 4);
        const std::uint64_t cut = (mantissa << kept) & (lead - 1);
        mantissa >>= 60 - kept;
        if ((cut | (mantissa & 1)) > (lead >> 1)) ++mantissa;
        mantissa <<= 60 - kept;
        if ((mantissa & (lead << 1)) != 0) mantissa >>= 1, ++exponent;
    }
    const std::string_view digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    std::string out = upper ? "0X" : "0x";
    out += digits[(mantissa >> 60) & 1];
    mantissa = (mantissa & (lead - 1)) << 4;
    if (precision > 0 || (precision < 0 && mantissa != 0)) out += '.';
    for (int i = 0; precision < 0 ? mantissa != 0 : i < precision; ++i, mantissa <<= 4)
        out += digits[(mantissa >> 60) & 15];
    return out + exponent_text(upper ? 'P' : 'p', exponent);
}

}  // namespace

std::string format_float(double v, char verb, int precision, bool single) {
    if (std::isnan(v)) return "NaN";
    if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
    const std::string sign = std::signbit(v) ? "-" : "";
    v = std::fabs(v);
    if (verb == 'x' || verb == 'X') return sign + hexadecimal_text(v, precision, single, verb == 'X');
    if (verb == 'b') {
        const auto bits = bits_of(v, single);
        return sign + fmt::format("{}p{}{}", bits.mantissa, bits.exponent < 0 ? "" : "+", bits.exponent);
    }
    return sign + (precision < 0 ? shortest_text(v, verb, single) : exact_text(v, verb, precision));
}

}  // namespace weir::gotemplate
