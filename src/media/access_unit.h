#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace weir::media {

/// How the bytes of an access unit are to be read before they are hashed.
enum class UnitCoding : std::uint8_t { whole, aac, h264, hevc };

/// `name` as in Track::codec; whatever has no rule of its own is hashed whole.
[[nodiscard]] UnitCoding coding_of(std::string_view codec) noexcept;

/// Hash of one access unit by content and not by container.
///
/// h264, hevc  XXH3 over the payload of each NAL unit, in order, without start codes or lengths, without trailing zero
/// bytes, and
///             without parameter sets, delimiters and filler, which muxers add, move and take away
/// aac         the raw frame, without its ADTS header if it has one
/// whole       all bytes
/// nal_length  bytes of the length before each NAL unit (1 to 4, MP4 and FLV), or 0 for start codes (TS)
/// limits      any bytes are fine: broken lengths end the unit there, and the rest is hashed as it is
[[nodiscard]] std::uint64_t hash_unit(UnitCoding coding, int nal_length, std::span<const std::uint8_t> unit) noexcept;

/// Size of the ADTS header `frame` begins with, else 0. A raw AAC frame cannot look like one: it would begin with its
/// end mark.
[[nodiscard]] std::size_t adts_header_size(std::span<const std::uint8_t> frame) noexcept;

/// Length-size of an avcC or hvcC box content; 0 when it is something else (start codes).
[[nodiscard]] int nal_length_of(UnitCoding coding, std::span<const std::uint8_t> extradata) noexcept;

/// The NAL units between start codes, without trailing zero bytes; nothing where no start code stands.
void split_start_codes(std::span<const std::uint8_t> unit, std::vector<std::span<const std::uint8_t>>& into);

/// Folds the next unit's hash into a track's.
[[nodiscard]] std::uint64_t fold(std::uint64_t track, std::uint64_t unit) noexcept;

}  // namespace weir::media
