#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>

#include "apps/sites/live_recording.h"
#include "base/metrics.h"
#include "core/item.h"

namespace weir::apps {
struct CleanOptions;
struct CleanReport;
}  // namespace weir::apps

namespace weir::sites {

/// The numbers of one channel under the reference's names (FC2-126), and what it recorded and lost.
/// limits  those of base/metrics.h: 1000 series a family
class WatcherMetrics {
public:
    explicit WatcherMetrics(std::string channel_id) : channel_id_(std::move(channel_id)) {}
    ~WatcherMetrics();
    WatcherMetrics(const WatcherMetrics&) = delete;
    /// All seven states of watcher_state: 1 for this one, 0 for the others; those of the labels before go. `blind` is the reference's
    /// IDLE, and 1 in weir_channel_blind.
    void show(State state, const std::map<std::string, std::string>& labels);
    void began(Micros since_start);  ///< the first media's address is known
    void downloaded(Micros took);    ///< the download that began has ended

private:
    void set_states() const;
    void let_go();

    const std::string channel_id_;
    State state_ = State::unspecified;
    std::map<std::string, std::string> labels_;
    bool shown_ = false;
};

/// What comes of one live while it comes: weir_channel_lag_seconds (listed by the source, not yet recorded) and
/// weir_channel_last_media_timestamp_seconds, by channel_id.
class ArrivalMetrics {
public:
    explicit ArrivalMetrics(const std::string& channel_id);
    ~ArrivalMetrics();  ///< nothing lags any more
    ArrivalMetrics(const ArrivalMetrics&) = delete;
    ArrivalMetrics& operator=(const ArrivalMetrics&) = delete;
    /// `units_behind`: as HlsStats has them.
    void took(std::span<const Item> items, std::uint64_t units_behind, WallTime now);

private:
    metrics::Gauge lag_, last_;
    Micros unit_{0};  ///< how long the newest one is
};

/// The steps after a recording, done or not; a stop is no error. Without `took` the time is not counted.
void count_post_processing(const std::string& channel_id, std::optional<Micros> took, std::size_t errors);
/// One directory cleaned.
void count_cleaning(const apps::CleanOptions& options, const apps::CleanReport& report, Micros took);
/// Label-less counters of the reference as 0: panels and alerts work before anything has happened.
void show_metrics();

/// A label's name as Prometheus takes it: "a-b" is "a_b"; empty when nothing is left of it.
[[nodiscard]] std::string metric_label(const std::string& name);

}  // namespace weir::sites
