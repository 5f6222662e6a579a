#pragma once
// What the child does, as plain blocking functions. In weir's own process they are called by tests only.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "media/tool.h"

namespace weir::media {

/// Bytes (or frames) done so far, of how many; called often, so it must be cheap.
using OnProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// `index_room`: bytes to keep free for the index in front of the media, 0 for none; not given: as the size of the
/// input suggests. When the index turns out larger, the file is made once more and moved to make room.
Result<Summary> join_here(const JoinPlan& plan, const OnProgress& on_progress = {},
                          std::optional<std::uint64_t> index_room = {});
Result<Summary> summarise_here(const std::string& path, const OnProgress& on_progress = {});
Result<Summary> summarise_index_here(const std::string& path, const OnProgress& on_progress = {});
Result<Probe> probe_here(const std::string& path);
Result<> make_pattern_here(const PatternPlan& plan, const OnProgress& on_progress = {});

}  // namespace weir::media
