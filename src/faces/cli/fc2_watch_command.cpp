#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <utility>

#include "apps/fc2/watch.h"
#include "base/log.h"
#include "base/numbers.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/fc2_options.h"
#include "faces/cli/session.h"
#include "io/http_server.h"
#include "io/standard_routes.h"
#include "runtime/deadline.h"
#include "telemetry/process_metrics.h"

namespace weir::faces {
namespace {

/// All playlists come from one host: with few connections to it one that is slow would hold up every recording.
constexpr int most_connections_per_host = 512;

/// HOST:PORT, ":PORT" or "PORT"; without a host, this machine alone.
struct Listen {
    HttpServer::Settings settings = {};
    bool loopback = true, asked_for = false;
};

Result<Listen> parse_listen(const std::string& text) {
    Listen l;
    l.asked_for = !text.empty();
    const std::string said = text.empty() ? ":3000" : text;
    const auto colon = said.rfind(':');
    const auto port_text = colon == std::string::npos ? said : said.substr(colon + 1);
    auto host = colon == std::string::npos ? std::string() : said.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    const auto port = parse_int(port_text, 0, 65'535);
    if (!port)
        return Error{Errc::bad_input,
                     fmt::format("--pprof.listen-address {}: give HOST:PORT, as 127.0.0.1:3000", said.substr(0, 100))};
    l.settings.port = static_cast<std::uint16_t>(*port);
    if (host == "localhost") host = "127.0.0.1";
    if (!host.empty()) l.settings.address = host;
    l.settings.port_option = "--pprof.listen-address";
    l.loopback = l.settings.address.starts_with("127.") || l.settings.address == "::1";
    return l;
}

std::string address_of(const HttpServer::Settings& s, std::uint16_t port) {
    const bool v6 = s.address.find(':') != std::string::npos;
    return fmt::format("http://{}{}{}:{}/", v6 ? "[" : "", s.address, v6 ? "]" : "", port);
}

/// The watch with its status page.
class Watching {
public:
    Watching(Shards& shards, const Fc2WatchArguments& a, fc2::Hosts hosts, Listen listen)
        : shard_(shards.at(0)),
          listen_(std::move(listen)),
          lane_(real_file_system(), {}),
          resolver_(Resolver::create()),
          http_(HttpClient::create(shard_, resolver_, {.max_connections_per_host = most_connections_per_host})),
          app_(shard_, *http_, resolver_, lane_,
               {std::filesystem::absolute(a.config).lexically_normal(), std::move(hosts), Secret(a.cookie_secret), {}},
               sites::log_events()),
          server_(HttpServer::create(shards, listen_.settings)),
          bell_(shard_.executor()) {}

    Task<int> run() {
        auto listening = co_await serve();
        if (!listening) co_return complain(listening.error().text(), exit_failed);
        auto started = co_await app_.start();
        int code = exit_ok;
        if (!started)
            code = complain(started.error().text(), exit_wrong_use);
        else
            co_await follow_wishes();
        co_await app_.stop(reason_);
        co_await server_->stop();
        co_return code;
    }

    void ask_stop(std::string reason) {
        reason_ = std::move(reason);
        stop_ = true;
        bell_.notify();
    }
    void ask_reload() {
        reload_ = true;
        bell_.notify();
    }

private:
    Task<void> follow_wishes() {
        while (!stop_) {
            if (std::exchange(reload_, false)) {
                auto read = co_await app_.reload();
                if (!read) WEIR_LOG(error, "the configuration stays as it was", {"why", read.error().text()});
                continue;
            }
            const bool rung = co_await bell_.wait();
            if (!rung) break;
        }
    }

    /// A page that cannot be served is no reason to miss a live, unless somebody asked for it.
    Task<Result<>> serve() {
        if (listen_.loopback) {
            add_standard_routes(*server_);
            server_->route("GET HEAD", "/", [this](Exchange& e) { return answer(e); });
        } else {
            add_health_route(*server_);
            WEIR_LOG(warn, "off this machine only /health answers", {"address", listen_.settings.address});
        }
        auto started = server_->start();
        if (!started && listen_.asked_for) co_return started.error();
        if (!started) {
            WEIR_LOG(warn, "no status page", {"why", started.error().text()});
            co_return Result<>();
        }
        fmt::print("{}\n", address_of(listen_.settings, server_->port()));
        std::fflush(stdout);
        co_return Result<>();
    }

    /// Connections may live on any shard; what they tell is asked on ours.
    Task<void> answer(Exchange& e) {
        const auto text = app_.status_json();
        auto body = Bytes::copy_of(text);
        (void)(co_await e.respond(200, "application/json", std::move(body))).has_value();
    }

    Shard& shard_;
    Listen listen_;
    FileLane lane_;
    std::shared_ptr<Resolver> resolver_;
    std::unique_ptr<HttpClient> http_;
    fc2::WatchApp app_;
    std::unique_ptr<HttpServer> server_;
    Bell bell_;
    bool stop_ = false, reload_ = false;
    std::string reason_ = "done";
};

}  // namespace

int run_fc2_watch(const Fc2WatchArguments& a) {
    auto hosts = fc2::hosts_from_environment();
    if (!hosts) return complain(hosts.error().text(), exit_wrong_use);
    auto listen = parse_listen(a.listen);
    if (!listen) return complain(listen.error().text(), exit_wrong_use);
    if (a.traces || a.metrics) WEIR_LOG(warn, "traces and metrics cannot be exported yet; /metrics can be scraped");
    telemetry::add_process_metrics("weir", WEIR_VERSION);
    Shards shards(1);
    Watching watching(shards, a, std::move(*hosts), std::move(*listen));
    return run_session(
        shards, [&] { return watching.run(); }, [&](std::string reason) { watching.ask_stop(std::move(reason)); },
        [&] { watching.ask_reload(); });
}

}  // namespace weir::faces
