#include "telemetry/heap_numbers.h"

#include <malloc.h>

#include <cstddef>

#include "telemetry/allocator.h"

namespace weir::telemetry {
namespace {

template <class T>
std::uint64_t ask(const char* name) {
    T value{};
    std::size_t size = sizeof value;
    return allocator_control()(name, &value, &size, nullptr, 0) == 0 ? static_cast<std::uint64_t>(value) : 0;
}

HeapNumbers of_jemalloc() {
    std::uint64_t epoch = 1;
    std::size_t size = sizeof epoch;
    (void)allocator_control()("epoch", &epoch, &size, &epoch, size);  // it answers from a copy that this renews
    HeapNumbers n;
    n.allocated = ask<std::size_t>("stats.allocated");
    n.active = ask<std::size_t>("stats.active");
    n.released = ask<std::size_t>("stats.retained");
    n.system = ask<std::size_t>("stats.mapped") + n.released;
    // 4096 is MALLCTL_ARENAS_ALL.
    n.mallocs =
        ask<std::uint64_t>("stats.arenas.4096.small.nmalloc") + ask<std::uint64_t>("stats.arenas.4096.large.nmalloc");
    n.frees =
        ask<std::uint64_t>("stats.arenas.4096.small.ndalloc") + ask<std::uint64_t>("stats.arenas.4096.large.ndalloc");
    return n;
}

HeapNumbers of_glibc() {
    const auto info = mallinfo2();
    HeapNumbers n;
    n.allocated = info.uordblks + info.hblkhd;
    n.system = info.arena + info.hblkhd;
    n.active = n.system - info.keepcost;  // all but what lies free at the top
    return n;
}

}  // namespace

bool heap_is_jemalloc() noexcept {
    return allocator_control() != nullptr;
}

HeapNumbers heap_numbers() {
    return heap_is_jemalloc() ? of_jemalloc() : of_glibc();
}

}  // namespace weir::telemetry
