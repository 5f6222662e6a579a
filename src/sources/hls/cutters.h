#pragma once
#include <deque>
#include <memory>
#include <optional>

#include "proto/hls/playlist.h"
#include "proto/unit_cutter.h"

namespace weir::hls {

/// The cutter for segments of this form: ts, fmp4 or packed_audio.
[[nodiscard]] std::unique_ptr<UnitCutter> make_cutter(Content content, std::uint16_t lane, std::uint32_t first_epoch);

/// Is the media behind this ftyp+moov encrypted sample by sample (encv, enca)? Such media is not recorded.
[[nodiscard]] Result<> in_the_clear(const Bytes& header);

/// Does what EXT-X-MAP named hold the tables it is for? bad_input: it came cut short, or something else came.
[[nodiscard]] Result<> usable_header(const Bytes& header);

/// The source's own first timestamp in what came of a segment so far; none while it is not seen.
[[nodiscard]] std::optional<Micros> first_time(Content content, const Bytes& header, const std::deque<Bytes>& pieces);

/// A time whose clock may have wrapped (33 bits of 90 kHz), as near to `near` as it can be.
[[nodiscard]] Micros unwrapped(Micros time, Micros near, Content content);

}  // namespace weir::hls
