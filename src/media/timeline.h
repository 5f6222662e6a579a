#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace weir::media {

inline constexpr int ts_bits = 33;  ///< of a timestamp in MPEG-TS

/// The value nearest to `near` that equals `ts` in its lowest `bits` bits.
[[nodiscard]] std::int64_t unwrap(std::int64_t ts, std::int64_t near, int bits) noexcept;

/// Puts stretches of time one behind the other. Whatever is added to one track's timestamps is added to all of them, so
/// sound and picture never drift apart (FC2-83); that also goes for time breaks inside a stretch that nobody announced:
/// whichever track meets the break first decides, the others follow with the same offset when they meet it.
///
/// kept        forward gaps up to an hour inside a stretch and six hours between two (what MP4 can hold), small
/// overlaps closed up   larger jumps, and steps back of more than half a second
class Timeline {
public:
    void begin_stretch(Micros shift);
    /// What to add to the timestamps of a packet with this decoding time. Packets of one track come in decoding order.
    [[nodiscard]] Micros offset_for(std::size_t track, Micros dts, Micros duration);
    [[nodiscard]] bool any() const noexcept { return any_; }
    [[nodiscard]] Micros end() const noexcept { return end_; }               ///< of all that was placed
    [[nodiscard]] std::uint64_t mended() const noexcept { return mended_; }  ///< breaks that nobody announced

private:
    struct Track {
        bool placed = false, in_stretch = false;
        Micros offset{0}, last{0};
    };
    std::vector<Track> tracks_;
    std::vector<Micros> offsets_{Micros{0}};  ///< within this stretch, oldest first
    Micros shift_{0}, end_{0};
    bool any_ = false;
    std::uint64_t mended_ = 0;
};

}  // namespace weir::media
