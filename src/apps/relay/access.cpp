#include "apps/relay/access.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "apps/relay/credentials.h"
#include "apps/relay/doors.h"
#include "base/text.h"

namespace weir::relay {
namespace {

constexpr std::int64_t code_seconds = 30;  // PR-8
/// Nobody waits for longer, and every clock of ours can count it.
constexpr std::int64_t longest_token_life = 100LL * 365 * 86'400;
constexpr std::size_t most_codes = 10'000, most_listed = 100'000, longest_id = 1024;

Error unauthorised(std::string what) {
    return Error{Errc::denied, std::move(what), "", {}, 401};
}
Error forbidden(std::string what) {
    return Error{Errc::denied, std::move(what), "", {}, 403};
}

/// Foreign text in one line of a terminal or an answer.
std::string shown(std::string_view text) {
    std::string out;
    append_printable(out, text.substr(0, 200), true);
    return out;
}

std::string_view without_slash(std::string_view text) {
    while (text.ends_with('/')) text.remove_suffix(1);
    return text;
}

bool contains(const std::vector<std::string>& list, std::string_view what) {
    return std::find(list.begin(), list.end(), what) != list.end();
}

std::ptrdiff_t count_of(const ServerRequest& request, std::string_view name) {
    return std::count_if(request.headers.begin(), request.headers.end(),
                         [&](const auto& h) { return h.first == name; });
}

/// The field may come more than once: what the handshake would take counts.
bool is_upgrade(const ServerRequest& request) {
    return std::any_of(request.headers.begin(), request.headers.end(), [](const auto& h) {
        return h.first == "upgrade" && ascii_lowered(h.second).find("websocket") != std::string::npos;
    });
}

bool is_forwarded(const ServerRequest& request) {
    return request.find("forwarded") != nullptr || request.find("x-forwarded-for") != nullptr;
}

/// May such a request change something? The admin websocket begins with a GET.
bool may_change(const ServerRequest& request) {
    return is_upgrade(request) || (request.method != "GET" && request.method != "HEAD");
}

/// What opens a right, for the line that refuses it.
std::string_view way_in(Right right) {
    switch (right) {
        case Right::push:
            return "--push-secret (or --viewer-secret)";
        case Right::view:
            return "--viewer-secret (or --viewers anyone)";
        case Right::admin:
            break;
    }
    return "--admin-token";
}

Grant read_only() {
    Grant grant;
    grant.write = false;
    return grant;
}

/// What the topic is behind "/in/", "/out/", "/bi/" and the like: CB-2, PR-9.
std::string topic_of_path(std::string_view path) {
    path = without_slash(path);
    if (path.starts_with('/')) path.remove_prefix(1);
    const auto slash = path.find('/');
    return slash == std::string_view::npos ? std::string() : std::string(path.substr(slash + 1));
}

}  // namespace

struct Access::State {
    explicit State(AccessSettings s) : settings(std::move(s)) {
        for (const auto& origin : settings.allowed_origins) {
            any_origin = any_origin || origin == "*";
            origins.push_back(plain_origin(origin));
            hosts.push_back(origin_host(origins.back()));
        }
        audience = without_slash(settings.audience);
    }

    [[nodiscard]] bool has_key() const {
        return !settings.viewer_key.secret.empty() || !settings.viewer_key.public_pem.empty();
    }

    [[nodiscard]] bool asks(const ServerRequest& request, Right right, const std::string& topic) const {
        switch (right) {
            case Right::push:
                return !settings.push_secret.empty() || guarded(topic) || (has_key() && key_guards(request));
            case Right::view:
                return has_key();
            case Right::admin:
                break;
        }
        return !settings.admin_token.empty() || (has_key() && topic.starts_with("relay:"));
    }

    /// The jsmpeg ports' secret is no better than the weakest door to their topic.
    [[nodiscard]] bool guarded(const std::string& topic) const {
        return topic == jsmpeg_topic && !settings.jsmpeg_secret.empty();
    }
    /// A local program that pushes by plain HTTP, as ffmpeg for vw, needs no token.
    [[nodiscard]] bool key_guards(const ServerRequest& request) const {
        const bool local = settings.loopback_only && !is_forwarded(request);
        return is_upgrade(request) || !(local || settings.auth_none);
    }
    [[nodiscard]] Result<jwt::Claims> verified(std::string_view token, std::int64_t now) const {
        auto claims = jwt::verify(token, settings.viewer_key, now);
        if (claims && claims->expires) claims->expires = std::min(*claims->expires, now + longest_token_life);
        return claims;
    }

