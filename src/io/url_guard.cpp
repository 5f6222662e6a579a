#include "io/url_guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace weir {
namespace {

struct V4Range {
    std::uint32_t first;
    int bits;
};

constexpr std::uint32_t v4(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
    return a << 24 | b << 16 | c << 8 | d;
}

/// IANA special-purpose registry: what is not an address of the public Internet.
constexpr std::array inner_v4{
    V4Range{v4(0, 0, 0, 0), 8},    V4Range{v4(10, 0, 0, 0), 8},     V4Range{v4(100, 64, 0, 0), 10},
    V4Range{v4(127, 0, 0, 0), 8},  V4Range{v4(169, 254, 0, 0), 16}, V4Range{v4(172, 16, 0, 0), 12},
    V4Range{v4(192, 0, 0, 0), 24}, V4Range{v4(192, 168, 0, 0), 16}, V4Range{v4(198, 18, 0, 0), 15},
    V4Range{v4(224, 0, 0, 0), 4},  V4Range{v4(240, 0, 0, 0), 4},
};

bool inner(std::uint32_t address) {
    return std::any_of(inner_v4.begin(), inner_v4.end(),
                       [&](V4Range r) { return ((address ^ r.first) >> (32 - r.bits)) == 0; });
}

using V6 = std::array<std::uint8_t, 16>;

std::uint32_t v4_at(const V6& a, std::size_t from) {
    return v4(a[from], a[from + 1], a[from + 2], a[from + 3]);
}

bool zero(const V6& a, std::size_t from, std::size_t to) {
    return std::all_of(a.begin() + static_cast<std::ptrdiff_t>(from), a.begin() + static_cast<std::ptrdiff_t>(to),
                       [](std::uint8_t b) { return b == 0; });
}

bool inner(const V6& a) {
    if (zero(a, 0, 10) && a[10] == 0xff && a[11] == 0xff) return inner(v4_at(a, 12));  // ::ffff:0:0/96, mapped
    if (zero(a, 0, 12)) return true;                                     // ::, ::1 and the old compatible form
    if ((a[0] & 0xfe) == 0xfc || a[0] == 0xff) return true;              // unique local, multicast
    if (a[0] == 0xfe && (a[1] & 0x80) == 0x80) return true;              // link-local, site-local
    if (a[0] == 0x00 && a[1] == 0x64 && a[2] == 0xff && a[3] == 0x9b) {  // NAT64
        if (zero(a, 4, 12)) return inner(v4_at(a, 12));
        return true;  // 64:ff9b:1::/48 is for local use
    }
    if (a[0] == 0x20 && a[1] == 0x02) return inner(v4_at(a, 2));  // 6to4
    return false;
}

bool is_literal(std::string_view host) {
    in_addr four{};
    in6_addr six{};
    const std::string text(host);
    return inet_pton(AF_INET, text.c_str(), &four) == 1 || inet_pton(AF_INET6, text.c_str(), &six) == 1;
}

/// Names that only mean something inside somebody's own network.
bool inner_name(std::string_view host) {
    constexpr std::array<std::string_view, 5> suffixes{".localhost", ".local", ".lan", ".internal", ".home.arpa"};
    return host.find('.') == host.npos ||
           std::any_of(suffixes.begin(), suffixes.end(), [&](std::string_view s) { return host.ends_with(s); });
}

}  // namespace

bool is_inner_address(std::string_view numeric) {
    const std::string text(numeric.substr(0, numeric.find('%')));
    in_addr four{};
    if (inet_pton(AF_INET, text.c_str(), &four) == 1) return inner(ntohl(four.s_addr));
    V6 six{};
    if (inet_pton(AF_INET6, text.c_str(), six.data()) == 1) return inner(six);
    return true;  // not an address at all: nothing to trust
}

UrlGuard::UrlGuard(const Url& trusted)
    : trusted_host_(trusted.host),
      inner_allowed_(is_literal(trusted.host) ? is_inner_address(trusted.host) : inner_name(trusted.host)) {}

Result<> UrlGuard::check(const Url& url) const {
    if (url.scheme != "http" && url.scheme != "https")
        return Error{Errc::denied, fmt::format("scheme '{}' is not allowed here ({})", url.scheme,
                                               url.host.empty() ? "no host" : url.host)};
    if (url.host.empty()) return Error{Errc::denied, "url without a host"};
    if (is_literal(url.host)) return check_address(url, url.host);
    return {};
}

Result<> UrlGuard::check_address(const Url& url, std::string_view address) const {
    if (inner_allowed_ || url.host == trusted_host_ || !is_inner_address(address)) return {};
    if (url.host == address) return Error{Errc::denied, fmt::format("{} is an inner address", url.host)};
    return Error{Errc::denied, fmt::format("{} is at the inner address {}", url.host, address)};
}

Result<> UrlGuard::check_redirect(const Url& from, const Url& to) const {
    if (auto r = check(to); !r) return r;
    if (from.scheme == "https" && to.scheme == "http" && !(to.user.empty() && to.password.empty()))
        return Error{Errc::denied, fmt::format("redirect from https to http://{} with credentials", to.host)};
    return {};
}

}  // namespace weir
