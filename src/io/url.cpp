#include "io/url.h"

#include <arpa/inet.h>
#include <libpsl.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "base/text.h"

namespace weir {
namespace {

constexpr std::size_t max_url = 8192;

bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
Error bad(std::string what) {
    return Error{Errc::bad_input, std::move(what)};
}

std::uint16_t default_port(std::string_view scheme) {
    if (scheme == "http" || scheme == "ws") return 80;
    if (scheme == "https" || scheme == "wss") return 443;
    return 0;
}

/// The five parts of RFC 3986, appendix B; the fragment is dropped.
struct Parts {
    std::string_view scheme, authority, path, query;
    bool has_authority = false, has_query = false;
};

Parts split(std::string_view text) {
    Parts parts;
    text = text.substr(0, text.find('#'));
    if (const auto colon = text.find_first_of(":/?"); colon != text.npos && text[colon] == ':' && colon > 0) {
        const auto name = text.substr(0, colon);
        const bool ok = is_alpha(name[0]) && std::all_of(name.begin(), name.end(), [](char c) {
                            return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
                        });
        if (ok) {
            parts.scheme = name;
            text.remove_prefix(colon + 1);
        }
    }
    if (text.starts_with("//")) {
        text.remove_prefix(2);
        const auto end = std::min(text.find_first_of("/?"), text.size());
        parts.authority = text.substr(0, end);
        parts.has_authority = true;
        text.remove_prefix(end);
    }
    const auto question = text.find('?');
    parts.path = text.substr(0, question);
    if (question != text.npos) {
        parts.query = text.substr(question + 1);
        parts.has_query = true;
    }
    return parts;
}

Result<> check_characters(std::string_view text) {
    if (text.size() > max_url) return bad(fmt::format("url of {} bytes, above the limit of {}", text.size(), max_url));
    for (const char c : text)
        if (const auto u = static_cast<unsigned char>(c); u <= 0x20 || u == 0x7f)
            return bad("url with a space or control character");
    return {};
}

/// What browsers let pass and servers get percent-encoded; everything else stays as it was signed.
std::string encoded(std::string_view text) {
    constexpr std::string_view risky = "\"<>\\^`{|}";
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto u = static_cast<unsigned char>(c);
        if (u < 0x80 && risky.find(c) == risky.npos) {
            out += c;
            continue;
        }
        out += '%';
        out += digits[u >> 4];
        out += digits[u & 15];
    }
    return out;
}

Result<std::string> decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
        if (high < 0 || low < 0) return bad("url with a broken percent sign in its user name or password");
        const auto value = static_cast<unsigned char>(high * 16 + low);
        if (value < 0x20 || value == 0x7f) return bad("url with a control character in its user name or password");
        out += static_cast<char>(value);
        i += 2;
    }
    return out;
}

/// RFC 3986, 5.2.4.
std::string without_dots(std::string_view path) {
    std::vector<std::string_view> kept;
    bool folder = false;  // the result ends with '/'
    for (std::size_t at = 1; at <= path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        const auto segment = path.substr(at, end - at);
        const bool last = end == path.size();
        folder = false;
        if (segment == "." || segment == "..") {
            if (segment == ".." && !kept.empty()) kept.pop_back();
            folder = last;
        } else {
            kept.push_back(segment);
        }
        at = end + 1;
    }
    std::string out;
    for (const auto segment : kept) {
        out += '/';
        out += segment;
    }
    if (folder || out.empty()) out += '/';
    return out;
}

Result<std::vector<char32_t>> code_points(std::string_view text) {
    std::vector<char32_t> out;
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i]);
        const std::size_t length = first < 0x80       ? 1
                                   : first >> 5 == 6  ? 2
                                   : first >> 4 == 14 ? 3
                                   : first >> 3 == 30 ? 4
                                                      : 0;
        if (length == 0 || i + length > text.size()) return bad("host name is not valid utf-8");
        char32_t point = length == 1 ? first : static_cast<char32_t>(first & (0x7f >> length));
        for (std::size_t k = 1; k < length; ++k) {
            const auto next = static_cast<unsigned char>(text[i + k]);
            if (next >> 6 != 2) return bad("host name is not valid utf-8");
            point = point << 6 | (next & 0x3f);
        }
        constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
        if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
            return bad("host name is not valid utf-8");
        out.push_back(point);
        i += length;
    }
    return out;
}

