#include "apps/demo_source.h"

#include <fmt/format.h>

#include <array>

#include "base/log.h"
#include "base/text.h"
#include "io/standard_routes.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "sinks/hls_serve.h"
#include "sinks/viewers.h"
#include "sources/test_pattern.h"

namespace weir::apps {
namespace {

constexpr std::size_t ready_segments = 3;  ///< what players like to find

Task<void> silence(std::shared_ptr<Connection> connection) {
    (void)co_await connection->wait_closed();
}

}  // namespace

struct DemoSource::State {
    State(Shards& all, FileLane& files, DemoSourceOptions o)
        : shards(all),
          lane(files),
          options(std::move(o)),
          home(all.at(0)),
          clock(options.clock ? *options.clock : home.clock()),
          faults(options.faults),
          tasks(home.executor()) {}

    Task<Result<>> start();
    Task<Result<>> make_parts();
    Task<void> run_source();
    Task<void> run_hls();
    Task<Result<>> wait_until_ready();
    Task<void> stop(std::string reason);
    Task<bool> inject(Exchange& exchange, HlsServe::Asked asked, Bytes body);
    Task<void> send_half(Exchange& exchange, Bytes body, Micros silent_for);
    [[nodiscard]] std::string url(std::string_view path) const;

    Shards& shards;
    FileLane& lane;
    DemoSourceOptions options;
    Shard& home;
    Clock& clock;
    FaultInjector faults;
    SteadyTime began{};
    bool serving = false, ended = false;
    std::unique_ptr<HttpServer> server;
    std::unique_ptr<Stream> stream;
    std::unique_ptr<HlsServe> hls;
    std::unique_ptr<Viewers> ts;
    std::unique_ptr<Reader> reader;
    std::unique_ptr<TestPattern> source;
    std::unique_ptr<Pipeline> pipeline;
    TaskGroup tasks;
};

Task<Result<>> DemoSource::State::make_parts() {
    auto file = options.file;
    if (file.empty()) {
        auto made = co_await load_pattern(lane, options.cache_folder, options.pattern);
        if (!made) co_return made.error();
        file = std::move(*made);
    }
    TestPattern::Settings pace;
    pace.duration = options.duration;
    // As much at once as makes the first segments whole, the picture after them included.
    pace.preroll = options.segment * ready_segments + pace.step * 4;
    auto made = TestPattern::create(clock, std::move(file), pace);
    if (!made) co_return made.error();
    source = std::move(*made);

    Stream::Settings ring;
    ring.name = "demo";
    stream = Stream::create(home.executor(), clock, ring);
    HlsServe::Settings serve;
    serve.segment = options.segment;
    serve.window = options.window;
    serve.before = [this](Exchange& exchange, HlsServe::Asked asked, Bytes body) {
        return inject(exchange, asked, std::move(body));
    };
    hls = std::make_unique<HlsServe>(clock, std::move(serve));
    Policy policy;
    policy.budget_bytes = ring.ring_bytes;
    policy.budget_time = ring.ring_time;
    reader = stream->attach(policy);
    ts = Viewers::create(shards, home, *stream, {});
    pipeline = std::make_unique<Pipeline>(home.executor(), *source, *stream);
    co_return Result<>{};
}

Task<Result<>> DemoSource::State::start() {
    if (auto r = co_await make_parts(); !r) co_return r;
    HttpServer::Settings settings;
    settings.address = options.address;
    settings.port = options.port;
    settings.port_option = "--port";
    server = HttpServer::create(shards, settings);
    add_standard_routes(*server);
    hls->add_routes(*server);
    server->route("GET HEAD", "/live.ts", http_ts_handler(*ts));
    began = clock.now();  // read on every shard: set before there are connections
    if (auto r = server->start(); !r) co_return r;
    serving = true;
    tasks.spawn(run_hls(), "demo hls");
    tasks.spawn(run_source(), "demo source");
    co_return co_await wait_until_ready();
}

Task<void> DemoSource::State::run_source() {
    auto end = co_await pipeline->run();
    if (!end) WEIR_LOG(error, "the demo source failed", {"error", end.error().text()});
    ended = true;
}

Task<void> DemoSource::State::run_hls() {
    auto r = co_await pump(*reader, *hls);
    if (!r && r.error().code != Errc::cancelled && r.error().code != Errc::lost_peer)
        WEIR_LOG(error, "the demo's HLS ended", {"error", r.error().text()});
}

Task<Result<>> DemoSource::State::wait_until_ready() {
    const auto enough = std::min(ready_segments, options.window);
    while (hls->segments() < enough && !ended) {
        if (!co_await clock.sleep_for(std::chrono::milliseconds(10)))
            co_return Error{Errc::cancelled, "stopped", "demo source"};
    }
    if (hls->segments() == 0) co_return Error{Errc::internal, "the pattern gave no segment", "demo source"};
    co_return Result<>{};
}

Task<void> DemoSource::State::stop(std::string reason) {
    if (pipeline) pipeline->ask_stop(reason);
    if (server) co_await server->stop();
    if (ts) co_await ts->stop();
    co_await tasks.stop(std::move(reason));
}

Task<bool> DemoSource::State::inject(Exchange& exchange, HlsServe::Asked asked, Bytes body) {
    const auto now = std::chrono::duration_cast<Micros>(clock.now() - began);
    const auto fault = faults.meet(asked == HlsServe::Asked::segment, now);
    if (!fault) co_return false;
    if (fault->kind == Fault::Kind::burst || fault->kind == Fault::Kind::not_found) {
        const int status = fault->kind == Fault::Kind::burst ? 503 : 404;
        const auto text = Bytes::copy_of(fmt::format("injected fault: {}\n", fault->name));
        (void)co_await exchange.respond(status, "text/plain; charset=utf-8", text);
    } else {
        co_await send_half(exchange, std::move(body), fault->kind == Fault::Kind::stall ? fault->lasts : Micros(0));
    }
    co_return true;
}

/// Promises all of it, sends half, and then nothing for a while.
Task<void> DemoSource::State::send_half(Exchange& exchange, Bytes body, Micros silent_for) {
    const std::shared_ptr<Connection> connection = exchange.take();
    const auto head = fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.size());
    const std::array<Bytes, 2> parts{Bytes::copy_of(head), body.slice(0, body.size() / 2)};
    if (auto r = co_await connection->write(parts); !r || silent_for.count() == 0) co_return;
    // The connection's own shard keeps the time: the clock of the source belongs to another one.
    auto& here = connection->shard().clock();
    co_await with_deadline(here, here.now() + silent_for, silence(connection));
}

