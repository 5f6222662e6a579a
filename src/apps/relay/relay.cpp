#include "apps/relay/relay.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "apps/relay/console.h"
#include "apps/relay/destinations.h"
#include "apps/relay/doors.h"
#include "apps/relay/hop.h"
#include "apps/relay/page.h"
#include "apps/relay/recordings.h"
#include "apps/relay/rules_file.h"
#include "apps/relay/stats.h"
#include "base/log.h"
#include "base/text.h"
#include "io/standard_routes.h"
#include "runtime/task_group.h"

namespace weir::relay {
namespace {

using What = Change::What;

constexpr std::size_t connections_for_others = 256;

/// Of a destination's file among the recordings; no recording rule's id begins so.
std::string file_id(const std::string& destination) {
    return std::string(destination_file_prefix) + destination;
}

bool same(const StreamRule& a, const StreamRule& b) {
    return a.stream == b.stream && a.feeds == b.feeds;
}
bool same(const DestinationRule& a, const DestinationRule& b) {
    return to_json(a) == to_json(b);
}
bool same(const RecordingRule& a, const RecordingRule& b) {
    return to_json(a) == to_json(b);
}

/// What turns `from` into `to`: drops first, then puts; what is equal stays untouched.
template <class Map>
void add_changes(std::vector<Change>& out, const Map& from, const Map& to, What drop) {
    for (const auto& [name, rule] : from) {
        if (to.contains(name)) continue;
        Change change;
        change.what = drop;
        change.name = name;
        out.push_back(std::move(change));
    }
    for (const auto& [name, rule] : to) {
        const auto known = from.find(name);
        if (known != from.end() && same(known->second, rule)) continue;
        auto change = Change::put(rule);
        change.name = name;
        out.push_back(std::move(change));
    }
}

Hub::Settings hub_settings(const RelayOptions& options) {
    Hub::Settings settings;
    settings.viewer_policy.budget_bytes = options.viewer_budget_bytes;
    settings.viewer_policy.budget_time = options.viewer_budget_time;
    // What nobody may still want is not kept; the newest group of pictures always is.
    settings.ring_bytes = std::max<std::uint64_t>(2 * options.viewer_budget_bytes, 8u << 20);
    settings.ring_time = options.viewer_budget_time + Millis(1'000);
    settings.viewers.ping = options.ping;
    return settings;
}

Doors::Settings door_settings(const RelayOptions& options) {
    Doors::Settings settings;
    settings.ingest_timeout = options.ingest_timeout;
    settings.public_url = options.public_url;
    settings.ping = options.ping;
    if (options.page) settings.page = answer_jsmpeg_page;
    return settings;
}

/// Percent-escaped, but for what a path or a query holds as it is.
std::string escaped(std::string_view text, bool slashes) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           (slashes && c == '/');
        if (plain)
            out += c;
        else
            fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

Task<void> not_found(Exchange& exchange) {
    const auto answer = page_not_found();
    const auto body = Bytes::copy_of(answer.body);
    (void)co_await exchange.respond(answer.status, answer.type, body);
}

}  // namespace

struct Relay::State final : RuleKeeper {
    State(Shards& all, FileLane& files, RelayOptions o)
        : shards(all), lane(files), options(std::move(o)), home_(all.at(0)) {}

    [[nodiscard]] Shard& home() noexcept override { return home_; }
    [[nodiscard]] RuleView view() const override { return {rules, !options.admin_destination.empty(), stopping}; }
    void make(const Change& change) override;
    void when_saved(std::function<void()> f) override;
    [[nodiscard]] std::string save_error() const override { return file ? file->error() : std::string(); }
    [[nodiscard]] std::string stats_json() override;

    Task<Result<>> start();
    Task<Result<Rules>> restored();
    void begin(const Rules& kept);
    Task<Result<>> reload();
    Task<void> stop();
    void make_parts();
    Result<> listen();
    Result<> open(std::unique_ptr<HttpServer>& server, std::uint16_t port, const char* option, bool vw,
                  const std::function<void(HttpServer&)>& mount);
    void enact(const Change& change);
    void put_destination(const DestinationRule& rule);
    void put_recording(const std::string& id, const std::string& stream, const std::string& file);
    void end_recording(const std::string& id);
    void try_recordings_again();
    void change_to(const Rules& wanted);
    [[nodiscard]] std::string push_url(const std::string& feed) const;

