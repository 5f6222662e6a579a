#include "apps/relay/credentials.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/ip/address.hpp>

#include "base/random.h"
#include "base/text.h"

namespace weir::relay {
namespace {

int base64_value(char c) noexcept {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

std::optional<std::string> base64_decoded(std::string_view text) {
    while (text.ends_with('=')) text.remove_suffix(1);
    std::string out;
    std::uint32_t bits = 0;
    int held = 0;
    for (const char c : text) {
        const int value = base64_value(c);
        if (value < 0) return std::nullopt;
        bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffffff;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out += static_cast<char>(bits >> held & 0xff);
    }
    return out;
}

/// `value` without `scheme` and the blanks behind it, in any letter case; nothing when it begins otherwise.
std::optional<std::string_view> behind_scheme(std::string_view value, std::string_view scheme) {
    if (value.size() <= scheme.size() || value[scheme.size()] != ' ') return std::nullopt;
    if (ascii_lowered(value.substr(0, scheme.size())) != scheme) return std::nullopt;
    return stripped(value.substr(scheme.size()));
}

void add_authorization(Credentials& into, std::string_view value) {
    value = stripped(value);
    if (const auto token = behind_scheme(value, "bearer")) {
        if (!token->empty()) into.deliberate.emplace_back(*token);
    } else if (const auto basic = behind_scheme(value, "basic")) {
        const auto pair = base64_decoded(*basic);
        const auto colon = pair ? pair->find(':') : std::string::npos;
        if (colon != std::string::npos) into.basic = pair->substr(colon + 1);
    } else if (!value.empty()) {
        into.deliberate.emplace_back(value);
    }
}

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high << 4 | low);
        i += 2;
    }
    return out;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const auto end = query.find('&');
        const auto pair = query.substr(0, end);
        const auto equals = pair.find('=');
        if (equals != std::string_view::npos && pair.substr(0, equals) == name)
            return percent_decoded(pair.substr(equals + 1));
        if (end == std::string_view::npos) break;
        query.remove_prefix(end + 1);
    }
    return std::nullopt;
}

Credentials credentials_of(const ServerRequest& request) {
    Credentials out;
    if (const auto* value = request.find("authorization")) add_authorization(out, *value);
    for (const std::string_view name : {"token", "code"}) {
        auto value = query_value(request.query, name);
        if (value && !value->empty()) out.deliberate.push_back(std::move(*value));
    }
    return out;
}

bool same_secret(std::string_view given, std::string_view secret) noexcept {
    if (secret.empty()) return false;
    // As long as what was given, whatever the secret's length is.
    volatile unsigned difference = given.size() == secret.size() ? 0U : 1U;
    for (std::size_t i = 0; i < given.size(); ++i) {
        const auto a = static_cast<unsigned char>(given[i]);
        const auto b = static_cast<unsigned char>(secret[i % secret.size()]);
        difference = difference | static_cast<unsigned>(a ^ b);
    }
    return difference == 0;
}

std::string host_name(std::string_view host) {
    host = stripped(host);
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        return ascii_lowered(host.substr(1, end == std::string_view::npos ? end : end - 1));
    }
    const auto colon = host.find(':');
    // More than one colon and no brackets: an IPv6 address as it is.
    if (colon != std::string_view::npos && host.find(':', colon + 1) == std::string_view::npos)
        host = host.substr(0, colon);
    auto name = ascii_lowered(host);
    if (name.ends_with('.')) name.pop_back();
    return name;
}

bool is_loopback_name(std::string_view host) noexcept {
    if (host == "localhost" || host.ends_with(".localhost") || host == "::1") return true;
    // Four numbers, or it is a name that somebody may have registered: 127.0.0.1.example.
    int parts = 0, digits = 0, value = 0, first = -1;
    for (const char c : host) {
        if (c == '.') {
            if (digits == 0 || value > 255) return false;
            if (parts++ == 0) first = value;
            digits = value = 0;
        } else if (c >= '0' && c <= '9' && digits < 3) {
            ++digits;
            value = value * 10 + (c - '0');
        } else {
            return false;
        }
    }
    return parts == 3 && digits > 0 && value <= 255 && first == 127;
}

std::string origin_host(std::string_view origin) {
    const auto at = origin.find("://");
    if (at == std::string_view::npos) return {};
    origin.remove_prefix(at + 3);
    return host_name(origin.substr(0, origin.find('/')));
}

std::string plain_origin(std::string_view origin) {
    auto text = ascii_lowered(stripped(origin));
    while (text.ends_with('/')) text.pop_back();
    if (text.starts_with("http://") && text.ends_with(":80")) text.resize(text.size() - 3);
    if (text.starts_with("https://") && text.ends_with(":443")) text.resize(text.size() - 4);
    return text;
}

std::string origin_of_url(std::string_view url) {
    url = stripped(url);
    const auto at = url.find("://");
    if (at == std::string_view::npos) return {};
    return plain_origin(url.substr(0, url.find_first_of("/?#", at + 3)));
}

bool is_origin_of(std::string_view origin, std::string_view host, bool secure) {
    const auto plain = plain_origin(origin);
    const bool https = plain.starts_with("https://");
    if (host.empty() || !(https || plain.starts_with("http://")) || (secure && !https)) return false;
    return plain == plain_origin(fmt::format("{}://{}", https ? "https" : "http", stripped(host)));
}

bool is_address(std::string_view host) {
    boost::system::error_code ec;
    (void)boost::asio::ip::make_address(host, ec);
    return !ec;
}

std::string new_uuid() {
    std::array<unsigned char, 16> b{};
    fill_random(std::as_writable_bytes(std::span(b)));
    b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
    b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
    std::string out;
    for (std::size_t i = 0; i < b.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
        out += fmt::format("{:02x}", b[i]);
    }
    return out;
}

}  // namespace weir::relay
