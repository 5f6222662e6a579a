#include "telemetry/profiles/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/secret.h"

namespace weir::telemetry {
namespace {

constexpr std::int64_t longest = 300;  // the one CPU profile there can be is not given back by a client that leaves

std::optional<std::string> value_of(std::string_view query, std::string_view name) {
    for (std::size_t at = 0; at < query.size();) {
        const auto end = std::min(query.find('&', at), query.size());
        const auto pair = query.substr(at, end - at);
        at = end + 1;
        if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
            return std::string(pair.substr(name.size() + 1));
    }
    return std::nullopt;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool speaks_of_a_secret(std::string_view option) {
    std::string name(option);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c | 32) : c; });
    constexpr std::string_view words[] = {"secret", "token", "password", "cookie", "header", "key", "auth", "login"};
    return std::any_of(std::begin(words), std::end(words),
                       [&](auto word) { return name.find(word) != std::string::npos; });
}

std::string masked(std::string_view value, bool secret) {
    if (secret) return "***";
    // A notification's URL may be a secret from its host on.
    const auto scheme = value.find("://");
    if (scheme == std::string_view::npos) return std::string(value);
    if (value.starts_with("http")) return masked_url(value);
    return std::string(value.substr(0, scheme + 3)) + "***";
}

}  // namespace

ProfileRequest parse_profile_request(std::string_view path, std::string_view query) {
    ProfileRequest out;
    if (path.starts_with(profile_folder)) out.name = path.substr(profile_folder.size());
    out.seconds_text = value_of(query, "seconds");
    if (out.seconds_text && out.seconds_text->empty()) out.seconds_text.reset();
    if (out.seconds_text) out.seconds = whole_number(*out.seconds_text);
    if (out.seconds && *out.seconds <= 0) out.seconds.reset();
    if (const auto debug = value_of(query, "debug")) out.debug = whole_number(*debug).value_or(0) != 0;
    return out;
}

ProfileAnswer profile_error(int status, std::string_view text) {
    return {.status = status, .body = fmt::format("{}\n", text), .headers = {{"X-Go-Pprof", "1"}}};
}

ProfileAnswer profile_file(std::string body, std::string_view file_name) {
    return {.content_type = "application/octet-stream",
            .body = std::move(body),
            .headers = {{"Content-Disposition", fmt::format("attachment; filename=\"{}\"", file_name)}}};
}

ProfileAnswer profile_text(std::string body) {
    return {.body = std::move(body)};
}

std::optional<ProfileAnswer> refused(const ProfileRequest& request) {
    const bool cpu = request.name == "profile";
    if (request.seconds && *request.seconds > longest)
        return profile_error(400, fmt::format("a profile lasts {} seconds at most", longest));
    if (cpu || !request.seconds_text) return std::nullopt;
    if (!request.seconds) return profile_error(400, "invalid value for \"seconds\" - must be a positive integer");
    if (request.debug) return profile_error(400, "seconds and debug params are incompatible");
    return std::nullopt;
}

std::string masked_arguments(std::string_view nul_joined) {
    std::string out;
    bool next_is_secret = false, first = true;
    while (!nul_joined.empty()) {
        const auto end = std::min(nul_joined.find('\0'), nul_joined.size());
        const auto argument = nul_joined.substr(0, end);
        nul_joined.remove_prefix(std::min(end + 1, nul_joined.size()));
        if (!std::exchange(first, false)) out += '\0';
        const bool option = argument.starts_with('-');
        const auto equals = option ? argument.find('=') : std::string_view::npos;
        if (equals != std::string_view::npos) {
            const auto name = argument.substr(0, equals);
            out += name;
            out += '=';
            out += masked(argument.substr(equals + 1), speaks_of_a_secret(name));
        } else {
            out += masked(argument, !option && next_is_secret);
        }
        next_is_secret = option && equals == std::string_view::npos && speaks_of_a_secret(argument);
    }
    return out;
}

std::vector<std::uint64_t> parse_addresses(std::string_view text) {
    constexpr std::size_t most = 65'536;
    std::vector<std::uint64_t> out;
    while (!text.empty() && out.size() < most) {
        const auto end = std::min(text.find('+'), text.size());
        auto word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        while (!word.empty() && (word.back() == '\n' || word.back() == '\r')) word.remove_suffix(1);
        const bool hex = word.starts_with("0x") || word.starts_with("0X");
        if (hex) word.remove_prefix(2);
        std::uint64_t address = 0;
        const auto [stop, ec] = std::from_chars(word.data(), word.data() + word.size(), address, hex ? 16 : 10);
        if (ec == std::errc() && stop == word.data() + word.size() && address) out.push_back(address);
    }
    return out;
}

}  // namespace weir::telemetry
