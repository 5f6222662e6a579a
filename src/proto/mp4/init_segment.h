#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "core/item.h"

namespace weir::mp4 {

struct InitLimits {
    std::size_t max_bytes = 4u << 20;
    std::size_t max_tracks = 64;
};

/// A track as moov tells it. What its fragments leave out is in `default_…` (trex).
struct InitTrack {
    Track track;  ///< id, kind, codec, timescale, language ("" for und); extradata as libav has it where noted below
    std::uint32_t default_duration = 0, default_size = 0, default_flags = 0;
    /// Presentation time minus media time by the edit list: an empty edit's length minus the media time of the first edit.
    Micros edit_shift{0};
};

struct InitSegment {
    std::uint32_t movie_timescale = 0;
    bool fragmented = false;  ///< there is an mvex
    std::vector<InitTrack> tracks;
    /// Whose times and random-access points count: the first video track, else the first audio, else the first.
    [[nodiscard]] const InitTrack* main() const noexcept;
    [[nodiscard]] const InitTrack* find(std::uint32_t id) const noexcept;
};

/// Reads ftyp+moov (other boxes between are passed over).
///
/// codec      libav's names: h264, hevc, av1, vp9, mpeg4, aac, mp3, ac3, eac3, opus, flac, alac, webvtt, ttml; else
///            "mp4-XXXX" with the sample entry's four characters
/// extradata  the body of avcC, hvcC, av1C, vpcC, dOps, dfLa, alac, dac3, dec3; of esds the decoder-specific info
///            (AudioSpecificConfig)
/// errors     bad_input: no moov, no track, a size that passes its box, above the limits; unsupported: an encrypted
///            track (encv, enca), "protected" in its text
/// source     ISO/IEC 14496-12, 14496-14, 14496-15
[[nodiscard]] Result<InitSegment> read_init_segment(const Bytes& header, const InitLimits& limits = {});

}  // namespace weir::mp4
