#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/relay/access.h"
#include "apps/relay/hub.h"
#include "core/pipeline.h"
#include "io/dial.h"
#include "io/resolver.h"
#include "runtime/file_lane.h"

namespace weir::relay {

struct RelayOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 8888;
    AccessSettings access;
    std::string tls_certificate, tls_key;
    /// jsmpeg's node relay (JS-11 to JS-19): two more listeners when the secret is set.
    Secret jsmpeg_secret = {};
    std::uint16_t jsmpeg_ingest_port = 8081, jsmpeg_view_port = 8082;
    std::string admin_destination;  ///< VW_API: a remote topic that becomes the console (VW-50)
    Path rules_file;                ///< empty: rules live in memory, as vw's
    Path recordings_folder = "recordings";
    std::map<std::string, std::vector<std::string>> commands;  ///< feed → arguments, run while someone watches (ASK-10)
    TlsClient tls_client = {};                                 ///< for destinations
    bool use_proxy = true;
    Millis ping{54'000};
    std::uint64_t viewer_budget_bytes = 4u << 20;
    Millis viewer_budget_time{5'000};
    Millis ingest_timeout{0};  ///< a pusher silent for so long is let go; 0: never (ASK-9)
    bool page = true;
    std::string public_url = {};  ///< what clients reach, for practable's uri (PR-6)
    std::string version = {};     ///< shown in the statistics
};

/// The relay as a component: vw, jsmpeg's relay and crossbar in one.
/// threads  hub and rules on shard 0 of `shards`, connections on all of them
class Relay final : public App {
public:
    Relay(Shards& shards, FileLane& lane, RelayOptions options);
    ~Relay() override;
    Task<Result<>> start() override;
    Task<void> stop(std::string reason) override;
    Task<Result<>> reload() override;  ///< reads the rules file again: only what changed is touched
    [[nodiscard]] std::string status_json() const override;
    [[nodiscard]] std::uint16_t port() const noexcept;
    [[nodiscard]] std::uint16_t jsmpeg_ingest_port() const noexcept;
    [[nodiscard]] std::uint16_t jsmpeg_view_port() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::relay
