#include "io/cookie_jar.h"

#include <arpa/inet.h>
#include <libpsl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "base/log.h"
#include "base/text.h"

namespace weir {
namespace {

constexpr std::size_t max_cookie = 4096, max_attribute = 1024, max_per_domain = 300, max_cookies = 6000;
constexpr std::size_t max_header = 64u << 10, max_file = 16u << 20;

bool has_controls(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool is_address(const std::string& host) {
    in_addr four{};
    in6_addr six{};
    return inet_pton(AF_INET, host.c_str(), &four) == 1 || inet_pton(AF_INET6, host.c_str(), &six) == 1;
}

/// The one written form of a domain, as a URL's host has it; empty when it is none.
std::string canonical(std::string_view domain) {
    while (domain.starts_with('.')) domain.remove_prefix(1);
    if (domain.empty() || domain.find_first_of("/?#@:[]") != domain.npos) return {};
    const auto url = parse_url(fmt::format("http://{}/", domain));
    return url ? url->host : std::string();
}

/// RFC 6265, 5.1.3.
bool domain_matches(const std::string& host, const std::string& domain) {
    if (host == domain) return true;
    return host.size() > domain.size() && host.ends_with(domain) && host[host.size() - domain.size() - 1] == '.' &&
           !is_address(host);
}

/// RFC 6265, 5.1.4.
bool path_matches(std::string_view path, std::string_view cookie_path) {
    if (!path.starts_with(cookie_path)) return false;
    return path.size() == cookie_path.size() || cookie_path.ends_with('/') || path[cookie_path.size()] == '/';
}

std::string default_path(std::string_view path) {
    const auto slash = path.rfind('/');
    return slash == path.npos || slash == 0 ? "/" : std::string(path.substr(0, slash));
}

bool is_public_suffix(const std::string& domain) {
    const psl_ctx_t* list = psl_builtin();
    return list && psl_is_public_suffix(list, domain.c_str());
}

template <class T>
std::optional<T> leading_number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end == text.data()) return std::nullopt;
    return value;
}

std::size_t digits_at_start(std::string_view text) {
    return std::min(text.find_first_not_of("0123456789"), text.size());
}

struct DateParts {
    std::optional<int> day, month, year, hour, minute, second;
};

/// hh:mm:ss, each of one or two digits, whatever follows the last of them.
bool take_time(std::string_view token, DateParts& parts) {
    std::array<int, 3> fields{};
    for (std::size_t i = 0; i < 3; ++i) {
        const auto count = digits_at_start(token);
        if (count < 1 || count > 2) return false;
        fields[i] = *leading_number<int>(token.substr(0, count));
        token.remove_prefix(count);
        if (i == 2) break;
        if (!token.starts_with(':')) return false;
        token.remove_prefix(1);
    }
    parts.hour = fields[0];
    parts.minute = fields[1];
    parts.second = fields[2];
    return true;
}

void take_date_token(std::string_view token, DateParts& parts) {
    constexpr std::array<std::string_view, 12> months{"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
    if (!parts.hour && take_time(token, parts)) return;
    const auto count = digits_at_start(token);
    if (!parts.day && (count == 1 || count == 2)) {
        parts.day = leading_number<int>(token.substr(0, count));
        return;
    }
    if (!parts.month && token.size() >= 3) {
        const auto found = std::find(months.begin(), months.end(), ascii_lowered(token.substr(0, 3)));
        if (found != months.end()) {
            parts.month = static_cast<int>(found - months.begin()) + 1;
            return;
        }
    }
    if (!parts.year && (count == 2 || count == 4)) parts.year = leading_number<int>(token.substr(0, count));
}

/// RFC 6265, 5.1.1: anything that looks at all like a date.
std::optional<WallTime> cookie_date(std::string_view text) {
    DateParts parts;
    const auto is_delimiter = [](char c) {
        const auto u = static_cast<unsigned char>(c);
        return u == 9 || (u >= 0x20 && u <= 0x2f) || (u >= 0x3b && u <= 0x40) || (u >= 0x5b && u <= 0x60) ||
               (u >= 0x7b && u <= 0x7e);
    };
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at;
        while (end < text.size() && !is_delimiter(text[end])) ++end;
        if (end > at) take_date_token(text.substr(at, end - at), parts);
        at = end + 1;
    }
    if (!parts.day || !parts.month || !parts.year || !parts.hour) return std::nullopt;
    int year = *parts.year;
    if (year >= 70 && year <= 99) year += 1900;
    if (year >= 0 && year <= 69) year += 2000;
    if (year < 1601 || *parts.hour > 23 || *parts.minute > 59 || *parts.second > 59) return std::nullopt;
    const std::chrono::year_month_day date(std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(*parts.month)),
                                           std::chrono::day(static_cast<unsigned>(*parts.day)));
    if (!date.ok()) return std::nullopt;
    // In seconds first: the years that a 64-bit count of nanoseconds cannot hold are as good as "never" or "long ago".
    const auto seconds = std::chrono::sys_seconds(std::chrono::sys_days(date)) + std::chrono::hours(*parts.hour) +
                         std::chrono::minutes(*parts.minute) + std::chrono::seconds(*parts.second);
    const auto least = std::chrono::time_point_cast<std::chrono::seconds>(WallTime::min()) + std::chrono::seconds(1);
    const auto most = std::chrono::time_point_cast<std::chrono::seconds>(WallTime::max()) - std::chrono::seconds(1);
    return std::clamp<std::chrono::sys_seconds>(seconds, least, most);
}

