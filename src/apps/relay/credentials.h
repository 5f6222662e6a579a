#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/http_server.h"

namespace weir::relay {

/// What a request brings to prove who it is.
struct Credentials {
    std::vector<std::string>
        deliberate;  ///< `Authorization: Bearer …` or raw, `?token=`, `?code=`: a page has to know them
    std::optional<std::string>
        basic;  ///< a Basic password: browsers repeat it by themselves, for other sites' pages too
    [[nodiscard]] bool none() const noexcept { return deliberate.empty() && !basic; }
};
[[nodiscard]] Credentials credentials_of(const ServerRequest& request);

/// The first value of that name in a query, percent-decoded ('+' stays).
[[nodiscard]] std::optional<std::string> query_value(std::string_view query, std::string_view name);
/// Nothing when an escape is broken.
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text);

/// In a time that says nothing about where they differ.
[[nodiscard]] bool same_secret(std::string_view given, std::string_view secret) noexcept;

/// "cam.example:8080", "[::1]:80", "127.0.0.1" without the port, in lower case, brackets off.
[[nodiscard]] std::string host_name(std::string_view host);
/// localhost and names below it, 127.0.0.0/8, ::1.
[[nodiscard]] bool is_loopback_name(std::string_view host) noexcept;
/// The host of "https://cam.example:8080"; empty for "null" and what is no origin.
[[nodiscard]] std::string origin_host(std::string_view origin);
/// In lower case, without the port that its scheme stands for and without a '/' at the end.
[[nodiscard]] std::string plain_origin(std::string_view origin);
/// The origin that a URL (a Referer) belongs to, as plain_origin(); empty: none.
[[nodiscard]] std::string origin_of_url(std::string_view url);
/// Is `origin` the site that a Host field names, port included? Without one it is the port of `secure`'s scheme; behind a proxy
/// that speaks TLS, of the origin's.
[[nodiscard]] bool is_origin_of(std::string_view origin, std::string_view host, bool secure);
/// A numeric address, IPv6 without brackets: no name that somebody may have registered.
[[nodiscard]] bool is_address(std::string_view host);
/// A random UUID (version 4).
[[nodiscard]] std::string new_uuid();

}  // namespace weir::relay
