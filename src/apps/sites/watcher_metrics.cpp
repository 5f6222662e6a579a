#include "apps/sites/watcher_metrics.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "apps/tools/cleaner.h"
#include "apps/tools/concat_metrics.h"
#include "sources/hls/hls_metrics.h"

namespace weir::sites {
namespace {

constexpr std::size_t most_state_series = 70'000;  // 10 000 channels
constexpr State shown_states[] = {State::unspecified,     State::idle,     State::preparing_files, State::downloading,
                                  State::post_processing, State::finished, State::canceled};

double seconds_of(Micros d) {
    return std::chrono::duration<double>(d).count();
}

/// Label sets of watcher_state that are shown, and by how many watchers: a channel that is taken out and put in again while it is
/// recorded has two for a while.
struct Shown {
    std::mutex mutex;
    std::map<metrics::Labels, int> holders;
};
Shown& shown() {
    static Shown* const only = new Shown;
    return *only;
}

void hold(const metrics::Labels& labels) {
    const std::scoped_lock lock(shown().mutex);
    ++shown().holders[labels];
}

/// True: that was the last one.
bool release(const metrics::Labels& labels) {
    const std::scoped_lock lock(shown().mutex);
    const auto at = shown().holders.find(labels);
    if (at == shown().holders.end() || --at->second > 0) return false;
    shown().holders.erase(at);
    return true;
}

metrics::Labels state_labels(const std::string& channel, const std::map<std::string, std::string>& of_user) {
    metrics::Labels labels{{"channel_id", channel}};
    for (const auto& [name, text] : of_user)
        if (auto key = metric_label(name); !key.empty()) labels.emplace(std::move(key), text);
    return labels;
}

metrics::Counter cleaner_runs() {
    return metrics::counter("cleaner_runs_total", "Number of cleaning runs");
}
metrics::Counter cleaner_files_removed() {
    return metrics::counter("cleaner_files_removed_total", "Number of files removed");
}
metrics::Counter cleaner_errors() {
    return metrics::counter("cleaner_errors_total", "Number of errors during cleaning");
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
    let_go();
}

void WatcherMetrics::set_states() const {
    static const bool allowed = (metrics::allow_series("watcher_state", most_state_series), true);
    (void)allowed;
    auto labels = state_labels(channel_id_, labels_);
    for (const auto state : shown_states) {
        labels["state"] = name_of(state);
        metrics::gauge("watcher_state", "Current state of the watcher", labels)
            .set(name_of(state) == name_of(state_) ? 1 : 0);
    }
    metrics::gauge("weir_channel_blind", "1 while it cannot be told whether the channel is live",
                   {{"channel_id", channel_id_}})
        .set(state_ == State::blind ? 1 : 0);
}

/// Another watcher may show the same channel by now: then these series are its own.
void WatcherMetrics::let_go() {
    if (!std::exchange(shown_, false)) return;
    auto labels = state_labels(channel_id_, labels_);
    if (!release(labels)) return;
    for (const auto state : shown_states) {
        labels["state"] = name_of(state);
        metrics::remove_series("watcher_state", labels);
    }
}

void WatcherMetrics::show(State state, const std::map<std::string, std::string>& labels) {
    if (shown_ && state == state_ && labels == labels_) return;
    if (shown_ && labels != labels_) let_go();
    state_ = state;
    labels_ = labels;
    if (!std::exchange(shown_, true)) hold(state_labels(channel_id_, labels_));
    set_states();
}

void WatcherMetrics::began(Micros since_start) {
    const metrics::Labels labels{{"channel_id", channel_id_}};
    metrics::counter("downloads_runs_total", "Number of downloads", labels).add();
    metrics::histogram("downloads_init_time_seconds", "Time taken to initiate a download", metrics::default_bounds(),
                       labels)
        .observe(seconds_of(since_start));
}

void WatcherMetrics::downloaded(Micros took) {
    metrics::histogram("downloads_time_to_complete_seconds", "Time taken to complete a download",
                       metrics::default_bounds(), {{"channel_id", channel_id_}})
        .observe(seconds_of(took));
}

ArrivalMetrics::ArrivalMetrics(const std::string& channel_id)
    : lag_(metrics::gauge("weir_channel_lag_seconds", "Media that the source lists and that is not yet recorded",
                          {{"channel_id", channel_id}})),
      last_(metrics::gauge("weir_channel_last_media_timestamp_seconds", "When media came last, since 1970",
                           {{"channel_id", channel_id}})) {}

ArrivalMetrics::~ArrivalMetrics() {
    lag_.set(0);
}

void ArrivalMetrics::took(std::span<const Item> items, std::uint64_t units_behind, WallTime now) {
    bool media = false;
    for (const auto& item : items) {
        if (const auto* info = std::get_if<UnitInfo>(&item); info && info->duration > Micros{0}) unit_ = info->duration;
        media = media || std::holds_alternative<Chunk>(item);
    }
    lag_.set(static_cast<double>(units_behind) * seconds_of(unit_));
    if (media) last_.set(std::chrono::duration<double>(now.time_since_epoch()).count());
}

void count_post_processing(const std::string& channel_id, std::optional<Micros> took, std::size_t errors) {
    const metrics::Labels labels{{"channel_id", channel_id}};
    metrics::counter("post_processing_runs_total", "Number of post processes", labels).add();
    metrics::counter("post_processing_errors_total", "Accumulated failed runs of post processes", labels)
        .add(static_cast<double>(errors));
    if (!took) return;
    metrics::histogram("post_processing_completion_time_seconds", "Time taken to complete a post process",
                       metrics::default_bounds(), labels)
        .observe(seconds_of(*took));
}

void count_cleaning(const apps::CleanOptions& options, const apps::CleanReport& report, Micros took) {
    const auto of = [&](apps::CleanStep::What what) {
        return static_cast<double>(std::count_if(report.steps.begin(), report.steps.end(),
                                                 [what](const apps::CleanStep& s) { return s.what == what; }));
    };
    cleaner_runs().add();
    cleaner_files_removed().add(options.dry_run ? 0 : of(apps::CleanStep::What::deleted));
    cleaner_errors().add(of(apps::CleanStep::What::failed));
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(options.age).count();
    metrics::histogram("cleaner_clean_time_milliseconds", "Time taken to clean", metrics::default_bounds(),
                       {{"scan_directory", options.root.string()},
                        {"dry_run", options.dry_run ? "true" : "false"},
                        {"probe", options.delete_corrupted ? "true" : "false"},
                        {"eligible_age", std::to_string(age)}})
        .observe(std::chrono::duration<double, std::milli>(took).count());
}

void show_metrics() {
    (void)cleaner_runs();
    (void)cleaner_files_removed();
    (void)cleaner_errors();
    apps::show_concat_metrics();
    hls::count_errors(0);
}

}  // namespace weir::sites
