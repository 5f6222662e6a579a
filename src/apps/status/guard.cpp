#include "apps/status/guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "apps/relay/credentials.h"
#include "base/text.h"
#include "proto/jwt/jwt.h"

namespace weir::status {
namespace {

constexpr double most_tries = 10, tries_per_second = 1.0 / 6;
constexpr std::size_t most_peers = 1024;
constexpr std::int64_t session_seconds = 30LL * 86'400;
constexpr const char* session_topic = "weir status";

bool is_forwarded(const ServerRequest& request) {
    // Not every proxy says for whom it asks; each of these is a trace of one.
    return std::any_of(request.headers.begin(), request.headers.end(), [](const auto& header) {
        const auto& name = header.first;
        return name == "forwarded" || name == "via" || name == "x-real-ip" || name.starts_with("x-forwarded-");
    });
}

bool came_by_tls(const ServerRequest& request) {
    const auto* scheme = request.find("x-forwarded-proto");
    return request.secure || (scheme != nullptr && ascii_lowered(*scheme) == "https");
}

/// Addresses of one network count as one: whoever has one IPv6 address has a /64 of them.
std::string network_of(const std::string& peer) {
    boost::system::error_code ec;
    const auto address = asio::ip::make_address(peer, ec);
    if (ec || !address.is_v6() || address.to_v6().is_v4_mapped()) return peer;
    const auto bytes = address.to_v6().to_bytes();
    return {reinterpret_cast<const char*>(bytes.data()), 8};
}

std::string cookie_value(const ServerRequest& request, std::string_view name) {
    for (const auto& [field, value] : request.headers) {
        if (field != "cookie") continue;
        std::string_view rest = value;
        while (!rest.empty()) {
            const auto end = std::min(rest.find(';'), rest.size());
            const auto pair = stripped(rest.substr(0, end));
            if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
                return std::string(pair.substr(name.size() + 1));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
    return {};
}

}  // namespace

Guard::Guard(Settings settings) : settings_(std::move(settings)) {}

std::string Guard::cookie_name() const {
    return fmt::format("weir_status_{}", settings_.port);  // cookies know no ports
}

/// A page of another site asks: by its Origin, or by what the browser says of it. Following a link is no asking.
bool Guard::foreign_page(const ServerRequest& request) const {
    const auto origins = std::count_if(request.headers.begin(), request.headers.end(),
                                       [](const auto& h) { return h.first == "origin"; });
    if (origins > 1) return true;
    const auto* host = request.find("host");
    if (const auto* origin = request.find("origin"))
        return host == nullptr || !relay::is_origin_of(*origin, *host, request.secure);
    const auto* site = request.find("sec-fetch-site");
    const auto* mode = request.find("sec-fetch-mode");
    const bool elsewhere = site != nullptr && (*site == "cross-site" || *site == "same-site");
    return elsewhere && !(mode != nullptr && *mode == "navigate");
}

/// From this machine, under a name that nobody else can point here (DNS rebinding).
bool Guard::local(const ServerRequest& request) const {
    if (!settings_.loopback || is_forwarded(request)) return false;
    const auto* host = request.find("host");
    return host == nullptr || relay::is_loopback_name(relay::host_name(*host));
}

bool Guard::asks(Door door) const {
    const auto& a = settings_.access;
    return a.all == Access::Ask::token && !(door == Door::metrics && a.metrics == Access::Ask::nobody);
}

Guard::Tries& Guard::tries_of(const std::string& peer, SteadyTime now) {
    const auto seconds = [&](const Tries& t) { return std::chrono::duration<double>(now - t.at).count(); };
    const auto full = [&](const Tries& t) { return t.left + seconds(t) * tries_per_second >= most_tries; };
    auto network = network_of(peer);
    if (!tries_.contains(network) && tries_.size() >= most_peers) {
        std::erase_if(tries_, [&](const auto& t) { return full(t.second); });
        if (tries_.size() >= most_peers) network.clear();  // all the others together
    }
    const auto [at, fresh] = tries_.try_emplace(std::move(network), Tries{most_tries, now});
    auto& tries = at->second;
    tries.left = std::min(most_tries, tries.left + seconds(tries) * tries_per_second);
    tries.at = now;
    return tries;
}

Verdict Guard::check_token(const ServerRequest& request, std::string_view token, Now now) {
    const std::lock_guard lock(mutex_);
    auto& tries = tries_of(request.peer, now.steady);
    if (tries.left < 1) return Verdict::limited;
    if (relay::same_secret(token, settings_.access.token.reveal())) return Verdict::welcome;
    tries.left -= 1;
    return Verdict::unknown;
}

bool Guard::has_session(const ServerRequest& request, Now now) const {
    const auto value = cookie_value(request, cookie_name());
    if (value.empty() || settings_.access.token.empty()) return false;
    const auto claims = jwt::verify(value, {settings_.access.token, {}}, now.unix_seconds);
    return claims && claims->topic == session_topic && claims->expires;
}

bool Guard::own_page(const ServerRequest& request) const {
    return !foreign_page(request);
}

Verdict Guard::check(const ServerRequest& request, Door door, Now now) {
    const bool token_set = !settings_.access.token.empty();
    const auto brought = relay::credentials_of(request);
    const bool page_elsewhere = foreign_page(request);
    Verdict of_token = Verdict::unknown;
    if (token_set) {
        for (const auto& token : brought.deliberate) {
            of_token = check_token(request, token, now);
            if (of_token != Verdict::unknown) return of_token;
        }
        // A browser repeats a password and a cookie by itself, for other sites' pages too.
        if (brought.basic && !page_elsewhere) of_token = check_token(request, *brought.basic, now);
        if (of_token != Verdict::unknown) return of_token;
        if (!page_elsewhere && has_session(request, now)) return Verdict::welcome;
    }
    if (page_elsewhere) return Verdict::foreign;
    if (!asks(door) || local(request)) return Verdict::welcome;
    return token_set ? Verdict::unknown : Verdict::foreign;
}

std::string Guard::session_cookie(const ServerRequest& request, Now now) const {
    jwt::Claims claims;
    claims.issued = now.unix_seconds;
    claims.expires = now.unix_seconds + session_seconds;
    claims.topic = session_topic;
    return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", cookie_name(),
                       jwt::sign(claims, settings_.access.token), session_seconds,
                       came_by_tls(request) ? "; Secure" : "");
}

std::string Guard::no_cookie(const ServerRequest& request) const {
    return fmt::format("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{}", cookie_name(),
                       came_by_tls(request) ? "; Secure" : "");
}

}  // namespace weir::status
