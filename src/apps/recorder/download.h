#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/http_client.h"
#include "runtime/file_lane.h"
#include "runtime/shard.h"
#include "sources/hls/hls_source.h"
#include "store/recording.h"

namespace weir::apps {

/// What one recording of a loop leaves for the next: how to tell a new live from the end of the old one.
struct LiveMemory {
    bool any = false;
    std::uint64_t newest = 0;   ///< of its last playlist: hash of the newest segment's address
    bool nothing_more = false;  ///< it was a file: nothing follows
};

struct DownloadOptions {
    HlsSettings source;  ///< what other sources share with HLS (URL, headers, duration, times) is taken from here too
    Path target;         ///< the final file; its ending decides the container
    bool keep_raw = false;   ///< the raw files stay beside the final one
    Path cookies_file = {};  ///< Netscape format; empty: none
    /// Nobody asked for that ending: a file over HTTP keeps its own.
    bool any_ending = false;
    bool remux = true;           ///< false: the final file is the raw one, with the ending of its container
    bool extract_audio = false;  ///< the sound alone as .m4a beside the final file
    /// The name of a recording that begins now and ends in `ending` (".mp4"); none: `target` with that ending.
    std::function<Result<Path>(std::string_view ending)> name = {};
    std::shared_ptr<LiveMemory> memory = {};  ///< of a loop
};

struct DownloadProgress {
    enum class State { waiting, recording, finishing } state = State::waiting;
    Path target;
    std::uint64_t bytes = 0, got = 0, missing = 0, behind = 0;
    std::optional<std::uint64_t> length = {};  ///< of a file
    Micros duration{0};
    bool waiting_for_space = false;
};

struct DownloadResult {
    Path file, journal;
    Micros duration{0};
    std::uint64_t bytes = 0, asked = 0, got = 0, missing = 0;
    std::uint64_t gaps = 0;  ///< losses listed, of units or of time
    End end;
    bool resumed = false;
    Path audio = {};     ///< with extract_audio
    Path combined = {};  ///< in a loop that joins: what it and the parts before it are in
};

/// Records what is behind one address (an HLS playlist, TS, FLV or fMP4 over HTTP, a file) into one file: what an earlier, killed
/// run left in that folder is recovered and finished first or gone on with.
/// threads  one shard; options.source.url was typed by the user
class Download {
public:
    Download(Shard& shard, HttpClient& http, FileLane& lane, DownloadOptions options);
    ~Download();

    /// Ends with a verified file, or with an error that says what is left where. Nothing is left behind when nothing
    /// was recorded. A file over HTTP that could not be had whole stays unfinished: the next start goes on with it.
    Task<Result<DownloadResult>> run();
    /// The recording ends, the file is finished. Same shard, any number of times.
    void ask_stop(std::string reason);
    [[nodiscard]] DownloadProgress progress() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// "2026-11-21 140312 NAME.mp4", from the URL's last telling path element; one path element, sanitised and short
/// enough.
[[nodiscard]] std::string default_name(const Url& url, WallTime now);
/// NAME of it alone, as the server spells it.
[[nodiscard]] std::string title_of(const Url& url);

}  // namespace weir::apps
