#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "proto/mp4/init_segment.h"

namespace weir::mp4 {

/// What a moof says of one track's samples, as far as cutting needs it.
struct TrackFragment {
    std::uint32_t track = 0;
    std::optional<std::uint64_t> decode_time;  ///< tfdt, in the track's timescale
    unsigned decode_time_bits = 64;            ///< 32 in version 0: such a clock wraps
    std::uint64_t duration = 0;                ///< of all its samples; saturates
    std::uint64_t samples = 0;
    bool starts_sync = false;  ///< its first sample is one a decoder may start with
};

/// Reads the body of a moof; `init` gives the defaults of its tracks (may be null: then they are 0).
/// errors  bad_input: a box that passes its parent, no mfhd, a trun that is too short for its samples
/// source  ISO/IEC 14496-12, 8.8
[[nodiscard]] Result<std::vector<TrackFragment>> read_moof(std::span<const std::byte> body, const InitSegment* init);

}  // namespace weir::mp4
