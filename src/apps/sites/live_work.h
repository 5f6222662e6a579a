#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/sites/live_recording.h"

namespace weir::sites {

/// One live being recorded, as its watcher sees it.
class LiveRun {
public:
    virtual ~LiveRun() = default;
    virtual Task<Result<LiveResult>> run() = 0;
    virtual void ask_stop(std::string reason, bool hurry) = 0;
    [[nodiscard]] virtual RecordingProgress progress() const = 0;
    [[nodiscard]] virtual LiveRecording* recording() noexcept { return nullptr; }  ///< when it is a real one
};

/// What is done with lives; tests put their own here.
struct LiveWork {
    std::function<std::unique_ptr<LiveRun>(LiveRecording::Tools, LiveRecording::Plan, std::function<void(State)>)>
        record;
    std::function<Task<Result<LiveResult>>(LiveRecording::Tools, LeftOver, Params)> finish;
    std::function<Task<Result<std::vector<LeftOver>>>(FileLane&, std::string out_format, std::string site)> find;
};
[[nodiscard]] LiveWork real_live_work();

}  // namespace weir::sites
