#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "proto/fc2/member.h"

namespace weir::fc2 {
namespace {

constexpr std::size_t longest_reference = 12;

/// U+00A0 to U+00FF, in order.
constexpr std::string_view latin_names =
    "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute "
    "micro "
    "para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil "
    "Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave "
    "Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml "
    "igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute "
    "thorn yuml";

struct Named {
    std::string_view name;
    char32_t code;
};
constexpr std::array other_names{
    Named{"amp", '&'},       Named{"lt", '<'},        Named{"gt", '>'},        Named{"quot", '"'},
    Named{"apos", '\''},     Named{"OElig", 0x152},   Named{"oelig", 0x153},   Named{"ndash", 0x2013},
    Named{"mdash", 0x2014},  Named{"lsquo", 0x2018},  Named{"rsquo", 0x2019},  Named{"sbquo", 0x201a},
    Named{"ldquo", 0x201c},  Named{"rdquo", 0x201d},  Named{"bdquo", 0x201e},  Named{"dagger", 0x2020},
    Named{"bull", 0x2022},   Named{"hellip", 0x2026}, Named{"permil", 0x2030}, Named{"prime", 0x2032},
    Named{"lsaquo", 0x2039}, Named{"rsaquo", 0x203a}, Named{"euro", 0x20ac},   Named{"trade", 0x2122},
    Named{"larr", 0x2190},   Named{"uarr", 0x2191},   Named{"rarr", 0x2192},   Named{"darr", 0x2193},
    Named{"harr", 0x2194},   Named{"infin", 0x221e},  Named{"ne", 0x2260},     Named{"le", 0x2264},
    Named{"ge", 0x2265},     Named{"loz", 0x25ca},    Named{"spades", 0x2660}, Named{"clubs", 0x2663},
    Named{"hearts", 0x2665}, Named{"diams", 0x2666},  Named{"alpha", 0x3b1},   Named{"beta", 0x3b2},
    Named{"omega", 0x3c9},   Named{"ensp", 0x2002},   Named{"emsp", 0x2003},   Named{"thinsp", 0x2009},
    Named{"zwnj", 0x200c},   Named{"zwj", 0x200d},    Named{"lrm", 0x200e},    Named{"rlm", 0x200f}};

/// What 0x80 to 0x9F mean in pages: the characters of Windows-1252.
constexpr std::array<char32_t, 32> windows_codes{0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021,
                                                 0x2c6,  0x2030, 0x160,  0x2039, 0x152,  0x8d,   0x17d,  0x8f,
                                                 0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                                 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};

void append_code_point(std::string& out, char32_t code) {
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) code = 0xfffd;
    const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xc0 | code >> 6);
        tail(0);
    } else if (code < 0x10000) {
        out += static_cast<char>(0xe0 | code >> 12);
        tail(6), tail(0);
    } else {
        out += static_cast<char>(0xf0 | code >> 18);
        tail(12), tail(6), tail(0);
    }
}

std::optional<char32_t> code_of_number(std::string_view digits) {
    const bool hex = digits.starts_with('x') || digits.starts_with('X');
    if (hex) digits.remove_prefix(1);
    if (digits.empty()) return {};
    char32_t code = 0;
    for (const char c : digits) {
        const int value = hex_value(c);
        if (value < 0 || (!hex && value > 9)) return {};
        code = std::min<char32_t>(code * (hex ? 16 : 10) + static_cast<char32_t>(value), 0x110000);
    }
    return code >= 0x80 && code < 0xa0 ? windows_codes[code - 0x80] : code;
}

std::optional<char32_t> code_of_name(std::string_view name) {
    for (const auto& one : other_names)
        if (one.name == name) return one.code;
    char32_t code = 0xa0;
    for (auto rest = latin_names; !rest.empty(); ++code) {
        const auto end = std::min(rest.find(' '), rest.size());
        if (rest.substr(0, end) == name) return code;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return {};
}

}  // namespace

std::string html_unescaped(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto amp = std::min(text.find('&'), text.size());
        out += text.substr(0, amp);
        text.remove_prefix(amp);
        const auto end = text.substr(0, longest_reference).find(';');
        if (text.empty() || end == std::string_view::npos) {
            out += text.substr(0, 1);
            text.remove_prefix(std::min<std::size_t>(text.size(), 1));
            continue;
        }
        const auto inside = text.substr(1, end - 1);
        const auto code = inside.starts_with('#') ? code_of_number(inside.substr(1)) : code_of_name(inside);
        if (code)
            append_code_point(out, *code);
        else
            out += '&';
        text.remove_prefix(code ? end + 1 : 1);
    }
    return out;
}

HomePage parse_home_page(std::string_view html) {
    HomePage page;
    page.logged_in = html.find("logout") != std::string_view::npos;
    const auto name = html.find("m-hder01_uName");
    const auto open = html.find('>', name);
    if (name == std::string_view::npos || open == std::string_view::npos) return page;
    const auto close = html.find('<', open);
    if (close == std::string_view::npos) return page;
    page.user_name = html_unescaped(stripped(html.substr(open + 1, std::min<std::size_t>(close - open - 1, 256))));
    return page;
}

}  // namespace weir::fc2
