#pragma once
#include "base/error.h"
#include "base/time.h"
#include "runtime/asio.h"
#include "runtime/clock.h"
#include "runtime/file_lane.h"

namespace weir::apps {

/// A recording whose final file was made and judged.
struct FinishedRecording {
    Path file, journal;
    std::uint64_t bytes = 0;
    Micros duration{0};
    std::uint64_t asked = 0, got = 0, missing = 0, gaps = 0;
};

/// Recovers, finalises and verifies: from wherever an earlier try stopped. Cancellable at every step, the next call goes on.
/// Errors: not_found: nothing was recorded, and nothing is left; cancelled; io: the file is damaged; those of store::finalise().
Task<Result<FinishedRecording>> finish_recording(asio::any_io_executor ex, Clock& clock, FileLane& lane, Path journal,
                                                 bool keep_raw);

}  // namespace weir::apps
