#include "apps/relay/destinations.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "base/log.h"
#include "runtime/task_group.h"

namespace weir::relay {
namespace {

/// Origins of far sides, apart from those that the hub and the doors give out.
constexpr std::uint32_t first_origin = own_origins | 0x4000'0000U;
constexpr std::uint64_t most_back_bytes = 4u << 20;
constexpr Micros back_again = std::chrono::seconds(2);  ///< between tries to publish what a far side says

/// The way back: a publisher on the topic, made when the far side first says something (VW-76).
class BackWay : public std::enable_shared_from_this<BackWay> {
public:
    BackWay(Hub& hub, TaskGroup& tasks, std::string topic, PublisherInfo who)
        : hub_(hub), tasks_(tasks), topic_(std::move(topic)), who_(std::move(who)) {}

    void take(WebSocket::Message message) {
        if (closed_) return;
        if (publisher_ && publisher_->under_way() < most_back_bytes) return pass(message);
        if (publisher_ || waiting_bytes_ + message.payload.size() > most_back_bytes)
            return;  // newest is dropped, as vw
        if (!asked_ && hub_.home().clock().now() < not_before_) return;
        waiting_bytes_ += message.payload.size();
        waiting_.push_back(std::move(message));
        if (!std::exchange(asked_, true)) tasks_.spawn(open(shared_from_this()), "relay way back");
    }
    void close() {
        closed_ = true;
        publisher_.reset();
        waiting_.clear();
    }

private:
    void pass(const WebSocket::Message& message) { publisher_->message(message.text, message.payload); }

    /// There may be room later on.
    void refused(const Error& why) {
        if (!std::exchange(told_, true))
            WEIR_LOG(warn, "what a destination sends cannot be published", {"topic", topic_}, {"error", why.text()});
        asked_ = false;
        not_before_ = hub_.home().clock().now() + back_again;
    }

    static Task<void> open(std::shared_ptr<BackWay> self) {
        co_await errors_not_throws();
        auto made = co_await self->hub_.publish(self->topic_, self->who_);
        if (!made) self->refused(made.error());
        if (!made || self->closed_) {
            self->waiting_.clear();
            self->waiting_bytes_ = 0;
            co_return;
        }
        self->publisher_ = std::move(*made);
        for (const auto& message : std::exchange(self->waiting_, {})) self->pass(message);
        self->waiting_bytes_ = 0;
    }

    Hub& hub_;
    TaskGroup& tasks_;
    const std::string topic_;
    const PublisherInfo who_;
    std::shared_ptr<Publisher> publisher_;
    std::deque<WebSocket::Message> waiting_;
    std::uint64_t waiting_bytes_ = 0;
    bool asked_ = false, closed_ = false, told_ = false;
    SteadyTime not_before_{};
};

/// One rule at work.
struct Live {
    DestinationRule rule;
    std::string why;       ///< why there is no push
    bool no_room = false;  ///< there may be later on
    std::shared_ptr<Pin> pin;
    std::shared_ptr<BackWay> back;
    std::unique_ptr<WsPush> push;
};

Task<void> close(std::unique_ptr<Live> live) {
    co_await uncancellable();
    if (live->back) live->back->close();
    if (live->push) co_await live->push->stop();
    live->push.reset();  // before the Stream it reads
}

}  // namespace

struct Destinations::State {
    State(Hub& h, std::shared_ptr<Resolver> r, HttpClient& c, Settings s)
        : hub(h), resolver(std::move(r)), http(c), settings(std::move(s)), tasks(hub.home().executor()) {}

    std::unique_ptr<Live> begin(const DestinationRule& rule);
    void attach(Live& live);
    Task<void> try_again();
    WsPush::Plan plan(const DestinationRule& rule, Live& live);
    void end(const std::string& id);