    /// Where a right has no secret.
    [[nodiscard]] Result<Grant> unasked(const ServerRequest& request, Right right) const {
        const auto which = right == Right::admin && may_change(request) ? Site::exact : Site::any_port;
        if (auto why = foreign(request, which)) return *why;
        if (settings.auth_none) return Grant{};
        if (settings.loopback_only && !is_forwarded(request)) return Grant{};
        if (right == Right::view && settings.open_view) return read_only();
        if (settings.loopback_only)
            return forbidden(fmt::format(
                "a proxy forwards this (X-Forwarded-For), so it need not come from this machine: give the relay {}",
                way_in(right)));
        return forbidden(
            fmt::format("this relay is open to other machines and has no secret for this: give it {}, or "
                        "--auth none",
                        way_in(right)));
    }

    /// Which pages are the relay's own: those of its host, or those of its host and port.
    enum class Site : std::uint8_t { any_port, exact };

    /// A page of another site, or a name that only pretends to be this machine; the line says what to do about it.
    [[nodiscard]] std::optional<Error> foreign(const ServerRequest& request, Site which = Site::any_port) const {
        if (auto why = doubled(request)) return why;
        if (any_origin) return std::nullopt;
        const auto* host = request.find("host");
        if (host)
            if (auto why = foreign_host(host_name(*host))) return why;
        if (const auto* origin = request.find("origin")) return foreign_origin(*origin, request, which);
        const auto* site = request.find("sec-fetch-site");
        const auto* mode = request.find("sec-fetch-mode");
        const auto* from = request.find("referer");
        const bool listed = from && contains(origins, origin_of_url(*from));
        if (site && *site == "cross-site" && !(mode && *mode == "navigate") && !listed)
            return forbidden("a page of another site asks; weir relay --allow-origin allows its origin");
        return std::nullopt;
    }

    /// Which of two would a browser have meant?
    [[nodiscard]] static std::optional<Error> doubled(const ServerRequest& request) {
        if (count_of(request, "origin") < 2) return std::nullopt;
        return forbidden("more than one Origin field");
    }

    /// DNS rebinding: a name that anybody may point here. An address is none.
    [[nodiscard]] std::optional<Error> foreign_host(const std::string& host) const {
        if (host.empty() || is_loopback_name(host) || contains(hosts, host)) return std::nullopt;
        if (!settings.loopback_only &&
            (settings.public_host.empty() || host == settings.public_host || is_address(host)))
            return std::nullopt;
        return forbidden(fmt::format("the host '{}' is not {}; weir relay --allow-origin http://{} allows it",
                                     shown(host), settings.loopback_only ? "this machine" : "that of --public-url",
                                     shown(host)));
    }

    [[nodiscard]] std::optional<Error> foreign_origin(const std::string& origin, const ServerRequest& request,
                                                      Site which) const {
        if (contains(origins, plain_origin(origin))) return std::nullopt;
        const auto* field = request.find("host");
        const auto host = field ? *field : std::string();
        const auto from = origin_host(origin);
        const bool same_host = from == host_name(host) || (settings.loopback_only && is_loopback_name(from));
        const bool ours = which == Site::exact ? is_origin_of(origin, host, request.secure) : same_host;
        if (!from.empty() && ours) return std::nullopt;
        return forbidden(fmt::format("a page of another site ('{}') asks; weir relay --allow-origin {} allows it",
                                     shown(origin), shown(origin)));
    }

    [[nodiscard]] bool is_denied(const std::string& booking_id, std::int64_t now) const {
        const std::lock_guard lock(mutex);
        const auto found = denied.find(booking_id);
        return found != denied.end() && found->second > now;
    }

