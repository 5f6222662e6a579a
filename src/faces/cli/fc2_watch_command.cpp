#include <cstdlib>
#include <filesystem>
#include <utility>

#include "apps/fc2/watch.h"
#include "apps/sites/notifier.h"
#include "apps/sites/status_json.h"
#include "base/log.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/fc2_options.h"
#include "faces/cli/session.h"
#include "faces/cli/status_options.h"
#include "faces/cli/telemetry_session.h"
#include "runtime/deadline.h"
#include "telemetry/allocator.h"
#include "telemetry/process_metrics.h"
#include "telemetry/update_check.h"

namespace weir::faces {
namespace {

/// All playlists come from one host: with few connections to it one that is slow would hold up every recording.
constexpr int most_connections_per_host = 512;

/// The watch with its status page.
class Watching {
public:
    Watching(Shards& shards, const Fc2WatchArguments& a, fc2::Hosts hosts, status::StatusServer::Settings page,
             TelemetrySession telemetry)
        : shard_(shards.at(0)),
          asked_for_page_(page.listen.asked_for),
          lane_(real_file_system(), {}),
          resolver_(Resolver::create()),
          http_(HttpClient::create(shard_, resolver_, {.max_connections_per_host = most_connections_per_host})),
          notifier_(shard_, *http_, sites::fc2_words()),
          app_(shard_, *http_, resolver_, lane_,
               {std::filesystem::absolute(a.config).lexically_normal(),
                std::move(hosts),
                Secret(a.cookie_secret),
                {},
                [this](const sites::NotifierConfig& c) { return notifier_.configure(c); },
                telemetry::release_url(),
                WEIR_VERSION},
               notifier_.sink()),
          page_(status::StatusServer::create(shards, lane_, with_status(std::move(page)))),
          telemetry_(std::move(telemetry)),
          bell_(shard_.executor()) {}

    /// The last resort: people are told of a bug before the process goes; what was recorded is safe on disk.
    Task<int> run() {
        std::string bug;
        int code = exit_failed;
        try {
            code = co_await work();
        } catch (const std::exception& e) {
            bug = fmt::format("a bug: {}", e.what());
        }
        if (!bug.empty()) notifier_.sink()({.kind = sites::EventKind::panicked, .text = bug});
        co_await say_the_last();
        if (!bug.empty()) std::_Exit(complain(bug, exit_failed));
        co_return code;
    }

    /// Side by side: neither takes the other's time.
    Task<void> say_the_last() {
        TaskGroup last(shard_.executor());
        last.spawn(notifier_.stop(), "last notifications");
        last.spawn(telemetry_.stop(), "last telemetry");
        co_await last.join();
        co_await last.stop("done");
    }

    Task<int> work() {
        telemetry_.start();
        auto listening = co_await start_status_page(*page_, asked_for_page_);
        if (!listening) co_return complain(listening.error().text(), exit_failed);
        auto started = co_await app_.start();
        int code = exit_ok;
        if (!started)
            code = complain(started.error().text(), exit_wrong_use);
        else
            co_await follow_wishes();
        co_await app_.stop(reason_);
        co_await page_->stop();
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

    /// What the page shows; connections live on this shard, as there is no other.
    status::StatusServer::Settings with_status(status::StatusServer::Settings page) {
        page.program = "weir fc2";
        const sites::About about{page.program, page.version, shard_.clock().wall()};
        const auto json_for = [this, about](sites::Reader reader) {
            return sites::json_of(app_.statuses(), about, shard_.clock().wall(), reader);
        };
        page.json = [json_for] { return json_for(sites::Reader::program); };
        page.page_json = [json_for] { return json_for(sites::Reader::page); };
        return page;
    }

    Shard& shard_;
    const bool asked_for_page_;
    FileLane lane_;
    std::shared_ptr<Resolver> resolver_;
    std::unique_ptr<HttpClient> http_;
    sites::Notifier notifier_;
    fc2::WatchApp app_;
    std::unique_ptr<status::StatusServer> page_;
    TelemetrySession telemetry_;
    Bell bell_;
    bool stop_ = false, reload_ = false;
    std::string reason_ = "done";
};

}  // namespace

int run_fc2_watch(const Fc2WatchArguments& a) {
    telemetry::be_heap_profiled();
    auto hosts = fc2::hosts_from_environment();
    if (!hosts) return complain(hosts.error().text(), exit_wrong_use);
    auto page = status_settings(a.status, a.config);
    if (!page) return complain(page.error().text(), exit_wrong_use);
    telemetry::add_process_metrics("weir", WEIR_VERSION);
    Shards shards(1);
    auto telemetry = TelemetrySession::create(shards.at(0), a.telemetry);
    if (!telemetry) return complain(telemetry.error().text(), exit_wrong_use);
    Watching watching(shards, a, std::move(*hosts), std::move(*page), std::move(*telemetry));
    return run_session(
        shards, [&] { return watching.run(); }, [&](std::string reason) { watching.ask_stop(std::move(reason)); },
        [&] { watching.ask_reload(); });
}

}  // namespace weir::faces
