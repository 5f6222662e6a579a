#pragma once
#include <map>
#include <string>

#include "base/metrics.h"
#include "base/time.h"

namespace weir::store {

/// What recordings tell while they run: weir_segments_total, weir_received_bytes_total, weir_gaps_total,
/// weir_missing_units_total, each with `site` (the source's kind) and `channel_id` (empty where there is none). What an earlier run
/// counted is not counted again.
/// threads  any
struct RecordingCounters {
    RecordingCounters(const std::string& source_kind, const std::map<std::string, std::string>& name_data);
    metrics::Counter units, bytes, gaps, missing;
};

/// One that is there is a recording that runs: weir_recordings_running.
class RunningRecording {
public:
    RunningRecording();
    ~RunningRecording();
    RunningRecording(const RunningRecording&) = delete;
    RunningRecording& operator=(const RunningRecording&) = delete;
    /// weir_sync_interval_seconds: from the end of one sync round to the end of the next; a crash loses no more than that.
    void synced_after(Micros interval);

private:
    metrics::Gauge running_;
    metrics::Histogram intervals_;
};

}  // namespace weir::store
