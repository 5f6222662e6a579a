#pragma once
#include "proto/pprof/profile.h"

namespace weir::telemetry {

/// What was allocated since the start, and what of it is there still: alloc_objects, alloc_space, inuse_objects, inuse_space.
/// The allocator's own frames are taken off. Errors: unsupported; io
/// threads  one at a time; milliseconds
[[nodiscard]] Result<pprof::Profile> heap_profile();

/// What this thread has freed goes back to the system now: a look-up of symbols takes some ten megabytes for a moment.
void give_memory_back() noexcept;

/// Takes the frames off that lie in mappings of that file: a profile is about who calls the allocator.
void strip_callee(pprof::Profile& profile, std::string_view file_part);

/// alloc_* of each stack is at least what it was `before`: an estimate may fall by rounding, and readers of counters subtract.
void keep_rising(pprof::Profile& now, const pprof::Profile& before);

/// Go's label "bytes": how large an object of the stack is.
void label_sizes(pprof::Profile& profile);

}  // namespace weir::telemetry
