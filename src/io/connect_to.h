#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weir {

/// Where connections of HttpClient really go, against what the URL says: name, Host header and certificate stay the URL's.
/// `WEIR_CONNECT_TO` is a comma list of curl's --connect-to form, HOST:PORT:TO_HOST:TO_PORT, for tests and for hosts behind a
/// gateway; an empty HOST or PORT is any, an empty TO_ part stays as it was; IPv6 in brackets. Such a connection takes no proxy.
/// errors  bad_input: the number of the entry that is wrong, and the form
/// threads immutable
class ConnectTo {
public:
    struct Place {
        std::string host;  ///< IPv6 without brackets
        std::uint16_t port = 0;
        bool operator==(const Place&) const = default;
    };
    [[nodiscard]] static Result<ConnectTo> parse(std::string_view text);
    [[nodiscard]] static Result<ConnectTo> from_environment();
    /// The first entry that fits; none: as the URL says.
    [[nodiscard]] std::optional<Place> instead_of(std::string_view host, std::uint16_t port) const;

private:
    struct Entry {
        std::string host, to_host;
        std::optional<std::uint16_t> port, to_port;
    };
    std::vector<Entry> entries_;
};

}  // namespace weir
