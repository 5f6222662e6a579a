#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/sites/watcher.h"
#include "core/pipeline.h"

namespace weir::sites {

/// Many channels of one site: what `watch` runs, and `serve` will mount.
///
/// start    channels begin `pacing` apart; what earlier runs left is found first and given to its channels, or finished when its
///          channel is no longer watched
/// reload   set_channels(): new ones start, those gone stop and finish, changed ones take the new parameters between recordings,
///          the rest notices nothing
/// cleaning hourly and at the start, one at a time, each directory once (FC2-97; by proof, see Cleaner)
/// stop     all recordings end at once; in a hurry within 5 s
/// threads  one shard
class Watch {
public:
    struct Settings {
        std::string site;  ///< "fc2"
        Millis pacing{500};
        Millis clean_every = std::chrono::hours(1);
    };
    Watch(LiveRecording::Tools tools, Settings settings, EventSink tell, LiveWork work = real_live_work());
    ~Watch();  ///< stop() was awaited

    void set_channels(std::vector<Watcher::Setup> channels);
    void set_pacing(Millis pacing);
    Task<void> stop(std::string reason, bool hurry);
    [[nodiscard]] std::vector<WatchStatus> statuses() const;
    /// {"channels":{"ID":{"state":…,"extra":{"metadata":…},"labels":…,"errors_log":[…]}}} as FC2-125, with "reason", "next_look" and
    /// "recording" as further keys; two-blank indent.
    [[nodiscard]] std::string status_json() const;

private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace weir::sites
