#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/stream.h"
#include "io/http_server.h"
#include "proto/websocket/frame.h"
#include "runtime/shard.h"

namespace weir {

/// Serves one Stream to any number of connections, on every shard that has some: as an endless transport stream over HTTP, or as
/// websocket messages. The Stream's bytes go out as they are (for websockets: the framed Stream that ws::make_framer made).
/// Viewers that keep up move as one group: a batch is gathered once and written to each without a copy. One that would block leaves
/// the group, goes on from its own Reader when its socket takes more, and comes back once it caught up.
/// limits   a slow viewer: `policy` (bytes and time, then a skip to the newest random-access point), one batch of at most 64 KiB in
///          flight, behind it at most 64 KiB of control frames and messages to this viewer alone (then it is let go); one that takes
///          nothing for the server's write_timeout is disconnected
/// times    ping, pong, `until` and goodbyes are looked at together, up to 0.5 s late; nobody wakes while none is due
/// threads  made and stopped on the home shard of the Stream; add() on the connection's own shard
class Viewers {
public:
    enum class Wire : std::uint8_t { http_ts, websocket };
    struct Settings {
        Wire wire = Wire::http_ts;
        Policy policy;
        Millis batch{5};                      ///< small chunks wait this long for more to share a write; 0: never
        Millis batch_most{10};                ///< the wait grows with the viewers of a shard, from 50 on, up to this
        std::size_t batch_bytes = 16u << 10;  ///< and it ends when there is so much: a picture goes at once
        std::size_t batch_from_viewers = 8;   ///< with fewer on a shard, writes cost little and nothing waits
        Millis ping{54'000},
            pong{60'000};  ///< websocket (VW-46): sent; no sign of life for pong_time() ends it; taking data is one
        Millis goodbye{1'000};      ///< how long a close frame waits for its answer
        Millis last_write{30'000};  ///< when the stream ends: how long the rest of it may take
        ws::Limits limits = {};
        /// Of those without on_message: what they send is thrown away, so that nobody collects more of it than this.
        ws::Limits quiet_limits = {.max_message = 4u << 10, .max_fragments = 64, .max_control_run = 64};
        /// What the unfinished messages of all viewers may take: who would take more is closed, 1013 "try again later".
        ws::Budget* budget = &ws::incoming_budget();
    };

    struct Message {
        bool text = false;
        Bytes payload;
    };
    /// What one viewer may do and who wants to know. All functions are called on the connection's shard.
    struct Plan {
        Bytes head;  ///< written first: the HTTP answer, with the 101
        std::uint32_t origin =
            0;  ///< chunks of this origin are not sent back to it (no echo, VW-42); 0: gets all. Costs nothing
                ///< while nothing of that origin comes, so every viewer may have one
        bool reads = true;  ///< false: gets no media, only control frames (`/in`, tokens without `read`)
        /// Websocket; none: what it sends is dropped (JS-15), and beyond quiet_limits it is closed.
        std::function<void(Message)> on_message = {};
        std::function<Task<bool>()> may_read =
            {};  ///< awaited before each read from it: slows down who publishes faster than
                 ///< others take it; false ends the viewer. Once more at its end
        std::function<void(const std::string& why)> on_gone = {};  ///< exactly once, also when add() came too late
        std::optional<SteadyTime> until = {};  ///< closed then, websocket code 4401 "token expired" (PR-13)
    };
    /// One viewer as others see it; every function from any thread.
    class Handle {
    public:
        virtual ~Handle() = default;
        [[nodiscard]] virtual std::uint64_t bytes() const noexcept = 0;  ///< handed to its socket
        [[nodiscard]] virtual std::uint64_t skips() const noexcept = 0;  ///< times it was too slow and skipped
        [[nodiscard]] virtual std::uint64_t skipped_bytes() const noexcept = 0;
        virtual void close(std::uint16_t code, std::string reason) = 0;  ///< e.g. a booking that was cancelled (PR-14)
        /// Writes this websocket message to this one viewer, between those of the stream.
        virtual void send(bool text, Bytes payload) = 0;
    };

    struct Stats {
        std::size_t viewers = 0;
        std::uint64_t bytes = 0;    ///< handed to sockets
        std::uint64_t blocked = 0;  ///< how often a viewer left the group because it would have blocked
        std::uint64_t skips = 0, skipped_bytes = 0;
        SteadyTime strained =
            {};  ///< when one that does take data last was full or clearly behind: too much for it just then
    };

    static std::unique_ptr<Viewers> create(Shards& shards, Shard& home, Stream& stream, Settings settings);
    virtual ~Viewers() = default;  ///< stop() was awaited
    /// Takes the connection over (bytes that came early included). Null after stop(): on_gone was called then.
    virtual std::shared_ptr<Handle> add(std::unique_ptr<Connection> connection, Plan plan) = 0;
    [[nodiscard]] virtual Stats stats(std::size_t shard) const noexcept = 0;  ///< any thread
    [[nodiscard]] virtual Stats stats() const noexcept = 0;                   ///< all shards
    /// Ends all viewers (websocket: close 1001, `goodbye` long). From the home shard, before the Stream goes.
    virtual Task<void> stop() = 0;
};

/// A plain HTTP-TS route onto `viewers` (wire http_ts) for everybody: for HttpServer::route("GET HEAD", "/NAME.ts", …).
[[nodiscard]] HttpServer::Handler http_ts_handler(Viewers& viewers);
/// The answer such a viewer gets before the first packet, for Plan::head.
[[nodiscard]] Bytes http_ts_head();

}  // namespace weir
