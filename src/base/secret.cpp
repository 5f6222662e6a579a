#include "base/secret.h"

#include <string.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/random.h"

namespace weir {

Secret::~Secret() {
    // The capacity, not the size: a moved-from short string keeps its characters in place.
    explicit_bzero(value_.data(), value_.capacity());
}

Secret random_token() {
    std::array<unsigned char, 16> bytes{};
    fill_random(std::as_writable_bytes(std::span(bytes)));
    std::string out;
    for (const auto b : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", b);
    return Secret(std::move(out));
}

std::string masked_url(std::string_view url) {
    std::string out;
    const auto colon = url.find("://");
    if (colon != std::string_view::npos && url.substr(0, colon).find_first_of("/?#@") == std::string_view::npos) {
        out.append(url.substr(0, colon + 3));
        url.remove_prefix(colon + 3);
    }
    const auto authority_end = std::min(url.find_first_of("/?#"), url.size());
    if (const auto at = url.substr(0, authority_end).rfind('@'); at != std::string_view::npos) {
        out += "***@";
        out.append(url.substr(at + 1, authority_end - at - 1));
    } else {
        out.append(url.substr(0, authority_end));
    }
    url.remove_prefix(authority_end);

    const auto path_end = std::min(url.find_first_of("?#"), url.size());
    out.append(url.substr(0, path_end));
    url.remove_prefix(path_end);
    if (!url.empty() && url.front() == '?') {
        const auto query_end = std::min(url.find('#'), url.size());
        auto query = url.substr(1, query_end - 1);
        url.remove_prefix(query_end);
        char joint = '?';
        while (true) {
            const auto end = std::min(query.find('&'), query.size());
            const auto pair = query.substr(0, end);
            const auto equals = pair.find('=');
            out += joint;
            joint = '&';
            // A parameter without a value may itself be the token.
            if (equals != std::string_view::npos) out.append(pair.substr(0, equals + 1));
            if (!pair.empty()) out += "***";
            if (end == query.size()) break;
            query.remove_prefix(end + 1);
        }
    }
    if (!url.empty()) out += "#***";
    return out;
}

}  // namespace weir
