#pragma once
#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>

#include "base/time.h"

namespace weir::hls {

/// A stretch in which the source's own clock runs on: from one discontinuity to the next.
struct TimeLine {
    unsigned era = 0;          ///< restarts of the origin
    std::uint64_t breaks = 0;  ///< discontinuity sequence
    auto operator<=>(const TimeLine&) const = default;
};

/// Where each line of the source's clock lies in stream time, the same for all lanes: whoever meets its first timestamp
/// sets the offset, the others go by it, so that sound and picture keep their distance to the microsecond.
/// limits   the newest 64 lines
/// threads  pure, one owner
class TimeMap {
public:
    /// Stream time minus the source's.
    [[nodiscard]] std::optional<Micros> offset(TimeLine line) const {
        const auto at = lines_.find(line);
        return at == lines_.end() ? std::nullopt : at->second.offset;
    }
    /// The first to say so counts.
    void set(TimeLine line, Micros offset) {
        auto& l = lines_[line];
        if (!l.offset) l.offset = offset;
        while (lines_.size() > 64) lines_.erase(lines_.begin());
    }
    /// A lane stands before this line with media up to `position`: the line begins no earlier.
    void arrive(TimeLine line, Micros position) {
        auto& l = lines_[line];
        l.begins = std::max(l.begins, position);
    }
    [[nodiscard]] Micros begin(TimeLine line, Micros position) const {
        const auto at = lines_.find(line);
        return at == lines_.end() ? position : std::max(position, at->second.begins);
    }
    /// Is a later line known already, so that this one will not be set any more?
    [[nodiscard]] bool passed(TimeLine line) const {
        return std::any_of(lines_.upper_bound(line), lines_.end(), [](const auto& l) { return l.second.offset; });
    }

private:
    struct Line {
        std::optional<Micros> offset;
        Micros begins = Micros::min();
    };
    std::map<TimeLine, Line> lines_;
};

}  // namespace weir::hls
