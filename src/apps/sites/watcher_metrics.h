#pragma once
#include <map>
#include <string>

#include "apps/sites/live_recording.h"

namespace weir::sites {

/// The numbers of one channel under the reference's names (FC2-126), and what it recorded and lost.
/// limits  those of base/metrics.h: 1000 series a family
class WatcherMetrics {
public:
    explicit WatcherMetrics(std::string channel_id) : channel_id_(std::move(channel_id)) {}
    ~WatcherMetrics();
    WatcherMetrics(const WatcherMetrics&) = delete;
    /// 1 for this state and these labels, 0 for the one before.
    void show(State state, const std::map<std::string, std::string>& labels);
    void began(Micros since_start);  ///< the first media's address is known
    void recorded(const LiveResult& result);
    void post_processed(Micros took, std::size_t complaints);

private:
    void set_state(double value) const;

    const std::string channel_id_;
    State state_ = State::unspecified;
    std::map<std::string, std::string> labels_;
    bool shown_ = false;
};

/// A label's name as Prometheus takes it: "a-b" is "a_b"; empty when nothing is left of it.
[[nodiscard]] std::string metric_label(const std::string& name);

}  // namespace weir::sites
