#pragma once
#include "media/tool.h"

namespace weir::apps {

/// Awaits a remux, a join or an extraction and counts it as the reference does (FC2-126): concat_runs_total, concat_errors_total
/// (a stop is none), concat_completion_time_seconds with audio_only. The reference's labels with file names are left out: they make
/// a new series of every recording.
/// threads  any
Task<Result<media::Summary>> counted_concat(Task<Result<media::Summary>> work, bool audio_only);
/// Shows the label-less ones as 0.
void show_concat_metrics();

}  // namespace weir::apps
