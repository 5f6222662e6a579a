#pragma once
#include "proto/pprof/profile.h"

namespace weir::telemetry {

/// Where every thread of this process is now, its name as the label "thread"; of one that cannot be asked (it holds all signals) only
/// where it waits in the kernel. One value a sample: threads.
/// cost     a signal to each thread (a system call of its own may return early with EINTR); the answers go to memory set aside
/// limits   256 threads, 64 frames
/// threads  any; one at a time
[[nodiscard]] pprof::Profile thread_stacks(std::string_view sample_type);

[[nodiscard]] std::size_t thread_count();

}  // namespace weir::telemetry
