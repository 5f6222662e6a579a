#pragma once
#include <optional>
#include <utility>

#include "proto/pprof/profile.h"
#include "telemetry/profiles/memory_file.h"

namespace weir::telemetry {

/// 100 samples for each second of CPU time of the process, by gperftools, which is loaded by the first one (docs/decisions/0010).
/// threads  any; from start() to stop() one owner
class CpuProfile {
public:
    /// Errors: busy, when another runs in this process; unsupported, without gperftools.
    static Result<CpuProfile> start();
    CpuProfile(CpuProfile&& other) noexcept
        : file_(std::exchange(other.file_, std::nullopt)), at_(other.at_), since_(other.since_) {}
    ~CpuProfile();  ///< stops
    Result<pprof::Profile> stop();

private:
    CpuProfile(MemoryFile file, WallTime at, SteadyTime since) : file_(std::move(file)), at_(at), since_(since) {}
    std::optional<MemoryFile> file_;  ///< while it runs, and only in the one that owns it
    WallTime at_;
    SteadyTime since_;
};

}  // namespace weir::telemetry
