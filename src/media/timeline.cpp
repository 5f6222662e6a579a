#include "media/timeline.h"

#include <algorithm>
#include <utility>

namespace weir::media {
namespace {

using namespace std::chrono_literals;
constexpr Micros back_limit = 500ms;
constexpr Micros forward_inside = 1h, forward_between = 6h;
constexpr Micros plausible_lead = 10s;  // of one track over another across an unannounced break

}  // namespace

std::int64_t unwrap(std::int64_t ts, std::int64_t near, int bits) noexcept {
    const std::int64_t round = std::int64_t{1} << bits;
    std::int64_t ahead = (ts - near) % round;
    if (ahead < 0) ahead += round;
    if (ahead >= round / 2) ahead -= round;
    return near + ahead;
}

void Timeline::begin_stretch(Micros shift) {
    shift_ = shift;
    offsets_.assign(1, Micros{0});
    for (auto& t : tracks_) t.in_stretch = false;
}

Micros Timeline::offset_for(std::size_t track, Micros dts, Micros duration) {
    if (tracks_.size() <= track) tracks_.resize(track + 1);
    Track& t = tracks_[track];
    const Micros forward_limit = t.in_stretch ? forward_inside : forward_between;
    if (!std::exchange(t.in_stretch, true)) t.offset = offsets_.back();
    const Micros here = dts + shift_;
    const auto fits = [&](Micros offset, Micros lead) {
        const Micros step = here + offset - t.last;
        return step >= -back_limit && step <= lead;
    };
    if (t.placed && !fits(t.offset, forward_limit)) {
        const auto known =
            std::find_if(offsets_.rbegin(), offsets_.rend(), [&](Micros o) { return fits(o, plausible_lead); });
        if (known != offsets_.rend()) {
            t.offset = *known;
        } else {
            t.offset = end_ - here;
            offsets_.push_back(t.offset);
            ++mended_;
        }
    }
    t.placed = true;
    t.last = here + t.offset;
    end_ = any_ ? std::max(end_, t.last + duration) : t.last + duration;
    any_ = true;
    return shift_ + t.offset;
}

}  // namespace weir::media
