#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/sites/params.h"
#include "apps/sites/site.h"
#include "core/item.h"
#include "io/http_client.h"
#include "runtime/file_lane.h"
#include "runtime/shard.h"

namespace weir::sites {

/// Where a recorder is with one channel (FC2 section 2.1, and `blind`: it cannot tell whether the channel is live).
enum class State : std::uint8_t {
    unspecified,
    idle,
    blind,
    preparing_files,
    downloading,
    post_processing,
    finished,
    canceled,
};
/// "IDLE", "PREPARING_FILES" … as the reference prints them; `blind` is IDLE there too.
[[nodiscard]] std::string_view name_of(State state) noexcept;

struct RecordingProgress {
    Path file;
    std::string quality, as_whom;
    std::uint64_t bytes = 0, got = 0, missing = 0, behind = 0, gaps = 0, comments = 0;
    Micros duration{0};
    unsigned reconnects = 0;
    bool waiting_for_space = false;
};

/// What came of one live. Every file named is there and whole.
struct LiveResult {
    Path file, journal;  ///< the finished recording; empty when nothing was recorded
    Path audio, combined, combined_audio, info, thumbnail, chat;
    Micros duration{0};
    std::uint64_t bytes = 0, asked = 0, got = 0, missing = 0, gaps = 0;
    End end;
    std::optional<Error> refused = {};  ///< the site refused us while it was recorded: why, for the next one's back-off
    bool resumed = false;               ///< went on with what an earlier run had begun
    bool left_unfinished = false;       ///< stopped in a hurry: the next start finishes it
    bool goes_on = false;               ///< and it has no end yet: whoever finds its live still on goes on with it
    std::vector<std::string> complaints;  ///< steps after the recording that failed; nothing is lost by them (FC2-53)
};

/// One live, from its names to the last step of post-processing (FC2 sections 2.3, 2.5, 2.6), in one recording whatever breaks on the
/// way: the follower rides out refusals and outages, a new session gives new addresses, and when the source itself ends while
/// the channel is still live it is opened again and the same recording goes on.
///
/// names    all from one moment (FC2-54): the parts of one live share a number, nothing is ever overwritten; the remux target is numbered
/// journal  source kind = the site's, source id "SITE:CHANNEL:LIVE"; name data holds what post-processing needs after a restart
/// again    an unfinished recording of the same live, found by its journal, is gone on with
/// stop     the recording ends and is finished; with `hurry`, what is not finished after 3.5 s stays for the next start, and a recording
///          too large to be finished by then does not even end: while its live is on, the next start goes on with it
/// threads  one shard
class LiveRecording {
public:
    struct Tools {
        Shard& shard;
        HttpClient& http;
        CookieJar* cookies = nullptr;
        FileLane& lane;
    };
    struct Plan {
        Params params;
        Live live;
        std::shared_ptr<Channel> channel;
        std::optional<Path> unfinished = {};  ///< its journal, from find_unfinished_below()
        /// What all recordings of this process that are stopped in a hurry may have together, to be finished at once.
        std::uint64_t most_hurried_bytes = 64u << 20;
    };
    LiveRecording(Tools tools, Plan plan, std::function<void(State)> entered);
    ~LiveRecording();

    /// Errors: what made a recording impossible; then nothing is left behind but what the user asked for (info, thumbnail).
    Task<Result<LiveResult>> run();
    void ask_stop(std::string reason, bool hurry);  ///< same shard, any number of times
    [[nodiscard]] RecordingProgress progress() const;

private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

/// A recording that an earlier run left, found by its journal.
struct LeftOver {
    Path journal;
    std::string source_id;  ///< "fc2:91544481:LIVE"
    bool ended = false;     ///< only to be finished
};
/// The folder that all names of this template are below: its own text up to the first action; "." when it begins with a name.
[[nodiscard]] Path literal_folder(const std::string& out_format);
/// Of this site, in the folder that `out_format` begins with and below (12 levels, 100 000 entries at most); what was written
/// last comes first, as it is what a live goes on with best. Errors: the folder cannot be read.
Task<Result<std::vector<LeftOver>>> find_unfinished_below(FileLane& lane, std::string out_format, std::string site);
/// "fc2:91544481:LIVE".
[[nodiscard]] std::string source_id_of(std::string_view site, std::string_view channel, std::string_view live);
/// Finishes a left-over whose live is gone: final file and post-processing as its journal's name data and `params` say.
Task<Result<LiveResult>> finish_left_over(LiveRecording::Tools tools, LeftOver left, Params params);

}  // namespace weir::sites
