#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/stream.h"
#include "io/http_server.h"
#include "runtime/shard.h"

namespace weir {

/// Serves one Stream as an endless transport stream over HTTP to any number of viewers, on every shard that has some.
/// Viewers that keep up move as one group: a batch is gathered once and written to each without a copy. One that would
/// block leaves the group, goes on from its own Reader when its socket takes more, and comes back once it caught up.
/// limits   a slow viewer: `policy`, one batch of at most 64 KiB in flight; one that takes nothing for the server's
///          write_timeout is disconnected
/// threads  made and stopped on the home shard of the Stream; the handler runs on any shard of the server
class HttpTs {
public:
    struct Settings {
        Policy policy;
        Millis batch{5};                      ///< small chunks wait this long for more to share a write; 0: never
        Millis batch_most{10};                ///< the wait grows with the viewers of a shard, from 50 on, up to this
        std::size_t batch_bytes = 48u << 10;  ///< and it ends when there is so much
        std::size_t batch_from_viewers = 8;   ///< with fewer on a shard, writes cost little and nothing waits
    };
    struct Stats {
        std::size_t viewers = 0;
        std::uint64_t bytes = 0;    ///< handed to sockets
        std::uint64_t blocked = 0;  ///< how often a viewer left the group because it would have blocked
        std::uint64_t skips = 0;    ///< Gaps met: of slow viewers, and the Stream's own
    };

    static std::unique_ptr<HttpTs> create(Shards& shards, Shard& home, Stream& stream, Settings settings);
    virtual ~HttpTs() = default;  ///< stop() was awaited
    /// For HttpServer::route("GET HEAD", "/NAME.ts", …).
    [[nodiscard]] virtual HttpServer::Handler handler() = 0;
    [[nodiscard]] virtual Stats stats(std::size_t shard) const noexcept = 0;  ///< any thread
    /// Ends all viewers. From the home shard, before the Stream goes.
    virtual Task<void> stop() = 0;
};

}  // namespace weir