std::string DemoSource::State::url(std::string_view path) const {
    const auto& a = options.address;
    const bool bare_v6 = a.find(':') != std::string::npos && !a.starts_with('[');
    return bare_v6 ? fmt::format("http://[{}]:{}{}", a, server->port(), path)
                   : fmt::format("http://{}:{}{}", a, server->port(), path);
}

DemoSource::DemoSource(Shards& shards, FileLane& lane, DemoSourceOptions options)
    : state_(std::make_unique<State>(shards, lane, std::move(options))) {}
DemoSource::~DemoSource() = default;

Task<Result<>> DemoSource::start() {
    return state_->start();
}
Task<void> DemoSource::stop(std::string reason) {
    return state_->stop(std::move(reason));
}
Task<Result<>> DemoSource::reload() {
    co_return Result<>{};
}
std::string DemoSource::hls_url() const {
    return state_->serving ? state_->url("/live.m3u8") : "";
}
std::string DemoSource::ts_url() const {
    return state_->serving ? state_->url("/live.ts") : "";
}
std::string DemoSource::status_json() const {
    const auto& s = *state_;
    return fmt::format(R"({{"hls":{},"ts":{},"segments":{},"ended":{}}})", json_quoted(hls_url()),
                       json_quoted(ts_url()), s.hls ? s.hls->segments() : 0, s.ended);
}

}  // namespace weir::apps
