#include <algorithm>
#include <deque>
#include <limits>
#include <set>

#include "media/libav.h"
#include "media/timeline.h"
#include "media/tool_work.h"
#include "media/track_set.h"

namespace weir::media {
namespace {

constexpr AVRational micro{1, 1'000'000};
constexpr int ts_bits = 33;
constexpr std::int64_t no_time = AV_NOPTS_VALUE;

Micros to_micros(std::int64_t ts, AVRational base) {
    return Micros{av_rescale_q(ts, base, micro)};
}
std::int64_t to_ticks(Micros t, AVRational base) {
    return av_rescale_q(t.count(), micro, base);
}

/// One packet on its way, its times in the input's base and what is to be added to them.
struct Placed {
    Packet packet;
    std::size_t track = 0;
    AVRational base{1, 90'000};
    std::int64_t dts = 0, pts = 0, duration = 0;
    Micros offset{0};
};

/// How a pass over the input ended: with the file made, or with something learnt that makes a new beginning necessary.
enum class Ending { done, late_track, index_too_big };

class Mp4Writer {
public:
    /// `index_room`: bytes kept free for the index in front; 0: the finished file is moved to make room.
    Mp4Writer(const JoinPlan& plan, TrackSet& tracks, const OnProgress& on_progress, std::uint64_t index_room)
        : plan_(plan),
          set_(tracks),
          on_progress_(on_progress),
          index_room_(index_room),
          state_(tracks.tracks().size()) {
        for (const auto& s : plan.input) total_ += s.size;
    }

    Result<Ending> run(std::unique_ptr<Input> first);
    [[nodiscard]] Summary summary() const;

private:
    struct State {
        AVStream* stream = nullptr;
        TrackSum sum;
        std::int64_t last_dts = std::numeric_limits<std::int64_t>::min();
        std::int64_t expected = no_time;  ///< output base: where the next packet of an unbroken track begins
        std::int64_t next_in = no_time;   ///< input base, within the stretch
        std::int64_t step = 0;            ///< the last duration that was told, input base
    };

    Result<> open_output();
    Result<Ending> copy(std::size_t index, Input& in);
    Result<> take(Input& in, const AVStream& from, std::size_t track, Packet packet);
    Result<> release_held();
    Result<> write(Placed& p);
    bool finds_late_track(Input& in, std::vector<int>& map, std::size_t index, const AVPacket& packet);