WallTime after(WallTime now, std::int64_t seconds) {
    constexpr std::int64_t longest = 400LL * 24 * 3600;  // RFC 6265bis: no cookie needs more
    return now + std::chrono::seconds(std::min(seconds, longest));
}

struct Attributes {
    std::optional<std::string> domain, path;
    std::optional<WallTime> expires, max_age;
    bool secure = false, http_only = false;
};

Attributes read_attributes(std::string_view text, WallTime now) {
    Attributes out;
    while (!text.empty()) {
        const auto end = std::min(text.find(';'), text.size());
        const auto part = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const auto equals = part.find('=');
        const auto name = ascii_lowered(stripped(part.substr(0, equals)));
        const auto value = equals == part.npos ? std::string_view() : stripped(part.substr(equals + 1));
        if (value.size() > max_attribute) continue;
        if (name == "expires") {
            if (auto when = cookie_date(value)) out.expires = when;
        } else if (name == "max-age") {
            const auto digits = value.starts_with('-') ? value.substr(1) : value;
            if (digits.empty() || digits_at_start(digits) != digits.size()) continue;
            const bool past = value.starts_with('-') || digits.find_first_not_of('0') == digits.npos;
            out.max_age = past ? WallTime::min() : after(now, leading_number<std::int64_t>(digits).value_or(INT64_MAX));
        } else if (name == "domain") {
            if (!value.empty()) out.domain = std::string(value);
        } else if (name == "path") {
            out.path = std::string(value);
        } else if (name == "secure") {
            out.secure = true;
        } else if (name == "httponly") {
            out.http_only = true;
        }
    }
    return out;
}

bool is_secure(const Url& url) {
    return url.scheme == "https" || url.scheme == "wss";
}

/// RFC 6265bis: names that promise how the cookie was set.
bool keeps_its_promise(const Cookie& cookie, const Attributes& given, const Url& from) {
    const auto name = ascii_lowered(cookie.name);
    if (name.starts_with("__secure-") && !(cookie.secure && is_secure(from))) return false;
    if (!name.starts_with("__host-")) return true;
    return cookie.secure && is_secure(from) && !given.domain && given.path == "/";
}

std::vector<std::string_view> fields_of(std::string_view line) {
    std::vector<std::string_view> out;
    if (line.find('\t') != line.npos) {
        while (out.size() < 6) {
            const auto tab = line.find('\t');
            out.push_back(line.substr(0, tab));
            if (tab == line.npos) return out;
            line.remove_prefix(tab + 1);
        }
        out.push_back(line);  // an empty value is a value
        return out;
    }
    while (true) {
        line = stripped(line);
        if (line.empty()) return out;
        const auto end = out.size() == 6 ? line.size() : std::min(line.find(' '), line.size());
        out.push_back(line.substr(0, end));
        line.remove_prefix(end);
    }
}

Error bad_line(std::size_t number, Error e) {
    e.what = fmt::format("cookie file, line {}: {}", number, e.what);
    return e;
}

}  // namespace