    /// What verified claims allow at `path`. errors: 403, in CB-3's and PR-7's words.
    [[nodiscard]] Result<Grant> grant_of(const jwt::Claims& claims, std::string_view path, const std::string& topic,
                                         std::int64_t now) const {
        Grant grant;
        grant.expires = claims.expires;
        grant.booking_id = claims.booking_id;
        grant.scopes = claims.scopes;
        const bool scoped = !claims.scopes.empty();
        grant.read = !scoped || contains(claims.scopes, "read");
        grant.write = !scoped || contains(claims.scopes, "write");
        auto fits =
            claims.topic.empty() ? by_path(claims, without_slash(path), topic, grant) : by_topic(claims, topic, scoped);
        if (!fits) return fits.error();
        if (!grant.booking_id.empty() && is_denied(grant.booking_id, now))
            return forbidden("bookingID has been deny-listed, probably because the session was cancelled");
        return grant;
    }

    /// crossbar's tokens: the audience holds the path.
    [[nodiscard]] Result<> by_path(const jwt::Claims& claims, std::string_view path, const std::string& topic,
                                   Grant& grant) const {
        const auto is = [&](std::string_view at) {
            const auto wanted = audience + std::string(at);
            return std::any_of(claims.audience.begin(), claims.audience.end(),
                               [&](const std::string& a) { return without_slash(a) == wanted; });
        };
        const bool in = is("/in/" + topic), out = is("/out/" + topic);
        const bool one_way = path.starts_with("/in/") || path.starts_with("/out/");
        const bool both = is("/bi/" + topic) || is("/ws/" + topic) || (!one_way && is(path));
        grant.read = grant.read && (out || both);
        grant.write = grant.write && (in || both);
        const bool fits = path.starts_with("/in/")    ? grant.write
                          : path.starts_with("/out/") ? grant.read
                                                      : grant.read || grant.write;
        if (fits) return {};
        return forbidden(fmt::format("Denied - not permitted to access {}{} with token for {}", audience, shown(path),
                                     shown(fmt::format("{}", fmt::join(claims.audience, ", ")))));
    }

    /// practable's tokens: the audience is the relay, the topic a claim of its own (PR-11).
    [[nodiscard]] Result<> by_topic(const jwt::Claims& claims, const std::string& topic, bool scoped) const {
        if (auto ours = for_this_host(claims); !ours) return ours.error();
        if (claims.topic != topic || (!claims.prefix.empty() && claims.prefix != "session"))
            return forbidden("Token Wrong Topic");
        if (!scoped || (!contains(claims.scopes, "read") && !contains(claims.scopes, "write")))
            return forbidden("Token Missing Required Claims");
        if (claims.booking_id.empty() && !settings.allow_no_booking_id)
            return forbidden("empty bookingID field is not permitted");
        return {};
    }

    [[nodiscard]] Result<> for_this_host(const jwt::Claims& claims) const {
        if (audience.empty()) return {};
        for (const auto& a : claims.audience)
            if (without_slash(a) == audience) return {};
        return forbidden(fmt::format("aud {} does not match this host {}",
                                     shown(fmt::format("{}", fmt::join(claims.audience, ", "))), audience));
    }

    /// What one credential is good for.
    [[nodiscard]] Result<Grant> worth(const std::string& given, const ServerRequest& request, Right right,
                                      const std::string& topic, std::int64_t now) const {
        const auto only = [](bool read, bool write) {
            Grant grant;
            grant.read = read;
            grant.write = write;
            return grant;
        };
        // All are compared, whatever is asked: the time tells nothing.
        const bool is_push = same_secret(given, settings.push_secret.reveal());
        const bool is_admin = same_secret(given, settings.admin_token.reveal());
        const bool is_jsmpeg = same_secret(given, settings.jsmpeg_secret.reveal()) && guarded(topic);
        if ((is_push || is_jsmpeg) && right == Right::push) return only(false, true);
        if (is_admin && right == Right::admin) return Grant{};
        if (is_admin && right == Right::view) return only(true, false);
        if (is_push || is_admin) return forbidden("this secret is good for something else");
        const bool by_token = has_key() && (right != Right::admin || topic.starts_with("relay:"));
        if (!by_token) return unauthorised(right == Right::push ? "wrong push secret" : "wrong token");
        auto claims = verified(given, now);
        if (!claims) return unauthorised(claims.error().what);
        if (right == Right::admin) return by_scope(*claims, topic);
        auto grant = grant_of(*claims, request.path, topic, now);
        if (!grant) return grant.error();
        if (right == Right::view ? !grant->read : !grant->write)
            return forbidden(fmt::format("the token has no scope '{}'", right == Right::view ? "read" : "write"));
        return grant;
    }

