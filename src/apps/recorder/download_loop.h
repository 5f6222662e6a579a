#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "apps/recorder/download.h"
#include "runtime/deadline.h"

namespace weir::apps {

struct LoopSettings {
    bool loop = false;    ///< else one recording and no more
    bool concat = false;  ///< see below
};

/// One live after another: after each the next one is waited for and recorded into a file of its own, until it is stopped. A file
/// over HTTP is the last.
/// concat   recordings that follow each other within five minutes are parts of one live: they are joined into NAME.combined.EXT
///          beside the first, anew with each further part. The parts stay.
/// errors   what makes the first recording impossible; later ones are logged and tried again
/// threads  one shard
class DownloadLoop {
public:
    DownloadLoop(Shard& shard, HttpClient& http, FileLane& lane, DownloadOptions each, LoopSettings settings);

    /// `tell` is called with each recording as it is finished.
    Task<Result<>> run(std::function<void(const DownloadResult&)> tell);
    void ask_stop(std::string reason);
    [[nodiscard]] DownloadProgress progress() const;

private:
    [[nodiscard]] DownloadOptions options_of_next() const;
    Task<bool> failed(const Error& e);
    Task<void> combine(DownloadResult& newest);

    Shard& shard_;
    HttpClient& http_;
    FileLane& lane_;
    DownloadOptions each_;
    LoopSettings settings_;
    std::shared_ptr<LiveMemory> memory_ = std::make_shared<LiveMemory>();
    std::unique_ptr<Download> current_;
    Stop stop_;
    Bell stopped_;
    Backoff backoff_{{Millis{2'000}, Millis{60'000}, 2.0}};
    std::vector<Path> parts_;
    Path combined_;
    SteadyTime last_end_{};
    bool any_ = false, ended_cleanly_ = false;
};

}  // namespace weir::apps
