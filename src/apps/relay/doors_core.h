#pragma once
// Inner part of the doors: what all of them share.
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/relay/doors.h"

namespace weir::relay {

using AnswerHeaders = std::vector<std::pair<std::string, std::string>>;

struct Doors::Core {
    Core(Hub& h, Access& a, Shards& s, Settings set)
        : hub(h),
          access(a),
          shards(s),
          settings(std::move(set)),
          sessions(std::make_shared<Sessions>(settings.max_viewers, settings.more_publishers)) {}

    [[nodiscard]] Shard& here();  ///< the shard this runs on
    [[nodiscard]] std::int64_t now() { return unix_millis(here().clock().wall()) / 1000; }
    [[nodiscard]] SessionInfo describe(const ServerRequest& request, std::string kind, const std::string& topic,
                                       const Grant& grant);
    /// Null: there are too many.
    [[nodiscard]] std::shared_ptr<Session> enter(SessionInfo info);
    /// A booking that was cancelled between the check and now is not among those that were cut then.
    void cut_if_denied(Session& session);
    /// Unix seconds on this shard's clock.
    [[nodiscard]] SteadyTime steady(std::int64_t unix_seconds);

    Hub& hub;
    Access& access;
    Shards& shards;
    const Settings settings;
    const std::shared_ptr<Sessions> sessions;
    std::atomic<std::uint32_t> next_origin{0};
    std::atomic<std::size_t> guests{0};  ///< websockets whose token has not come yet
};
using CorePtr = std::shared_ptr<Doors::Core>;

/// The name behind `prefix`, by vw's rule (VW-17) with escapes taken as they are. None: not a name (404).
[[nodiscard]] std::optional<std::string> vw_name(const ServerRequest& request, std::string_view prefix);
/// The same for doors that vw did not have: any characters; slashes at the end do not count (CB-1).
[[nodiscard]] std::optional<std::string> topic_name(const ServerRequest& request, std::string_view prefix);
[[nodiscard]] PublisherInfo publisher_info(const ServerRequest& request, std::string kind);
/// The peer, or what a proxy on this machine says it is.
[[nodiscard]] std::string remote_of(const ServerRequest& request);

/// One line of text.
Task<void> say(Exchange& exchange, int status, std::string line, AnswerHeaders headers = {});
/// What an Error of the door means to the client; 401 names how to do better.
Task<void> refuse(Exchange& exchange, Error why);
Task<void> not_found(Exchange& exchange);  ///< as Go's: "404 page not found"
Task<void> too_many(Exchange& exchange);

/// What a request may do at a topic: reading and writing as far as wanted and granted; an error when it may do nothing.
Result<Grant> admit(Doors::Core& core, const ServerRequest& request, bool read, bool write, const std::string& topic);

/// How a websocket door behaves.
struct SocketPlan {
    std::string topic, path;  ///< path: as crossbar's tokens have it
    bool read = true, write = true;
    bool crossbar = false;      ///< the first message may be the token
    bool any_protocol = false;  ///< the first sub-protocol offered is chosen (JS-15), else only "null" (VW-41)
    std::function<Result<Grant>()> grant = {};  ///< asked once the upgrade is a good one, in place of admit()
};
/// From the upgrade request to the open websocket: answers whatever goes wrong.
Task<void> open_socket(CorePtr core, Exchange& exchange, SocketPlan plan);

/// Reads a pushed body to its end.
Task<void> ingest(CorePtr core, Exchange& exchange, std::string topic, Grant grant);

void add_session_routes(CorePtr core, HttpServer& server);

}  // namespace weir::relay
