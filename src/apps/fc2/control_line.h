#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/websocket.h"
#include "proto/fc2/messages.h"
#include "runtime/deadline.h"
#include "runtime/shard.h"

namespace weir::fc2 {

/// One control websocket of a live, from its handshake to its end (FC2-19 to FC2-30). Its owner runs serve() and beat() side by side.
///
/// answers  found by their ids, whoever asked and in any order (FC2-29)
/// life     an unanswered heartbeat ends nothing (FC2-23). Only when for 2½ heartbeats nothing came at all, and a question then gets
///          no answer either, the line is dead
/// threads  one shard
class ControlLine {
public:
    struct Settings {
        Millis heartbeat{30'000}, answer{5'000};
    };
    struct Hears {
        std::function<void(const Comments&)> comments;
        std::function<void(const Other&)> odd;  ///< what could not be understood
        /// publish_stop; true: the line is kept nevertheless, for the sake of what is still to be fetched under its playlists.
        std::function<bool()> over = {};
    };
    struct End {
        bool live_over = false;  ///< the site said so: publish_stop
        Error why;
    };

    ControlLine(Shard& shard, std::unique_ptr<WebSocket> socket, Settings settings);
    /// Reads until the line ends, and says goodbye.
    Task<End> serve(const Hears& hears);
    /// Heartbeats until the line ends; the first one as soon as the server has said something.
    Task<void> beat();
    /// get_hls_information. Errors: timed_out (cancelled too), lost_peer.
    Task<Result<std::vector<Playlist>>> playlists();
    /// Ends the line from our side; serve() ends with `why`.
    Task<void> cut(Error why);

private:
    struct Waiter {
        explicit Waiter(const asio::any_io_executor& ex) : bell(ex) {}
        Bell bell;
        std::optional<Response> answer;
    };
    Task<Result<>> send(std::string text);
    void take(const Message& message, const Hears& hears);
    void end(End why);

    Shard& shard_;
    std::unique_ptr<WebSocket> socket_;
    const Settings settings_;
    std::int64_t next_id_ = 1;
    std::map<std::int64_t, std::shared_ptr<Waiter>> waiters_;
    bool heard_any_ = false, sending_ = false;
    SteadyTime heard_;
    std::optional<End> ended_;
    Bell stir_;  ///< for beat()
    Bell free_;  ///< for those who want to send
};

}  // namespace weir::fc2
