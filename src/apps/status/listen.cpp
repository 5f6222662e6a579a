#include <fmt/format.h>

#include <algorithm>

#include "apps/relay/credentials.h"
#include "apps/status/status_server.h"
#include "base/numbers.h"
#include "base/text.h"

namespace weir::status {
namespace {

bool only_digits(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool Listen::loopback() const {
    return relay::is_loopback_name(address);
}

Result<Listen> parse_listen(const std::string& text, const std::string& option) {
    Listen made;
    if (text.empty()) return made;
    const Error wrong{Errc::bad_input, fmt::format("{} {}: give HOST:PORT, as 127.0.0.1:3000, HOST an address", option,
                                                   text.substr(0, 100))};
    const auto colon = text.rfind(':');
    const bool port_alone = colon == std::string::npos;
    const auto port_text = port_alone ? text : text.substr(colon + 1);
    auto host = port_alone ? std::string() : ascii_lowered(text.substr(0, colon));
    const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (brackets) host = host.substr(1, host.size() - 2);
    const auto port = parse_int(port_text, 0, 65'535);
    if (!port || !only_digits(port_text)) return wrong;
    if (host == "localhost") host = "127.0.0.1";
    if (!host.empty()) made.address = host;
    const bool v6 = made.address.find(':') != std::string::npos;
    if (!relay::is_address(made.address) || v6 != brackets) return wrong;
    made.port = static_cast<std::uint16_t>(*port);
    made.asked_for = true;
    return made;
}

}  // namespace weir::status
