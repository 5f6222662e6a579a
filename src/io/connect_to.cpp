#include "io/connect_to.h"

#include <algorithm>
#include <cstdlib>

#include "base/numbers.h"
#include "base/text.h"

namespace weir {
namespace {

/// Up to the next ':' outside brackets; the brackets go.
std::optional<std::string> take_part(std::string_view& rest) {
    std::string part;
    if (rest.starts_with('[')) {
        const auto close = rest.find(']');
        if (close == rest.npos) return std::nullopt;
        part = rest.substr(1, close - 1);
        rest.remove_prefix(close + 1);
    } else {
        const auto colon = std::min(rest.find(':'), rest.size());
        part = rest.substr(0, colon);
        rest.remove_prefix(colon);
    }
    if (rest.empty()) return part;
    if (rest.front() != ':') return std::nullopt;
    rest.remove_prefix(1);
    return part;
}

bool read_port(const std::string& text, std::optional<std::uint16_t>& into) {
    if (text.empty()) return true;
    const auto port = parse_int(text, 1, 65'535);
    if (port) into = static_cast<std::uint16_t>(*port);
    return port.has_value();
}

}  // namespace

Result<ConnectTo> ConnectTo::parse(std::string_view text) {
    ConnectTo all;
    for (int number = 1; !text.empty(); ++number) {
        const auto end = std::min(text.find(','), text.size());
        auto rest = stripped(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        const bool three = std::count(rest.begin(), rest.end(), ':') >= 3;
        const auto host = take_part(rest), port = take_part(rest), to_host = take_part(rest), to_port = take_part(rest);
        Entry entry;
        const bool whole = three && host && port && to_host && to_port && rest.empty() &&
                           read_port(*port, entry.port) && read_port(*to_port, entry.to_port);
        if (!whole)
            return Error{Errc::bad_input,
                         fmt::format("WEIR_CONNECT_TO: entry {} is not HOST:PORT:TO_HOST:TO_PORT", number)};
        entry.host = ascii_lowered(*host);
        entry.to_host = *to_host;
        all.entries_.push_back(std::move(entry));
    }
    return all;
}

Result<ConnectTo> ConnectTo::from_environment() {
    const char* value = std::getenv("WEIR_CONNECT_TO");
    return parse(value ? value : "");
}

std::optional<ConnectTo::Place> ConnectTo::instead_of(std::string_view host, std::uint16_t port) const {
    for (const auto& entry : entries_) {
        if (!entry.host.empty() && entry.host != ascii_lowered(host)) continue;
        if (entry.port.value_or(port) != port) continue;
        return Place{entry.to_host.empty() ? std::string(host) : entry.to_host, entry.to_port.value_or(port)};
    }
    return std::nullopt;
}

}  // namespace weir
