#include "apps/sites/live_work.h"

#include <utility>

namespace weir::sites {
namespace {

class RealLiveRun final : public LiveRun {
public:
    RealLiveRun(LiveRecording::Tools tools, LiveRecording::Plan plan, std::function<void(State)> entered)
        : recording_(tools, std::move(plan), std::move(entered)) {}
    Task<Result<LiveResult>> run() override { return recording_.run(); }
    void ask_stop(std::string reason, bool hurry) override { recording_.ask_stop(std::move(reason), hurry); }
    [[nodiscard]] RecordingProgress progress() const override { return recording_.progress(); }
    [[nodiscard]] LiveRecording* recording() noexcept override { return &recording_; }

private:
    LiveRecording recording_;
};

}  // namespace

LiveWork real_live_work() {
    LiveWork work;
    work.record = [](LiveRecording::Tools tools, LiveRecording::Plan plan, std::function<void(State)> entered) {
        return std::unique_ptr<LiveRun>(std::make_unique<RealLiveRun>(tools, std::move(plan), std::move(entered)));
    };
    work.finish = finish_left_over;
    work.find = find_unfinished_below;
    return work;
}

}  // namespace weir::sites
