#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "base/trace.h"
#include "io/url.h"
#include "proto/gotemplate/value.h"
#include "runtime/asio.h"

/// What every recorder of a live site has in common; the sites themselves (apps/fc2 …) implement Channel and Session.
namespace weir::sites {

/// What a site says of a channel that is live now.
struct Live {
    std::string id;  ///< equal for the same live, another for the next one of that channel; never empty
    std::string channel_id, channel_name, title;  ///< plain text as people read it; sanitised where names are made
    gotemplate::Value metadata = {};              ///< .MetaData, under its Go names
    std::string metadata_json = {};               ///< the same as one JSON object, for the status (FC2-125)
    std::string info_json = {};                   ///< the whole text of the info file (FC2-48)
    std::optional<Url> thumbnail = {};
    std::shared_ptr<const void> of_site = {};  ///< what only the site's own Channel reads
};

/// The connection that keeps one live open for us while it is recorded; it comes back by itself when it is cut.
/// threads  one shard
class Session {
public:
    /// Called on the shard, from the session's own tasks.
    struct Listener {
        /// From the next unit border on this playlist: the session was renewed, or the wished quality has appeared.
        std::function<void(Url address, std::string quality)> follow = [](Url, std::string) {};
        /// One comment as a line of the chat file, without its line end; each is told once, also across reconnects.
        std::function<void(std::string line)> comment = [](std::string) {};
        /// The site said that the live is over, or refuses us from now on: the end or the refusal, told once.
        std::function<void(const Result<std::string>& why)> over = [](const Result<std::string>&) {};
        /// What the session's spans are children of.
        trace::Context trace = {};
    };
    struct Opened {
        Url playlist;         ///< its host is trusted as one that a user typed
        std::string quality;  ///< for people: "3Mbps mid"
        bool as_wished = true;
        trace::Context trace = {};  ///< what the recording's spans are children of; none: as the session's
    };
    struct Status {
        bool connected = false;
        std::string quality, as_whom;  ///< "anonymous", or the name of who is logged in
        unsigned reconnects = 0;
    };

    virtual ~Session() = default;  ///< close() was awaited
    /// Connects and chooses. Ends with the address of the playlist to record, or with why there is none:
    /// denied (login, payment: see refusal_of), busy (somebody else watches as us), cancelled, others may pass.
    virtual Task<Result<Opened>> open() = 0;
    /// The playlist is refused (403): a new address of what is being recorded, from a new session where the old one is gone.
    virtual Task<Result<Url>> fresh_address() = 0;
    virtual Task<void> close() = 0;
    [[nodiscard]] virtual Status status() const = 0;
};

/// How the spans of a live are called, which is as the site's reference called them. Without a name there is no such span.
struct TraceNames {
    std::string tracer = "weir";
    std::string process = "weir.Process";        ///< the whole, from the names of its files to the last step
    std::string live = {};                       ///< the live, from the session to its end
    std::string stream = "weir.downloadStream";  ///< its media
    std::string params = {};                     ///< what is wished of the channel, as JSON, without secrets
};

/// One watched channel, as its site knows it.
/// threads  one shard
class Channel {
public:
    virtual ~Channel() = default;
    /// Is it live? Nothing: no, it is not. Errors mean that this cannot be told now, and are never taken for "offline"
    /// (FC2-12): busy (rate limited, retry_after kept), unreachable, timed_out, bad_input (the site's answer has changed:
    /// field and channel named).
    virtual Task<Result<std::optional<Live>>> look() = 0;
    /// How long after a look the next one is due: the wish, slower where many share a limit.
    [[nodiscard]] virtual Millis pace(Millis wished) const { return wished; }
    [[nodiscard]] virtual std::unique_ptr<Session> open(const Live& live, Session::Listener listener) = 0;
    /// In source ids of journals and in logs: "fc2".
    [[nodiscard]] virtual std::string_view site() const = 0;
    /// Of the chat file's name: "fc2chat.json".
    [[nodiscard]] virtual std::string_view chat_extension() const = 0;
    /// Of requests for media and thumbnails.
    [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> media_headers() const { return {}; }
    [[nodiscard]] virtual TraceNames trace_names() const { return {}; }
};

}  // namespace weir::sites