/// Punycode of one label (RFC 3492), without the prefix.
std::string punycode(const std::vector<char32_t>& label) {
    constexpr std::uint32_t base = 36, t_min = 1, t_max = 26, skew = 38, damp = 700;
    std::string out;
    for (const char32_t c : label)
        if (c < 0x80) out += static_cast<char>(c);
    const auto basic = static_cast<std::uint32_t>(out.size());
    std::uint32_t handled = basic, delta = 0, bias = 72;
    char32_t least = 0x80;
    if (basic) out += '-';
    while (handled < label.size()) {
        char32_t next = 0x10ffff;
        for (const char32_t c : label)
            if (c >= least) next = std::min(next, c);
        delta += static_cast<std::uint32_t>(next - least) * (handled + 1);
        least = next;
        for (const char32_t c : label) {
            if (c < least) ++delta;
            if (c != least) continue;
            std::uint32_t rest = delta;
            for (std::uint32_t k = base;; k += base) {
                const std::uint32_t t = k <= bias ? t_min : std::min(k - bias, t_max);
                if (rest < t) break;
                const std::uint32_t digit = t + (rest - t) % (base - t);
                out += static_cast<char>(digit < 26 ? 'a' + digit : '0' + (digit - 26));
                rest = (rest - t) / (base - t);
            }
            out += static_cast<char>(rest < 26 ? 'a' + rest : '0' + (rest - 26));
            std::uint32_t d = handled == basic ? delta / damp : delta / 2;
            d += d / (handled + 1);
            std::uint32_t k = 0;
            for (; d > ((base - t_min) * t_max) / 2; k += base) d /= base - t_min;
            bias = k + (base - t_min + 1) * d / (d + skew);
            delta = 0;
            ++handled;
        }
        ++delta;
        ++least;
    }
    return out;
}

/// An internationalised name as A-labels: folded to lower case and NFKC by libpsl, then Punycode label by label.
Result<std::string> to_ascii(std::string_view host) {
    if (auto valid = code_points(host); !valid) return valid.error();
    char* folded = nullptr;
    if (psl_str_to_utf8lower(std::string(host).c_str(), "utf-8", nullptr, &folded) != PSL_SUCCESS || !folded)
        return bad("host name cannot be written in ascii");
    const std::string text(folded);
    psl_free_string(folded);
    std::string out;
    for (std::size_t at = 0; at <= text.size();) {
        const auto end = std::min(text.find('.', at), text.size());
        auto label = code_points(std::string_view(text).substr(at, end - at));
        if (!label) return label.error();
        if (label->size() > 63) return bad("host name with a label above 63 characters");
        if (at) out += '.';
        if (std::any_of(label->begin(), label->end(), [](char32_t c) { return c >= 0x80; }))
            out += "xn--" + punycode(*label);
        else
            out += text.substr(at, end - at);
        at = end + 1;
    }
    return ascii_lowered(out);
}

Result<std::string> ipv6_host(std::string_view inside) {
    in6_addr address{};
    if (inet_pton(AF_INET6, std::string(inside).c_str(), &address) != 1) return bad("url with a bad ipv6 address");
    std::array<char, INET6_ADDRSTRLEN> text{};
    return std::string(inet_ntop(AF_INET6, &address, text.data(), text.size()));
}

/// "2130706433", "0x7f.1" and "0177.0.0.1" are 127.0.0.1 to the system's resolver: give them their one plain form.
Result<std::string> ipv4_or_name(std::string host) {
    const auto dot = host.rfind('.');
    const auto last = std::string_view(host).substr(dot == host.npos ? 0 : dot + 1);
    const bool digits = !last.empty() && std::all_of(last.begin(), last.end(), is_digit);
    const bool hex =
        last.starts_with("0x") && std::all_of(last.begin() + 2, last.end(), [](char c) { return hex_value(c) >= 0; });
    if (!digits && !hex) return host;
    in_addr address{};
    if (inet_aton(host.c_str(), &address) == 0) return bad(fmt::format("'{}' is not an ipv4 address", host));
    std::array<char, INET_ADDRSTRLEN> text{};
    return std::string(inet_ntop(AF_INET, &address, text.data(), text.size()));
}

Result<std::string> normal_host(std::string_view given) {
    if (given.empty()) return bad("url without a host");
    std::string host = ascii_lowered(given);
    if (std::any_of(host.begin(), host.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
        auto ascii = to_ascii(host);
        if (!ascii) return ascii.error();
        host = std::move(*ascii);
    }
    if (host.ends_with('.')) host.pop_back();
    if (host.empty() || host.size() > 253) return bad("url with an empty or too long host");
    std::size_t label = 0;
    for (const char c : host) {
        if (c == '.') {
            if (label == 0) return bad("host name with an empty label");
            label = 0;
            continue;
        }
        if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '_') return bad("host name with a forbidden character");
        if (++label > 63) return bad("host name with a label above 63 characters");
    }
    if (label == 0) return bad("host name with an empty label");
    return ipv4_or_name(std::move(host));
}

