#pragma once
#include <memory>
#include <string>

#include "apps/relay/rest.h"
#include "io/websocket.h"

namespace weir::relay {

/// VW_API: a remote topic that becomes the console (VW-50). Dials out and answers each admin message that comes, in order, each
/// once its change has happened.
/// back-off  1 s, factor 2, at most 10 s; begun anew only after a connection that lived for 10 s
/// loops     an error of somebody else's is never answered: two consoles on one topic do not talk for ever
/// threads   the home shard
class Console {
public:
    struct Plan {
        std::string url;
        TlsClient tls = {};
        bool use_proxy = true;
        Millis ping{54'000};
    };
    struct Status {
        std::string state, why;  ///< "dialling", "connected", "waiting", "refused" (the URL can never work)
    };
    Console(std::shared_ptr<Resolver> resolver, RuleKeeper& keeper, Plan plan);
    ~Console();
    [[nodiscard]] Status status() const;
    Task<void> stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// What an admin message is answered with, once its change is made and saved: `reply` is called on the home shard.
void carry_out(RuleKeeper& keeper, const std::string& message, std::function<void(std::string)> reply);

}  // namespace weir::relay
