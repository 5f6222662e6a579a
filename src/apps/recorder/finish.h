#pragma once
#include <functional>

#include "base/error.h"
#include "base/time.h"
#include "base/trace.h"
#include "runtime/asio.h"
#include "runtime/clock.h"
#include "runtime/file_lane.h"

namespace weir::apps {

/// `work` again, for 2 s, while it is busy: whoever looks through a folder holds each journal's lock for a moment.
template <class T>
Task<Result<T>> while_busy(Clock& clock, std::function<Task<Result<T>>()> work) {
    constexpr int most_tries = 20;
    for (int tries = 1;; ++tries) {
        auto trying = work();
        auto done = co_await std::move(trying);
        if (done || done.error().code != Errc::busy || tries == most_tries) co_return done;
        const bool slept = co_await clock.sleep_for(Millis{100});
        if (!slept) co_return done;
    }
}

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
                                                 bool keep_raw, trace::Context trace = {});

}  // namespace weir::apps