    [[nodiscard]] Result<Grant> by_scope(const jwt::Claims& claims, const std::string& scope) const {
        if (auto ours = for_this_host(claims); !ours) return ours.error();
        if (!contains(claims.scopes, scope)) return forbidden(fmt::format("the token has no scope '{}'", scope));
        Grant grant;
        grant.scopes = claims.scopes;
        grant.expires = claims.expires;
        return grant;
    }

    void sweep(std::int64_t now) {
        std::erase_if(codes, [now](const auto& c) { return c.second.until <= now; });
        std::erase_if(denied, [now](const auto& d) { return d.second <= now; });
        std::erase_if(allowed, [now](const auto& a) { return a.second <= now; });
    }

    struct Ticket {
        Grant grant;
        std::string topic;
        std::int64_t until = 0;
    };

    const AccessSettings settings;
    std::vector<std::string> origins, hosts;
    bool any_origin = false;
    std::string audience;
    mutable std::mutex mutex;  ///< for what follows
    std::map<std::string, Ticket> codes;
    std::map<std::string, std::int64_t> denied, allowed;
};

Access::Access(AccessSettings settings) : state_(std::make_unique<State>(std::move(settings))) {}
Access::~Access() = default;

const AccessSettings& Access::settings() const noexcept {
    return state_->settings;
}

Result<Grant> Access::check(const ServerRequest& request, Right right, const std::string& topic,
                            std::int64_t now) const {
    if (auto why = State::doubled(request)) return *why;
    if (!state_->asks(request, right, topic)) return state_->unasked(request, right);
    const auto given = credentials_of(request);
    if (right == Right::view && state_->settings.open_view && given.none()) {
        if (auto why = state_->foreign(request)) return *why;
        return read_only();
    }
    Error why = unauthorised("credentials are needed: 'Authorization: Bearer TOKEN' or '?token=TOKEN'");
    for (const auto& one : given.deliberate) {
        auto grant = state_->worth(one, request, right, topic, now);
        if (grant) return grant;
        why = grant.error();
    }
    if (!given.basic) return why;
    auto grant = state_->worth(*given.basic, request, right, topic, now);
    if (!grant) return grant;
    if (auto foreign = state_->foreign(request, State::Site::exact)) return *foreign;
    return grant;
}

Result<> Access::check_origin(const ServerRequest& request) const {
    if (auto why = State::doubled(request)) return *why;
    const auto& s = state_->settings;
    const bool any_secret = state_->has_key() || !s.push_secret.empty() || !s.admin_token.empty();
    if (any_secret && !credentials_of(request).deliberate.empty()) return {};
    if (auto why = state_->foreign(request)) return *why;
    return {};
}

bool Access::wants_first_message(const ServerRequest& request, Right right) const {
    const bool open = right == Right::view && state_->settings.open_view;
    return right != Right::admin && !open && state_->has_key() && credentials_of(request).none();
}

Result<Grant> Access::check_first_message(std::string_view token, const std::string& path, Right right,
                                          std::int64_t now) const {
    auto claims = state_->verified(stripped(token), now);
    if (!claims) return unauthorised("Error reading token " + claims.error().what);
    auto grant = state_->grant_of(*claims, path, topic_of_path(path), now);
    if (!grant) return grant;
    const bool both = !path.starts_with("/in/") && !path.starts_with("/out/");
    const bool enough = both ? grant->read || grant->write : right == Right::push ? grant->write : grant->read;
    if (!enough) return forbidden(fmt::format("the token has no scope '{}'", right == Right::push ? "write" : "read"));
    return grant;
}

Result<std::string> Access::exchange(const ServerRequest& request, const std::string& topic, std::int64_t now) {
    if (auto why = State::doubled(request)) return *why;
    if (!state_->has_key()) {
        if (auto open = check(request, Right::view, topic, now); !open) return open.error();
        if (auto open = check(request, Right::push, topic, now); !open) return open.error();
        jwt::Claims all;
        all.scopes = {"read", "write"};
        return make_code(all, topic, now);
    }
    const auto given = credentials_of(request);
    Error why = unauthorised("unauthenticated for invalid credentials");
    for (const auto& one : given.deliberate) {
        auto claims = state_->verified(one, now);
        if (!claims) {
            why = unauthorised("token invalid: " + claims.error().what);
            continue;
        }
        if (claims->topic.empty() || claims->scopes.empty()) return forbidden("Token Missing Required Claims");
        auto grant = state_->grant_of(*claims, request.path, topic, now);
        if (!grant) return grant.error();
        return make_code(*claims, topic, now);
    }
    return why;
}

Result<std::string> Access::make_code(const jwt::Claims& claims, const std::string& topic, std::int64_t now) {
    State::Ticket ticket;
    ticket.grant.read = contains(claims.scopes, "read");
    ticket.grant.write = contains(claims.scopes, "write");
    ticket.grant.expires = claims.expires;
    ticket.grant.booking_id = claims.booking_id;
    ticket.grant.scopes = claims.scopes;
    ticket.topic = topic;
    ticket.until = now + code_seconds;
    auto code = new_uuid();
    const std::lock_guard lock(state_->mutex);
    if (state_->codes.size() >= most_codes) state_->sweep(now);
    if (state_->codes.size() >= most_codes)
        return Error{Errc::busy, "too many codes wait to be used", "", std::chrono::seconds(code_seconds), 503};
    state_->codes.insert_or_assign(code, std::move(ticket));
    return code;
}

Result<Grant> Access::use_code(const std::string& code, const std::string& topic, std::int64_t now) {
    State::Ticket ticket;
    {
        const std::lock_guard lock(state_->mutex);
        const auto found = state_->codes.find(code);
        if (found == state_->codes.end()) return unauthorised("this code is unknown, too old or used already");
        // Also one that is refused is used up: nobody tries it on other topics.
        ticket = std::move(found->second);
        state_->codes.erase(found);
    }
    if (ticket.until <= now) return unauthorised("this code is unknown, too old or used already");
    if (ticket.grant.expires && *ticket.grant.expires <= now) return unauthorised("Token is expired");
    if (ticket.topic != topic) return forbidden("this code is for another topic");
    if (!ticket.grant.booking_id.empty() && state_->is_denied(ticket.grant.booking_id, now))
        return forbidden("bookingID has been deny-listed, probably because the session was cancelled");
    return ticket.grant;
}

Result<> Access::deny(const std::string& booking_id, std::int64_t until, std::int64_t now) {
    if (booking_id.empty() || booking_id.size() > longest_id)
        return Error{Errc::bad_input, "bid must be a booking id", "", {}, 400};
    if (until <= now) return Error{Errc::bad_input, "exp must be in the future", "", {}, 400};
    const std::lock_guard lock(state_->mutex);
    if (state_->denied.size() >= most_listed) state_->sweep(now);
    if (state_->denied.size() >= most_listed) return Error{Errc::busy, "the deny list is full", "", {}, 503};
    state_->denied[booking_id] = until;
    state_->allowed.erase(booking_id);
    std::erase_if(state_->codes, [&](const auto& c) { return c.second.grant.booking_id == booking_id; });
    return {};
}

void Access::allow(const std::string& booking_id, std::int64_t until, std::int64_t now) {
    if (booking_id.empty() || booking_id.size() > longest_id) return;
    const std::lock_guard lock(state_->mutex);
    if (state_->allowed.size() >= most_listed) state_->sweep(now);
    state_->denied.erase(booking_id);
    if (state_->allowed.size() < most_listed) state_->allowed[booking_id] = until;
}

bool Access::denied(const std::string& booking_id, std::int64_t now) const {
    return state_->is_denied(booking_id, now);
}

std::vector<std::string> Access::denied_ids(std::int64_t now) const {
    const std::lock_guard lock(state_->mutex);
    state_->sweep(now);
    std::vector<std::string> out;
    for (const auto& [id, until] : state_->denied) out.push_back(id);
    return out;
}

std::vector<std::string> Access::allowed_ids(std::int64_t now) const {
    const std::lock_guard lock(state_->mutex);
    state_->sweep(now);
    std::vector<std::string> out;
    for (const auto& [id, until] : state_->allowed) out.push_back(id);
    return out;
}

std::vector<std::pair<std::string, std::string>> cors_headers(const ServerRequest& request) {
    std::vector<std::pair<std::string, std::string>> headers;
    if (const auto* origin = request.find("origin")) {
        headers.emplace_back("Access-Control-Allow-Origin", *origin);
        headers.emplace_back("Vary", "Origin");
    }
    return headers;
}

}  // namespace weir::relay
