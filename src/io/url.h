#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weir {

/// An absolute http, https, ws or wss URL, parsed and normalised (host in lower case, IDN as A-labels, dot segments removed).
/// limits  8 KiB; no control characters or spaces
/// source  RFC 3986
struct Url {
    std::string scheme, host, path, query, user, password;  ///< path begins with '/'; host of IPv6 without brackets
    std::uint16_t port = 0;                                 ///< the effective one

    [[nodiscard]] std::string text() const;           ///< without user info and fragment
    [[nodiscard]] std::string without_query() const;  ///< for names and hashes: tokens live in queries
    [[nodiscard]] std::string origin() const;         ///< scheme://host:port
    [[nodiscard]] std::string host_header() const;
};

Result<Url> parse_url(std::string_view text);
/// Resolves `reference` against `base` (RFC 3986 5.3). The scheme is not checked here: the guard does that.
Result<Url> resolve_url(const Url& base, std::string_view reference);

}  // namespace weir
