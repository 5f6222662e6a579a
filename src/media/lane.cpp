#include "media/lane.h"

#include <xxhash.h>

#include <algorithm>

namespace weir::media {
namespace {

using namespace std::chrono_literals;

constexpr AVRational micro{1, 1'000'000}, ts_clock{1, 90'000};
constexpr std::int64_t no_time = AV_NOPTS_VALUE;
constexpr Micros longest_repeat = 15s;   // about a segment
constexpr Micros surely_repeat = 500ms;  // smaller overlaps are how streams are cut, unless the content is the same
constexpr Micros same_time = 2ms;

/// Enough of a unit to know it again, without reading all of it.
std::uint64_t print_of(const AVPacket& packet) {
    constexpr std::size_t enough = 256;
    const auto size = static_cast<std::size_t>(packet.size);
    return XXH3_64bits_withSeed(packet.data, std::min(size, enough), size);
}

/// The same time with as many whole rounds of 33 bits at 90 kHz more or less as bring it nearest to `near` (90 kHz).
std::int64_t unwrap_in(std::int64_t ts, AVRational base, std::int64_t near) {
    const auto in_90k = av_rescale_q(ts, base, ts_clock);
    return ts + av_rescale_q(unwrap(in_90k, near, ts_bits) - in_90k, ts_clock, base);
}

/// Beyond 300 years no clock is meant, and sums would overflow.
std::int64_t believable(std::int64_t ts, AVRational base) {
    constexpr Micros most{std::int64_t{10'000'000'000'000'000}};
    if (ts == no_time) return ts;
    const auto t = to_micros(ts, base);
    return t > most || t < -most ? no_time : ts;
}

}  // namespace

Micros to_micros(std::int64_t ts, AVRational base) {
    return Micros(av_rescale_q(ts, base, micro));
}
std::int64_t to_ticks(Micros t, AVRational base) {
    return av_rescale_q(t.count(), micro, base);
}

Lane::Lane(const JoinPlan& plan, TrackSet& set, std::uint16_t lane, Flaws& flaws, Extent& all)
    : plan_(plan), set_(set), lane_(lane), flaws_(flaws), all_(all), state_(set.tracks().size()) {
    for (std::size_t i = 0; i < plan.input.size(); ++i)
        if (plan.input[i].lane == lane && plan.input[i].size) mine_.push_back(i);
}

std::size_t Lane::position() const noexcept {
    return next_ < mine_.size() ? mine_[next_] : plan_.input.size();
}
std::uint64_t Lane::read() const noexcept {
    return done_ + (in_ ? in_->position() : 0);
}
Micros Lane::time() const {
    const auto& p = ready_.front();
    return to_micros(p.dts, p.base) + p.offset;
}
Placed Lane::take() {
    Placed p = std::move(ready_.front());
    ready_.pop_front();
    return p;
}
Lane::TrackState& Lane::state(std::size_t track) {
    if (state_.size() <= track) state_.resize(track + 1);
    return state_[track];
}

Result<Lane::State> Lane::fill(std::size_t others_at) {
    while (ready_.empty()) {
        if (!in_ && pending_.empty()) {
            if (next_ == mine_.size()) return State::done;
            if (stretch().follows && others_at <= position()) return State::waiting;
            auto opened = open_next();
            if (!opened) return within(fmt::format("stretch {}", position()), opened.error());
            if (!*opened) continue;
        }
        if (in_ && (looking_ahead_ || pending_.empty())) {
            const auto state = read_one();
            if (!state) return within(fmt::format("stretch {}", position()), state.error());
            if (*state == State::late_track) return State::late_track;
        }
        if (looking_ahead_ && (!in_ || knows_enough())) stop_looking_ahead();
        if (!looking_ahead_ && !pending_.empty()) {
            Placed p = std::move(pending_.front());
            pending_.pop_front();
            mend_times(p);
            place(std::move(p));
        }
        if (!in_ && pending_.empty()) ++next_;
    }
    return State::ready;
}

Result<bool> Lane::open_next() {
    in_ = std::move(first_);
    if (!in_) {
        auto opened = Input::open_stretch(stretch());
        if (!opened) {
            if (opened.error().code != Errc::bad_input) return opened.error();
            done_ += stretch().size;
            ++next_;  // the survey noted it
            return false;
        }
        in_ = std::move(*opened);
    }
    wraps_ = in_->wraps();
    map_ = set_.match(*in_, false, lane_);
    normalisers_.clear();
    looked_for_.clear();
    for (auto& s : state_) {
        s.met = s.dropping = false;
        s.next_in = no_time;
        s.seen = 0;
    }
    shift_ = stretch().shift;
    near_ = all_.any && !stretch().follows ? to_ticks(all_.dts_end - shift_, ts_clock) : no_time;
    if (!stretch().follows) timeline_.begin_stretch(shift_);
    // Matroska tells no decoding times: those of the first pictures follow from the later ones.
    looking_ahead_ = stretch().follows || std::string_view(in_->context().iformat->name).starts_with("matroska");
    return true;
}

void Lane::close_stretch() {
    flaws_.damaged += in_->damaged();
    done_ += stretch().size;
    in_.reset();
}

Result<Lane::State> Lane::read_one() {
    auto packet = new_packet();
    auto got = in_->next(*packet);
    if (!got) return got.error();
    if (!*got) {
        close_stretch();
        return State::ready;
    }
    const auto s = static_cast<std::size_t>(packet->stream_index);
    if (s >= map_.size() || (map_[s] == TrackSet::none && looked_for_.insert(s).second))
        if (finds_late_track(*packet)) return State::late_track;
    if (map_[s] == TrackSet::none || !normalise(s, *packet)) return State::ready;

    Placed p{.packet = std::move(packet), .track = static_cast<std::size_t>(map_[s])};
    p.base = in_->context().streams[s]->time_base;
    p.dts = believable(p.packet->dts, p.base);
    p.pts = believable(p.packet->pts, p.base);
    ++state(p.track).seen;
    pending_bytes_ += static_cast<std::size_t>(p.packet->size);
    pending_.push_back(std::move(p));
    return State::ready;
}

bool Lane::finds_late_track(const AVPacket& packet) {
    const auto s = static_cast<std::size_t>(packet.stream_index);
    const AVStream& st = *in_->context().streams[s];
    set_.extend(map_, *in_, false, lane_);
    if (map_[s] != TrackSet::none) return false;
    if (set_.refuses(*st.codecpar)) return false;
    const auto before = set_.tracks().size();
    if (in_->is_ts()) {
        // Seen from its first packet on, a demuxer learns what it needs to know of it.
        const auto at = packet.pos > 0 ? static_cast<std::uint64_t>(packet.pos) : 0;
        if (at >= stretch().size) return false;
        auto again =
            Input::open({.path = stretch().path, .offset = stretch().offset + at, .size = stretch().size - at});
        if (again) set_.survey(**again, lane_);
    } else {
        set_.survey(*in_, lane_);
    }
    set_.drop_incomplete();
    if (set_.tracks().size() > before) return true;
    set_.note(
        fmt::format("track 0x{:x} left out: {} without anything to decode it by", st.id, codec_name(*st.codecpar)));
    return false;
}

bool Lane::normalise(std::size_t stream, AVPacket& packet) {
    const AVStream& st = *in_->context().streams[stream];
    const auto& known = set_.tracks()[static_cast<std::size_t>(map_[stream])];
    if (normalisers_.size() <= stream) normalisers_.resize(stream + 1);
    auto& normaliser = normalisers_[stream];
    if (!normaliser) {
        auto made = Normaliser::make(st, form_of(*st.codecpar, in_->is_ts()), known.form);
        if (!made) {
            set_.note(fmt::format("track 0x{:x} left out: {}", st.id, made.error().text()));
            map_[stream] = TrackSet::none;
            return false;
        }
        normaliser.emplace(std::move(*made));
    }
    if (known.coding == UnitCoding::aac && wraps_ && packet.size > 0) {
        const std::span<const std::uint8_t> bytes(packet.data, static_cast<std::size_t>(packet.size));
        const auto header = adts_header_size(bytes);
        if (header == 0 || header == bytes.size()) {
            ++flaws_.torn;
            return false;
        }
    }
    if (packet.size <= 0) return false;
    if (normaliser->apply(packet)) return true;
    ++flaws_.torn;
    return false;
}

bool Lane::knows_enough() const {
    constexpr std::size_t enough_packets = 400, enough_bytes = 32u << 20;
    constexpr unsigned enough_of_each = 16;
    if (pending_.size() >= enough_packets || pending_bytes_ >= enough_bytes) return true;
    return std::all_of(map_.begin(), map_.end(), [&](int t) {
        return t == TrackSet::none || (static_cast<std::size_t>(t) < state_.size() &&
                                       state_[static_cast<std::size_t>(t)].seen >= enough_of_each);
    });
}

void Lane::stop_looking_ahead() {
    looking_ahead_ = false;
    pending_bytes_ = 0;
    back_fill();
    if (!stretch().follows) return;
    std::optional<Micros> earliest;
    for (const auto& p : pending_) {
        auto given = p.pts != no_time ? p.pts : p.dts;
        if (given == no_time) continue;
        if (wraps_) {
            if (near_ == no_time) near_ = unwrap(av_rescale_q(given, p.base, ts_clock), std::int64_t{1} << 32, ts_bits);
            given = unwrap_in(given, p.base, near_);
        }
        const auto at = to_micros(given, p.base);
        earliest = earliest ? std::min(*earliest, at) : at;
    }
    shift_ = (all_.any ? all_.end : Micros{0}) - earliest.value_or(Micros{0});
    timeline_.begin_stretch(shift_);
}

/// Decoding times that are missing at the beginning follow from the first one that is told.
void Lane::back_fill() {
    for (std::size_t t = 0; t < state_.size(); ++t) {
        std::int64_t next = no_time;
        for (auto p = pending_.rbegin(); p != pending_.rend(); ++p) {
            if (p->track != t) continue;
            const auto step = p->packet->duration > 0 ? p->packet->duration : 1;
            if (p->dts == no_time && p->pts != no_time && next != no_time) p->dts = std::min(next - step, p->pts);
            next = p->dts;
        }
    }
}

void Lane::mend_times(Placed& p) {
    auto& s = state(p.track);
    if (p.packet->duration > 0) s.step = p.packet->duration;
    p.duration = s.step;
    if (wraps_) {
        const auto given = p.dts != no_time ? p.dts : p.pts;
        if (near_ == no_time && given != no_time)
            near_ = unwrap(av_rescale_q(given, p.base, ts_clock), std::int64_t{1} << (ts_bits - 1), ts_bits);
        if (p.dts != no_time) p.dts = unwrap_in(p.dts, p.base, near_);
        if (p.pts != no_time)
            p.pts = unwrap_in(p.pts, p.base, p.dts != no_time ? av_rescale_q(p.dts, p.base, ts_clock) : near_);
    }
    if (p.dts == no_time) {
        ++flaws_.guessed;
        if (p.pts == no_time) {
            const auto near = near_ != no_time ? av_rescale_q(near_, ts_clock, p.base) : 0;
            p.dts = s.next_in != no_time ? s.next_in : near;
        } else {
            p.dts = s.next_in != no_time ? std::min(s.next_in, p.pts) : p.pts;
        }
    }
    if (p.pts == no_time) p.pts = p.dts;
    constexpr Micros longest_reorder = 10s;  // beyond it the timestamp is damaged
    if (const auto lead = to_micros(p.pts - p.dts, p.base); lead > longest_reorder || lead < -longest_reorder) {
        p.pts = p.dts;
        ++flaws_.guessed;
    }
    s.next_in = p.dts + p.duration;
    if (wraps_) near_ = av_rescale_q(p.dts, p.base, ts_clock);
}

/// Whether the file has this already: a unit sent once more after a switch of quality or a resumed recording.
bool Lane::is_repeated(const Placed& p) {
    auto& s = state(p.track);
    const Micros at = to_micros(p.dts, p.base) + shift_, duration = to_micros(p.duration, p.base);
    const Micros slack = std::min<Micros>(duration / 2, 5ms);
    const bool there_already = at + duration <= s.end + slack;
    if (!std::exchange(s.met, true) && s.any && !stretch().follows && there_already && s.end - at <= longest_repeat) {
        const auto print = print_of(*p.packet);
        const auto same = [&](const Mark& m) {
            return m.print == print && m.at - at <= same_time && at - m.at <= same_time;
        };
        s.dropping = s.end - at > surely_repeat || std::any_of(s.marks.begin(), s.marks.end(), same);
    }
    if (!s.dropping) return false;
    if (there_already) {
        // The very unit the file ends with: what comes next goes on from it, keyframe or not.
        const auto& last = s.marks[(s.marked - 1) % s.marks.size()];
        if (last.print == print_of(*p.packet) && at - last.at <= same_time && last.at - at <= same_time)
            s.dropping = false;
        return true;
    }
    const bool may_begin = set_.tracks()[p.track].kind != TrackKind::video || (p.packet->flags & AV_PKT_FLAG_KEY);
    s.dropping = !may_begin && at - s.end < longest_repeat;
    return s.dropping;
}

void Lane::place(Placed p) {
    if (is_repeated(p)) {
        ++flaws_.repeated;
        return;
    }
    auto& s = state(p.track);
    const Micros dts = to_micros(p.dts, p.base), duration = to_micros(p.duration, p.base);
    p.offset = timeline_.offset_for(p.track, dts, duration);
    const Micros end = dts + p.offset + duration, shown = to_micros(p.pts, p.base) + p.offset + duration;
    s.end = s.any ? std::max(s.end, end) : end;
    s.any = true;
    s.marks[s.marked++ % s.marks.size()] = {dts + p.offset, print_of(*p.packet)};
    all_.dts_end = all_.any ? std::max(all_.dts_end, end) : end;
    all_.end = all_.any ? std::max(all_.end, shown) : shown;
    all_.any = true;
    ready_.push_back(std::move(p));
}

}  // namespace weir::media
