#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/http_client.h"
#include "runtime/file_lane.h"
#include "runtime/shard.h"
#include "sources/hls/hls_source.h"
#include "store/recording.h"

namespace weir::apps {

struct DownloadOptions {
    HlsSettings source;
    Path target;             ///< the final file, ending in .mp4
    bool keep_raw = false;   ///< the raw files stay beside the final one
    Path cookies_file = {};  ///< Netscape format; empty: none
};

struct DownloadProgress {
    enum class State { waiting, recording, finishing } state = State::waiting;
    Path target;
    std::uint64_t bytes = 0, got = 0, missing = 0, behind = 0;
    Micros duration{0};
    bool waiting_for_space = false;
};

struct DownloadResult {
    Path file, journal;
    Micros duration{0};
    std::uint64_t bytes = 0, asked = 0, got = 0, missing = 0;
    End end;
    bool resumed = false;
};

/// Records one stream into one file: what an earlier, killed run left in that folder is recovered and finished first or
/// gone on with.
/// threads  one shard; options.source.url was typed by the user
class Download {
public:
    Download(Shard& shard, HttpClient& http, FileLane& lane, DownloadOptions options);
    ~Download();

    /// Ends with a verified file, or with an error that says what is left where. Nothing is left behind when nothing
    /// was recorded.
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

}  // namespace weir::apps
