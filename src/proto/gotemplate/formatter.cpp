#include <fmt/format.h>

#include <algorithm>

#include "proto/gotemplate/number.h"
#include "proto/gotemplate/printer.h"
#include "proto/gotemplate/text.h"

namespace weir::gotemplate {
namespace {

char32_t as_rune(std::uint64_t v) {
    return v > 0x10FFFF ? 0xFFFD : static_cast<char32_t>(v);
}

/// With '#': a decimal point always, and zeros up to the wanted digits.
std::string with_point(std::string number, char verb, int precision) {
    int digits = 0;
    if (verb == 'g' || verb == 'G' || verb == 'x' || verb == 'X') digits = precision < 0 ? 6 : precision;
    const bool hex = verb == 'x' || verb == 'X';
    const auto tail_at = std::min(number.find_first_of(hex ? "pP" : "eEpP"), number.size());
    const std::string tail = number.substr(tail_at);
    number.resize(tail_at);
    bool seen = false;
    for (const char c : number.substr(1)) {
        if (c == '.') continue;
        seen = seen || c != '0';
        if (seen) --digits;
    }
    if (number.find('.') == number.npos) {
        if (number.size() == 2 && number[1] == '0') --digits;
        number += '.';
    }
    if (digits > 0) number.append(static_cast<std::size_t>(digits), '0');
    return number + tail;
}

}  // namespace

void Formatter::write(std::string_view text) {
    if (full_ || text.size() > max_bytes_ - out_.size()) {
        full_ = true;
        return;
    }
    out_ += text;
}

void Formatter::write_rune(char32_t c) {
    std::string text;
    append_rune(text, c);
    write(text);
}

void Formatter::padding(std::size_t count) {
    if (full_ || count > max_bytes_ - out_.size()) {
        full_ = true;
        return;
    }
    out_.append(count, flags.zero && !flags.minus ? '0' : ' ');
}

void Formatter::pad(std::string_view text) {
    const auto runes = flags.has_width ? rune_count(text) : 0;
    const auto missing = flags.has_width && flags.width > runes ? flags.width - runes : 0;
    if (missing > 0 && !flags.minus) padding(missing);
    write(text);
    if (missing > 0 && flags.minus) padding(missing);
}

void Formatter::text(std::string_view s) {
    pad(flags.has_precision ? first_runes(s, flags.precision) : s);
}

void Formatter::quoted_text(std::string_view s) {
    if (flags.has_precision) s = first_runes(s, flags.precision);
    pad(flags.sharp && can_be_raw(s) ? "`" + std::string(s) + "`" : quoted(s, flags.plus));
}

void Formatter::hex_text(std::string_view s, bool upper) {
    if (flags.has_precision) s = s.substr(0, flags.precision);
    const std::string_view digits = upper ? "0123456789ABCDEF" : "0123456789abcdef", prefix = upper ? "0X" : "0x";
    std::string out;
    if (s.size() > max_bytes_) {
        full_ = true;
        return;
    }
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (i > 0 && flags.space) out += ' ';
        if (flags.sharp && (i == 0 || flags.space)) out += prefix;
        const auto byte = static_cast<unsigned char>(s[i]);
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    pad(out);
}

void Formatter::integer(std::uint64_t v, unsigned base, bool is_signed, char32_t verb, bool upper) {
    const bool negative = is_signed && static_cast<std::int64_t>(v) < 0;
    if (negative) v = 0 - v;
    const bool zero = std::exchange(flags.zero, false);
    std::size_t digits_wanted = 0;
    if (flags.has_precision) {
        digits_wanted = flags.precision;
        if (digits_wanted == 0 && v == 0) {
            padding(flags.has_width ? flags.width : 0);
            flags.zero = zero;
            return;
        }
    } else if (zero && !flags.minus && flags.has_width) {
        digits_wanted = flags.width - (flags.width > 0 && (negative || flags.plus || flags.space) ? 1 : 0);
    }
    std::string text;  // backwards
    const std::string_view digits = upper ? "0123456789ABCDEFX" : "0123456789abcdefx";
    do {
        text += digits[v % base];
        v /= base;
    } while (v > 0);
    if (text.size() < digits_wanted) text.append(digits_wanted - text.size(), '0');
    if (flags.sharp) {
        if (base == 2) text += "b0";
        if (base == 8 && text.back() != '0') text += '0';
        if (base == 16) text += digits[16], text += '0';
    }
    if (verb == 'O') text += "o0";
    if (negative)
        text += '-';
    else if (flags.plus)
        text += '+';
    else if (flags.space)
        text += ' ';
    std::reverse(text.begin(), text.end());
    pad(text);
    flags.zero = zero;
}

void Formatter::character(std::uint64_t v) {
    std::string text;
    append_rune(text, as_rune(v));
    pad(text);
}

void Formatter::quoted_character(std::uint64_t v) {
    pad(quoted_rune(as_rune(v), flags.plus));
}

void Formatter::unicode(std::uint64_t v) {
    const std::size_t digits = flags.has_precision && flags.precision > 4 ? flags.precision : 4;
    std::string text = fmt::format("{:X}", v);
    if (text.size() < digits) text.insert(0, digits - text.size(), '0');
    text.insert(0, "U+");
    if (flags.sharp && v <= 0x10FFFF && is_printable(static_cast<char32_t>(v))) {
        text += " '";
        append_rune(text, static_cast<char32_t>(v));
        text += '\'';
    }
    const bool zero = std::exchange(flags.zero, false);
    pad(text);
    flags.zero = zero;
}

void Formatter::real(double v, bool single, char verb, int precision) {
    if (flags.has_precision) precision = static_cast<int>(flags.precision);
    std::string number = format_float(v, verb, precision, single);
    if (number[0] != '-' && number[0] != '+') number.insert(number.begin(), '+');
    if (flags.space && number[0] == '+' && !flags.plus) number[0] = ' ';
    if (number[1] == 'I' || number[1] == 'N') {
        const bool zero = std::exchange(flags.zero, false);
        const bool bare = number[0] == '+' && number[1] == 'N' && !flags.plus;
        pad(bare ? number.substr(1) : number);
        flags.zero = zero;
        return;
    }
    if (flags.sharp && verb != 'b') number = with_point(std::move(number), verb, precision);
    if (!flags.plus && number[0] == '+') return pad(std::string_view(number).substr(1));
    if (flags.zero && !flags.minus && flags.has_width && flags.width > number.size()) {
        write(number[0]);
        padding(flags.width - number.size());
        return write(std::string_view(number).substr(1));
    }
    pad(number);
}

}  // namespace weir::gotemplate
