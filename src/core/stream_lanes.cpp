// What a StreamCore knows of its lanes: which are open, which of them is the main one, where a reader may begin.
#include <algorithm>

#include "core/stream_core.h"

namespace weir::hub {
namespace {

constexpr std::uint64_t look_back = 4096;  ///< items searched for start points when another lane becomes the main one
constexpr Micros patience = std::chrono::seconds(2);  ///< with a main lane that is silent while another one could be it

StreamCore::Lane::Sort sort_of(const Init& init) {
    using Sort = StreamCore::Lane::Sort;
    const auto is_video = [](const Track& track) { return track.kind == TrackKind::video; };
    if (init.format.container == Container::opaque) return Sort::messages;
    if (init.tracks.empty()) return Sort::bare;
    return std::any_of(init.tracks.begin(), init.tracks.end(), is_video) ? Sort::video : Sort::tracks;
}

template <class Lanes>
auto place_of(Lanes& lanes, std::uint16_t lane) {
    return std::lower_bound(lanes.begin(), lanes.end(), lane,
                            [](const auto& one, std::uint16_t wanted) { return one.lane < wanted; });
}

auto init_place(auto& inits, std::uint16_t lane) {
    return std::lower_bound(inits.begin(), inits.end(), lane,
                            [](const auto& one, std::uint16_t wanted) { return one.init().lane < wanted; });
}

}  // namespace

int StreamCore::Lane::rank() const {
    if (sort == Sort::video && (raps || !stuck)) return 3;
    if (sort == Sort::tracks && (raps || !stuck)) return 2;
    return sort >= Sort::bare && raps ? 1 : 0;
}

StreamCore::Lane& StreamCore::note_lane(std::uint16_t lane, std::uint64_t pos) {
    auto at = place_of(lanes_, lane);
    if (at != lanes_.end() && at->lane == lane) return *at;
    Lane fresh;
    fresh.lane = lane;
    fresh.opened = pos;
    fresh.last = ring.at(pos).arrival;
    return *lanes_.insert(at, fresh);
}

void StreamCore::close_lane(std::uint16_t lane, std::uint64_t pos) {
    const auto at = place_of(lanes_, lane);
    if (at == lanes_.end() || at->lane != lane) return;
    at->closed_at = pos;
    past_lanes_.push_back(*at);
    lanes_.erase(at);
}

const StreamCore::Lane* StreamCore::lane_at(std::uint16_t lane, std::uint64_t pos) const {
    const auto at = place_of(lanes_, lane);
    if (at != lanes_.end() && at->lane == lane && at->opened <= pos) return &*at;
    for (auto past = past_lanes_.rbegin(); past != past_lanes_.rend() && past->closed_at >= pos; ++past)
        if (past->lane == lane && past->opened <= pos) return &*past;
    return nullptr;
}

const StreamCore::InitAt* StreamCore::init_of(std::uint16_t lane) const {
    const auto at = init_place(inits, lane);
    return at != inits.end() && at->init().lane == lane ? &*at : nullptr;
}

std::vector<StreamCore::InitAt> StreamCore::inits_at(std::uint64_t pos) const {
    std::vector<InitAt> valid;
    for (auto past = past_inits_.rbegin(); past != past_inits_.rend() && past->until >= pos; ++past)
        if (past->at.pos < pos) valid.push_back(past->at);
    for (const auto& now : inits)
        if (now.pos < pos) valid.push_back(now);
    std::sort(valid.begin(), valid.end(), [](const InitAt& a, const InitAt& b) { return a.pos < b.pos; });
    return valid;
}

const StreamCore::InitAt* StreamCore::init_before(std::uint64_t pos, std::uint16_t lane, std::uint32_t epoch) const {
    const auto fits = [&](const InitAt& one) {
        return one.pos < pos && one.init().lane == lane && one.init().epoch == epoch;
    };
    if (const auto* now = init_of(lane); now && fits(*now)) return now;
    for (auto past = past_inits_.rbegin(); past != past_inits_.rend(); ++past)
        if (fits(past->at)) return &past->at;
    return nullptr;
}

void StreamCore::note_start(const Item& item, std::uint64_t pos) {
    if (const auto* init = std::get_if<InitPtr>(&item)) {
        note_init(**init, pos);
    } else if (const auto* info = std::get_if<UnitInfo>(&item)) {
        auto& lane = note_lane(info->lane, pos);
        lane.first_pos = std::min(lane.first_pos, pos);
    } else if (const auto* gap = std::get_if<Gap>(&item)) {
        auto& lane = note_lane(gap->lane, pos);
        lane.first_pos = std::min(lane.first_pos, pos);
        ++counts.gaps;
    } else if (const auto* chunk = std::get_if<Chunk>(&item)) {
        note_chunk(*chunk, pos);
    }
    note_main(item, pos, false);
}

void StreamCore::note_init(const Init& init, std::uint64_t pos) {
    const auto at = init_place(inits, init.lane);
    const bool known = at != inits.end() && at->init().lane == init.lane;
    const InitAt fresh{pos, ring.at(pos).item};
    if (known) past_inits_.push_back({*at, pos});
    if (init.closed) {
        if (known) inits.erase(at);
        close_lane(init.lane, pos);
    } else {
        if (known)
            *at = fresh;
        else
            inits.insert(at, fresh);
        note_lane(init.lane, pos).sort = sort_of(init);
    }
    choose_main(pos);
    if (!main_lane()) attend_seeking(pos);
}

void StreamCore::note_chunk(const Chunk& chunk, std::uint64_t pos) {
    ++counts.chunks;
    auto& lane = note_lane(chunk.lane, pos);
    lane.first_pos = std::min(lane.first_pos, pos);
    lane.origin = chunk.origin;
    lane.units = lane.units || chunk.unit != 0;
    const auto now = lane.last = ring.at(pos).arrival;
    if (!chunk.rap) return;
    ++counts.raps;
    const auto rank = lane.rank();
    lane.raps = true;
    const bool is_back = std::exchange(lane.silent, false);
    // Who is less than the main lane (sound beside pictures) takes its place only when nobody can want its past any more.
    const auto* main = main_lane_ ? &*place_of(lanes_, *main_lane_) : nullptr;
    const auto bound = main && lane.rank() < main->rank() ? settings.ring_time : std::min(patience, settings.ring_time);
    if (hush_main(now, bound) || is_back || lane.rank() != rank) choose_main(pos);
}

bool StreamCore::hush_main(SteadyTime now, Micros bound) {
    if (!main_lane_) return false;
    auto& main = *place_of(lanes_, *main_lane_);
    main.silent = now - main.last > bound;
    return main.silent;
}

/// The lowest lane with video that is not silent, else with any media. Its start points are noted anew, those before `pos` too.
void StreamCore::choose_main(std::uint64_t pos) {
    if (settings.topic) return;
    const Lane* best = nullptr;
    for (const auto& lane : lanes_)
        if (!lane.silent && lane.rank() > (best ? best->rank() : 0)) best = &lane;
    const auto before = std::exchange(main_lane_, best ? std::optional(best->lane) : std::nullopt);
    if (main_lane_ == before) return;
    unit_ = unit_pos_ = info_unit_ = info_pos_ = 0;
    unit_has_start_ = false;
    starts.clear();
    if (!best) return attend_seeking(pos);
    auto from = std::max(ring.first(), pos > look_back ? pos - look_back : 1);
    for (from = std::max(from, best->first_pos); from < pos; ++from) note_main(*ring.at(from).item, from, true);
    if (starts.empty()) return;
    std::erase_if(seeking, [&](StreamReader* reader) { return reader->found_old_start(starts.back()); });
}

/// No lane has start points: who waits for one goes on at `pos`.
void StreamCore::attend_seeking(std::uint64_t pos) {
    std::erase_if(seeking, [&](StreamReader* reader) { return reader->stop_seeking(pos); });
}

/// A start point is a random-access point of the main lane, or the beginning of the unit (with its UnitInfo) whose first one
/// it is.
void StreamCore::note_main(const Item& item, std::uint64_t pos, bool quiet) {
    if (settings.topic) return;
    if (const auto* info = std::get_if<UnitInfo>(&item); info && info->lane == main_lane_) {
        info_unit_ = info->unit;
        info_pos_ = pos;
    }
    const auto* chunk = std::get_if<Chunk>(&item);
    if (!chunk || chunk->lane != main_lane_) return;
    if (chunk->unit == 0) {
        if (chunk->rap) add_start({pos, pos}, quiet);
        return;
    }
    if (chunk->unit_begin || chunk->unit != unit_) {
        unit_ = chunk->unit;
        unit_pos_ = info_unit_ == unit_ && info_pos_ ? info_pos_ : pos;
        unit_has_start_ = false;
        info_pos_ = 0;
    }
    if (chunk->rap && !std::exchange(unit_has_start_, true)) add_start({unit_pos_, pos}, quiet);
}

void StreamCore::add_start(Start start, bool quiet) {
    if (!ring.holds(start.pos)) return;  // a unit larger than the ring: nobody can join it
    starts.push_back(start);
    if (quiet) return;
    std::erase_if(seeking, [&](StreamReader* reader) { return reader->found_start(start); });
}

void StreamCore::trim(SteadyTime now) {
    const auto before = ring.first();
    while (ring.items() > 1 && ring.cost() > settings.ring_bytes) ring.pop();
    // By time, what a late joiner begins with stays, and so does what a reader that is waited for has not read.
    auto keep = starts.empty() ? ring.next() - 1 : starts.back().pos;
    for (const auto* reader : waited_for) keep = std::min(keep, reader->needs_from());
    const auto unread = settings.lean && !starts.empty() ? unread_from(now) : 0;
    while (ring.items() > 1 && ring.first() < keep &&
           (ring.first() < unread || now - ring.at(ring.first()).arrival > settings.ring_time))
        ring.pop();
    if (ring.first() == before) return;
    while (!starts.empty() && starts.front().pos < ring.first()) starts.pop_front();
    while (!past_inits_.empty() && past_inits_.front().until <= ring.first()) past_inits_.pop_front();
    while (!past_lanes_.empty() && past_lanes_.front().closed_at < ring.first()) past_lanes_.pop_front();
    if (starts.empty() && main_lane_) give_up_waiting(now);
}

/// Looked at again when all before it has gone, and not with each item: there may be thousands who lag.
std::uint64_t StreamCore::unread_from(SteadyTime now) {
    constexpr Millis pause{100};
    if (unread_from_ > ring.first() || now - unread_looked_ < pause) return unread_from_;
    unread_looked_ = now;
    unread_from_ = ring.next();
    for (const auto* reader : readers_) reads_from(reader->needs_from());
    return unread_from_;
}

/// Some pictures have no random-access points that can be seen: after a ring without one, they are passed on as they come.
/// And for one that says nothing at all while others fill the ring, nobody waits.
void StreamCore::give_up_waiting(SteadyTime now) {
    if (hush_main(now, std::min(patience, settings.ring_time))) return choose_main(ring.next() - 1);
    auto& main = *place_of(lanes_, *main_lane_);
    if (main.raps || main.units || main.first_pos >= ring.first()) return;
    main.stuck = true;
    choose_main(ring.next() - 1);
}

}  // namespace weir::hub
