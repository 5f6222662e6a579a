#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apps/relay/access.h"
#include "apps/relay/changes.h"
#include "io/http_server.h"
#include "runtime/shard.h"

namespace weir::relay {

struct RestAnswer {
    int status = 200;
    std::string type = {}, body = {};
    Change change = {};  ///< checked already; it is to have happened before the answer goes out (VW-27)
};

/// What vw's REST answers (VW-1 to VW-28, relay/WIN-9), without sockets. `path` is percent-decoded: names of any characters can be
/// shown and deleted (vw: VW-17). Bodies that are no rule are 400 with one clear line (VW-22).
/// paths  /healthcheck, /api, /api/streams, /api/destinations, /api/recordings, each with /all and /{name}; all else is 404
[[nodiscard]] RestAnswer answer_rest(std::string_view method, std::string_view path, std::string_view body,
                                     const RuleView& view);
/// Is the body of such a request read at all?
[[nodiscard]] bool rest_takes_body(std::string_view method, std::string_view path);

/// 500: what was asked for is done, but not kept.
[[nodiscard]] RestAnswer not_saved(const std::string& why);

/// "404 page not found\n", as Go says it (VW-16).
[[nodiscard]] RestAnswer page_not_found();

/// The one place where rules change and answers about them are made: the home shard of the hub.
class RuleKeeper {
public:
    virtual ~RuleKeeper() = default;
    [[nodiscard]] virtual Shard& home() noexcept = 0;
    [[nodiscard]] virtual RuleView view() const = 0;  ///< home
    virtual void make(const Change& change) = 0;      ///< home; a change that check() passed
    virtual void when_saved(
        std::function<void()> f) = 0;  ///< home; called once all changes so far are in the rules file, or save_error()
    [[nodiscard]] virtual std::string save_error() const { return {}; }  ///< home; why they are not; empty: they are
    [[nodiscard]] virtual std::string stats_json() = 0;                  ///< home; no secrets in it
};

/// Mounts /healthcheck, /api…, /ws/api, /metrics and /debug/pprof/. `access` guards all but the health check with Right::admin.
/// threads  handlers on any shard; what they ask for happens on keeper.home(), and they go on where they were
void add_rest_routes(HttpServer& server, Shards& shards, const Access& access, RuleKeeper& keeper);

}  // namespace weir::relay
