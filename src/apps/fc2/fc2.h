#pragma once
#include <memory>
#include <string>
#include <vector>

#include "apps/fc2/config.h"
#include "apps/sites/events.h"
#include "apps/sites/rate_limiter.h"
#include "apps/sites/site.h"
#include "io/cookie_jar.h"
#include "io/http_client.h"
#include "io/resolver.h"
#include "io/url.h"
#include "runtime/shard.h"

namespace weir::fc2 {

/// Where FC2 is; WEIR_FC2_URL and WEIR_FC2_ID_URL put a mirror or a test there (FC2-2). All other addresses follow from the answers.
struct Hosts {
    Url live, id;
};
[[nodiscard]] Result<Hosts> hosts_from_environment();

/// FC2 as one client sees it: one HTTP client, one cookie jar, one rate limiter for all channels.
///
/// polling   few channels: memberApi for each, as often as they wish. As soon as their wishes exceed the limiter, the two lists of all
///           live channels are read instead (FC2-141, section 11.19): who is listed is confirmed by memberApi, who is not is asked
///           directly now and then, spread out
/// login     the jar's cookies; probe() tells as whom, and refreshes them (FC2-120)
/// threads   one shard
class Site {
public:
    struct Settings {
        Hosts hosts;
        sites::RateLimiter::Settings limit = {};
        std::string user_agent = {};  ///< empty: the HTTP client's
        Millis heartbeat{30'000};     ///< FC2-22
        Millis answer{5'000};         ///< for each question over the websocket (FC2-26)
        Millis quality_pause{1'000};  ///< between two looks for the wished quality (FC2-43)
        Backoff::Settings reconnect = {};
        std::uint64_t seed = 0;  ///< of jitter; 0: from the system
    };
    Site(Shard& shard, HttpClient& http, std::shared_ptr<Resolver> resolver, CookieJar& cookies, Settings settings);
    ~Site();  ///< stop() was awaited

    /// One channel with its own wishes; frees its place when it goes.
    [[nodiscard]] std::shared_ptr<sites::Channel> channel(std::string id, const Params& params);
    /// The user's name, or nothing: not logged in. Errors: it could not be told (network); denied never.
    Task<Result<std::optional<std::string>>> probe();
    Task<void> stop();
    [[nodiscard]] std::uint64_t requests() const noexcept;  ///< to the API, for tests and benches

    struct Inner;

private:
    std::shared_ptr<Inner> inner_;
};

}  // namespace weir::fc2