    Shards& shards;
    FileLane& lane;
    const RelayOptions options;
    Shard& home_;
    Rules rules;
    std::unique_ptr<RulesFile> file;
    std::map<std::string, Error> recording_errors;  ///< by id: why one did not begin
    WallTime started{};
    bool stopping = false;
    std::shared_ptr<Resolver> resolver;
    std::unique_ptr<HttpClient> http;
    std::unique_ptr<Hub> hub;
    std::unique_ptr<Access> access;
    std::unique_ptr<Destinations> destinations;
    std::unique_ptr<Recordings> recordings;
    std::unique_ptr<OnDemand> commands;
    std::unique_ptr<Doors> doors;
    std::unique_ptr<Console> console;
    std::unique_ptr<HttpServer> server, jsmpeg_in, jsmpeg_out;
};

void Relay::State::make_parts() {
    resolver = Resolver::create();
    http = HttpClient::create(home_, resolver, {});
    auto topics = hub_settings(options);
    topics.aside = [&files = lane](std::function<void()> job) {
        auto alone = files.strand();
        files.submit(alone, 0, std::move(job));
    };
    hub = Hub::create(shards, home_, std::move(topics));
    auto who = options.access;
    who.jsmpeg_secret = options.jsmpeg_secret;
    access = std::make_unique<Access>(std::move(who));

    Destinations::Settings out;
    out.policy.budget_bytes = options.viewer_budget_bytes;
    out.policy.budget_time = options.viewer_budget_time;
    out.tls = options.tls_client;
    out.use_proxy = options.use_proxy;
    out.ping = options.ping;
    destinations = std::make_unique<Destinations>(*hub, resolver, *http, std::move(out));

    Recordings::Settings keep;
    keep.folder = options.recordings_folder;
    keep.stop_within = Millis(2'500);  // what then is not final is finished by the next start
    recordings = std::make_unique<Recordings>(*hub, lane, std::move(keep));

    OnDemand::Settings run;
    run.commands = options.commands;
    run.grace = Millis(2'000);
    run.url = [this](const std::string& feed) { return push_url(feed); };
    commands = std::make_unique<OnDemand>(home_, std::move(run));
    hub->on_demand([this](const std::string& feed, bool wanted) { commands->wanted(feed, wanted); });
    doors = std::make_unique<Doors>(*hub, *access, shards, door_settings(options));
}

/// Where a command of ours pushes; the secret is for its arguments only.
std::string Relay::State::push_url(const std::string& feed) const {
    const auto& a = options.address;
    const bool any = a == "0.0.0.0" || a == "::" || a.empty();
    const auto host = any ? std::string("127.0.0.1") : a.find(':') != std::string::npos ? fmt::format("[{}]", a) : a;
    const bool jsmpeg = options.access.push_secret.empty() && feed == jsmpeg_topic;
    const auto& secret = jsmpeg ? options.jsmpeg_secret : options.access.push_secret;
    return fmt::format("{}://{}:{}/ts/{}{}", options.tls_certificate.empty() ? "http" : "https", host,
                       server ? server->port() : options.port, escaped(feed, true),
                       secret.empty() ? "" : fmt::format("?token={}", escaped(secret.reveal(), false)));
}

Result<> Relay::State::open(std::unique_ptr<HttpServer>& to, std::uint16_t port, const char* option, bool vw,
                            const std::function<void(HttpServer&)>& mount) {
    HttpServer::Settings settings;
    settings.address = options.address;
    settings.port = port;
    settings.port_option = option;
    // However many watch, health checks, rules and pushers get in.
    const Doors::Settings doors_of = door_settings(options);
    settings.spread_from = 64;
    settings.max_connections =
        doors_of.max_viewers + doors_of.more_publishers + doors_of.max_guests + connections_for_others;
    settings.tls_certificate = options.tls_certificate;
    settings.tls_key = options.tls_key;
    settings.clean_paths = vw;
    settings.allow_header = !vw;
    to = HttpServer::create(shards, settings);
    mount(*to);
    return to->start();
}

Result<> Relay::State::listen() {
    const auto main = [this](HttpServer& s) {
        add_health_route(s);
        add_rest_routes(s, shards, *access, *this);
        doors->add_routes(s);
        if (options.page)
            add_page_routes(s, *access);
        else
            s.route("*", "/", not_found);
    };
    if (auto r = open(server, options.port, "--port", true, main); !r) return r;
    if (options.jsmpeg_secret.empty()) return {};
    const auto in = [this](HttpServer& s) { doors->add_jsmpeg_ingest(s, options.jsmpeg_secret); };
    const auto out = [this](HttpServer& s) { doors->add_jsmpeg_view(s); };
    if (auto r = open(jsmpeg_in, options.jsmpeg_ingest_port, "--jsmpeg-ports", false, in); !r) return r;
    return open(jsmpeg_out, options.jsmpeg_view_port, "--jsmpeg-ports", false, out);
}

/// The rules of the last run, or none.
Task<Result<Rules>> Relay::State::restored() {
    if (options.rules_file.empty()) co_return Rules();
    file = std::make_unique<RulesFile>(home_, lane, options.rules_file);
    auto writable = co_await file->try_place();
    if (!writable) co_return within("--rules", writable.error());
    auto found = co_await file->read();
    if (!found) co_return found.error();
    if (!*found) co_return Rules();
    co_return std::move(**found);
}

/// Nothing is dialled or recorded before the listeners are there: a second relay by mistake does no harm. No request is answered
/// in between: that happens on this shard.
Task<Result<>> Relay::State::start() {
    started = home_.clock().wall();
    make_parts();
    auto kept = co_await restored();
    if (!kept) co_return kept.error();
    if (auto r = listen(); !r) co_return r;
    begin(*kept);
    co_return Result<>{};
}

void Relay::State::begin(const Rules& kept) {
    recordings->start();
    change_to(kept);
    if (options.admin_destination.empty()) return;
    DestinationRule rule;  // shown in the list as vw's (VW-50); dialled by the console
    rule.id = api_rule;
    rule.stream = "api";
    rule.destination = options.admin_destination;
    rules.destinations[rule.id] = rule;
    Console::Plan plan;
    plan.url = options.admin_destination;
    plan.tls = options.tls_client;
    plan.use_proxy = options.use_proxy;
    plan.ping = options.ping;
    console = std::make_unique<Console>(resolver, *this, std::move(plan));
}

void Relay::State::put_recording(const std::string& id, const std::string& stream, const std::string& name) {
    auto begun = recordings->begin(id, stream, name);
    const bool known = recording_errors.erase(id) != 0;
    if (begun) return;
    recording_errors.insert_or_assign(id, begun.error());
    if (!known) WEIR_LOG(warn, "a recording could not begin", {"id", id}, {"error", begun.error().text()});
}

/// Those for which there was no room: after each change, as one may have made some.
void Relay::State::try_recordings_again() {
    const auto waits = [this](const std::string& id) {
        const auto why = recording_errors.find(id);
        return why != recording_errors.end() && why->second.code == Errc::busy;
    };
    if (recording_errors.empty()) return;
    for (const auto& [id, rule] : rules.recordings)
        if (waits(id)) put_recording(id, rule.stream, rule.file);
    for (const auto& [id, rule] : rules.destinations)
        if (waits(file_id(id))) put_recording(file_id(id), rule.stream, rule.file);
}

void Relay::State::end_recording(const std::string& id) {
    recording_errors.erase(id);
    (void)recordings->end(id);
}

void Relay::State::put_destination(const DestinationRule& rule) {
    destinations->put(rule);
    if (rule.file.empty())
        end_recording(file_id(rule.id));
    else
        put_recording(file_id(rule.id), rule.stream, rule.file);
}

/// Before the rules themselves change.
void Relay::State::enact(const Change& change) {
    if (change.name == delete_all &&
        (change.what == What::put_stream || change.what == What::put_destination || change.what == What::put_recording))
        return;  // VW-24
    const auto drop_destination = [this](const std::string& id) {
        destinations->drop(id);
        end_recording(file_id(id));
    };
    switch (change.what) {
        case What::none:
            break;
        case What::put_stream:
            hub->set_mix(change.name, change.stream.feeds.value_or(std::vector<std::string>()));
            break;
        case What::drop_stream:
            hub->set_mix(change.name, std::nullopt);
            break;
        case What::drop_streams:
            for (const auto& [name, rule] : rules.streams) hub->set_mix(name, std::nullopt);
            break;
        case What::put_destination:
            put_destination(change.destination);
            break;
        case What::drop_destination:
            drop_destination(change.name);
            break;
        case What::drop_destinations:
            for (const auto& [id, rule] : rules.destinations) drop_destination(id);
            break;
        case What::put_recording:
            put_recording(change.name, change.recording.stream, change.recording.file);
            break;
        case What::drop_recording:
            end_recording(change.name);
            break;
        case What::drop_recordings:
            for (const auto& [id, rule] : rules.recordings) end_recording(id);
            break;
    }
}

void Relay::State::make(const Change& change) {
    if (stopping) return;
    enact(change);
    apply(rules, change, view().has_console);
    try_recordings_again();
    if (!file) return;
    file->changed([this] {
        auto kept = rules;
        if (view().has_console) kept.destinations.erase(std::string(api_rule));
        return rules_file_text(kept);
    });
}

void Relay::State::when_saved(std::function<void()> f) {
    if (file)
        file->when_saved(std::move(f));
    else
        f();
}

/// Only what differs is touched.
void Relay::State::change_to(const Rules& wanted) {
    auto to = wanted;
    if (const std::string ours(api_rule); view().has_console) {
        to.destinations.erase(ours);
        const auto known = rules.destinations.find(ours);
        if (known != rules.destinations.end()) to.destinations[ours] = known->second;
    }
    std::vector<Change> changes;
    add_changes(changes, rules.streams, to.streams, What::drop_stream);
    add_changes(changes, rules.destinations, to.destinations, What::drop_destination);
    add_changes(changes, rules.recordings, to.recordings, What::drop_recording);
    for (const auto& change : changes) {
        enact(change);
        apply(rules, change, false);
    }
    try_recordings_again();
}

Task<Result<>> Relay::State::reload() {
    if (!file || stopping) co_return Result<>{};
    auto found = co_await file->read_settled();
    if (!found) co_return found.error();
    if (*found && !stopping) change_to(**found);
    co_return Result<>{};
}

/// Who reads goes first, then the topics with their viewers, who are told goodbye, then the connections.
Task<void> Relay::State::stop() {
    co_await uncancellable();
    stopping = true;
    // Together: each has farewells of its own to wait for, and all of it has five seconds (reliability.md F10).
    TaskGroup ends(home_.executor());
    if (console) ends.spawn(console->stop(), "relay console ends");
    if (commands) ends.spawn(commands->stop(), "relay commands end");
    if (destinations) ends.spawn(destinations->stop(), "relay destinations end");
    if (recordings) ends.spawn(recordings->stop(), "relay recordings end");
    co_await ends.join();
    std::string reason = "the relay has stopped";
    co_await ends.stop(std::move(reason));
    if (hub) co_await hub->stop();
    for (auto* one : {&jsmpeg_in, &jsmpeg_out, &server})
        if (*one) co_await (*one)->stop();
    if (file) co_await file->stop();
}

std::string Relay::State::stats_json() {
    RelayNumbers n;
    n.now = home_.clock().wall();
    n.started = started;
    n.version = options.version;
    n.connections = open_connections();
    n.topics = hub->stats();
    n.destinations = destinations->status();
    n.commands = commands->status();
    n.recordings = recordings->status();
    for (const auto& [id, error] : recording_errors) n.recording_errors[id] = error.text();
    n.stream_rules = rules.streams.size();
    n.destination_rules = rules.destinations.size();
    n.recording_rules = rules.recordings.size();
    n.rules_file = options.rules_file.string();
    if (file) n.rules_error = file->error();
    if (console) {
        const auto status = console->status();
        n.console = RelayNumbers::Console{masked_url(options.admin_destination), status.state, status.why};
    }
    return relay::stats_json(n);
}

Relay::Relay(Shards& shards, FileLane& lane, RelayOptions options)
    : state_(std::make_unique<State>(shards, lane, std::move(options))) {}
Relay::~Relay() = default;

Task<Result<>> Relay::start() {
    return state_->start();
}
Task<void> Relay::stop(std::string) {
    return state_->stop();
}
Task<Result<>> Relay::reload() {
    return state_->reload();
}
std::string Relay::status_json() const {
    return state_->hub ? state_->stats_json() : "{}";
}
std::uint16_t Relay::port() const noexcept {
    return state_->server ? state_->server->port() : 0;
}
std::uint16_t Relay::jsmpeg_ingest_port() const noexcept {
    return state_->jsmpeg_in ? state_->jsmpeg_in->port() : 0;
}
std::uint16_t Relay::jsmpeg_view_port() const noexcept {
    return state_->jsmpeg_out ? state_->jsmpeg_out->port() : 0;
}

}  // namespace weir::relay
