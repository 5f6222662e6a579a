#pragma once
#include <functional>
#include <memory>

#include "io/http_server.h"
#include "runtime/worker_pool.h"

namespace weir::telemetry {

/// May this request see it? Answers it itself (401 …) and returns false when not.
using Gate = std::function<Task<bool>(weir::Exchange&)>;

/// Every path below /debug/pprof/ as Go's net/http/pprof and Pyroscope's client know them (telemetry.md 5.1): index, profile, heap,
/// allocs, goroutine, threadcreate, block and mutex (valid and empty: weir's shards share no locks worth sampling), delta_*, cmdline,
/// symbol; trace answers 501. CPU by gperftools, heap by jemalloc, stacks of threads by a signal to each; symbols by elfutils.
/// One CPU profile at a time. Work runs on threads of its own, never on a shard. Before server.start().
/// threads  routes: any shard
void add_profile_routes(HttpServer& server, Gate gate);

/// Is the heap profiler on in this process (allocator.h)?
[[nodiscard]] bool heap_profiles() noexcept;

}  // namespace weir::telemetry
