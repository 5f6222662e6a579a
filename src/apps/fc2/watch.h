#pragma once
#include <functional>
#include <memory>
#include <string>

#include "apps/fc2/fc2.h"
#include "apps/sites/cookie_store.h"
#include "apps/sites/notifier_config.h"
#include "apps/sites/watch.h"

namespace weir::fc2 {

/// `weir fc2 watch`: a configuration file, its channels watched, its login kept, changes taken over while recordings go on.
///
/// reload   by SIGHUP (reload()) or when the file changes; what is wrong in it is one log line a mistake, and the old one stays
/// notices  each event goes to `tell`; a newer version is told once, as a warning and an event
/// login    probed at the start and every cookiesRefreshDuration; a failure is told once a streak and touches no recording
/// threads  one shard
class WatchApp final : public App {
public:
    struct Settings {
        Path config;
        Hosts hosts;
        Secret cookie_secret;
        sites::RateLimiter::Settings limit = {};
        /// Takes each new configuration's notifier before anything else of it counts; an error refuses the configuration.
        std::function<Result<>(const sites::NotifierConfig&)> notify_by = {};
        std::string release_url = {}, version = {};  ///< asked at each load whether there is a newer one; empty: never
    };
    WatchApp(Shard& shard, HttpClient& http, std::shared_ptr<Resolver> resolver, FileLane& lane, Settings settings,
             sites::EventSink tell);
    ~WatchApp() override;

    /// Errors: the configuration's mistakes, its file cannot be read.
    Task<Result<>> start() override;
    Task<void> stop(
        std::string reason) override;  ///< at most 5 s when `reason` is "terminated", else until all is finished
    Task<Result<>> reload() override;  ///< looks at the file now; what comes of it is logged
    [[nodiscard]] std::string status_json() const override;
    [[nodiscard]] std::vector<sites::WatchStatus> statuses() const;

private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace weir::fc2
