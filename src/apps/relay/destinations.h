#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/relay/hub.h"
#include "apps/relay/rules.h"
#include "io/dial.h"
#include "io/resolver.h"
#include "sinks/ws_push.h"

namespace weir::relay {

struct DestinationStatus {
    std::string id, stream, destination;  ///< destination: masked, no secrets
    bool has_token = false;
    std::string state;  ///< a WsPush state; "refused" also without an address, "none" when only a file is wanted
    std::string why;    ///< last error, or why it is refused
    WsPush::Status push = {};
};

/// The destination rules at work: each one a WsPush on the Stream of its topic (relay section 6).
///
/// change  a rule put again closes the old connection (1000) and dials anew, while feeds and all other destinations go on
///         (VW-25, VW-78)
/// back    what a far side sends is published on the rule's topic, and never sent back to it; on "stream/…" it goes nowhere
///         (VW-76)
/// refused what can never work (no address, a scheme that is none) waits in that state for another rule (VW-26); what there was
///         no room for is tried again every `again`
/// threads the hub's home shard
class Destinations {
public:
    struct Settings {
        Policy policy = {};
        TlsClient tls = {};
        bool use_proxy = true;
        Millis ping{54'000};
        Millis again{2'000};
    };
    Destinations(Hub& hub, std::shared_ptr<Resolver> resolver, HttpClient& http, Settings settings);
    ~Destinations();
    void put(const DestinationRule& rule);
    void drop(const std::string& id);
    [[nodiscard]] std::vector<DestinationStatus> status() const;  ///< sorted by id
    [[nodiscard]] std::size_t closing() const noexcept;           ///< old connections that still say goodbye
    Task<void> stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::relay