Result<> take_authority(std::string_view authority, Url& url) {
    // Browsers end the host at a backslash, others do not.
    if (authority.find('\\') != authority.npos) return bad("url with a backslash before its path");
    if (const auto at = authority.find('@'); at != authority.npos) {
        const auto info = authority.substr(0, at);
        authority.remove_prefix(at + 1);
        // Two readers of "a@b@c" find two hosts.
        if (authority.find('@') != authority.npos) return bad("url with two '@' before its path");
        const auto colon = info.find(':');
        auto user = decoded(info.substr(0, colon));
        auto password = decoded(colon == info.npos ? std::string_view() : info.substr(colon + 1));
        if (!user) return user.error();
        if (!password) return password.error();
        url.user = std::move(*user);
        url.password = std::move(*password);
    }
    Result<std::string> host = std::string();
    if (authority.starts_with('[')) {
        const auto close = authority.find(']');
        if (close == authority.npos) return bad("url with an unclosed ipv6 address");
        host = ipv6_host(authority.substr(1, close - 1));
        authority.remove_prefix(close + 1);
        if (!authority.empty() && authority[0] != ':') return bad("url with something between its host and its port");
    } else {
        const auto colon = authority.find(':');
        host = normal_host(authority.substr(0, colon));
        authority.remove_prefix(std::min(colon, authority.size()));
    }
    if (!host) return host.error();
    url.host = std::move(*host);
    url.port = default_port(url.scheme);
    if (authority.size() > 1) {
        const auto digits = authority.substr(1);
        if (digits.size() > 5 || !std::all_of(digits.begin(), digits.end(), is_digit))
            return bad("url with a bad port");
        const int port = std::atoi(std::string(digits).c_str());
        if (port < 1 || port > 65535) return bad(fmt::format("url with port {}, which does not exist", port));
        url.port = static_cast<std::uint16_t>(port);
    }
    return {};
}

Result<Url> absolute(const Parts& parts) {
    Url url;
    url.scheme = ascii_lowered(parts.scheme);
    if (!parts.has_authority) return bad(fmt::format("url without '//' after '{}:'", url.scheme));
    if (auto r = take_authority(parts.authority, url); !r) return r.error();
    url.path = without_dots(parts.path.empty() ? "/" : encoded(parts.path));
    url.query = encoded(parts.query);
    return url;
}

/// A scheme that is not ours: kept just well enough for the guard to refuse it by name.
Url foreign(const Parts& parts) {
    Url url;
    url.scheme = ascii_lowered(parts.scheme);
    const auto at = parts.authority.rfind('@');
    url.host = ascii_lowered(at == parts.authority.npos ? parts.authority : parts.authority.substr(at + 1));
    url.path = encoded(parts.path);
    url.query = encoded(parts.query);
    return url;
}

}  // namespace

std::string Url::host_header() const {
    const bool v6 = host.find(':') != host.npos;
    std::string out = v6 ? fmt::format("[{}]", host) : host;
    if (port != 0 && port != default_port(scheme)) out += fmt::format(":{}", port);
    return out;
}

std::string Url::without_query() const {
    return fmt::format("{}://{}{}", scheme, host_header(), path);
}

std::string Url::text() const {
    return query.empty() ? without_query() : fmt::format("{}?{}", without_query(), query);
}

std::string Url::origin() const {
    const bool v6 = host.find(':') != host.npos;
    return fmt::format("{}://{}{}{}:{}", scheme, v6 ? "[" : "", host, v6 ? "]" : "", port);
}

Result<Url> parse_url(std::string_view text) {
    if (auto r = check_characters(text); !r) return r.error();
    const auto parts = split(text);
    if (parts.scheme.empty()) return bad("url without a scheme such as https://");
    const auto scheme = ascii_lowered(parts.scheme);
    if (default_port(scheme) == 0) return bad(fmt::format("url scheme '{}' is not http, https, ws or wss", scheme));
    return absolute(parts);
}

Result<Url> resolve_url(const Url& base, std::string_view reference) {
    if (auto r = check_characters(reference); !r) return r.error();
    const auto parts = split(reference);
    if (!parts.scheme.empty()) {
        if (default_port(ascii_lowered(parts.scheme)) == 0) return foreign(parts);
        return absolute(parts);
    }
    Url url = base;
    if (parts.has_authority) {
        url.user.clear();
        url.password.clear();
        if (auto r = take_authority(parts.authority, url); !r) return r.error();
        url.path = without_dots(parts.path.empty() ? "/" : encoded(parts.path));
        url.query = encoded(parts.query);
    } else if (parts.path.empty()) {
        if (parts.has_query) url.query = encoded(parts.query);
    } else {
        const std::string folder = parts.path[0] == '/' ? "" : base.path.substr(0, base.path.rfind('/') + 1);
        url.path = without_dots(folder + encoded(parts.path));
        url.query = encoded(parts.query);
    }
    if (url.text().size() > max_url) return bad(fmt::format("url above the limit of {} bytes", max_url));
    return url;
}

}  // namespace weir
