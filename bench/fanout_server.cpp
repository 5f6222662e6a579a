// One paced 4 Mbit/s transport stream through weir's own parts: Stream, HttpServer, Viewers. Ends on SIGTERM.
// Prints "port N" first and one JSON line at the end.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "bench/ts_pattern.h"
#include "core/pipeline.h"
#include "io/http_server.h"
#include "proto/websocket/framer.h"
#include "proto/websocket/handshake.h"
#include "runtime/shard.h"
#include "runtime/signals.h"
#include "sinks/viewers.h"

namespace {

using namespace weir;

struct Options {
    std::size_t chunk = 1316, shards = 1;
    Millis batch{5};
    bool websocket = false;
};

/// Frames each message once, as the relay does.
class Framing final : public ItemSink {
public:
    explicit Framing(Stream& to) : to_(to) {}
    Task<Result<>> accept(std::span<const Item> items) override {
        framed_.clear();
        for (const auto& item : items)
            if (auto fed = framer_->feed(item, framed_); !fed) co_return fed.error();
        co_return co_await to_.accept(framed_);
    }

private:
    Stream& to_;
    std::unique_ptr<Transmuxer> framer_ = ws::make_framer();
    std::vector<Item> framed_;
};

Task<void> upgrade(Viewers& viewers, Exchange& exchange) {
    auto offer = ws::read_upgrade(exchange.request().method, exchange.request().headers);
    if (!offer) {
        (void)co_await exchange.respond(400, "text/plain", Bytes());
        co_return;
    }
    Viewers::Plan plan;
    plan.head = Bytes::copy_of(ws::accept_answer(*offer));
    (void)viewers.add(exchange.take(), std::move(plan));
}

class Generator final : public Source {
public:
    Generator(Clock& clock, std::size_t chunk) : clock_(clock), packets_(chunk / bench::packet_size) {}
    [[nodiscard]] Pace pace() const noexcept override { return Pace::live; }

    Task<Result<End>> run(ItemSink& sink, Demand& demand) override {
        co_await errors_not_throws();
        auto init = std::make_shared<Init>();
        init->epoch = 1;
        init->format.container = Container::ts;
        std::vector<Item> items{InitPtr(std::move(init))};
        auto size = packets_ * bench::packet_size;
        const Micros step(size * 8 * 1'000'000 / bench::bits_per_second);
        auto due = clock_.now();
        Micros at{0}, next_rap{0};
        for (std::uint64_t number = 0; !demand.stop.asked();) {
            Buffer buffer(size);
            bench::fill(buffer.spare().data(), packets_, number);
            buffer.commit(size);
            Chunk chunk;
            chunk.epoch = 1;
            chunk.dts = at;
            chunk.rap = at >= next_rap;
            if (chunk.rap) next_rap += std::chrono::milliseconds(100);  // who joins begins close to now
            chunk.bytes = buffer.all();
            items.emplace_back(std::move(chunk));
            if (auto taken = co_await sink.accept(items); !taken) co_return taken.error();
            items.clear();
            at += step;
            due += step;
            (void)co_await clock_.sleep_until(due);
        }
        co_return End{EndReason::stopped, "asked"};
    }

private:
    Clock& clock_;
    std::size_t packets_;
};

Task<void> run_pipeline(Pipeline& pipeline) {
    (void)co_await pipeline.run();
}

Task<int> serve(Shards& shards, Options options) {
    auto& home = shards.at(0);
    const auto stream = Stream::create(home.executor(), home.clock(), {.name = "bench"});
    Viewers::Settings settings;
    settings.batch = options.batch;
    if (options.websocket) settings.wire = Viewers::Wire::websocket;
    const auto fan_out = Viewers::create(shards, home, *stream, settings);
    const auto server = HttpServer::create(shards, {});
    if (options.websocket)
        server->route("GET", "/bench.ts", [&](Exchange& exchange) { return upgrade(*fan_out, exchange); });
    else
        server->route("GET", "/bench.ts", http_ts_handler(*fan_out));
    if (auto started = server->start(); !started) {
        std::fprintf(stderr, "%s\n", started.error().text().c_str());
        co_return 1;
    }
    std::printf("port %d\n", int{server->port()});
    std::fflush(stdout);

    Generator source(home.clock(), options.chunk);
    Framing framing(*stream);
    ItemSink& sink = options.websocket ? static_cast<ItemSink&>(framing) : *stream;
    Pipeline pipeline(home.executor(), source, sink);
    TaskGroup tasks(home.executor());
    tasks.spawn(run_pipeline(pipeline));
    (void)co_await next_signal();

    std::string line = "{\"shards\": [";
    for (std::size_t i = 0; i < shards.size(); ++i) {
        const auto s = fan_out->stats(i);
        line += fmt::format("{}{{\"viewers\": {}, \"bytes\": {}, \"blocked\": {}, \"skips\": {}}}", i ? ", " : "",
                            s.viewers, s.bytes, s.blocked, s.skips);
    }
    std::printf("%s]}\n", line.c_str());
    pipeline.ask_stop("signal");
    co_await tasks.join();
    co_await fan_out->stop();
    co_await server->stop();
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const auto value = std::strtoul(argv[i + 1], nullptr, 10);
        if (name == "--chunk")
            options.chunk = value;
        else if (name == "--shards")
            options.shards = value;
        else if (name == "--batch-ms")
            options.batch = weir::Millis(value);
        else if (name == "--wire")
            options.websocket = std::string_view(argv[i + 1]) == "websocket";
    }
    weir::Shards shards(options.shards);
    return shards.run([options](weir::Shards& s) { return serve(s, options); });
}
