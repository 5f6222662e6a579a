#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "apps/sites/events.h"
#include "apps/sites/live_recording.h"
#include "apps/sites/live_work.h"
#include "runtime/stop.h"

namespace weir::sites {

/// What the status page and the metrics show of one channel.
struct WatchStatus {
    std::string channel_id;
    State state = State::unspecified;
    std::string reason;                      ///< why it is in that state, one line: "not live", "http 503 for …"
    std::optional<WallTime> next_look = {};  ///< when something happens by itself
    WallTime since = {};                     ///< of the state
    std::map<std::string, std::string> labels = {};
    std::string channel_name = {};   ///< once it was live
    std::string title = {};          ///< of the live that is recorded
    std::string metadata_json = {};  ///< while downloading and post-processing
    std::optional<RecordingProgress> recording = {};
    struct Trouble {
        WallTime at;
        std::string text;
    };
    std::deque<Trouble> errors = {};  ///< the newest 100
};

/// One channel watched for ever (FC2-39 to FC2-42, section 2.7, as a better program does it): looks, records each live, and
/// waits again.
///
/// waits    a channel that is not live: every wait_poll_interval, ±10 %. Refused for login or payment: 30, 60, 120, 240, 480 s, told once a
///          streak. Anything else: 1, 2, 4 … 60 s, told once a streak; every wait ends at once with a stop or an update
/// isolated nothing that happens to one channel touches another; an exception is a bug, told as `panicked`, and the channel goes on
/// update   takes effect between recordings; a recording under way goes on with what it began with, but for labels of its events
/// threads  one shard
class Watcher {
public:
    struct Setup {
        std::string id;
        Params params;
        std::shared_ptr<Channel> channel;
        std::string fingerprint = {};  ///< equal: nothing to do on a reload
    };
    Watcher(LiveRecording::Tools tools, Setup setup, EventSink tell, LiveWork work = real_live_work());
    ~Watcher();  ///< run() has ended

    /// Until it is stopped; or until the channel was not live, when it is not to be waited for.
    Task<void> run();
    /// What earlier runs left of this channel; before run().
    void give(std::vector<LeftOver> left_overs);
    void update(Setup setup);
    void ask_stop(std::string reason, bool hurry);
    [[nodiscard]] WatchStatus status() const;
    [[nodiscard]] const Setup& setup() const noexcept;  ///< the newest

private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

/// `download`: one channel, one live (FC2-55); with `loop` for ever, 1 s between rounds. A live that fails is tried again up
/// to `max_tries` times.
struct OnceSettings {
    bool loop = false;
    int max_tries = 10;
};
/// Errors: not_found: it is not live, and was not to be waited for; the last try's.
Task<Result<LiveResult>> record_once(Watcher::Setup setup, LiveRecording::Tools tools, OnceSettings settings,
                                     const Stop& stop, EventSink tell, std::function<void(LiveRecording*)> current,
                                     LiveWork work = real_live_work());

}  // namespace weir::sites
