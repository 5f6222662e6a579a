#pragma once
#include <memory>

#include "core/transmux.h"

namespace weir::ws {

/// Items of any format to the same items with their bytes framed for a websocket, as a server sends them: one frame a
/// message (relay/WIN-7), text stays text, an Init's header (PAT and PMT) one binary message of its own.
///
/// memory  the frames of neighbouring chunks lie behind each other in arenas of 64 KiB, so that a fan-out gathers many small
///         messages into one piece (relay/WIN-1); a chunk above 16 KiB that finds no room there gets memory of its own size.
///         Made once, shared by all
/// limits  none of its own; Gaps, Discontinuities, UnitInfos and End pass through unchanged
[[nodiscard]] std::unique_ptr<Transmuxer> make_framer();

}  // namespace weir::ws
