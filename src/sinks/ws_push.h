#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/secret.h"
#include "core/stream.h"
#include "io/http_client.h"
#include "io/websocket.h"
#include "runtime/shard.h"

namespace weir {

/// Dials out by websocket and passes on what a Stream publishes, for as long as it lives: a destination rule of the relay.
///
/// token     with ws:// or wss://: sent as the first text message, the answer {"authorised":…,"reason":…} awaited (VW-77); with
///           http(s)://: POSTed to that access URL as `Authorization`, the answer's `uri` is dialled, anew for each attempt (PR-20)
/// back-off  1 s, factor 2, at most 10 s (VW-72) with jitter; reset only by a connection that lived for `proven`, so that a server
///           which accepts and closes is no hot loop (VW-73); after a lost connection up to twice `first_wait` comes on top,
///           so that many who lose one server do not come back at once (reliability.md F12); Retry-After is honoured;
///           cancellable at once (relay/WIN-6)
/// outage    nothing is kept for a peer that is away: after a reconnect the newest random-access point goes first (VW-70, WIN-4)
/// slow      `policy` bounds what waits; a write without progress for `write_timeout` ends the connection (VW-74)
/// back      what the peer sends is given to `on_message` (VW-76)
/// threads   `shard`, the Stream's
class WsPush {
public:
    struct Plan {
        std::string url;
        Secret token = {};
        Policy policy = {};
        TlsClient tls = {};
        bool use_proxy = true;
        WebSocket::Settings socket = {};
        Millis timeout{45'000}, write_timeout{10'000};
        Millis first_wait{1'000}, longest_wait{10'000}, proven{10'000};
        Millis batch{3};      ///< small messages in a quick row share a write each so often (relay/WIN-1); 0: never
        double jitter = 0.3;  ///< each wait is up to this part shorter
        std::function<void(WebSocket::Message)> on_message = {};
    };
    enum class State : std::uint8_t {
        dialling,
        connected,
        waiting,
        refused,
        stopped
    };  ///< refused: `url` can never work
    struct Status {
        State state = State::dialling;
        std::optional<WallTime> since, next_try;  ///< of this state; of the next attempt while waiting
        std::uint64_t connections = 0, attempts = 0, messages = 0, bytes = 0, received = 0;
        std::uint64_t skips = 0, skipped_bytes = 0;
        std::string last_error;  ///< no secrets in it
    };

    /// `http` serves the access exchange. Begins at once.
    static std::unique_ptr<WsPush> create(Shard& shard, std::shared_ptr<Resolver> resolver, HttpClient& http,
                                          Stream& stream, Plan plan);
    virtual ~WsPush() = default;  ///< stop() was awaited
    [[nodiscard]] virtual Status status() const = 0;
    virtual Task<void> stop() = 0;  ///< close frame 1000 (VW-78), at most a second
};

[[nodiscard]] std::string_view name_of(WsPush::State state) noexcept;

}  // namespace weir
