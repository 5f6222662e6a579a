#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/relay/access.h"
#include "apps/relay/hub.h"
#include "apps/relay/sessions.h"
#include "base/secret.h"
#include "io/http_server.h"
#include "runtime/shard.h"

namespace weir::relay {

/// Where bytes come into a relay and go out of it: pushes, websockets, HTTP-TS; vw's, crossbar's, practable's and jsmpeg's ways.
///   * /ts/{feed}                  ingest by any method with a body (VW-29); answered at its end
///   GET /ws/{feed}                both directions (VW-41 to VW-48); "stream/…" only out (VW-43)
///   GET /in/x, /out/x, /bi/x      crossbar (CB-2); with a viewer key and no token in the request the first message is the token
///   POST, GET /session/{topic}    practable's exchange and its websocket (PR-6 to PR-13)
///   POST, GET /bids/deny, …/allow (PR-14); GET /status (PR-15)
///   GET HEAD /live/{feed}.ts      an endless transport stream, for VLC and mpegts.js (ASK-12)
/// names    vw's where vw had the door (VW-17, VW-40): what is not [a-zA-Z0-9-/] has to be percent-escaped. 1 KiB, UTF-8, no
///          control characters. "api" is no topic here (relay/WIN-10)
/// limits   settings.max_viewers connections that stay, and more_publishers and max_guests beside them; a websocket that publishes faster than the hub takes is read more slowly
/// threads  made anywhere; handlers run on the shards of their servers; connected() from any thread
/// life     servers and hub are stopped before it goes; they outlive nothing of it
class Doors {
public:
    struct Settings {
        std::size_t max_viewers = 4096;     ///< 503 beyond
        std::size_t more_publishers = 256;  ///< who only publishes gets in when all of these are there as well
        std::size_t max_guests = 256;       ///< websockets whose token has not come yet; apart from the others
        Millis ingest_timeout{0};           ///< a pusher silent for so long is let go; 0: never (ASK-9)
        Millis first_message{10'000};       ///< patience with a crossbar client that has to send its token
        std::string public_url;             ///< for practable's uri, when the Host header is not what clients reach
        ws::Limits limits = {};
        Millis ping{54'000}, pong{60'000};  ///< of websockets that only publish; viewers' are the hub's settings
        /// jsmpeg's page on the view port: answers and returns true, or returns false (426 then).
        std::function<Task<bool>(Exchange&)> page = {};
    };

    Doors(Hub& hub, Access& access, Shards& shards, Settings settings);
    ~Doors();
    Doors(const Doors&) = delete;

    void add_routes(HttpServer& server);
    /// jsmpeg's node relay (JS-11): `*  /{secret}[/ignored…]`; a wrong secret is refused before the body is read (JS-13).
    void add_jsmpeg_ingest(HttpServer& server, Secret secret);
    /// Websockets on any path, all get the one topic "jsmpeg"; what they send is ignored (JS-15).
    void add_jsmpeg_view(HttpServer& server);

    [[nodiscard]] std::vector<SessionInfo> connected() const;

    struct Core;

private:
    std::shared_ptr<Core> core_;
};

/// The one topic of the jsmpeg ports.
inline constexpr const char* jsmpeg_topic = "jsmpeg";

}  // namespace weir::relay
