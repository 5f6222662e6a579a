#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "apps/status/status_server.h"
#include "base/time.h"

namespace weir::status {

enum class Verdict : std::uint8_t {
    welcome,
    unknown,  ///< 401: brings nothing, or something wrong
    foreign,  ///< 403: another site's page, a name that only pretends to be this machine, or a proxy before it
    limited,  ///< 429: too many wrong tokens from there
};

/// The rules at the door, without sockets and clocks.
///
/// loopback  everybody of this machine; Host and Origin have to be this machine's. A token, where one was given, also opens what comes
///           through a proxy or under another name
/// open      the token, by `Authorization: Bearer`, Basic (as password) or `?token=`, or the session's cookie
/// page      whoever comes from another site's page stays outside, cookie or not (Origin, Sec-Fetch-Site); only a request that
///           brings the token deliberately may
/// wrong     ten wrong tokens of one peer (an IPv6 /64), then one in six seconds; more are not even compared
/// session   a cookie of 30 days, signed by the token (HS256) and worth nothing without it; another token ends all of them
/// threads   any
class Guard {
public:
    enum class Door : std::uint8_t { pages, metrics };
    struct Settings {
        bool loopback = true;
        Access access = {};  ///< with its token
        std::uint16_t port = 0;
    };
    struct Now {
        SteadyTime steady;
        std::int64_t unix_seconds = 0;
    };
    explicit Guard(Settings settings);

    [[nodiscard]] Verdict check(const ServerRequest& request, Door door, Now now);
    /// Signing in and out: is it one of our own pages, or no page at all?
    [[nodiscard]] bool own_page(const ServerRequest& request) const;
    /// A token that was typed in.
    [[nodiscard]] Verdict check_token(const ServerRequest& request, std::string_view token, Now now);
    [[nodiscard]] bool has_session(const ServerRequest& request, Now now) const;

    /// The value of Set-Cookie that begins a session, or ends it.
    [[nodiscard]] std::string session_cookie(const ServerRequest& request, Now now) const;
    [[nodiscard]] std::string no_cookie(const ServerRequest& request) const;

private:
    struct Tries {
        double left = 0;
        SteadyTime at{};
    };
    [[nodiscard]] bool foreign_page(const ServerRequest& request) const;
    [[nodiscard]] bool local(const ServerRequest& request) const;
    [[nodiscard]] bool asks(Door door) const;
    [[nodiscard]] Tries& tries_of(const std::string& peer, SteadyTime now);
    [[nodiscard]] std::string cookie_name() const;

    const Settings settings_;
    std::mutex mutex_;
    std::map<std::string, Tries> tries_;
};

}  // namespace weir::status
