#include "telemetry/profiles/profiles.h"

#include <fstream>
#include <iterator>
#include <mutex>

#include "runtime/clock.h"
#include "runtime/task_group.h"
#include "telemetry/profiles/collector.h"
#include "telemetry/profiles/heap_profile.h"

namespace weir::telemetry {
namespace {

constexpr std::size_t max_symbol_request = 1u << 20;

/// Of one server. The thread starts with the first question: nobody pays for it before.
struct Profiler {
    explicit Profiler(Gate g) : gate(std::move(g)) {}

    WorkerPool& thread() {
        const std::lock_guard guard(lock);
        if (!pool) pool.emplace(1, "pprof");
        return *pool;
    }

    Gate gate;
    Collector collector;  ///< on the pool's thread only
    std::mutex lock;
    std::optional<WorkerPool> pool;  ///< the last member: its jobs use the others
};
using ProfilerPtr = std::shared_ptr<Profiler>;

using Job = std::function<ProfileAnswer(Collector&)>;

Task<ProfileAnswer> work(ProfilerPtr profiler, Job job) {
    std::function<Result<ProfileAnswer>(const std::atomic<bool>&)> call =
        [profiler = profiler.get(), job = std::move(job)](const std::atomic<bool>&) -> Result<ProfileAnswer> {
        auto answer = job(profiler->collector);
        give_memory_back();
        return answer;
    };
    auto done = co_await run_blocking<ProfileAnswer>(profiler->thread(), std::move(call));
    if (!done) co_return profile_error(500, done.error().text());
    co_return std::move(*done);
}

/// False: the server stops.
Task<bool> pause(std::int64_t seconds) {
    const auto clock = real_clock(co_await asio::this_coro::executor);
    co_return co_await clock->sleep_for(std::chrono::seconds(seconds));
}

Task<ProfileAnswer> cpu(ProfilerPtr profiler, ProfileRequest request) {
    constexpr std::int64_t usual_seconds = 30;
    auto running = std::make_shared<std::optional<CpuProfile>>();
    Job start = [running](Collector&) {
        auto begun = CpuProfile::start();
        if (!begun)
            return profile_error(begun.error().code == Errc::unsupported ? 501 : 500,
                                 fmt::format("Could not enable CPU profiling: {}", begun.error().text()));
        running->emplace(std::move(*begun));
        return ProfileAnswer{};
    };
    auto begun = co_await work(profiler, std::move(start));
    if (!*running) co_return begun;
    (void)co_await pause(request.seconds.value_or(usual_seconds));
    Job finish = [running, request](Collector& collector) {
        return collector.answer_cpu(request, std::move(**running));
    };
    co_return co_await work(profiler, std::move(finish));
}

Task<ProfileAnswer> named_since(ProfilerPtr profiler, ProfileRequest request) {
    auto before = std::make_shared<pprof::Profile>();
    Job first = [before, request](Collector& collector) {
        auto taken = collector.take(request.name);
        if (!taken) return profile_error(taken.error().code == Errc::unsupported ? 501 : 500, taken.error().text());
        *before = std::move(*taken);
        return ProfileAnswer{};
    };
    auto begun = co_await work(profiler, std::move(first));
    if (begun.status != 200) co_return begun;
    const bool waited = co_await pause(*request.seconds);
    if (!waited) co_return profile_error(503, "the server stops");
    Job second = [before, request](Collector& collector) { return collector.answer_since(request, *before); };
    co_return co_await work(profiler, std::move(second));
}

ProfileAnswer command_line() {
    std::ifstream in("/proc/self/cmdline", std::ios::binary);
    std::string all(std::istreambuf_iterator<char>(in), {});
    if (!all.empty() && all.back() == '\0') all.pop_back();
    return profile_text(masked_arguments(all));
}

Task<ProfileAnswer> answer(ProfilerPtr profiler, ProfileRequest request) {
    const auto& name = request.name;
    const bool delta = Collector::knows_delta(name), plain = Collector::knows(name);
    if (name == "cmdline") co_return command_line();
    if (name == "trace") co_return profile_error(501, "weir has no execution traces as Go's");
    if (!name.empty() && name != "profile" && !delta && !plain) co_return profile_error(404, "Unknown profile");
    if (auto why = refused(request); why && !delta) co_return std::move(*why);
    if (name == "profile") co_return co_await cpu(profiler, request);
    if (plain && request.seconds) co_return co_await named_since(profiler, request);
    Job job = [request, delta](Collector& collector) {
        if (request.name.empty())
            return ProfileAnswer{.content_type = "text/html; charset=utf-8", .body = collector.index_page()};
        return delta ? collector.answer_delta(request) : collector.answer(request);
    };
    co_return co_await work(profiler, std::move(job));
}

Task<void> send(weir::Exchange& exchange, ProfileAnswer answer) {
    const auto body = Bytes::copy_of(answer.body);
    auto headers = std::move(answer.headers);
    headers.emplace_back("Cache-Control", "no-store");
    (void)co_await exchange.respond(answer.status, answer.content_type, body, std::move(headers));
}

/// Profiles end when the server does.
Task<void> serve(ProfilerPtr profiler, weir::Exchange& exchange) {
    co_await errors_not_throws();
    const bool welcome = co_await profiler->gate(exchange);
    if (!welcome) co_return;
    auto request = parse_profile_request(exchange.request().path, exchange.request().query);
    auto found = co_await answer(profiler, std::move(request));
    co_await send(exchange, std::move(found));
}

Task<void> serve_symbols(ProfilerPtr profiler, weir::Exchange& exchange) {
    co_await errors_not_throws();
    const bool welcome = co_await profiler->gate(exchange);
    if (!welcome) co_return;
    std::string addresses = exchange.request().query;
    if (exchange.request().method == "POST") {
        auto body = co_await exchange.read_body_text(max_symbol_request);
        if (!body) {
            auto why = profile_error(body.error().status ? body.error().status : 400, body.error().what);
            co_await send(exchange, std::move(why));
            co_return;
        }
        addresses = std::move(*body);
    }
    Job job = [addresses = std::move(addresses)](Collector& collector) { return collector.symbols(addresses); };
    auto found = co_await work(profiler, std::move(job));
    co_await send(exchange, std::move(found));
}

Task<void> to_the_folder(ProfilerPtr profiler, weir::Exchange& exchange) {
    co_await errors_not_throws();
    const bool welcome = co_await profiler->gate(exchange);
    if (!welcome) co_return;
    ProfileAnswer there{.status = 301, .headers = {{"Location", std::string(profile_folder)}}};
    co_await send(exchange, std::move(there));
}

}  // namespace

void add_profile_routes(HttpServer& server, Gate gate) {
    const auto profiler = std::make_shared<Profiler>(std::move(gate));
    const std::string root(profile_folder);
    server.route("GET HEAD", root.substr(0, root.size() - 1),
                 [profiler](weir::Exchange& e) { return to_the_folder(profiler, e); });
    server.route("GET HEAD", root, [profiler](weir::Exchange& e) { return serve(profiler, e); });
    server.route("GET HEAD POST", root + "symbol",
                 [profiler](weir::Exchange& e) { return serve_symbols(profiler, e); });
}

}  // namespace weir::telemetry