/// One line of the file; nothing for a comment.
Result<std::optional<Cookie>> CookieJar::read_line(std::string_view line, WallTime now) {
    constexpr std::string_view http_only = "#HttpOnly_";
    Cookie cookie;
    cookie.created = now;
    if (line.starts_with(http_only)) {
        cookie.http_only = true;
        line.remove_prefix(http_only.size());
    }
    if (stripped(line).empty() || line.starts_with('#')) return std::optional<Cookie>{};
    const auto fields = fields_of(line);
    const bool no_value = fields.size() == 6 && line.find('\t') != line.npos;  // an editor cut the last tab
    if (fields.size() < 7 && !no_value)
        return Error{Errc::bad_input,
                     fmt::format("{} fields where 7 are expected (domain, flag, path, secure, expiry, name, value)",
                                 fields.size())};
    const auto domain = stripped(fields[0]);
    cookie.domain = canonical(domain);
    if (cookie.domain.empty()) return Error{Errc::bad_input, "the first field is not a domain"};
    cookie.host_only =
        is_address(cookie.domain) || (!domain.starts_with('.') && ascii_lowered(stripped(fields[1])) != "true");
    if (!cookie.host_only && is_public_suffix(cookie.domain)) cookie.host_only = true;
    cookie.path = fields[2].starts_with('/') ? std::string(fields[2]) : "/";
    cookie.secure = ascii_lowered(stripped(fields[3])) == "true";
    if (const auto expiry = leading_number<std::int64_t>(stripped(fields[4])).value_or(0); expiry > 0) {
        const auto most =
            std::chrono::time_point_cast<std::chrono::seconds>(WallTime::max()).time_since_epoch().count();
        cookie.expires = WallTime(std::chrono::seconds(std::min<std::int64_t>(expiry, most)));
    }
    cookie.name = fields[5];
    cookie.value = no_value ? std::string_view() : fields[6];
    if (cookie.name.empty()) return Error{Errc::bad_input, "a cookie without a name"};
    // What would not come back from a file or would break a header.
    if (has_controls(cookie.name) || has_controls(cookie.value) || has_controls(cookie.path) ||
        cookie.name.find_first_of("=;") != cookie.name.npos || cookie.value.find(';') != cookie.value.npos)
        return Error{Errc::bad_input, "a cookie with forbidden characters"};
    return std::optional<Cookie>(std::move(cookie));
}

Result<> CookieJar::import_netscape(std::string_view text, WallTime now, std::vector<Error>* left_out) {
    if (text.size() > max_file)
        return Error{Errc::bad_input, fmt::format("cookie file above the limit of {} bytes", max_file)};
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    std::vector<Cookie> read;
    std::size_t expired = 0, oversized = 0;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        auto cookie = read_line(line, now);
        if (!cookie) {
            auto why = bad_line(number, cookie.error());
            if (!left_out) return why;
            left_out->push_back(std::move(why));
            continue;
        }
        if (!*cookie) continue;
        if ((*cookie)->expires && *(*cookie)->expires <= now)
            ++expired;
        else if ((*cookie)->name.size() + (*cookie)->value.size() > max_cookie)
            ++oversized;
        else
            read.push_back(std::move(**cookie));
    }
    if (expired + oversized > 0)
        WEIR_LOG(warn, "some cookies of the file were skipped", {"expired", expired}, {"oversized", oversized});
    for (auto& cookie : read) put(std::move(cookie), now);
    return {};
}

std::string CookieJar::export_netscape() const {
    std::string out = "# Netscape HTTP Cookie File\n";
    for (const auto& c : cookies_) {
        const auto expiry = c.expires ? std::max<std::int64_t>(unix_millis(*c.expires) / 1000, 1) : 0;
        out += fmt::format("{}{}{}\t{}\t{}\t{}\t{}\t{}\t{}\n", c.http_only ? "#HttpOnly_" : "", c.host_only ? "" : ".",
                           c.domain, c.host_only ? "FALSE" : "TRUE", c.path, c.secure ? "TRUE" : "FALSE", expiry,
                           c.name, c.value);
    }
    return out;
}

