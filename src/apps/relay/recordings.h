#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/relay/hub.h"
#include "runtime/deadline.h"
#include "runtime/file_lane.h"

namespace weir::relay {

/// Records topics of a hub into files: by rule or by one call. A recording waits for media, goes on while its rule is there,
/// whoever publishes, and becomes a finished file when it ends. Journal and raw files stand beside it until then, so that a crash
/// costs at most a second.
///
/// file    `wish` is a name below the folder ("cam/lab1.mp4"): each element goes through store::sanitise_name; absolute ones, ".."
///         and empty elements are refused. Its ending says which container; .bin .raw .dat .txt .log .jsonl take every byte as it
///         comes (PR-21). Without a known ending: .mp4 for media (H.264, HEVC, AAC, MPEG-1 and -2, MP2), .ts for transport streams
///         without tables, .txt or .bin for messages. No name: made of stream, date and time. Never overwrites: "x.1.mp4"
/// lanes   a mix with all its feeds; what several publishers send is placed by when it came (recording_items.h)
/// ends    end(), stop(). At stop() what is not finished within `stop_within` is finished by the next start()
/// errors  one that can be written no longer is finished, and a new file begun after a pause
/// threads the hub's home shard; file work on the lane
class Recordings {
public:
    struct Settings {
        Path folder = "recordings";
        Millis stop_within{3'000};
        std::size_t max_active = 256;
        std::size_t finish_at_once = 2;  ///< each is a child process
        bool keep_raw = false;
        Backoff::Settings again{Millis(1'000), Millis(60'000), 2.0};  ///< after an error
    };
    enum class State : std::uint8_t { waiting, recording, finishing, finished, failed };
    struct Status {
        std::string id, stream;
        State state = State::waiting;  ///< waiting: nothing has come yet
        std::string file;              ///< below the folder; the wish at first, later what it really is called
        WallTime since = {};
        std::uint64_t bytes = 0;
        Micros duration{0};
        std::uint64_t losses = 0;    ///< gaps listed in its journal
        std::uint64_t left_out = 0;  ///< messages beside media
        bool waiting_for_space = false;
        std::string error;
    };

    Recordings(Hub& hub, FileLane& lane, Settings settings);
    ~Recordings();  ///< stop() was awaited
    /// Looks for what an earlier run left unfinished in the folder and below, and finishes it in the background.
    void start();
    /// Begins one, or goes on when the same id records the same already; another of that id is ended first.
    /// errors  bad_input: the name; busy: too many; cancelled: stopping
    Result<> begin(const std::string& id, const std::string& stream, const std::string& wish);
    /// Ends it; its file is finished in the background. False: there is none.
    bool end(const std::string& id);
    /// Those under way, then the last 50 that ended, newest first.
    [[nodiscard]] std::vector<Status> status() const;
    [[nodiscard]] bool busy() const noexcept;  ///< something records or is being finished
    Task<void> stop();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

[[nodiscard]] std::string_view name_of(Recordings::State state) noexcept;

/// `wish` as a path below the folder, or one made of stream and time (UTC); without a known ending as it is.
/// errors  bad_input: absolute, "..", an empty element, a folder, more than 8 elements
[[nodiscard]] Result<Path> recording_name(std::string_view wish, std::string_view stream, WallTime now);

}  // namespace weir::relay
