#include "apps/relay/doors.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/relay/credentials.h"
#include "apps/relay/doors_core.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::relay {
namespace {

constexpr std::size_t longest_name = 1024, longest_agent = 256;

bool is_topic(std::string_view name) {
    if (name.empty() || name.size() > longest_name || name == "api") return false;
    for (std::size_t i = 0; i < name.size();) {
        const auto length = utf8_length(name.substr(i));
        const auto c = static_cast<unsigned char>(name[i]);
        if (length == 0 || c < 0x20 || c == 0x7f) return false;
        i += length;
    }
    return true;
}

/// The path of a target as it was sent: without query, and without scheme and host of the absolute form.
std::string_view raw_path(std::string_view target) {
    target = target.substr(0, target.find_first_of("?#"));
    if (target.starts_with('/')) return target;
    const auto scheme = target.find("://");
    if (scheme == std::string_view::npos) return target;
    const auto slash = target.find('/', scheme + 3);
    return slash == std::string_view::npos ? std::string_view() : target.substr(slash);
}

bool is_plain(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '/';
}

std::string cut_to(const std::string* text, std::size_t most) {
    if (!text) return {};
    return valid_utf8(std::string_view(*text).substr(0, most));
}

bool has_body(const ServerRequest& request) {
    return request.chunked || request.content_length.value_or(0) > 0;
}

Task<void> serve_push(CorePtr core, Exchange& exchange) {
    auto name = vw_name(exchange.request(), "/ts/");
    if (!name) co_return co_await not_found(exchange);
    auto grant = admit(*core, exchange.request(), false, true, *name);
    if (!grant) co_return co_await refuse(exchange, grant.error());
    if (!has_body(exchange.request())) {
        (void)co_await exchange.respond(200, "", Bytes());
        co_return;
    }
    std::string topic = std::move(*name);
    if (topic.starts_with("stream/")) {
        std::string line = "a stream is made of feeds by a rule (POST /api/streams); push to a feed";
        co_return co_await say(exchange, 409, std::move(line));
    }
    Grant allowed = *grant;
    co_await ingest(std::move(core), exchange, std::move(topic), std::move(allowed));
}

Task<void> serve_jsmpeg_push(CorePtr core, std::shared_ptr<const Secret> secret, Exchange& exchange) {
    std::string_view path = exchange.request().path;
    if (path.starts_with('/')) path.remove_prefix(1);
    path = path.substr(0, path.find('/'));
    if (!same_secret(path, secret->reveal())) {
        WEIR_LOG(warn, "a push with a wrong secret was refused", {"from", exchange.request().peer});
        std::string line = "wrong secret";
        co_return co_await say(exchange, 403, std::move(line));
    }
    if (!has_body(exchange.request())) {
        (void)co_await exchange.respond(200, "", Bytes());
        co_return;
    }
    std::string topic = jsmpeg_topic;
    Grant grant;
    grant.read = false;
    co_await ingest(std::move(core), exchange, std::move(topic), std::move(grant));
}

Task<void> serve_jsmpeg_view(CorePtr core, Exchange& exchange) {
    const auto& request = exchange.request();
    if (!request.find("upgrade")) {
        bool answered = false;
        const bool page = static_cast<bool>(core->settings.page);
        if (page) answered = co_await core->settings.page(exchange);
        if (answered) co_return;
        AnswerHeaders headers;
        headers.emplace_back("Upgrade", "websocket");
        std::string line = "Upgrade Required";
        co_return co_await say(exchange, 426, std::move(line), std::move(headers));
    }
    SocketPlan plan;
    plan.topic = jsmpeg_topic;
    plan.path = request.path;
    plan.write = false;
    plan.any_protocol = true;
    co_await open_socket(std::move(core), exchange, std::move(plan));
}

Task<void> serve_socket(CorePtr core, Exchange& exchange) {
    auto name = vw_name(exchange.request(), "/ws/");
    if (!name) co_return co_await not_found(exchange);
    SocketPlan plan;
    plan.topic = std::move(*name);
    plan.path = exchange.request().path;
    co_await open_socket(std::move(core), exchange, std::move(plan));
}

Task<void> serve_crossbar(CorePtr core, std::string prefix, Exchange& exchange) {
    auto name = topic_name(exchange.request(), prefix);
    if (!name) co_return co_await not_found(exchange);
    SocketPlan plan;
    plan.topic = std::move(*name);
    plan.path = prefix + plan.topic;
    plan.read = prefix != "/in/";
    plan.write = prefix != "/out/";
    plan.crossbar = true;
    co_await open_socket(std::move(core), exchange, std::move(plan));
}

std::optional<std::string> live_topic(const ServerRequest& request) {
    auto name = topic_name(request, "/live/");
    if (!name || !name->ends_with(".ts")) return std::nullopt;
    name->resize(name->size() - 3);
    if (!is_topic(*name)) return std::nullopt;
    return name;
}

Task<void> serve_preflight(CorePtr core, Exchange& exchange) {
    const auto& request = exchange.request();
    // Who has to bring a token of its own may come from anywhere: the answer to the request itself decides.
    const auto& key = core->access.settings().viewer_key;
    const bool by_token = !key.secret.empty() || !key.public_pem.empty();
    auto origin = core->access.check_origin(request);
    if (!origin && !by_token) co_return co_await refuse(exchange, origin.error());
    auto headers = cors_headers(request);
    headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD");
    headers.emplace_back("Access-Control-Allow-Headers", "Authorization, Range");
    headers.emplace_back("Access-Control-Max-Age", "600");
    (void)co_await exchange.respond(204, "", Bytes(), std::move(headers));
}

std::string live_head(const AnswerHeaders& more) {
    std::string head =
        "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nCache-Control: no-store\r\nConnection: close\r\n"
        "X-Content-Type-Options: nosniff\r\n";
    for (const auto& [name, value] : more) {
        std::string clean = value;
        std::erase_if(clean, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
        head += fmt::format("{}: {}\r\n", name, clean);
    }
    return head + "\r\n";
}

/// Held by the viewer's farewell: lets the topic go with it.
struct LiveViewer {
    std::shared_ptr<Session> session;
    std::shared_ptr<Watcher> watcher;
    void release() {
        session->gone();
        watcher.reset();
    }
};

Task<void> serve_live(CorePtr core, Exchange& exchange) {
    const auto& request = exchange.request();
    auto topic = live_topic(request);
    if (!topic) co_return co_await not_found(exchange);
    if (request.method == "OPTIONS") co_return co_await serve_preflight(std::move(core), exchange);
    auto grant = admit(*core, request, true, false, *topic);
    if (!grant) co_return co_await refuse(exchange, grant.error());
    auto headers = cors_headers(request);
    if (request.method == "HEAD") {
        headers.emplace_back("Cache-Control", "no-store");
        (void)co_await exchange.respond(200, "video/mp2t", Bytes(), std::move(headers));
        co_return;
    }
    auto live = std::make_shared<LiveViewer>();
    live->session = core->enter(core->describe(request, "http-ts", *topic, *grant));
    if (!live->session) co_return co_await too_many(exchange);
    auto watcher = co_await core->hub.watch(*topic, Viewers::Wire::http_ts);
    if (!watcher) co_return co_await refuse(exchange, watcher.error());
    live->watcher = *watcher;
    Viewers::Plan plan;
    plan.head = Bytes::copy_of(live_head(headers));
    plan.on_gone = [live](const std::string&) { live->release(); };
    if (grant->expires) plan.until = core->steady(*grant->expires);
    auto connection = exchange.take();
    auto handle = (*watcher)->viewers().add(std::move(connection), std::move(plan));
    live->session->set_handle(std::move(handle));
}

}  // namespace

std::optional<std::string> vw_name(const ServerRequest& request, std::string_view prefix) {
    if (!request.path.starts_with(prefix)) return std::nullopt;
    auto name = request.path.substr(prefix.size());
    if (!is_topic(name)) return std::nullopt;
    const auto raw = raw_path(request.target);
    // What differs from the raw text was escaped, or cleaned of dots: then the name itself has to be plain.
    const bool as_sent = percent_decoded(raw) == request.path;
    std::size_t at = as_sent ? raw.size() : 0;
    if (as_sent) {
        // The name is the raw path's end: walk back over it, an escape being one character of the name.
        for (std::size_t left = name.size(); left > 0; --left) {
            const bool escape = at >= 3 && raw[at - 3] == '%';
            if (!escape && !is_plain(raw[at - 1])) return std::nullopt;
            at -= escape ? 3 : 1;
        }
        return name;
    }
    if (!std::all_of(name.begin(), name.end(), is_plain)) return std::nullopt;
    return name;
}

std::optional<std::string> topic_name(const ServerRequest& request, std::string_view prefix) {
    if (!request.path.starts_with(prefix)) return std::nullopt;
    auto name = request.path.substr(prefix.size());
    while (name.ends_with('/')) name.pop_back();
    if (!is_topic(name)) return std::nullopt;
    return name;
}

std::string remote_of(const ServerRequest& request) {
    const auto* forwarded = request.find("x-forwarded-for");
    if (forwarded && is_loopback_name(request.peer)) return cut_to(forwarded, longest_agent);
    return request.peer;
}

PublisherInfo publisher_info(const ServerRequest& request, std::string kind) {
    PublisherInfo who;
    who.kind = std::move(kind);
    who.peer = remote_of(request);
    who.user_agent = cut_to(request.find("user-agent"), longest_agent);
    return who;
}

Shard& Doors::Core::here() {
    for (std::size_t i = 0; i < shards.size(); ++i)
        if (shards.at(i).is_here()) return shards.at(i);
    return hub.home();
}

SteadyTime Doors::Core::steady(std::int64_t unix_seconds) {
    auto& clock = here().clock();
    return clock.now() + Millis(unix_seconds * 1000 - unix_millis(clock.wall()));
}

SessionInfo Doors::Core::describe(const ServerRequest& request, std::string kind, const std::string& topic,
                                  const Grant& grant) {
    SessionInfo info;
    info.kind = std::move(kind);
    info.topic = topic;
    info.remote = remote_of(request);
    info.user_agent = cut_to(request.find("user-agent"), longest_agent);
    info.grant = grant;
    info.since = here().clock().wall();
    return info;
}

std::shared_ptr<Session> Doors::Core::enter(SessionInfo info) {
    auto session = sessions->enter(std::move(info));
    if (session) cut_if_denied(*session);
    return session;
}

void Doors::Core::cut_if_denied(Session& session) {
    const auto id = session.booking_id();
    if (!id.empty() && access.denied(id, now())) session.cut(1008, "the booking was cancelled");
}

Result<Grant> admit(Doors::Core& core, const ServerRequest& request, bool read, bool write, const std::string& topic) {
    const auto now = core.now();
    std::optional<Result<Grant>> seen, sent;
    if (read) seen = core.access.check(request, Right::view, topic, now);
    if (write) sent = core.access.check(request, Right::push, topic, now);
    const bool may_read = seen && *seen, may_write = sent && *sent;
    if (!may_read && !may_write) return seen ? seen->error() : sent->error();
    Grant grant = may_read ? **seen : **sent;
    grant.read = may_read;
    grant.write = may_write;
    if (may_read && may_write && (*sent)->expires)
        grant.expires = std::min(grant.expires.value_or(*(*sent)->expires), *(*sent)->expires);
    if (may_write && grant.booking_id.empty()) grant.booking_id = (*sent)->booking_id;
    return grant;
}

Task<void> say(Exchange& exchange, int status, std::string line, AnswerHeaders headers) {
    const auto body = Bytes::copy_of(line + "\n");
    (void)co_await exchange.respond(status, "text/plain; charset=utf-8", body, std::move(headers));
}

Task<void> refuse(Exchange& exchange, Error why) {
    AnswerHeaders headers;
    int status = why.status;
    if (status == 0)
        status = why.code == Errc::busy || why.code == Errc::cancelled ? 503 : why.code == Errc::bad_input ? 400 : 500;
    if (status == 401) headers.emplace_back("WWW-Authenticate", "Basic realm=\"weir\"");
    if (status == 503) headers.emplace_back("Retry-After", "5");
    std::string line = why.what;
    co_await say(exchange, status, std::move(line), std::move(headers));
}

Task<void> not_found(Exchange& exchange) {
    std::string line = "404 page not found";
    co_await say(exchange, 404, std::move(line));
}

Task<void> too_many(Exchange& exchange) {
    Error why{Errc::busy, "too many connections", "", {}, 503};
    co_await refuse(exchange, std::move(why));
}

namespace {

enum class PushEnd : std::uint8_t { none, whole, lost };

/// What a pusher sends, until it ends or its time is over.
Task<void> read_push(Exchange& exchange, Session& session, Publisher& publisher, Bell& over, PushEnd& end) {
    co_await errors_not_throws();
    auto result = PushEnd::lost;  // gone, or broken: the server says what is to be said
    while (!session.is_cut()) {
        auto piece = co_await exchange.read_piece();
        if (piece && piece->bytes.empty()) result = PushEnd::whole;
        if (!piece || piece->bytes.empty() || session.is_cut()) break;
        session.count_received(piece->bytes.size());
        publisher.push(*piece);
        const bool room = co_await publisher.wait_for_room();
        if (!room) break;
    }
    end = result;
    over.notify();
}

}  // namespace

Task<void> ingest(CorePtr core, Exchange& exchange, std::string topic, Grant grant) {
    co_await errors_not_throws();
    auto session = core->enter(core->describe(exchange.request(), "push", topic, grant));
    if (!session) co_return co_await too_many(exchange);
    auto who = publisher_info(exchange.request(), "http");
    auto publisher = co_await core->hub.publish(topic, std::move(who));
    if (!publisher) co_return co_await refuse(exchange, publisher.error());
    exchange.set_body_timeout(core->settings.ingest_timeout);
    auto& shard = core->here();
    const auto over = std::make_shared<Bell>(shard.executor());
    session->set_end([over, &shard] { shard.post([over] { over->notify(); }); });
    auto end = PushEnd::none;
    TaskGroup tasks(shard.executor());
    tasks.spawn(read_push(exchange, *session, **publisher, *over, end), "push");
    const auto until = grant.expires ? core->steady(*grant.expires) : SteadyTime::max();
    bool expired = false;
    // One that is silent ends in time, too.
    while (end == PushEnd::none && !session->is_cut() && !expired) {
        bool rung = false;
        if (grant.expires)
            rung = co_await over->wait_until(until);
        else
            rung = co_await over->wait();
        expired = grant.expires && shard.clock().now() >= until;
        if (!rung) break;
    }
    co_await uncancellable();
    session->gone();
    const bool cut = session->is_cut();
    const auto seen = end;
    std::string reason = "over";
    co_await tasks.stop(std::move(reason));
    if (cut || (expired && seen == PushEnd::none)) {
        Error why{Errc::denied, cut ? "the booking was cancelled" : "Token is expired", "", {}, cut ? 403 : 401};
        co_await refuse(exchange, std::move(why));
    } else if (seen == PushEnd::whole) {
        (void)co_await exchange.respond(200, "", Bytes());
    }
}

Doors::Doors(Hub& hub, Access& access, Shards& shards, Settings settings)
    : core_(std::make_shared<Core>(hub, access, shards, std::move(settings))) {}
Doors::~Doors() = default;

void Doors::add_routes(HttpServer& server) {
    const auto core = core_;
    server.route("*", "/ts/", [core](Exchange& exchange) { return serve_push(core, exchange); });
    server.route("*", "/ws/", [core](Exchange& exchange) { return serve_socket(core, exchange); });
    for (const std::string prefix : {"/in/", "/out/", "/bi/"})
        server.route("*", prefix,
                     [core, prefix](Exchange& exchange) { return serve_crossbar(core, prefix, exchange); });
    server.route("GET HEAD OPTIONS", "/live/", [core](Exchange& exchange) { return serve_live(core, exchange); });
    add_session_routes(core, server);
}

void Doors::add_jsmpeg_ingest(HttpServer& server, Secret secret) {
    const auto core = core_;
    const auto kept = std::make_shared<const Secret>(std::move(secret));
    server.route("*", "/", [core, kept](Exchange& exchange) { return serve_jsmpeg_push(core, kept, exchange); });
}

void Doors::add_jsmpeg_view(HttpServer& server) {
    const auto core = core_;
    server.route("*", "/", [core](Exchange& exchange) { return serve_jsmpeg_view(core, exchange); });
}

std::vector<SessionInfo> Doors::connected() const {
    return core_->sessions->list();
}

}  // namespace weir::relay