/// Replaces its namesake (which keeps its age), or deletes it when already expired. True when the jar changed.
bool CookieJar::put(Cookie cookie, WallTime now) {
    const auto same = std::find_if(cookies_.begin(), cookies_.end(), [&](const Cookie& c) {
        return c.name == cookie.name && c.domain == cookie.domain && c.path == cookie.path;
    });
    const bool expired = cookie.expires && *cookie.expires <= now;
    if (same == cookies_.end()) {
        if (expired) return false;
        make_room(cookie.domain, now);
        cookies_.push_back(std::move(cookie));
        ++changes_;
        return true;
    }
    if (expired) {
        cookies_.erase(same);
        ++changes_;
        return true;
    }
    const bool differs = same->value != cookie.value || same->expires != cookie.expires ||
                         same->secure != cookie.secure || same->http_only != cookie.http_only;
    cookie.created = same->created;
    *same = std::move(cookie);
    if (differs) ++changes_;
    return differs;
}

/// The expired go first, then the oldest of the domain, then the oldest of all.
void CookieJar::make_room(const std::string& domain, WallTime now) {
    const auto of_domain = [&](const Cookie& c) { return c.domain == domain; };
    const auto crowded = [&] {
        return std::count_if(cookies_.begin(), cookies_.end(), of_domain) >= std::ptrdiff_t{max_per_domain};
    };
    if (cookies_.size() < max_cookies && !crowded()) return;
    std::erase_if(cookies_, [&](const Cookie& c) { return c.expires && *c.expires <= now; });
    if (crowded()) cookies_.erase(std::find_if(cookies_.begin(), cookies_.end(), of_domain));
    if (cookies_.size() >= max_cookies) cookies_.erase(cookies_.begin());
}

void CookieJar::store(const Url& from, std::string_view set_cookie, WallTime now) {
    if (set_cookie.size() > max_header) return;
    const auto pair = set_cookie.substr(0, set_cookie.find(';'));
    const auto equals = pair.find('=');
    if (equals == pair.npos) return;
    Cookie cookie;
    cookie.name = stripped(pair.substr(0, equals));
    cookie.value = stripped(pair.substr(equals + 1));
    if (cookie.name.empty() || cookie.name.size() + cookie.value.size() > max_cookie) return;
    const auto given = read_attributes(set_cookie.substr(std::min(pair.size() + 1, set_cookie.size())), now);
    cookie.domain = from.host;
    if (given.domain) {
        const auto domain = canonical(*given.domain);
        if (domain.empty() || !domain_matches(from.host, domain)) return;
        cookie.host_only = is_address(domain);
        if (!cookie.host_only && is_public_suffix(domain)) {
            if (domain != from.host) return;  // "Domain=co.uk" would reach every shop of the land
            cookie.host_only = true;
        }
        cookie.domain = domain;
    }
    cookie.path = given.path && given.path->starts_with('/') ? *given.path : default_path(from.path);
    if (has_controls(cookie.name) || has_controls(cookie.value) || has_controls(cookie.path)) return;
    cookie.secure = given.secure;
    cookie.http_only = given.http_only;
    cookie.expires = given.max_age ? given.max_age : given.expires;
    cookie.created = now;
    if (!keeps_its_promise(cookie, given, from)) return;
    // A plain http answer may not overwrite what https has set (RFC 6265bis).
    const bool shadows = !is_secure(from) && std::any_of(cookies_.begin(), cookies_.end(), [&](const Cookie& c) {
        return c.secure && c.name == cookie.name && c.domain == cookie.domain && c.path == cookie.path;
    });
    if (!shadows) put(std::move(cookie), now);
}

std::string CookieJar::header_for(const Url& to, WallTime now) const {
    std::vector<const Cookie*> chosen;
    for (const auto& c : cookies_) {
        if (c.host_only ? to.host != c.domain : !domain_matches(to.host, c.domain)) continue;
        if (!path_matches(to.path, c.path) || (c.secure && !is_secure(to)) || (c.expires && *c.expires <= now))
            continue;
        chosen.push_back(&c);
    }
    std::stable_sort(chosen.begin(), chosen.end(), [](const Cookie* a, const Cookie* b) {
        if (a->path.size() != b->path.size()) return a->path.size() > b->path.size();
        return a->created < b->created;
    });
    std::string out;
    for (const auto* c : chosen) {
        if (!out.empty()) out += "; ";
        out += c->name;
        out += '=';
        out += c->value;
    }
    return out;
}

}  // namespace weir
