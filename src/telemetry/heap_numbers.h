#pragma once
#include <cstdint>

namespace weir::telemetry {

/// What the allocator of this process says of itself, in bytes and blocks.
struct HeapNumbers {
    std::uint64_t allocated = 0;           ///< asked for and not given back
    std::uint64_t active = 0;              ///< in pages that hold some of it
    std::uint64_t system = 0;              ///< taken from the system, given back or not
    std::uint64_t released = 0;            ///< of those, given back
    std::uint64_t mallocs = 0, frees = 0;  ///< blocks, since the start; 0 where nobody counts them (glibc)
};
/// By jemalloc when it allocates here, else by mallinfo2(); zeros where a sanitizer allocates.
/// threads  any
[[nodiscard]] HeapNumbers heap_numbers();
[[nodiscard]] bool heap_is_jemalloc() noexcept;

}  // namespace weir::telemetry
