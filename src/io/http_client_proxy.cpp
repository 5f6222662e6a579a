#include "io/http_client_proxy.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/text.h"

namespace weir {
namespace {

std::string either(const std::function<std::string(const char*)>& env, const char* upper) {
    auto value = env(upper);
    return value.empty() ? env(ascii_lowered(upper).c_str()) : value;
}

std::vector<std::uint8_t> address_bytes(const std::string& text) {
    std::vector<std::uint8_t> out(16);
    if (inet_pton(AF_INET6, text.c_str(), out.data()) == 1) return out;
    out.resize(4);
    if (inet_pton(AF_INET, text.c_str(), out.data()) == 1) return out;
    return {};
}

bool in_block(const std::string& host, std::string_view block) {
    const auto slash = block.find('/');
    const auto network = address_bytes(std::string(block.substr(0, slash)));
    const auto address = address_bytes(host);
    if (network.empty() || network.size() != address.size()) return false;
    std::size_t bits = 0;
    const auto digits = block.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc{} || end != digits.data() + digits.size() || bits > network.size() * 8) return false;
    for (std::size_t i = 0; i < bits; ++i) {
        const auto mask = static_cast<std::uint8_t>(0x80u >> (i % 8));
        if ((network[i / 8] & mask) != (address[i / 8] & mask)) return false;
    }
    return true;
}

bool excepted(const Url& target, std::string_view entry) {
    if (entry == "*") return true;
    if (entry.find('/') != entry.npos) return in_block(target.host, entry);
    std::string_view name = entry;
    if (name.starts_with('[')) {
        const auto close = name.find(']');
        if (close == name.npos) return false;
        const auto after = name.substr(close + 1);
        if (!after.empty() && after != fmt::format(":{}", target.port)) return false;
        return name.substr(1, close - 1) == target.host;
    }
    if (const auto colon = name.find(':'); colon != name.npos && name.find(':', colon + 1) == name.npos) {
        if (name.substr(colon + 1) != fmt::format("{}", target.port)) return false;
        name = name.substr(0, colon);
    }
    if (name.starts_with("*.")) name.remove_prefix(1);
    const bool only_below = name.starts_with('.');
    const auto bare = only_below ? name.substr(1) : name;
    if (bare.empty()) return false;
    if (target.host == bare) return true;
    return address_bytes(target.host).empty() && target.host.ends_with(fmt::format(".{}", bare));
}

}  // namespace

Result<std::optional<Proxy>> parse_proxy(std::string_view text, const char* variable) {
    if (text.empty()) return std::optional<Proxy>{};
    const auto mark = text.find("://");
    const std::string scheme = mark == text.npos ? "http" : ascii_lowered(text.substr(0, mark));
    const auto rest = mark == text.npos ? text : text.substr(mark + 3);
    Proxy proxy;
    std::uint16_t standard = 1080;
    if (scheme == "http" || scheme == "https") {
        proxy.scheme = scheme;
        standard = scheme == "http" ? 80 : 443;
    } else if (scheme == "socks5" || scheme == "socks5h" || scheme == "socks") {
        proxy.scheme = "socks5h";
    } else if (scheme == "socks4" || scheme == "socks4a") {
        proxy.scheme = "socks4a";
    } else {
        return Error{Errc::bad_input, fmt::format("{} has the unknown scheme '{}'", variable, scheme)};
    }
    // ws, so that a written ":443" or ":80" is told from none.
    auto url = parse_url(fmt::format("ws://{}", rest));
    if (!url) return Error{Errc::bad_input, fmt::format("{} is not host:port or a URL", variable)};
    const auto authority = rest.substr(0, rest.find_first_of("/?#"));
    const auto port_mark = authority.rfind(':');
    const bool has_port = port_mark != authority.npos && authority.find_first_of("]@", port_mark) == authority.npos;
    proxy.host = url->host;
    proxy.port = has_port ? url->port : standard;
    proxy.user = url->user;
    proxy.password = url->password;
    return std::optional<Proxy>(std::move(proxy));
}

Result<ProxyRules> ProxyRules::from(const std::function<std::string(const char*)>& env) {
    ProxyRules rules;
    auto http = parse_proxy(either(env, "HTTP_PROXY"), "HTTP_PROXY");
    if (!http) return http.error();
    auto https = parse_proxy(either(env, "HTTPS_PROXY"), "HTTPS_PROXY");
    if (!https) return https.error();
    rules.http_ = std::move(*http);
    rules.https_ = std::move(*https);
    const auto list = ascii_lowered(either(env, "NO_PROXY"));
    for (std::size_t at = 0; at < list.size();) {
        const auto end = std::min(list.find_first_of(", \t", at), list.size());
        if (end > at) rules.exceptions_.push_back(list.substr(at, end - at));
        at = end + 1;
    }
    return rules;
}

Result<ProxyRules> ProxyRules::from_environment() {
    return from([](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value ? value : "");
    });
}

bool ProxyRules::direct(const Url& target) const {
    if (target.host == "localhost" || target.host == "::1") return true;
    if (const auto bytes = address_bytes(target.host); bytes.size() == 4 && bytes[0] == 127) return true;
    return std::any_of(exceptions_.begin(), exceptions_.end(), [&](const auto& e) { return excepted(target, e); });
}

std::optional<Proxy> ProxyRules::proxy_for(const Url& target) const {
    const auto& chosen = target.scheme == "https" || target.scheme == "wss" ? https_ : http_;
    if (!chosen || direct(target)) return std::nullopt;
    return chosen;
}

}  // namespace weir
