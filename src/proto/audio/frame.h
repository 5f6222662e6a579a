#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace weir::audio {

/// One frame of a self-framing sound stream, by its first bytes.
struct FrameHead {
    std::string_view codec;      ///< libav's: aac, mp1, mp2, mp3, ac3, eac3
    std::size_t size = 0;        ///< of the whole frame
    std::uint32_t rate = 0;      ///< samples per second and channel
    std::uint32_t samples = 0;   ///< per channel; 0 for a dependent substream, which adds to the frame before
    std::uint32_t channels = 0;  ///< as the head numbers them: for telling a change, not for counting
    std::uint8_t profile = 0;    ///< aac: the audio object type
    [[nodiscard]] bool same_stream(const FrameHead& o) const noexcept {
        return codec == o.codec && rate == o.rate &&
               (samples == 0 || o.samples == 0 || (channels == o.channels && profile == o.profile));
    }
};
/// Bytes that frame_head() needs.
inline constexpr std::size_t head_size = 7;

/// None when these are not the first bytes of a frame (or are fewer than head_size).
/// source  ISO/IEC 13818-7 6.2 (ADTS), ISO/IEC 11172-3 2.4.1, ETSI TS 102 366 4.3 and E.1.2
[[nodiscard]] std::optional<FrameHead> frame_head(std::span<const std::byte> bytes) noexcept;

/// AudioSpecificConfig of an ADTS stream; empty for other codecs, which need none.
[[nodiscard]] Bytes config_of(const FrameHead& head);

/// An ID3v2 tag at the front of `bytes`.
struct Id3 {
    std::size_t size = 0;  ///< of the whole tag, footer included
    std::optional<std::uint64_t> timestamp =
        {};  ///< PRIV com.apple.streaming.transportStreamTimestamp: 33 bits, 90 kHz
};
inline constexpr std::size_t id3_head_size = 10;
/// Size by the first ten bytes; none when they are no tag.
[[nodiscard]] std::optional<std::size_t> id3_size(std::span<const std::byte> bytes) noexcept;
/// Reads a tag that is there whole (else size is 0). A damaged one has no timestamp.
/// source  ID3v2.3 3.1, ID3v2.4 3.1; RFC 8216 3.4
[[nodiscard]] Id3 read_id3(std::span<const std::byte> tag);

}  // namespace weir::audio
