#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/url.h"

namespace weir {

struct Proxy {
    std::string scheme = "http";  ///< http, https, socks4a or socks5h: the proxy resolves the target's name
    std::string host, user, password;
    std::uint16_t port = 0;
};

/// "host:port" or a URL; nothing for an empty text. bad_input names `variable`, where the text came from, never the text.
Result<std::optional<Proxy>> parse_proxy(std::string_view text, const char* variable);

/// Which proxy a request goes through. Targets on localhost and loopback addresses go straight.
/// source  FC2-137; HTTP_PROXY serves http and ws, HTTPS_PROXY https and wss; NO_PROXY lists names (with their
/// sub-domains),
///         addresses, CIDR blocks, each with an optional port, or `*`
/// threads immutable
class ProxyRules {
public:
    /// `env` looks a variable up; empty when it is not set. bad_input names the variable, never its value (it may hold
    /// a password).
    static Result<ProxyRules> from(const std::function<std::string(const char*)>& env);
    static Result<ProxyRules> from_environment();
    [[nodiscard]] std::optional<Proxy> proxy_for(const Url& target) const;

private:
    [[nodiscard]] bool direct(const Url& target) const;
    std::optional<Proxy> http_, https_;
    std::vector<std::string> exceptions_;
};

}  // namespace weir
