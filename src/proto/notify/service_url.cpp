#include "proto/notify/service_url.h"

#include <algorithm>

#include "base/numbers.h"
#include "base/text.h"

namespace weir::notify {
namespace {

constexpr std::size_t max_url = 8192, max_options = 100;

struct UrlReader {
    ServiceUrl url;
    std::string_view rest;
    std::string name;  ///< the scheme as errors say it, "" while it is not known

    [[nodiscard]] Error wrong(std::string_view what) const {
        return Error{Errc::bad_input, std::string(what), name.empty() ? "service url" : name};
    }
    Result<std::string> decoded(std::string_view text, std::string_view part, bool plus = false) const;
    Result<> scheme();
    Result<> query(std::string_view text);
    Result<> authority(std::string_view text);
    Result<> host(std::string_view text);
    Result<> rest_of_it();
};

std::optional<std::string> unescaped(std::string_view text, bool plus) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            if (i + 2 >= text.size()) return std::nullopt;
            const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return out;
}

Result<std::string> UrlReader::decoded(std::string_view text, std::string_view part, bool plus) const {
    auto out = unescaped(text, plus);
    if (!out) return wrong(fmt::format("the {} has a % without two hexadecimal digits; write %25 for %", part));
    if (valid_utf8(*out) != *out) return wrong(fmt::format("the {} is not UTF-8", part));
    return std::move(*out);
}

bool letter_or_digit(char c) {
    const char l = ascii_lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9');
}

Result<> UrlReader::scheme() {
    const auto end = rest.find("://");
    const auto text = rest.substr(0, std::min(end, rest.size()));
    const auto fits = [](char c) { return letter_or_digit(c) || c == '+' || c == '-' || c == '.'; };
    if (end == std::string_view::npos || text.empty() || !std::all_of(text.begin(), text.end(), fits) ||
        (text[0] >= '0' && text[0] <= '9') || !letter_or_digit(text[0]))
        return wrong("no scheme; it begins with one, as gotify://");
    rest.remove_prefix(end + 3);
    auto low = ascii_lowered(text);
    if (low.size() > 32) return wrong("the scheme is too long");
    const auto plus = low.find('+');
    if (plus != std::string::npos) url.custom = low.substr(plus + 1);
    url.scheme = low.substr(0, plus);
    name = url.scheme;
    if (url.scheme.empty()) return wrong("no scheme before +");
    if (plus != std::string::npos && url.custom.empty()) return wrong("nothing after + in the scheme");
    return {};
}

Result<> UrlReader::query(std::string_view text) {
    while (!text.empty()) {
        const auto end = std::min(text.find('&'), text.size());
        const auto pair = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (pair.empty()) continue;
        if (url.query.size() == max_options) return wrong(fmt::format("more than {} options", max_options));
        const auto equals = std::min(pair.find('='), pair.size());
        auto key = decoded(pair.substr(0, equals), "query", true);
        if (!key) return key.error();
        auto value = decoded(pair.substr(std::min(equals + 1, pair.size())), "query", true);
        if (!value) return value.error();
        url.query.emplace_back(std::move(*key), std::move(*value));
    }
    return {};
}

Result<> UrlReader::host(std::string_view text) {
    std::string_view after;
    if (!text.empty() && text.front() == '[') {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return wrong("the address has no closing ]");
        const auto address = text.substr(1, end - 1);
        const auto fits = [](char c) { return hex_value(c) >= 0 || c == ':' || c == '.'; };
        if (address.find(':') == std::string_view::npos || !std::all_of(address.begin(), address.end(), fits))
            return wrong("what stands in [ ] is no IPv6 address");
        url.host = address;
        after = text.substr(end + 1);
        if (!after.empty() && after.front() != ':') return wrong("after ] only a port may follow");
    } else {
        const auto colon = text.find(':');
        const auto name_part = text.substr(0, std::min(colon, text.size()));
        if (colon != std::string_view::npos) after = text.substr(colon);
        for (std::size_t i = 0; i < name_part.size(); ++i) {
            const char c = name_part[i];
            // Of escapes Go takes only those of bytes outside ASCII here.
            if (c == '%' && (i + 1 >= name_part.size() || hex_value(name_part[i + 1]) < 8))
                return wrong("the host has an escape that none may have");
            if (std::string_view(" \\^`{|}<>\"[]").find(c) != std::string_view::npos)
                return wrong("the host has a character that none may have");
        }
        auto plain = decoded(name_part, "host");
        if (!plain) return plain.error();
        url.host = std::move(*plain);
    }
    if (after.size() <= 1) return {};
    const auto port = parse_int(after.substr(1), 1, 65535);
    if (!port || after[1] == '+') return wrong("the port is not a number between 1 and 65535");
    url.port = static_cast<std::uint16_t>(*port);
    return {};
}

Result<> UrlReader::authority(std::string_view text) {
    if (const auto at = text.rfind('@'); at != std::string_view::npos) {
        const auto info = text.substr(0, at);
        text.remove_prefix(at + 1);
        const auto colon = info.find(':');
        url.has_user = true;
        url.has_password = colon != std::string_view::npos;
        auto user = decoded(info.substr(0, std::min(colon, info.size())), "user");
        if (!user) return user.error();
        url.user = std::move(*user);
        if (url.has_password) {
            auto password = decoded(info.substr(colon + 1), "password");
            if (!password) return password.error();
            url.password = std::move(*password);
        }
    }
    return host(text);
}

Result<> UrlReader::rest_of_it() {
    if (const auto hash = rest.find('#'); hash != std::string_view::npos) {
        auto fragment = decoded(rest.substr(hash + 1), "fragment");
        if (!fragment) return fragment.error();
        url.fragment = std::move(*fragment);
        rest = rest.substr(0, hash);
    }
    if (const auto mark = rest.find('?'); mark != std::string_view::npos) {
        if (auto done = query(rest.substr(mark + 1)); !done) return done;
        rest = rest.substr(0, mark);
    }
    const auto slash = std::min(rest.find('/'), rest.size());
    url.raw_path = rest.substr(slash);
    auto path = decoded(url.raw_path, "path");
    if (!path) return path.error();
    url.path = std::move(*path);
    return authority(rest.substr(0, slash));
}

void append_escaped(std::string& out, std::string_view text, bool plus) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (const char c : text) {
        if (letter_or_digit(c) || c == '-' || c == '_' || c == '.' || c == '~') {
            out += c;
        } else if (c == ' ' && plus) {
            out += '+';
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
}

}  // namespace

Result<ServiceUrl> read_service_url(std::string_view text) {
    UrlReader reader{.url = {}, .rest = text, .name = {}};
    if (text.size() > max_url) return reader.wrong(fmt::format("longer than {} bytes", max_url));
    if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
        return reader.wrong("it has a control character or a line end");
    if (auto done = reader.scheme(); !done) return done.error();
    if (auto done = reader.rest_of_it(); !done) return done.error();
    return std::move(reader.url);
}

std::string ServiceUrl::authority() const {
    auto out = host.find(':') == std::string::npos ? host : "[" + host + "]";
    if (port) out += fmt::format(":{}", *port);
    return out;
}

std::vector<std::string> ServiceUrl::segments() const {
    std::vector<std::string> out;
    for (std::string_view rest = raw_path; !rest.empty();) {
        const auto end = std::min(rest.find('/'), rest.size());
        if (auto part = unescaped(rest.substr(0, end), false); part && !part->empty()) out.push_back(std::move(*part));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return out;
}

const std::string* ServiceUrl::find(std::string_view key) const {
    const auto at = std::find_if(query.begin(), query.end(), [&](const auto& pair) { return pair.first == key; });
    return at == query.end() ? nullptr : &at->second;
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    append_escaped(out, text, false);
    return out;
}

std::string form_encoded(std::vector<std::pair<std::string, std::string>> fields) {
    std::stable_sort(fields.begin(), fields.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string out;
    for (const auto& [key, value] : fields) {
        if (!out.empty()) out += '&';
        append_escaped(out, key, true);
        out += '=';
        append_escaped(out, value, true);
    }
    return out;
}

}  // namespace weir::notify
