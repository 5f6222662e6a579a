#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace weir::notify {

/// The address of a notification service, "scheme://user:password@host:port/path?key=value#fragment", read as Go's net/url does:
/// every part percent-decoded, "+" in the query a space, raw ";" in a query allowed.
/// limits  8 KiB, 100 query options
/// errors  bad_input; the text names the scheme and what is wrong, never user info, host, path or query: they are secrets
/// source  protocols/notify.md 3
struct ServiceUrl {
    std::string scheme;  ///< in lower case; of "generic+https://…" it is "generic"…
    std::string custom;  ///< …and this is "https"
    bool has_user = false, has_password = false;
    std::string user, password;
    std::string host;  ///< of IPv6 without brackets
    std::optional<std::uint16_t> port = {};
    std::string path;      ///< decoded, with its leading '/'
    std::string raw_path;  ///< as written
    std::string fragment;
    std::vector<std::pair<std::string, std::string>> query = {};  ///< decoded, in order, keys as written

    /// "host" or "host:port" as in a Host header.
    [[nodiscard]] std::string authority() const;
    /// The parts of the path between slashes, decoded, empty ones left out.
    [[nodiscard]] std::vector<std::string> segments() const;
    [[nodiscard]] const std::string* find(std::string_view key) const;  ///< the first with exactly this key
};
[[nodiscard]] Result<ServiceUrl> read_service_url(std::string_view text);

/// Percent-encodes what is not unreserved (RFC 3986): for a path segment or a query part put together by hand.
[[nodiscard]] std::string percent_encoded(std::string_view text);
/// key=value&… as Go's url.Values.Encode: sorted by key, spaces as "+".
[[nodiscard]] std::string form_encoded(std::vector<std::pair<std::string, std::string>> fields);

}  // namespace weir::notify
