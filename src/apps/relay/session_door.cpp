// practable's relay: an exchange of a JWT for a code, its websocket, the deny list and the status (PR-6 to PR-15).
#include <fmt/format.h>

#include <charconv>

#include "apps/relay/credentials.h"
#include "apps/relay/doors_core.h"
#include "base/log.h"
#include "base/text.h"

namespace weir::relay {
namespace {

Task<void> answer_json(Exchange& exchange, int status, std::string json, AnswerHeaders headers = {}) {
    const auto body = Bytes::copy_of(json);
    headers.emplace_back("Cache-Control", "no-store");
    (void)co_await exchange.respond(status, "application/json", body, std::move(headers));
}

/// PR-7, the code always a number.
Task<void> refuse_json(Exchange& exchange, Error why) {
    const int status = why.status ? why.status : why.code == Errc::bad_input ? 400 : 503;
    AnswerHeaders headers;
    if (status == 401) headers.emplace_back("WWW-Authenticate", "Bearer");
    std::string json = fmt::format(R"({{"code":{},"message":{}}})", status, json_quoted(why.what));
    co_await answer_json(exchange, status, std::move(json), std::move(headers));
}

std::string escaped_path(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::string_view("-._~/").find(c) != std::string_view::npos;
        if (plain)
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

/// Where clients reach this relay by websocket, without a slash at the end.
std::string websocket_base(const Doors::Settings& settings, const ServerRequest& request) {
    std::string url = settings.public_url;
    while (url.ends_with('/')) url.pop_back();
    if (url.starts_with("http://") || url.starts_with("https://")) url.replace(0, 4, "ws");
    if (!url.empty()) return url.find("://") == std::string::npos ? "wss://" + url : url;
    const auto* host = request.find("host");
    const auto* scheme = request.find("x-forwarded-proto");
    const bool secure = request.secure || (scheme && *scheme == "https" && is_loopback_name(request.peer));
    return fmt::format("{}://{}", secure ? "wss" : "ws", host ? valid_utf8(*host) : "localhost");
}

Task<void> exchange_code(CorePtr core, Exchange& exchange) {
    const auto& request = exchange.request();
    auto topic = topic_name(request, "/session/");
    if (!topic) co_return co_await not_found(exchange);
    auto code = core->access.exchange(request, *topic, core->now());
    if (!code) co_return co_await refuse_json(exchange, code.error());
    const auto uri =
        fmt::format("{}/session/{}?code={}", websocket_base(core->settings, request), escaped_path(*topic), *code);
    std::string json = fmt::format(R"({{"uri":{}}})", json_quoted(uri));
    co_await answer_json(exchange, 200, std::move(json));
}

Task<void> serve_session(CorePtr core, Exchange& exchange) {
    const auto& request = exchange.request();
    if (request.method == "POST") co_return co_await exchange_code(std::move(core), exchange);
    auto topic = topic_name(request, "/session/");
    if (!topic) co_return co_await not_found(exchange);
    SocketPlan plan;
    plan.topic = *topic;
    plan.path = request.path;
    const auto code = query_value(request.query, "code");
    // A JWT has dots, a code has none.
    if (code && code->find('.') == std::string::npos)
        plan.grant = [core, code = *code, topic = *topic] { return core->access.use_code(code, topic, core->now()); };
    co_await open_socket(std::move(core), exchange, std::move(plan));
}

std::string ids_json(const std::vector<std::string>& ids) {
    std::string out = R"({"booking_ids":[)";
    for (std::size_t i = 0; i < ids.size(); ++i) out += (i ? "," : "") + json_quoted(ids[i]);
    return out + "]}";
}

/// `?bid=&exp=`: Unix seconds in the future.
Result<std::pair<std::string, std::int64_t>> booking_of(const ServerRequest& request, std::int64_t now) {
    const auto bad = [](const char* what) { return Error{Errc::bad_input, what, "", {}, 400}; };
    auto id = query_value(request.query, "bid");
    if (!id || id->empty()) return bad("bid must be a booking id");
    const auto exp = query_value(request.query, "exp");
    std::int64_t until = 0;
    if (!exp || exp->empty()) return bad("exp must be a time in Unix seconds");
    const auto [end, ec] = std::from_chars(exp->data(), exp->data() + exp->size(), until);
    if (ec != std::errc() || end != exp->data() + exp->size()) return bad("exp must be a time in Unix seconds");
    if (until <= now) return bad("exp must be in the future");
    return std::pair(std::move(*id), until);
}

Task<void> serve_bids(CorePtr core, bool denying, Exchange& exchange) {
    const auto& request = exchange.request();
    const auto now = core->now();
    auto grant = core->access.check(request, Right::admin, "relay:admin", now);
    if (!grant) co_return co_await refuse_json(exchange, grant.error());
    if (request.method == "GET") {
        auto json = ids_json(denying ? core->access.denied_ids(now) : core->access.allowed_ids(now));
        co_return co_await answer_json(exchange, 200, std::move(json));
    }
    auto booking = booking_of(request, now);
    if (!booking) co_return co_await refuse_json(exchange, booking.error());
    if (denying) {
        auto done = core->access.deny(booking->first, booking->second, now);
        if (!done) co_return co_await refuse_json(exchange, done.error());
        const auto cut = core->sessions->cut(booking->first, "the booking was cancelled");
        WEIR_LOG(info, "a booking was put on the deny list", {"id", booking->first}, {"connections_cut", cut});
    } else {
        core->access.allow(booking->first, booking->second, now);
    }
    (void)co_await exchange.respond(204, "", Bytes());
}

std::string session_json(const SessionInfo& s) {
    std::string scopes;
    for (const auto& scope : s.grant.scopes) scopes += (scopes.empty() ? "" : ",") + json_quoted(scope);
    const auto expires =
        s.grant.expires ? json_quoted(utc_text(from_unix_millis(*s.grant.expires * 1000))) : std::string("null");
    return fmt::format(
        R"({{"can_read":{},"can_write":{},"connected_at":{},"expires_at":{},"remote_addr":{},"scopes":[{}],"topic":{},)"
        R"("user_agent":{},"kind":{},"sent_bytes":{},"received_bytes":{},"skips":{}}})",
        s.grant.read, s.grant.write, json_quoted(utc_text(s.since)), expires, json_quoted(s.remote), scopes,
        json_quoted(s.topic), json_quoted(s.user_agent), json_quoted(s.kind), s.sent, s.received, s.skips);
}

Task<void> serve_status(CorePtr core, Exchange& exchange) {
    auto grant = core->access.check(exchange.request(), Right::admin, "relay:stats", core->now());
    if (!grant) co_return co_await refuse_json(exchange, grant.error());
    std::string json = "[";
    for (const auto& session : core->sessions->list()) {
        if (json.size() > 1) json += ',';
        json += session_json(session);
    }
    json += ']';
    co_await answer_json(exchange, 200, std::move(json));
}

}  // namespace

void add_session_routes(CorePtr core, HttpServer& server) {
    server.route("GET POST", "/session/", [core](Exchange& exchange) { return serve_session(core, exchange); });
    server.route("GET POST", "/bids/deny", [core](Exchange& exchange) { return serve_bids(core, true, exchange); });
    server.route("GET POST", "/bids/allow", [core](Exchange& exchange) { return serve_bids(core, false, exchange); });
    server.route("GET", "/status", [core](Exchange& exchange) { return serve_status(core, exchange); });
}

}  // namespace weir::relay
