#pragma once
#include <cstdint>

#include "base/error.h"
#include "core/item.h"
#include "runtime/file_system.h"

namespace weir::store {

/// How many bytes of [off, end) are whole, in the container's own pieces, from `off` on: what a kill leaves of a raw
/// file that may stay.
///
/// ts            packets of 188 bytes that begin as such. Where one does not, the one before it is doubtful too: its end
///               may be zeros
/// fmp4          moof and mdat together, with what stands before them (a torn moof makes libav refuse the whole file)
/// flv           tags with the length that follows them
/// packed_audio  frames of AAC, MPEG audio, AC-3 and ID3 tags
/// opaque, text  all
///
/// Zeros or garbage end it where they stand for a head; inside a body nothing tells them. Blocks. Errors: io.
Result<std::uint64_t> whole_tail(File& file, Container container, std::uint64_t off, std::uint64_t end);

}  // namespace weir::store
