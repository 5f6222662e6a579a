#include "apps/relay/recording_items.h"

#include <algorithm>

namespace weir::relay {
namespace {

/// Sound reaches further than the picture it came with: so far apart two publishers never overlap.
constexpr Micros apart{1'000'000};
constexpr Micros noticeable{1'000'000};  ///< a break shorter than this is as good as none

}  // namespace

void RecordingItems::take(const Item& item, std::vector<Item>& out) {
    if (const auto* init = std::get_if<InitPtr>(&item)) {
        on_init(*init, out);
    } else if (const auto* chunk = std::get_if<Chunk>(&item)) {
        on_chunk(*chunk, out);
    } else if (const auto* gap = std::get_if<Gap>(&item)) {
        on_gap(*gap, out);
    } else if (const auto* disc = std::get_if<Discontinuity>(&item)) {
        lanes_[disc->lane].may_jump = true;
        if (take_ != Take::verbatim) out.push_back(item);
    }
}

void RecordingItems::on_init(const InitPtr& init, std::vector<Item>& out) {
    auto& lane = lanes_[init->lane];
    lane.media = init->format.container != Container::opaque;
    if (init->closed) {
        lane.media = lane.placed = false;
    } else if (take_ != Take::verbatim && lane.media) {
        out.emplace_back(init);
    }
}

bool RecordingItems::any_media() const {
    return std::any_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane.second.media; });
}

void RecordingItems::on_chunk(const Chunk& chunk, std::vector<Item>& out) {
    auto& lane = lanes_[chunk.lane];
    if (take_ == Take::whatever) take_ = any_media() ? Take::media : Take::verbatim;
    if (take_ == Take::verbatim) return verbatim(chunk, out);
    if (!lane.media) {
        ++left_out_;
        return;
    }
    if (chunk.dts) place(lane, chunk);
    Chunk placed = chunk;
    if (placed.dts) {
        *placed.dts += lane.add;
        lane.last = std::max(*placed.dts, lane.last.value_or(Micros{0}));
    }
    out.emplace_back(std::move(placed));
}

void RecordingItems::place(Lane& lane, const Chunk& chunk) {
    if (!began_) began_ = chunk.arrival;
    const auto since = std::max(Micros{0}, std::chrono::duration_cast<Micros>(chunk.arrival - *began_));
    if (!lane.placed || lane.origin != chunk.origin) {
        const auto earliest = lane.last ? *lane.last + apart : Micros{0};
        lane.add = std::max(since, earliest) - *chunk.dts;
    } else if (lane.may_jump && since > *chunk.dts + lane.add + noticeable) {
        lane.add = since - *chunk.dts;  // its clock jumped; ours tells how long that took
    }
    lane.placed = true;
    lane.may_jump = false;
    lane.origin = chunk.origin;
}

void RecordingItems::verbatim(const Chunk& chunk, std::vector<Item>& out) {
    if (!std::exchange(announced_, true)) {
        auto init = std::make_shared<Init>();
        init->epoch = 1;
        init->format.container = Container::opaque;
        out.emplace_back(InitPtr(std::move(init)));
        text_ = chunk.text;
    }
    Chunk plain;
    plain.epoch = 1;
    plain.rap = true;
    plain.arrival = chunk.arrival;
    plain.bytes = chunk.bytes;
    out.emplace_back(std::move(plain));
}

void RecordingItems::on_gap(Gap gap, std::vector<Item>& out) {
    const auto found = lanes_.find(gap.lane);
    if (take_ == Take::verbatim) {
        gap.lane = 0;
        gap.from = gap.to = Micros{0};
        if (announced_) out.emplace_back(std::move(gap));
    } else if (found != lanes_.end() && found->second.media && found->second.last) {
        const auto& lane = found->second;
        gap.from = lane.placed ? gap.from + lane.add : *lane.last;
        gap.to = lane.placed ? std::max(gap.from, gap.to + lane.add) : gap.from;
        out.emplace_back(std::move(gap));
    }
}

}  // namespace weir::relay
