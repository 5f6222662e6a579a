#include <algorithm>
#include <deque>
#include <limits>
#include <set>

#include "media/lane.h"
#include "media/pen.h"
#include "media/survey.h"

namespace weir::media {
namespace {

/// How a pass over the input ended: with the file made, or with something learnt that makes a new beginning necessary.
enum class Outcome { done, late_track, index_too_big };

class Joiner {
public:
    /// `index_room`: bytes kept free for an MP4's index in front; 0: the finished file is moved to make room.
    Joiner(const JoinPlan& plan, TrackSet& tracks, const OnProgress& on_progress, std::uint64_t index_room)
        : plan_(plan),
          set_(tracks),
          on_progress_(on_progress),
          index_room_(index_room),
          state_(tracks.tracks().size()) {
        std::set<std::uint16_t> lanes;
        for (const auto& s : plan.input) {
            total_ += s.size;
            lanes.insert(s.lane);
        }
        for (const auto lane : lanes) lanes_.emplace_back(plan, tracks, lane, flaws_, all_);
    }
    Joiner(const Joiner&) = delete;

    Result<Outcome> run(std::unique_ptr<Input> first);
    [[nodiscard]] Summary summary() const;

private:
    struct State {
        AVStream* stream = nullptr;
        AVRational base{1, 1000};  ///< of the output
        UnitCoding coding = UnitCoding::whole;
        int nal_length = 0;
        bool to_lengths = false;  ///< in our way, before the muxer does
        TrackSum sum;             ///< the pen's, until it finished
        std::int64_t last_dts = std::numeric_limits<std::int64_t>::min();
        std::int64_t expected = AV_NOPTS_VALUE;  ///< output base: where the next packet of an unbroken track begins
    };

    Result<> open_output();
    void prefer_lengths(State& s, const KnownTrack& known) const;
    [[nodiscard]] const char* muxer_options(Options& options) const;
    Result<Lane*> earliest(bool& late);
    Result<> take(Placed p);
    Result<> release_held();
    Result<> write(Placed& p);
    Result<> store(Inked& one);  ///< in the pen's thread

