#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/url.h"

namespace weir {

struct Cookie {
    std::string name, value, domain, path = "/";
    bool host_only = true, secure = false, http_only = false;
    std::optional<WallTime> expires = {};  ///< none: a session cookie
    WallTime created = {};
};

/// Cookies bound to their domains (RFC 6265; public suffixes refused through libpsl), so that none ever reaches another host
/// (CVE-2023-35934).
/// limits  4 KiB a cookie, 300 a domain, 6000 in all
/// threads one shard
class CookieJar {
public:
    /// Netscape format, `#HttpOnly_` lines too, with or without the header line; expiry 0 or unreadable is a session cookie. The
    /// sub-domains flag or a leading dot makes a domain cookie, else it is host-only. Fields are split at tabs, or at any white
    /// space in a line without tabs. Expired and oversized ones are counted in the log and skipped. bad_input names the line, and
    /// the jar stays as it was; with `left_out`, such lines are told there instead and the others are taken.
    Result<> import_netscape(std::string_view text, WallTime now, std::vector<Error>* left_out = nullptr);
    [[nodiscard]] std::string export_netscape() const;
    /// One Set-Cookie header received from `from`. Silently ignores what RFC 6265 tells to ignore.
    void store(const Url& from, std::string_view set_cookie, WallTime now);
    /// The Cookie header for a request, or empty. Longer paths first, then older first.
    [[nodiscard]] std::string header_for(const Url& to, WallTime now) const;
    [[nodiscard]] const std::vector<Cookie>& all() const noexcept { return cookies_; }
    [[nodiscard]] std::uint64_t changes() const noexcept { return changes_; }  ///< to know when to save

private:
    static Result<std::optional<Cookie>> read_line(std::string_view line, WallTime now);
    bool put(Cookie cookie, WallTime now);
    void make_room(const std::string& domain, WallTime now);

    std::vector<Cookie> cookies_;  ///< oldest first
    std::uint64_t changes_ = 0;
};

}  // namespace weir
