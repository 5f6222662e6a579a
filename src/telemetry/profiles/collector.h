#pragma once
#include <optional>
#include <string>

#include "base/error.h"
#include "proto/pprof/profile.h"
#include "telemetry/profiles/cpu_profile.h"
#include "telemetry/profiles/request.h"
#include "telemetry/profiles/symbols.h"

namespace weir::telemetry {

/// What blocks or takes long behind the paths: profiles taken, symbols looked up, answers written.
/// threads  one at a time
class Collector {
public:
    [[nodiscard]] static bool knows(std::string_view name);        ///< a named profile: heap, goroutine…
    [[nodiscard]] static bool knows_delta(std::string_view name);  ///< delta_heap…

    [[nodiscard]] Result<pprof::Profile> take(std::string_view name);
    /// The named profile as it is now.
    [[nodiscard]] ProfileAnswer answer(const ProfileRequest& request);
    /// What has changed since `before` was taken.
    [[nodiscard]] ProfileAnswer answer_since(const ProfileRequest& request, const pprof::Profile& before);
    /// What has changed since the previous call, at the first since the start: alloc_* are differences, inuse_* are not.
    [[nodiscard]] ProfileAnswer answer_delta(const ProfileRequest& request);
    [[nodiscard]] ProfileAnswer answer_cpu(const ProfileRequest& request, CpuProfile running);
    [[nodiscard]] ProfileAnswer symbols(std::string_view addresses);
    [[nodiscard]] std::string index_page();

private:
    [[nodiscard]] ProfileAnswer written(pprof::Profile profile, const ProfileRequest& request,
                                        std::string_view file_name);

    Symbolizer symbolizer_;
    std::optional<pprof::Profile> heap_, delta_;  ///< of the last request, of the last delta_heap
};

}  // namespace weir::telemetry