    const JoinPlan& plan_;
    TrackSet& set_;
    const OnProgress& on_progress_;
    const std::uint64_t index_room_;
    Flaws flaws_;
    Extent all_;
    std::deque<Lane> lanes_;
    std::vector<State> state_;
    std::unique_ptr<Output> out_;
    std::vector<std::span<const std::uint8_t>> nals_;  ///< the pen's
    std::optional<Pen> pen_;
    std::deque<Placed> held_;  ///< until it is known which track begins first
    std::size_t held_bytes_ = 0;
    bool holding_ = true;
    Micros base_{0};
    std::uint64_t total_ = 0, written_bytes_ = 0, bumped_ = 0;
};

const char* Joiner::muxer_options(Options& options) const {
    const bool pictures = std::any_of(set_.tracks().begin(), set_.tracks().end(),
                                      [](const KnownTrack& t) { return t.kind == TrackKind::video; });
    switch (plan_.format) {
        case OutputFormat::matroska:
            return "matroska";
        case OutputFormat::ts:
            return "mpegts";
        case OutputFormat::flv:
            return "flv";
        case OutputFormat::fmp4:
            // The head waits for the first fragment: else each track would begin at 0.
            options.set("movflags",
                        pictures ? "+delay_moov+default_base_moof+frag_keyframe" : "+delay_moov+default_base_moof");
            options.set("frag_duration", pictures ? "20000000" : "5000000");
            break;
        case OutputFormat::m4a:
            options.set("brand", "M4A ");
            [[fallthrough]];
        case OutputFormat::mp4:
            if (index_room_)
                options.set("moov_size", std::to_string(index_room_));
            else
                options.set("movflags", "+faststart");
    }
    options.set("movie_timescale", "90000");  // the default of 1000 would round the offset between sound and picture
    return "mp4";
}

Result<> Joiner::open_output() {
    Options options;
    const char* muxer = muxer_options(options);
    auto out = Output::create(plan_.output, muxer);
    if (!out) return out.error();
    out_ = std::move(*out);
    auto& context = out_->context();
    context.max_delay = 700'000;  // of MPEG-TS's clock behind its pictures, as ffmpeg has it
    for (std::size_t i = 0; i < state_.size(); ++i) {
        const auto& known = set_.tracks()[i];
        AVStream* st = avformat_new_stream(&context, nullptr);
        if (!st || avcodec_parameters_copy(st->codecpar, known.parameters.get()) < 0) throw std::bad_alloc();
        st->codecpar->codec_tag = 0;
        st->time_base = known.kind == TrackKind::audio ? AVRational{1, st->codecpar->sample_rate} : known.time_base;
        if (!known.language.empty()) av_dict_set(&st->metadata, "language", known.language.c_str(), 0);
        state_[i].stream = st;
        state_[i].coding = known.coding;
        state_[i].nal_length = known.nal_length;
        prefer_lengths(state_[i], known);
        state_[i].sum.summary.kind = known.kind;
        state_[i].sum.summary.codec = known.codec;
    }
    for (const auto& [key, value] : plan_.metadata) av_dict_set(&context.metadata, key.c_str(), value.c_str(), 0);
    if (auto r = out_->begin(options); !r) return r;
    for (auto& s : state_) s.base = s.stream->time_base;
    pen_.emplace([this](Inked& one) { return store(one); });
    return {};
}

/// H.264 with start codes goes into containers with lengths by our own conversion, where its parameter sets allow it.
void Joiner::prefer_lengths(State& s, const KnownTrack& known) const {
    if (known.coding != UnitCoding::h264 || known.form != Form::start_codes || plan_.format == OutputFormat::ts) return;
    const auto& par = *known.parameters;
    const auto box = avcc_of({par.extradata, static_cast<std::size_t>(par.extradata_size)});
    if (box.empty()) return;
    set_extradata(*s.stream->codecpar, box);
    s.to_lengths = true;
    s.nal_length = 4;
}

/// The lane whose next packet comes first; nullptr at the end of all.
Result<Lane*> Joiner::earliest(bool& late) {
    for (;;) {
        Lane* first = nullptr;
        bool waiting = false;
        for (auto& lane : lanes_) {
            std::size_t others_at = plan_.input.size();
            for (const auto& other : lanes_)
                if (&other != &lane) others_at = std::min(others_at, other.position());
            const auto state = lane.fill(others_at);
            if (!state) return state.error();
            late = *state == Lane::State::late_track;
            if (late) return nullptr;
            waiting = waiting || *state == Lane::State::waiting;
            if (*state == Lane::State::ready && (!first || lane.time() < first->time())) first = &lane;
        }
        if (first || !waiting) return first;  // else whom a lane waited for has just ended
    }
}

Result<Outcome> Joiner::run(std::unique_ptr<Input> first) {
    if (auto r = open_output(); !r) return r.error();
    if (first) {
        const auto of =
            std::find_if(plan_.input.begin(), plan_.input.end(), [](const Stretch& s) { return s.size > 0; });
        for (auto& lane : lanes_)
            if (lane.position() == static_cast<std::size_t>(of - plan_.input.begin()))
                lane.begin_with(std::move(first));
    }
    for (;;) {
        bool late = false;
        auto lane = earliest(late);
        if (!lane) return lane.error();
        if (late) return Outcome::late_track;
        if (!*lane) break;
        if (auto r = take((*lane)->take()); !r) return r.error();
        if (!on_progress_) continue;
        std::uint64_t done = 0;
        for (const auto& l : lanes_) done += l.read();
        on_progress_(done, total_);
    }
    if (auto r = release_held(); !r) return r.error();
    if (auto r = pen_->finish(); !r) return r.error();
    if (std::none_of(state_.begin(), state_.end(), [](const State& s) { return s.sum.any; }))
        return Error{Errc::bad_input, "no packets in it"};
    auto bytes = out_->finish();
    if (!bytes && index_room_ && bytes.error().code == Errc::bad_input) return Outcome::index_too_big;
    if (!bytes) return bytes.error();
    written_bytes_ = *bytes;
    return Outcome::done;
}

Result<> Joiner::take(Placed p) {
    if (!holding_) return write(p);
    held_bytes_ += static_cast<std::size_t>(p.packet->size);
    held_.push_back(std::move(p));
    // A few frames of each track: by then even reordered pictures have shown the earliest time.
    constexpr std::size_t enough_packets = 400, enough_bytes = 32u << 20;
    return held_.size() < enough_packets && held_bytes_ < enough_bytes ? Result<>{} : release_held();
}

Result<> Joiner::release_held() {
    if (!holding_) return {};
    holding_ = false;
    if (held_.empty()) return {};
    base_ = Micros::max();
    for (const auto& p : held_) base_ = std::min(base_, to_micros(p.pts, p.base) + p.offset);
    for (; !held_.empty(); held_.pop_front())
        if (auto r = write(held_.front()); !r) return r;
    return {};
}

Result<> Joiner::write(Placed& p) {
    auto& s = state_[p.track];
    const auto& known = set_.tracks()[p.track];
    const AVRational base = s.base;
    const auto shift = to_ticks(p.offset - base_, base);
    std::int64_t dts = av_rescale_q(p.dts, p.base, base) + shift;
    std::int64_t pts = av_rescale_q(p.pts, p.base, base) + shift;
    std::int64_t duration = av_rescale_q(p.duration, p.base, base);
    // The input's clock is often coarser than the sampling rate (FLV: 1 ms); unbroken sound keeps its even steps.
    const std::int64_t rounding = 2 + av_rescale_q(1, p.base, base);
    const std::int64_t frame = known.parameters->frame_size;
    const bool samples = known.kind == TrackKind::audio && base.num == 1 && base.den == known.parameters->sample_rate;
    if (samples && frame > 0 && std::abs(duration - frame) <= rounding) duration = frame;
    if (samples && s.expected != AV_NOPTS_VALUE && duration > 0 && std::abs(dts - s.expected) <= rounding)
        dts = s.expected;
    if (dts <= s.last_dts) {
        dts = s.last_dts + 1;
        ++bumped_;
    }
    pts = known.kind == TrackKind::video ? std::max(pts, dts) : dts;  // only pictures are reordered
    s.last_dts = dts;
    s.expected = dts + duration;

    auto& packet = *p.packet;
    packet.stream_index = s.stream->index;
    packet.dts = dts;
    packet.pts = pts;
    packet.duration = duration;
    packet.pos = -1;
    av_packet_free_side_data(&packet);  // of the input's container: skipped samples, new headers
    return pen_->put({std::move(p.packet), p.track, to_micros(pts, base), to_micros(duration, base)});
}

Result<> Joiner::store(Inked& one) {
    auto& s = state_[one.track];
    if (s.to_lengths) to_lengths(*one.packet, nals_);
    const std::span<const std::uint8_t> bytes(one.packet->data, static_cast<std::size_t>(one.packet->size));
    const auto hash = plan_.content ? hash_unit(s.coding, s.nal_length, bytes) : 0;
    s.sum.add(hash, one.pts, one.duration);
    return out_->write(*one.packet);
}

Summary Joiner::summary() const {
    std::vector<TrackSum> sums;
    for (const auto& s : state_) sums.push_back(s.sum);
    Summary all = sum_up(sums);
    all.bytes = written_bytes_;
    if (!plan_.content)
        for (auto& track : all.tracks) track.hash = 0;
    const auto note = [&](std::uint64_t count, std::string_view what) {
        if (count) set_.note(fmt::format("{} {}", count, what));
    };
    std::uint64_t mended = 0;
    for (const auto& lane : lanes_) mended += lane.mended();
    note(mended, "breaks in time that nobody announced were closed");
    note(flaws_.repeated, "packets came twice and were left out the second time");
    note(bumped_, "packets moved by a tick because their times collided");
    note(flaws_.guessed, "packets had no timestamp to believe");
    note(flaws_.torn, "broken packets were left out");
    note(flaws_.damaged, "damaged places were skipped");
    all.notes = set_.notes();
    return all;
}

}  // namespace

Result<Summary> join_here(const JoinPlan& plan, const OnProgress& on_progress,
                          std::optional<std::uint64_t> wanted_room) {
    const auto step = fmt::format("write {}", name_of(plan.format));
    TrackSet set({.format = plan.format, .audio_only = plan.audio_only, .languages = plan.languages});
    auto first = survey(plan, set);
    if (!first) return within(step, first.error());
    std::uint64_t room = 0;
    if (plan.format == OutputFormat::mp4 || plan.format == OutputFormat::m4a)
        room = wanted_room ? *wanted_room : index_room(plan, first->get());
    constexpr int max_beginnings = 18;
    for (int i = 0; i < max_beginnings; ++i) {
        Joiner joiner(plan, set, on_progress, room);
        auto ending = joiner.run(std::move(*first));
        if (!ending) return within(step, ending.error());
        if (*ending == Outcome::done) return joiner.summary();
        if (*ending == Outcome::index_too_big) room = 0;
        first->reset();
    }
    return Error{Errc::bad_input, "more and more tracks turn up", step};
}

}  // namespace weir::media
