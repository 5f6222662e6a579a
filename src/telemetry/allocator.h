#pragma once
#include <cstddef>

/// The allocator of this process: jemalloc where heap profiles are wanted, else the system's (docs/decisions/0010).
namespace weir::telemetry {

/// Starts this program again, with the same arguments and environment, with jemalloc in the place of the system's malloc and its profiler
/// on, when that is not so yet and jemalloc is there. To be called first thing, with no thread and nothing open. Returns in the process
/// that is to go on. WEIR_HEAP_PROFILES=off: not wanted. MALLOC_CONF's settings win over ours. Nothing happens with sanitizers.
void be_heap_profiled();

/// jemalloc's entry, mallctl(3); null where another allocates. Any thread.
using AllocatorControl = int (*)(const char* name, void* old_value, std::size_t* old_size, void* new_value,
                                 std::size_t new_size);
[[nodiscard]] AllocatorControl allocator_control() noexcept;

}  // namespace weir::telemetry
