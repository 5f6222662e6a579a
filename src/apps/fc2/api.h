#pragma once
#include <set>
#include <string>
#include <unordered_set>

#include "apps/fc2/fc2.h"
#include "proto/fc2/member.h"

namespace weir::fc2 {

/// FC2's HTTP requests as one client makes them, each of which passes the limiter first (FC2-4, FC2-13, FC2-141).
/// errors   busy: rate limited, by this answer or by an earlier one (retry_after says for how long); bad_input: the answer cannot be
///          read, its field and the channel named; those of HttpClient and status_error()
/// limits   20 s and 4 MiB an answer
/// threads  one shard
class Api {
public:
    Api(Shard& shard, HttpClient& http, CookieJar& cookies, const Site::Settings& settings);

    /// `urgent`: asked for a recording that goes on.
    Task<Result<Member>> member(const std::string& channel, bool urgent = false);
    /// The viewer's identity in the answer is kept in the jar, so that a reconnect is the same viewer (FC2-15).
    Task<Result<ControlServer>> control_server(const std::string& channel, const std::string& version);
    /// The ids of who is live.
    Task<Result<std::unordered_set<std::string>>> live_channels(bool adult);
    /// A page for people, for the login probe; not limited.
    Task<Result<HttpResponse>> page(std::string_view path);

    /// A playlist, to see that it can be had; not limited.
    Task<Result<HttpResponse>> fetch(Url url);

    /// What the handshake of a websocket at `to` carries: origin, agent, the jar's cookies.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> socket_headers(const Url& to) const;
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> agent_header() const;
    [[nodiscard]] const Hosts& hosts() const noexcept { return hosts_; }
    [[nodiscard]] sites::RateLimiter& limiter() noexcept { return limiter_; }
    [[nodiscard]] const sites::RateLimiter& limiter() const noexcept { return limiter_; }
    [[nodiscard]] std::uint64_t requests() const noexcept { return requests_; }

private:
    [[nodiscard]] Url at(std::string_view path) const;
    Task<Result<std::string>> ask(HttpRequest request, bool urgent);
    void refused(const Error& why);
    [[nodiscard]] std::string identity() const;
    void keep_identity(const std::string& raw);

    Shard& shard_;
    HttpClient& http_;
    CookieJar& cookies_;
    const Hosts hosts_;
    const std::string user_agent_;
    sites::RateLimiter limiter_;
    Backoff penalties_;
    std::uint64_t requests_ = 0;
    std::set<std::string> told_;  ///< drifts, by channel and field
};

}  // namespace weir::fc2
