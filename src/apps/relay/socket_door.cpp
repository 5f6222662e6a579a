#include <fmt/format.h>

#include <limits>

#include "apps/relay/doors_core.h"
#include "apps/relay/publisher.h"
#include "base/log.h"
#include "base/text.h"
#include "io/websocket.h"
#include "proto/websocket/frame.h"
#include "proto/websocket/handshake.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::relay {
namespace {

constexpr std::size_t longest_token = 16u << 10, longest_head = 14;
constexpr Millis farewell{1'000};

constexpr std::uint16_t policy_violation = 1008, try_later = 1013, token_expired = 4401;

/// A connection of which some bytes were read already: they come first again.
class Handed final : public Connection {
public:
    Handed(std::unique_ptr<Connection> inner, Bytes early) : inner_(std::move(inner)), early_(std::move(early)) {}
    [[nodiscard]] asio::any_io_executor executor() const noexcept override { return inner_->executor(); }
    [[nodiscard]] Shard& shard() noexcept override { return inner_->shard(); }
    Task<Result<std::size_t>> read_some(std::span<std::byte> into) override { return inner_->read_some(into); }
    Task<Result<>> wait_readable() override { return inner_->wait_readable(); }
    Result<std::optional<std::size_t>> try_read(std::span<std::byte> into) override { return inner_->try_read(into); }
    Task<Result<>> write(std::span<const Bytes> parts) override { return inner_->write(parts); }
    Result<std::size_t> try_write(std::span<const Bytes> parts) override { return inner_->try_write(parts); }
    Task<Result<>> wait_writable() override { return inner_->wait_writable(); }
    Task<Result<>> wait_closed() override { return inner_->wait_closed(); }
    void shutdown() override { inner_->shutdown(); }
    [[nodiscard]] const Bytes& early() const noexcept override { return early_; }
    [[nodiscard]] int descriptor() const noexcept override { return inner_->descriptor(); }

private:
    std::unique_ptr<Connection> inner_;
    Bytes early_;
};

/// A place among the websockets whose token has not come yet.
class Waiting {
public:
    explicit Waiting(CorePtr core) : core_(std::move(core)), in_(++core_->guests <= core_->settings.max_guests) {}
    ~Waiting() { --core_->guests; }
    Waiting(const Waiting&) = delete;
    [[nodiscard]] bool is_in() const noexcept { return in_; }

private:
    const CorePtr core_;
    const bool in_;
};

/// What a websocket is and may, from the handshake on.
struct Guest {
    SocketPlan plan;
    Grant grant;
    std::unique_ptr<Waiting> waiting = {};  ///< until its token came; then there is a session
    SessionInfo info = {};
    std::shared_ptr<Session> session = {};
    PublisherInfo who = {};
    [[nodiscard]] bool publishes() const { return grant.write && !plan.topic.starts_with("stream/"); }  // VW-43
};

/// A websocket among the viewers of its topic; its farewell lets go of all.
struct LiveSocket {
    CorePtr core;
    Guest guest;
    std::shared_ptr<Watcher> watcher;
    std::shared_ptr<Publisher> publisher;   ///< from its first message on
    std::vector<Viewers::Message> waiting;  ///< until there is one
    bool over = false;

    void take(Viewers::Message message) {
        guest.session->count_received(message.payload.size());
        if (!publisher)
            waiting.push_back(std::move(message));
        else
            publisher->message(message.text, message.payload);
    }
    void release() {
        over = true;
        publisher.reset();
        waiting.clear();
        guest.session->gone();
        watcher.reset();
    }
};

Task<bool> may_read(std::shared_ptr<LiveSocket> live) {
    if (live->over) co_return false;
    if (!live->publisher && !live->waiting.empty()) {
        auto who = live->guest.who;
        auto publisher = co_await live->core->hub.publish(live->guest.plan.topic, std::move(who));
        if (!publisher || live->over) co_return false;
        live->publisher = std::move(*publisher);
        for (auto& message : live->waiting) live->publisher->message(message.text, message.payload);
        live->waiting.clear();
    }
    const auto publisher = live->publisher;
    if (!publisher || !is_behind(*publisher)) co_return true;
    const bool room = co_await publisher->wait_for_room();
    co_return room;
}

void join_viewers(CorePtr core, std::unique_ptr<Connection> connection, Bytes head, Guest guest,
                  std::shared_ptr<Watcher> watcher) {
    auto live = std::make_shared<LiveSocket>();
    Viewers::Plan plan;
    plan.head = std::move(head);
    if (guest.publishes()) {
        plan.origin = guest.who.origin;
        plan.on_message = [live](Viewers::Message message) { live->take(std::move(message)); };
        plan.may_read = [live] { return may_read(live); };
    }
    plan.on_gone = [live](const std::string&) { live->release(); };
    if (guest.grant.expires) plan.until = core->steady(*guest.grant.expires);
    const auto session = guest.session;
    live->core = std::move(core);
    live->guest = std::move(guest);
    live->watcher = watcher;
    session->set_handle(watcher->viewers().add(std::move(connection), std::move(plan)));
}

/// What a websocket that only publishes sends, until it ends.
Task<void> pass_on(CorePtr core, const Guest& guest, WebSocket& socket, std::shared_ptr<Bell> over, bool& ended) {
    std::shared_ptr<Publisher> publisher;
    for (;;) {
        auto message = co_await socket.read();
        if (!message) break;
        guest.session->count_received(message->payload.size());
        if (!guest.publishes()) continue;
        if (!publisher) {
            auto who = guest.who;
            auto made = co_await core->hub.publish(guest.plan.topic, std::move(who));
            if (!made) break;
            publisher = std::move(*made);
        }
        publisher->message(message->text, message->payload);
        if (!is_behind(*publisher)) continue;
        const bool room = co_await publisher->wait_for_room();
        if (!room) break;
    }
    ended = true;
    over->notify();
}

/// `/in` and tokens that may not read: no viewer of the topic, so nothing is made for it.
Task<void> publish_only(CorePtr core, std::unique_ptr<Connection> connection, Guest guest) {
    auto& shard = connection->shard();
    WebSocket::Settings settings;
    settings.limits = core->settings.limits;
    settings.ping = core->settings.ping;
    settings.pong = core->settings.pong;
    Bytes early = connection->early();
    const auto socket = WebSocket::create(std::move(connection), ws::Role::server, std::move(early), settings);
    const auto over = std::make_shared<Bell>(shard.executor());
    guest.session->set_end([over, &shard] { shard.post([over] { over->notify(); }); });
    bool ended = false, expired = false;
    TaskGroup tasks(shard.executor());
    tasks.spawn(pass_on(core, guest, *socket, over, ended), "websocket publisher");
    const auto until = guest.grant.expires ? core->steady(*guest.grant.expires) : SteadyTime::max();
    while (!ended && !guest.session->is_cut()) {
        bool rung = false;
        if (guest.grant.expires)
            rung = co_await over->wait_until(until);
        else
            rung = co_await over->wait();
        expired = guest.grant.expires && shard.clock().now() >= until;
        if (!rung || expired) break;
    }
    co_await uncancellable();
    guest.session->gone();
    const bool by_peer = ended;
    co_await tasks.stop("over");
    std::string reason = guest.session->is_cut() ? "the booking was cancelled" : "token expired";
    const std::uint16_t code = guest.session->is_cut() ? policy_violation : token_expired;
    if (!by_peer && (expired || guest.session->is_cut())) co_await socket->close(code, std::move(reason), farewell);
}

/// The length of the frame that begins here; nothing while its head is not whole.
std::optional<std::uint64_t> frame_length(std::span<const std::byte> in) {
    if (in.size() < 2) return std::nullopt;
    const auto at = [&](std::size_t i) { return std::to_integer<std::uint64_t>(in[i]); };
    std::uint64_t length = at(1) & 0x7f;
    std::size_t head = 2;
    const std::size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (in.size() < head + more) return std::nullopt;
    if (more) length = 0;
    for (std::size_t i = 0; i < more; ++i) length = length << 8 | at(head + i);
    head += more + ((at(1) & 0x80) != 0 ? 4 : 0);
    return length > longest_token ? std::numeric_limits<std::uint64_t>::max() : length + head;
}

Task<void> send(Connection& connection, Bytes frame) {
    (void)co_await connection.write(std::span(&frame, 1));
}

Task<void> say_goodbye(Connection& connection, std::uint16_t code, std::string reason) {
    co_await send(connection, ws::make_close(code, reason));
    auto& clock = connection.shard().clock();
    (void)co_await with_deadline(clock, clock.now() + farewell, connection.wait_closed());
}

/// The first message; what came behind it stays in `rest`. An error is what to close with.
struct FirstMessage {
    Bytes payload;
    std::uint16_t close_code = 0;  ///< the peer broke a rule, or (1000) said goodbye
    bool lost = false;
};
Task<FirstMessage> read_first(Connection& connection, Bytes& rest) {
    ws::Limits limits;
    limits.max_message = longest_token;
    limits.max_fragments = 64;
    limits.max_control_run = 64;
    ws::Decoder decoder(ws::Role::server, limits);
    const auto early = connection.early().view();
    std::vector<std::byte> have(early.begin(), early.end()), part(4096);
    std::vector<ws::Event> events;
    FirstMessage out;
    for (;;) {
        const auto length = frame_length(have);
        if (length && *length > longest_token + longest_head) {
            out.close_code = 1009;
            co_return out;
        }
        if (!length || have.size() < *length) {
            auto got = co_await connection.read_some(part);
            out.lost = !got;
            if (!got) co_return out;
            have.insert(have.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(*got));
            continue;
        }
        events.clear();
        const auto fed = decoder.feed(std::span(have).first(*length), events);
        have.erase(have.begin(), have.begin() + static_cast<std::ptrdiff_t>(*length));
        if (!fed) {
            out.close_code = decoder.close_code();
            co_return out;
        }
        for (auto& event : events) {
            if (event.kind == ws::Event::Kind::close) out.close_code = 1000;
            if (event.kind == ws::Event::Kind::message) {
                rest = Bytes::copy_of(std::span<const std::byte>(have));
                out.payload = std::move(event.payload);
            }
            if (event.kind != ws::Event::Kind::pong && event.kind != ws::Event::Kind::ping) co_return out;
            if (event.kind != ws::Event::Kind::ping) continue;
            auto pong = ws::make_frame(ws::Opcode::pong, event.payload.view());
            co_await send(connection, std::move(pong));
        }
    }
}

/// VW-77's answer. What was sent as a token is never sent back.
Bytes answer_frame(const std::string& path, bool authorised, std::string_view reason) {
    const auto text = fmt::format(R"({{"topic":{},"token":"","authorised":{},"reason":{}}})", json_quoted(path),
                                  authorised, json_quoted(reason));
    return ws::make_frame(ws::Opcode::text, std::as_bytes(std::span(text)));
}

Task<void> refuse_guest(Connection& connection, std::string path, std::uint16_t code, std::string reason) {
    auto answer = answer_frame(path, false, reason);
    co_await send(connection, std::move(answer));
    co_await say_goodbye(connection, code, std::move(reason));
}

/// CB-3: nothing is delivered before the token was good.
Task<void> by_first_message(CorePtr core, std::unique_ptr<Connection> connection, Guest guest) {
    auto& clock = connection->shard().clock();
    Bytes rest;
    bool timed_out = false;
    auto first = co_await with_deadline(clock, clock.now() + core->settings.first_message,
                                        read_first(*connection, rest), &timed_out);
    if (timed_out) co_return co_await say_goodbye(*connection, policy_violation, "no token came");
    if (first.lost) co_return;
    if (first.close_code) co_return co_await say_goodbye(*connection, first.close_code, "");
    const auto right = guest.plan.read ? Right::view : Right::push;
    auto grant = core->access.check_first_message(first.payload.text(), guest.plan.path, right, core->now());
    if (!grant) co_return co_await refuse_guest(*connection, guest.plan.path, policy_violation, grant.error().what);
    guest.grant = *grant;
    guest.grant.read = guest.grant.read && guest.plan.read;
    guest.grant.write = guest.grant.write && guest.plan.write;
    guest.info.grant = guest.grant;
    guest.session = core->enter(std::move(guest.info));
    if (!guest.session) {
        std::string reason = "too many connections";
        co_return co_await refuse_guest(*connection, guest.plan.path, try_later, std::move(reason));
    }
    guest.waiting.reset();
    auto answer = answer_frame(guest.plan.path, true, "ok");
    connection = std::make_unique<Handed>(std::move(connection), std::move(rest));
    if (!guest.grant.read) {
        co_await send(*connection, std::move(answer));
        co_return co_await publish_only(std::move(core), std::move(connection), std::move(guest));
    }
    auto watcher = co_await core->hub.watch(guest.plan.topic, Viewers::Wire::websocket);
    if (!watcher) co_return co_await refuse_guest(*connection, guest.plan.path, try_later, watcher.error().what);
    // The answer goes out once it is a viewer: it misses nothing that is sent from then on.
    join_viewers(std::move(core), std::move(connection), std::move(answer), std::move(guest), std::move(*watcher));
}

/// VW-14: Go's websocket library said it so.
Task<void> bad_upgrade(Exchange& exchange, int status) {
    AnswerHeaders headers;
    headers.emplace_back("Sec-Websocket-Version", "13");
    std::string line = status == 426 ? "Upgrade Required" : status == 405 ? "Method Not Allowed" : "Bad Request";
    co_await say(exchange, status, std::move(line), std::move(headers));
}

std::string chosen_protocol(const ws::Offer& offer, bool any) {
    if (any) return offer.protocols.empty() ? std::string() : offer.protocols.front();
    for (const auto& protocol : offer.protocols)
        if (protocol == "null") return protocol;
    return {};
}

}  // namespace

Task<void> open_socket(CorePtr core, Exchange& exchange, SocketPlan plan) {
    const auto& request = exchange.request();
    const auto offer = ws::read_upgrade(request.method, request.headers);
    const bool body = request.chunked || request.content_length.value_or(0) > 0;
    if (!offer || body)
        co_return co_await bad_upgrade(exchange, body || !offer.error().status ? 400 : offer.error().status);
    Guest guest;
    const bool token_first =
        plan.crossbar && core->access.wants_first_message(request, plan.write ? Right::push : Right::view);
    if (!token_first) {
        auto grant = plan.grant ? plan.grant() : admit(*core, request, plan.read, plan.write, plan.topic);
        if (!grant) co_return co_await refuse(exchange, grant.error());
        guest.grant = *grant;
        guest.session = core->enter(core->describe(request, "websocket", plan.topic, guest.grant));
        if (!guest.session) co_return co_await too_many(exchange);
    } else {
        guest.grant.read = guest.grant.write = false;
        guest.info = core->describe(request, "websocket", plan.topic, guest.grant);
        guest.waiting = std::make_unique<Waiting>(core);
        if (!guest.waiting->is_in()) co_return co_await too_many(exchange);
    }
    guest.who = publisher_info(request, "websocket");
    guest.who.origin = own_origins + core->next_origin++ % own_origins;
    guest.plan = std::move(plan);
    Bytes head = Bytes::copy_of(ws::accept_answer(*offer, chosen_protocol(*offer, guest.plan.any_protocol)));
    if (guest.grant.read) {
        auto watcher = co_await core->hub.watch(guest.plan.topic, Viewers::Wire::websocket);
        if (!watcher) co_return co_await refuse(exchange, watcher.error());
        auto taken = exchange.take();
        co_return join_viewers(std::move(core), std::move(taken), std::move(head), std::move(guest),
                               std::move(*watcher));
    }
    auto connection = exchange.take();
    const auto written = co_await connection->write(std::span(&head, 1));
    if (!written) co_return;
    if (token_first)
        co_await by_first_message(std::move(core), std::move(connection), std::move(guest));
    else
        co_await publish_only(std::move(core), std::move(connection), std::move(guest));
}

}  // namespace weir::relay
