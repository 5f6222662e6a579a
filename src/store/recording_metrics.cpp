#include "store/recording_metrics.h"

#include <chrono>
#include <vector>

namespace weir::store {
namespace {

const std::vector<double> interval_bounds{0.5, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10, 30};

metrics::Labels labels_of(const std::string& kind, const std::map<std::string, std::string>& name_data) {
    const auto channel = name_data.find("channel");
    return {{"site", kind}, {"channel_id", channel == name_data.end() ? std::string() : channel->second}};
}

}  // namespace

RecordingCounters::RecordingCounters(const std::string& source_kind,
                                     const std::map<std::string, std::string>& name_data)
    : units(metrics::counter("weir_segments_total", "Units of media that recordings took whole",
                             labels_of(source_kind, name_data))),
      bytes(metrics::counter("weir_received_bytes_total", "Bytes of media that recordings wrote",
                             labels_of(source_kind, name_data))),
      gaps(metrics::counter("weir_gaps_total", "Losses that recordings listed", labels_of(source_kind, name_data))),
      missing(metrics::counter("weir_missing_units_total", "Units of media that recordings listed as lost",
                               labels_of(source_kind, name_data))) {}

RunningRecording::RunningRecording()
    : running_(metrics::gauge("weir_recordings_running", "Recordings that are being written")),
      intervals_(metrics::histogram("weir_sync_interval_seconds",
                                    "Time between two rounds of making recordings durable", interval_bounds)) {
    running_.add(1);
}

RunningRecording::~RunningRecording() {
    running_.add(-1);
}

void RunningRecording::synced_after(Micros interval) {
    intervals_.observe(std::chrono::duration<double>(interval).count());
}

}  // namespace weir::store
