#include "apps/sites/watcher_metrics.h"

#include <utility>
#include <vector>

#include "base/metrics.h"

namespace weir::sites {
namespace {

const std::vector<double> second_bounds{0,   5,   10,   25,   50,   75,   100,  250,
                                        500, 750, 1000, 2500, 5000, 7500, 10000};  // the reference's

double seconds_of(Micros d) {
    return std::chrono::duration<double>(d).count();
}

}  // namespace

std::string metric_label(const std::string& name) {
    std::string out;
    for (const char c : name) {
        const bool digit = c >= '0' && c <= '9';
        const bool plain = digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (out.empty() && (digit || !plain)) out += "l_";  // neither a digit nor "__" may begin one
        out += plain ? c : '_';
    }
    if (out == "channel_id" || out == "state" || out == "le" || out == "quantile") out = "l_" + out;
    return out;
}

WatcherMetrics::~WatcherMetrics() {
    if (shown_) set_state(0);
}

void WatcherMetrics::set_state(double value) const {
    metrics::Labels labels{{"channel_id", channel_id_}, {"state", std::string(name_of(state_))}};
    for (const auto& [name, text] : labels_)
        if (auto key = metric_label(name); !key.empty()) labels.emplace(std::move(key), text);
    metrics::gauge("watcher_state", "1 for the state that a channel is in", labels).set(value);
}

void WatcherMetrics::show(State state, const std::map<std::string, std::string>& labels) {
    if (shown_ && state == state_ && labels == labels_) return;
    if (shown_) set_state(0);
    state_ = state;
    labels_ = labels;
    shown_ = true;
    set_state(1);
}

void WatcherMetrics::began(Micros since_start) {
    const metrics::Labels labels{{"channel_id", channel_id_}};
    metrics::counter("downloads_runs_total", "Recordings that began", labels).add();
    metrics::histogram("downloads_init_time_seconds", "From a live found to its first playlist", second_bounds, labels)
        .observe(seconds_of(since_start));
}

void WatcherMetrics::recorded(const LiveResult& result) {
    const metrics::Labels labels{{"channel_id", channel_id_}};
    metrics::counter("weir_recorded_bytes_total", "Bytes of media in finished recordings", labels)
        .add(static_cast<double>(result.bytes));
    metrics::counter("weir_recorded_gaps_total", "Losses listed in finished recordings", labels)
        .add(static_cast<double>(result.gaps));
    metrics::histogram("downloads_time_to_complete_seconds", "How long recordings are", second_bounds, labels)
        .observe(seconds_of(result.duration));
}

void WatcherMetrics::post_processed(Micros took, std::size_t complaints) {
    const metrics::Labels labels{{"channel_id", channel_id_}};
    metrics::counter("post_processing_runs_total", "Recordings post-processed", labels).add();
    metrics::counter("post_processing_errors_total", "Steps of post-processing that failed", labels)
        .add(static_cast<double>(complaints));
    metrics::histogram("post_processing_completion_time_seconds", "How long post-processing took", second_bounds,
                       labels)
        .observe(seconds_of(took));
}

}  // namespace weir::sites