    Hub& hub;
    std::shared_ptr<Resolver> resolver;
    HttpClient& http;
    Settings settings;
    std::map<std::string, std::unique_ptr<Live>> live;
    std::uint32_t origins = 0;
    bool stopped = false, trying = false;
    TaskGroup tasks;
};

WsPush::Plan Destinations::State::plan(const DestinationRule& rule, Live& to) {
    WsPush::Plan plan;
    plan.url = rule.destination;
    plan.token = Secret(rule.token);
    plan.policy = settings.policy;
    plan.tls = settings.tls;
    plan.use_proxy = settings.use_proxy;
    plan.socket.ping = settings.ping;
    if (rule.stream.starts_with("stream/")) return plan;  // VW-76: streams do not run backwards
    PublisherInfo who;
    who.kind = "websocket";
    who.peer = masked_url(rule.destination);
    who.user_agent = fmt::format("destination {}", rule.id);
    who.origin = plan.policy.origin = first_origin | (origins++ & 0x3FFF'FFFFU);
    to.back = std::make_shared<BackWay>(hub, tasks, rule.stream, std::move(who));
    plan.on_message = [back = to.back](WebSocket::Message message) { back->take(std::move(message)); };
    return plan;
}

std::unique_ptr<Live> Destinations::State::begin(const DestinationRule& rule) {
    auto made = std::make_unique<Live>();
    made->rule = rule;
    if (rule.destination.empty()) {
        made->why = rule.file.empty() ? "the rule names no destination" : "";
        return made;
    }
    attach(*made);
    if (made->no_room && !std::exchange(trying, true)) tasks.spawn(try_again(), "relay destinations");
    return made;
}

void Destinations::State::attach(Live& to) {
    auto at = hub.attach(to.rule.stream);
    to.why = at ? std::string() : at.error().text();
    to.no_room = !at && at.error().code == Errc::busy;
    if (!at) return;
    to.pin = std::move(at->first);
    to.push = WsPush::create(hub.home(), resolver, http, *at->second, plan(to.rule, to));
}

Task<void> Destinations::State::try_again() {
    const auto waits = [](const auto& one) { return one.second->no_room; };
    do {
        const bool slept = co_await hub.home().clock().sleep_for(settings.again);
        if (!slept) break;
        for (const auto& [id, one] : live)
            if (one->no_room) attach(*one);
    } while (std::any_of(live.begin(), live.end(), waits));
    trying = false;
}

void Destinations::State::end(const std::string& id) {
    const auto found = live.find(id);
    if (found == live.end()) return;
    tasks.spawn(close(std::move(found->second)), "relay destination");
    live.erase(found);
}

Destinations::Destinations(Hub& hub, std::shared_ptr<Resolver> resolver, HttpClient& http, Settings settings)
    : state_(std::make_unique<State>(hub, std::move(resolver), http, std::move(settings))) {}
Destinations::~Destinations() = default;

void Destinations::put(const DestinationRule& rule) {
    if (state_->stopped) return;
    state_->end(rule.id);
    state_->live[rule.id] = state_->begin(rule);
}

void Destinations::drop(const std::string& id) {
    state_->end(id);
}

std::vector<DestinationStatus> Destinations::status() const {
    std::vector<DestinationStatus> all;
    for (const auto& [id, live] : state_->live) {
        DestinationStatus s;
        s.id = id;
        s.stream = live->rule.stream;
        s.destination = masked_url(live->rule.destination);
        s.has_token = !live->rule.token.empty();
        if (live->push) {
            s.push = live->push->status();
            s.state = name_of(s.push.state);
            s.why = s.push.last_error;
        } else {
            s.state = live->why.empty() ? "none" : "refused";
            s.why = live->why;
        }
        all.push_back(std::move(s));
    }
    return all;
}

std::size_t Destinations::closing() const noexcept {
    return state_->tasks.size();
}

Task<void> Destinations::stop() {
    co_await uncancellable();
    state_->stopped = true;
    while (!state_->live.empty()) {
        const auto id = state_->live.begin()->first;
        state_->end(id);
    }
    co_await state_->tasks.stop("the relay stops");
}

}  // namespace weir::relay