    const JoinPlan& plan_;
    TrackSet& set_;
    const OnProgress& on_progress_;
    const std::uint64_t index_room_;
    std::vector<State> state_;
    std::unique_ptr<Output> out_;
    Timeline timeline_;
    std::int64_t near_ = no_time;  ///< for unwrapping: the last decoding time of this stretch, 90 kHz
    std::deque<Placed> held_;      ///< until it is known which track begins first
    std::size_t held_bytes_ = 0;
    bool holding_ = true;
    Micros base_{0};
    std::uint64_t done_ = 0, total_ = 0, written_bytes_ = 0;
    std::uint64_t bumped_ = 0, guessed_ = 0, torn_ = 0, damaged_ = 0;
};

Result<> Mp4Writer::open_output() {
    auto out = Output::create(plan_.output, "mp4");
    if (!out) return out.error();
    out_ = std::move(*out);
    auto& context = out_->context();
    for (std::size_t i = 0; i < state_.size(); ++i) {
        const auto& known = set_.tracks()[i];
        AVStream* st = avformat_new_stream(&context, nullptr);
        if (!st || avcodec_parameters_copy(st->codecpar, known.parameters.get()) < 0) throw std::bad_alloc();
        st->codecpar->codec_tag = 0;
        st->time_base = known.kind == TrackKind::audio ? AVRational{1, st->codecpar->sample_rate} : known.time_base;
        if (!known.language.empty()) av_dict_set(&st->metadata, "language", known.language.c_str(), 0);
        state_[i].stream = st;
        state_[i].sum.summary.kind = known.kind;
        state_[i].sum.summary.codec = known.codec;
    }
    for (const auto& [key, value] : plan_.metadata) av_dict_set(&context.metadata, key.c_str(), value.c_str(), 0);
    Options options;
    if (index_room_)
        options.set("moov_size", std::to_string(index_room_));
    else
        options.set("movflags", "+faststart");
    options.set("movie_timescale", "90000");  // the default of 1000 would round the offset between sound and picture
    return out_->begin(options);
}

Result<Ending> Mp4Writer::run(std::unique_ptr<Input> first) {
    if (auto r = open_output(); !r) return r.error();
    for (std::size_t i = 0; i < plan_.input.size(); ++i) {
        const auto& stretch = plan_.input[i];
        if (stretch.size == 0) continue;
        std::unique_ptr<Input> in = std::move(first);
        if (!in) {
            auto opened = Input::open({.path = stretch.path, .offset = stretch.offset, .size = stretch.size});
            if (!opened) {
                if (opened.error().code != Errc::bad_input) return opened.error();
                done_ += stretch.size;
                continue;  // the survey noted it
            }
            in = std::move(*opened);
        }
        timeline_.begin_stretch(stretch.shift);
        auto ending = copy(i, *in);
        if (!ending) return within(fmt::format("stretch {}", i), ending.error());
        if (*ending != Ending::done) return ending;
        damaged_ += in->damaged();
        done_ += stretch.size;
    }
    if (auto r = release_held(); !r) return r.error();
    if (std::none_of(state_.begin(), state_.end(), [](const State& s) { return s.sum.any; }))
        return Error{Errc::bad_input, "no packets in it"};
    auto bytes = out_->finish();
    if (!bytes && index_room_ && bytes.error().code == Errc::bad_input) return Ending::index_too_big;
    if (!bytes) return bytes.error();
    written_bytes_ = *bytes;
    return Ending::done;
}

Result<Ending> Mp4Writer::copy(std::size_t index, Input& in) {
    auto map = set_.match(in, false);
    std::set<std::size_t> looked_for;  // streams without a track
    for (auto& s : state_) s.next_in = no_time;
    near_ = timeline_.any() ? to_ticks(timeline_.end() - plan_.input[index].shift, {1, 90'000}) : no_time;
    for (;;) {
        auto packet = new_packet();
        auto got = in.next(*packet);
        if (!got) return got.error();
        if (!*got) break;
        if (on_progress_) on_progress_(done_ + in.position(), total_);
        const auto s = static_cast<std::size_t>(packet->stream_index);
        if (s >= map.size() || (map[s] == TrackSet::none && looked_for.insert(s).second))
            if (finds_late_track(in, map, index, *packet)) return Ending::late_track;
        if (map[s] == TrackSet::none) continue;
        auto r = take(in, *in.context().streams[s], static_cast<std::size_t>(map[s]), std::move(packet));
        if (!r) return r.error();
    }
    return Ending::done;
}

bool Mp4Writer::finds_late_track(Input& in, std::vector<int>& map, std::size_t index, const AVPacket& packet) {
    const auto s = static_cast<std::size_t>(packet.stream_index);
    set_.extend(map, in, false);
    const auto& par = *in.context().streams[s]->codecpar;
    if (map[s] != TrackSet::none || !in.is_ts() || !mp4_holds(par)) return false;
    const auto& stretch = plan_.input[index];
    const auto at = packet.pos > 0 ? static_cast<std::uint64_t>(packet.pos) : 0;
    if (at >= stretch.size) return false;
    // Seen from its first packet on, a demuxer learns what it needs to know of it.
    const auto before = set_.tracks().size();
    auto again = Input::open({.path = stretch.path, .offset = stretch.offset + at, .size = stretch.size - at});
    if (again) (void)set_.match(**again, true);
    set_.drop_incomplete();
    if (set_.tracks().size() > before) return true;
    set_.note(fmt::format("track 0x{:x} left out: {} without anything to decode it by", in.context().streams[s]->id,
                          codec_name(par)));
    return false;
}

Result<> Mp4Writer::take(Input& in, const AVStream& from, std::size_t track, Packet packet) {
    auto& s = state_[track];
    const auto& known = set_.tracks()[track];
    const std::span<const std::uint8_t> bytes(packet->data, static_cast<std::size_t>(packet->size));
    if (bytes.empty()) return {};
    if (known.coding == UnitCoding::aac && in.is_ts()) {
        const auto header = adts_header_size(bytes);
        if (header == 0 || header == bytes.size()) {
            ++torn_;
            return {};
        }
    }
    Placed p{.packet = std::move(packet), .track = track, .base = from.time_base};
    p.dts = p.packet->dts;
    p.pts = p.packet->pts;
    if (p.packet->duration > 0) s.step = p.packet->duration;
    p.duration = s.step;
    if (in.is_ts()) {
        const auto given = p.dts != no_time ? p.dts : p.pts;
        if (near_ == no_time && given != no_time) near_ = unwrap(given, std::int64_t{1} << (ts_bits - 1), ts_bits);
        if (p.dts != no_time) p.dts = unwrap(p.dts, near_, ts_bits);
        if (p.pts != no_time) p.pts = unwrap(p.pts, p.dts != no_time ? p.dts : near_, ts_bits);
    }
    if (p.dts == no_time) {
        ++guessed_;
        if (p.pts == no_time) {
            p.dts = s.next_in != no_time ? s.next_in : near_ != no_time ? near_ : 0;
        } else {
            p.dts = s.next_in != no_time ? std::min(s.next_in, p.pts) : p.pts;
        }
    }
    if (p.pts == no_time) p.pts = p.dts;
    constexpr Micros longest_reorder = std::chrono::seconds(10);  // beyond it the timestamp is damaged
    if (const auto lead = to_micros(p.pts - p.dts, p.base); lead > longest_reorder || lead < -longest_reorder) {
        p.pts = p.dts;
        ++guessed_;
    }
    s.next_in = p.dts + p.duration;
    if (in.is_ts()) near_ = p.dts;
    p.offset = timeline_.offset_for(track, to_micros(p.dts, p.base), to_micros(p.duration, p.base));

    if (!holding_) return write(p);
    held_bytes_ += bytes.size();
    held_.push_back(std::move(p));
    // A few frames of each track: by then even reordered pictures have shown the earliest time.
    constexpr std::size_t enough_packets = 400, enough_bytes = 32u << 20;
    return held_.size() < enough_packets && held_bytes_ < enough_bytes ? Result<>{} : release_held();
}

Result<> Mp4Writer::release_held() {
    if (!holding_) return {};
    holding_ = false;
    if (held_.empty()) return {};
    base_ = Micros::max();
    for (const auto& p : held_) base_ = std::min(base_, to_micros(p.pts, p.base) + p.offset);
    for (; !held_.empty(); held_.pop_front())
        if (auto r = write(held_.front()); !r) return r;
    return {};
}

Result<> Mp4Writer::write(Placed& p) {
    auto& s = state_[p.track];
    const auto& known = set_.tracks()[p.track];
    const AVRational base = s.stream->time_base;
    const auto shift = to_ticks(p.offset - base_, base);
    std::int64_t dts = av_rescale_q(p.dts, p.base, base) + shift;
    std::int64_t pts = av_rescale_q(p.pts, p.base, base) + shift;
    std::int64_t duration = av_rescale_q(p.duration, p.base, base);
    // The input's clock is often coarser than the sampling rate (FLV: 1 ms); unbroken sound keeps its even steps.
    const std::int64_t rounding = 2 + av_rescale_q(1, p.base, base);
    const std::int64_t frame = known.parameters->frame_size;
    if (known.kind == TrackKind::audio && frame > 0 && std::abs(duration - frame) <= rounding) duration = frame;
    if (known.kind == TrackKind::audio && s.expected != no_time && duration > 0 &&
        std::abs(dts - s.expected) <= rounding) {
        dts = s.expected;
    }
    if (dts <= s.last_dts) {
        dts = s.last_dts + 1;
        ++bumped_;
    }
    pts = known.kind == TrackKind::video ? std::max(pts, dts) : dts;  // MP4 reorders pictures only
    s.last_dts = dts;
    s.expected = dts + duration;

    const std::span<const std::uint8_t> bytes(p.packet->data, static_cast<std::size_t>(p.packet->size));
    s.sum.add(hash_unit(known.coding, known.nal_length, bytes), to_micros(pts, base), to_micros(duration, base));
    auto& packet = *p.packet;
    packet.stream_index = s.stream->index;
    packet.dts = dts;
    packet.pts = pts;
    packet.duration = duration;
    packet.pos = -1;
    return out_->write(packet);
}

Summary Mp4Writer::summary() const {
    std::vector<TrackSum> sums;
    for (const auto& s : state_) sums.push_back(s.sum);
    Summary all = sum_up(sums);
    all.bytes = written_bytes_;
    const auto note = [&](std::uint64_t count, std::string_view what) {
        if (count) set_.note(fmt::format("{} {}", count, what));
    };
    note(timeline_.mended(), "breaks in time that nobody announced were closed");
    note(bumped_, "packets moved by a tick because their times collided");
    note(guessed_, "packets had no timestamp to believe");
    note(torn_, "sound frames without a valid header were left out");
    note(damaged_, "damaged places were skipped");
    all.notes = set_.notes();
    return all;
}

/// Opens each stretch once to learn its tracks. Returns the first one still open, for the common case that there is
/// only one.
Result<std::unique_ptr<Input>> survey(const JoinPlan& plan, TrackSet& set) {
    std::unique_ptr<Input> first;
    std::optional<Error> worst;
    bool before_first = true;
    for (std::size_t i = 0; i < plan.input.size(); ++i) {
        const auto& stretch = plan.input[i];
        if (stretch.size == 0) continue;
        const bool is_first = std::exchange(before_first, false);
        auto in = Input::open({.path = stretch.path, .offset = stretch.offset, .size = stretch.size});
        if (!in) {
            if (in.error().code != Errc::bad_input) return within(fmt::format("stretch {}", i), in.error());
            set.note(fmt::format("stretch {} (from byte {}) holds no media: {}", i, stretch.offset, in.error().what));
            if (!worst) worst = in.error();
            continue;
        }
        if ((*in)->size() < stretch.size)
            set.note(
                fmt::format("stretch {} ends {} bytes early: the file is shorter", i, stretch.size - (*in)->size()));
        (void)set.match(**in, true);
        if (is_first) first = std::move(*in);
    }
    set.drop_incomplete();
    if (!set.tracks().empty()) return first;
    if (worst) return *worst;
    return Error{Errc::bad_input, set.notes().empty() ? "no media in it" : set.notes().front()};
}

/// Packets per byte in a few places of a stretch, the highest of them; 0 when that cannot be told.
double densest_sample(const Stretch& stretch) {
    constexpr std::uint64_t samples = 6, sample_size = 188 * 3000;
    double most = 0;
    for (std::uint64_t i = 0; i < samples; ++i) {
        const std::uint64_t at = (stretch.size - sample_size) / (samples - 1) * i / 188 * 188;
        auto in = Input::open({.path = stretch.path,
                               .offset = stretch.offset + at,
                               .size = sample_size,
                               .format = "mpegts",
                               .analyse = false});
        if (!in) return 0;
        std::uint64_t packets = 0;
        for (auto packet = new_packet();; ++packets, av_packet_unref(packet.get())) {
            const auto got = (*in)->next(*packet);
            if (!got || !*got) break;
        }
        most = std::max(most, static_cast<double>(packets) / static_cast<double>(sample_size));
    }
    return most;
}

/// Room to leave for the index, so that a large file need not be written twice; 0 when moving it is the better way.
std::uint64_t index_room(const JoinPlan& plan, bool ts) {
    constexpr std::uint64_t worth_it = 64u << 20;
    constexpr double bytes_per_packet = 24, margin = 1.2, most_waste = 0.01;
    if (!ts) return 0;
    std::uint64_t total = 0;
    const Stretch* largest = nullptr;
    for (const auto& s : plan.input) {
        total += s.size;
        if (!largest || s.size > largest->size) largest = &s;
    }
    if (total < worth_it || largest->size < total / 2) return 0;
    const double room = densest_sample(*largest) * static_cast<double>(total) * bytes_per_packet * margin;
    const bool sensible = room > 0 && room < static_cast<double>(total) * most_waste;
    return sensible ? static_cast<std::uint64_t>(room) + 65'536 : 0;
}

}  // namespace

Result<Summary> join_here(const JoinPlan& plan, const OnProgress& on_progress,
                          std::optional<std::uint64_t> wanted_room) {
    TrackSet set;
    auto first = survey(plan, set);
    if (!first) return within("write mp4", first.error());
    std::uint64_t room = wanted_room ? *wanted_room : index_room(plan, *first && (*first)->is_ts());
    constexpr int max_beginnings = 18;
    for (int i = 0; i < max_beginnings; ++i) {
        Mp4Writer writer(plan, set, on_progress, room);
        auto ending = writer.run(std::move(*first));
        if (!ending) return within("write mp4", ending.error());
        if (*ending == Ending::done) return writer.summary();
        if (*ending == Ending::index_too_big) room = 0;
        first->reset();
    }
    return Error{Errc::bad_input, "more and more tracks turn up", "write mp4"};
}

static Result<Summary> read_back(const std::string& path, const OnProgress& on_progress, bool content) {
    auto opened = Input::open({.path = path});
    if (!opened) return within("summarise", opened.error());
    auto& in = **opened;
    TrackSet set;
    auto map = set.match(in, true);
    std::vector<TrackSum> sums(set.tracks().size());
    std::int64_t near = no_time;
    for (auto packet = new_packet();; av_packet_unref(packet.get())) {
        auto got = in.next(*packet);
        if (!got) return within("summarise", got.error());
        if (!*got) break;
        if (on_progress) on_progress(in.position(), in.size());
        const auto s = static_cast<std::size_t>(packet->stream_index);
        if (s >= map.size()) {
            set.extend(map, in, true);
            sums.resize(set.tracks().size());
        }
        if (map[s] == TrackSet::none || packet->size <= 0) continue;
        const auto t = static_cast<std::size_t>(map[s]);
        const auto& known = set.tracks()[t];
        const std::span<const std::uint8_t> bytes(packet->data, static_cast<std::size_t>(packet->size));
        const AVRational base = in.context().streams[s]->time_base;
        std::int64_t pts = packet->pts != no_time ? packet->pts : packet->dts != no_time ? packet->dts : 0;
        if (in.is_ts()) {
            if (known.coding == UnitCoding::aac && adts_header_size(bytes) % bytes.size() == 0) continue;
            pts = near == no_time ? pts : unwrap(pts, near, ts_bits);
            near = pts;
        }
        sums[t].add(content ? hash_unit(known.coding, known.nal_length, bytes) : 0, to_micros(pts, base),
                    to_micros(packet->duration, base));
    }
    for (std::size_t t = 0; t < sums.size(); ++t) {
        sums[t].summary.kind = set.tracks()[t].kind;
        sums[t].summary.codec = set.tracks()[t].codec;
    }
    Summary all = sum_up(sums);
    all.bytes = in.size();
    if (in.damaged()) set.note(fmt::format("{} damaged places were skipped", in.damaged()));
    all.notes = set.notes();
    if (!content)
        for (auto& track : all.tracks) track.hash = 0;
    return all;
}

Result<Summary> summarise_here(const std::string& path, const OnProgress& on_progress) {
    return read_back(path, on_progress, true);
}

Result<Summary> summarise_index_here(const std::string& path, const OnProgress& on_progress) {
    return read_back(path, on_progress, false);
}

}  // namespace weir::media
