#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "apps/relay/console.h"
#include "apps/relay/hop.h"
#include "apps/relay/rest.h"
#include "io/standard_routes.h"
#include "io/websocket.h"
#include "runtime/task_group.h"
#include "telemetry/profiles/profiles.h"

namespace weir::relay {
namespace {

constexpr std::size_t body_limit = 64u << 10;
constexpr Millis body_patience{10'000};
constexpr Micros between_events = std::chrono::seconds(1);
using Headers = std::vector<std::pair<std::string, std::string>>;

Task<void> send(Exchange& exchange, RestAnswer answer) {
    auto headers = cors_headers(exchange.request());
    const auto body = Bytes::copy_of(answer.body);
    (void)co_await exchange.respond(answer.status, answer.type, body, std::move(headers));
}

/// What a browser asks before it lets such a page send a token: the answer to the request itself decides.
bool is_preflight(const ServerRequest& request) {
    return request.method == "OPTIONS" && request.find("origin") && request.find("access-control-request-method");
}

Task<void> allow_preflight(Exchange& exchange) {
    auto headers = cors_headers(exchange.request());
    headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE");
    headers.emplace_back("Access-Control-Allow-Headers", "Authorization, Content-Type");
    headers.emplace_back("Access-Control-Max-Age", "600");
    (void)co_await exchange.respond(204, "", {}, std::move(headers));
}

Task<void> refuse(Exchange& exchange, Error why) {
    const int status = why.status ? why.status : 403;
    Headers headers;
    if (status == 401) headers.emplace_back("WWW-Authenticate", "Bearer realm=\"weir relay\"");
    const auto line = Bytes::copy_of(why.what + "\n");
    (void)co_await exchange.respond(status, "text/plain; charset=utf-8", line, std::move(headers));
}

/// All routes of one server. Shared by its handlers, on every shard; nothing in it changes.
class Routes : public std::enable_shared_from_this<Routes> {
public:
    Routes(Shards& shards, const Access& access, RuleKeeper& keeper)
        : shards_(shards), access_(access), keeper_(keeper) {}

    void mount(HttpServer& server);

private:
    using Member = Task<void> (Routes::*)(Exchange&);
    HttpServer::Handler guarded(Member handler) {
        return [self = shared_from_this(), handler](Exchange& exchange) { return guard(self, handler, exchange); };
    }
    static Task<void> guard(std::shared_ptr<Routes> self, Member handler, Exchange& exchange);
    static Task<bool> admit(std::shared_ptr<Routes> self, Exchange& exchange);
    [[nodiscard]] std::optional<Error> refusal(const ServerRequest& request) const;

    Task<void> rest(Exchange& exchange);
    Task<void> stats(Exchange& exchange);
    Task<void> events(Exchange& exchange);
    Task<void> numbers(Exchange& exchange);
    Task<void> console(Exchange& exchange);
    Task<std::optional<std::string>> ask_stats();
    Task<std::optional<std::string>> ask_admin(std::string message);

    Shards& shards_;
    const Access& access_;
    RuleKeeper& keeper_;
};

Task<void> health(Exchange& exchange) {
    auto answer = answer_rest(exchange.request().method, "/healthcheck", "", {Rules{}, false});
    co_await send(exchange, std::move(answer));
}

void Routes::mount(HttpServer& server) {
    server.route("*", "/healthcheck", health);
    for (const char* path : {"/api", "/api/"}) server.route("*", path, guarded(&Routes::rest));
    server.route("*", "/api/stats", guarded(&Routes::stats));
    server.route("*", "/api/events", guarded(&Routes::events));
    server.route("GET HEAD", "/metrics", guarded(&Routes::numbers));
    server.route("*", "/ws/api", guarded(&Routes::console));
    telemetry::add_profile_routes(server,
                                  [self = shared_from_this()](Exchange& exchange) { return admit(self, exchange); });
}

/// Lesson 32: the Host and the Origin first, then the right. What it tells is the same for every path below.
std::optional<Error> Routes::refusal(const ServerRequest& request) const {
    if (auto ours = access_.check_origin(request); !ours) return ours.error();
    const auto now = std::chrono::floor<std::chrono::seconds>(shard_here(shards_).clock().wall().time_since_epoch());
    auto grant = access_.check(request, Right::admin, "", now.count());
    if (!grant) return grant.error();
    return std::nullopt;
}

Task<void> Routes::guard(std::shared_ptr<Routes> self, Member handler, Exchange& exchange) {
    co_await errors_not_throws();
    const auto& request = exchange.request();
    if (is_preflight(request) && self->access_.check_origin(request)) {
        co_await allow_preflight(exchange);
        co_return;
    }
    auto why = self->refusal(request);
    if (why)
        co_await refuse(exchange, std::move(*why));
    else
        co_await ((*self).*handler)(exchange);
}

Task<bool> Routes::admit(std::shared_ptr<Routes> self, Exchange& exchange) {
    co_await errors_not_throws();
    auto why = self->refusal(exchange.request());
    if (!why) co_return true;
    co_await refuse(exchange, std::move(*why));
    co_return false;
}

/// The change has happened, and is saved where rules are, before the answer goes out.
Task<void> Routes::rest(Exchange& exchange) {
    const auto& request = exchange.request();
    std::string body;
    if (rest_takes_body(request.method, request.path)) {
        exchange.set_body_timeout(body_patience);
        auto read = co_await exchange.read_body_text(body_limit);
        if (!read) co_return;  // answered by the server: 413, 408, 400
        body = std::move(*read);
    }
    std::function<void(std::function<void(RestAnswer)>)> question =
        [&keeper = keeper_, method = request.method, path = request.path,
         body = std::move(body)](std::function<void(RestAnswer)> reply) {
            auto answer = answer_rest(method, path, body, keeper.view());
            if (answer.change.what == Change::What::none) return reply(std::move(answer));
            keeper.make(answer.change);
            keeper.when_saved([&keeper, reply = std::move(reply), answer = std::move(answer)] {
                const auto why = keeper.save_error();
                reply(why.empty() ? answer : not_saved(why));
            });
        };
    auto answer = co_await ask<RestAnswer>(keeper_.home(), std::move(question));
    if (!answer) co_return;
    co_await send(exchange, std::move(*answer));
}

Task<std::optional<std::string>> Routes::ask_stats() {
    std::function<void(std::function<void(std::string)>)> question =
        [&keeper = keeper_](std::function<void(std::string)> reply) { reply(keeper.stats_json()); };
    return ask<std::string>(keeper_.home(), std::move(question));
}

Task<void> Routes::stats(Exchange& exchange) {
    if (exchange.request().method != "GET") {
        (void)co_await exchange.respond(405, "", {});
        co_return;
    }
    auto text = co_await ask_stats();
    if (!text) co_return;
    RestAnswer answer{200, "application/json", std::move(*text), {}};
    co_await send(exchange, std::move(answer));
}

Task<void> Routes::events(Exchange& exchange) {
    if (exchange.request().method != "GET") {
        (void)co_await exchange.respond(405, "", {});
        co_return;
    }
    auto headers = cors_headers(exchange.request());
    auto begun = co_await exchange.begin_stream(200, "text/event-stream", std::move(headers));
    auto& clock = shard_here(shards_).clock();
    for (bool going = static_cast<bool>(begun); going;) {
        auto text = co_await ask_stats();
        if (!text) break;
        auto sent = co_await exchange.event("stats", *text);
        if (!sent) break;
        going = co_await clock.sleep_for(between_events);
    }
}

Task<void> Routes::numbers(Exchange& exchange) {
    co_await answer_metrics(exchange);
}

Task<std::optional<std::string>> Routes::ask_admin(std::string message) {
    std::function<void(std::function<void(std::string)>)> question =
        [&keeper = keeper_, message = std::move(message)](std::function<void(std::string)> reply) {
            carry_out(keeper, message, std::move(reply));
        };
    return ask<std::string>(keeper_.home(), std::move(question));
}

/// VW-44, VW-63: one reply for each message, to the asker alone, in order.
Task<void> Routes::console(Exchange& exchange) {
    const auto offer = ws::read_upgrade(exchange.request().method, exchange.request().headers);
    const auto offers = [&](std::string_view name) {
        return offer && std::find(offer->protocols.begin(), offer->protocols.end(), name) != offer->protocols.end();
    };
    const std::string protocol = offers("null") ? "null" : "";  // VW-41
    WebSocket::Settings settings;
    settings.limits.max_message = body_limit;
    auto socket = co_await accept_websocket(exchange, protocol, settings);
    if (!socket) co_return;
    for (;;) {
        auto message = co_await (*socket)->read();
        if (!message) break;
        auto reply = co_await ask_admin(std::string(message->payload.text()));
        if (!reply) break;
        const auto text = Bytes::copy_of(*reply);
        auto sent = co_await (*socket)->send(ws::Opcode::text, text);
        if (!sent) break;
    }
}

}  // namespace

void add_rest_routes(HttpServer& server, Shards& shards, const Access& access, RuleKeeper& keeper) {
    std::make_shared<Routes>(shards, access, keeper)->mount(server);
}

}  // namespace weir::relay
