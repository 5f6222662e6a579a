#include "media/track_set.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>

namespace weir::media {
namespace {

constexpr std::size_t max_notes = 50;
constexpr const char* not_asked_for = "not asked for";

std::string_view word_for(AVMediaType type) {
    switch (type) {
        case AVMEDIA_TYPE_VIDEO:
            return "video";
        case AVMEDIA_TYPE_AUDIO:
            return "audio";
        case AVMEDIA_TYPE_SUBTITLE:
            return "text";
        default:
            return "data";
    }
}

}  // namespace

std::string_view name_of(OutputFormat format) noexcept {
    switch (format) {
        case OutputFormat::m4a:
            return "M4A";
        case OutputFormat::matroska:
            return "Matroska";
        case OutputFormat::ts:
            return "MPEG-TS";
        case OutputFormat::flv:
            return "FLV";
        case OutputFormat::mp4:
        case OutputFormat::fmp4:
            break;
    }
    return "MP4";
}

namespace {

bool ts_holds(AVCodecID codec) {
    // Its muxer takes anything as private data; these can be read again.
    static constexpr std::array codecs{
        AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_MPEG1VIDEO,  AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_MPEG4,
        AV_CODEC_ID_AAC,  AV_CODEC_ID_MP2,  AV_CODEC_ID_MP3,         AV_CODEC_ID_AC3,        AV_CODEC_ID_EAC3,
        AV_CODEC_ID_DTS,  AV_CODEC_ID_OPUS, AV_CODEC_ID_DVB_SUBTITLE};
    return std::find(codecs.begin(), codecs.end(), codec) != codecs.end();
}

bool muxer_holds(const char* muxer, AVCodecID codec) {
    const auto* found = av_guess_format(muxer, nullptr, nullptr);
    return found && avformat_query_codec(found, codec, FF_COMPLIANCE_NORMAL) == 1;
}

bool flv_holds(const AVCodecParameters& par) {
    switch (par.codec_id) {
        case AV_CODEC_ID_MP3:
            return par.sample_rate == 44'100 || par.sample_rate == 22'050 || par.sample_rate == 11'025;
        case AV_CODEC_ID_H264:
        case AV_CODEC_ID_AAC:
            return true;
        case AV_CODEC_ID_HEVC:
            return muxer_holds("flv", par.codec_id);
        default:
            return false;
    }
}

bool holds(OutputFormat format, const AVCodecParameters& par) {
    switch (format) {
        case OutputFormat::ts:
            return ts_holds(par.codec_id);
        case OutputFormat::flv:
            return flv_holds(par);
        case OutputFormat::matroska:
            return muxer_holds("matroska", par.codec_id);
        case OutputFormat::mp4:
        case OutputFormat::m4a:
        case OutputFormat::fmp4:
            break;
    }
    return muxer_holds("mp4", par.codec_id);
}

}  // namespace

std::string why_not(OutputFormat format, const AVCodecParameters& par) {
    const auto kind = kind_of(par);
    if (par.codec_id != AV_CODEC_ID_NONE && kind != TrackKind::data && holds(format, par)) return {};
    return fmt::format("{} cannot hold {} {}", name_of(format), word_for(par.codec_type), codec_name(par));
}

bool KnownTrack::complete() const noexcept {
    switch (parameters->codec_type) {
        case AVMEDIA_TYPE_VIDEO:
            return parameters->width > 0 && parameters->height > 0;
        case AVMEDIA_TYPE_AUDIO:
            return parameters->sample_rate > 0;
        default:
            return true;
    }
}

void TrackSet::note(std::string text) {
    if (notes_.size() < max_notes && std::find(notes_.begin(), notes_.end(), text) == notes_.end())
        notes_.push_back(std::move(text));
}

std::vector<int> TrackSet::match(Input& in, bool add, std::uint16_t lane) {
    std::vector<int> map;
    extend(map, in, add, lane);
    return map;
}

void TrackSet::extend(std::vector<int>& map, Input& in, bool add, std::uint16_t lane) {
    auto& context = in.context();
    const std::size_t first = map.size();
    map.resize(context.nb_streams, none);
    const auto taken = [&](int t) { return std::find(map.begin(), map.end(), t) != map.end(); };
    const auto find = [&](const AVStream& st, bool same_pid) {
        for (std::size_t t = 0; t < tracks_.size(); ++t)
            if (tracks_[t].lane == lane && tracks_[t].parameters->codec_id == st.codecpar->codec_id &&
                !taken(static_cast<int>(t)) && (!same_pid || tracks_[t].pid == st.id))
                return static_cast<int>(t);
        return none;
    };
    for (const bool same_pid : {true, false})
        for (std::size_t s = first; s < map.size(); ++s)
            if (map[s] == none) map[s] = find(*context.streams[s], same_pid);

    for (std::size_t s = first; s < map.size(); ++s) {
        const AVStream& st = *context.streams[s];
        if (map[s] != none) {
            if (add) meet_again(tracks_[static_cast<std::size_t>(map[s])], st, in.is_ts());
            continue;
        }
        if (const auto why = why_not_add(*st.codecpar); !why.empty()) {
            if (why != not_asked_for) note(fmt::format("track 0x{:x} left out: {}", st.id, why));
            continue;
        }
        if (!add) continue;
        map[s] = static_cast<int>(tracks_.size());
        add_track(st, in.is_ts(), lane);
    }
}

std::string TrackSet::why_not_add(const AVCodecParameters& par) const {
    const auto kind = kind_of(par);
    if (!wanted_.format) return kind == TrackKind::data ? not_asked_for : "";
    if ((wanted_.audio_only || wanted_.format == OutputFormat::m4a) && kind != TrackKind::audio) return not_asked_for;
    if (auto why = why_not(*wanted_.format, par); !why.empty()) return why;
    if (wanted_.format == OutputFormat::flv)
        for (const auto& t : tracks_)
            if (t.kind == kind) return fmt::format("FLV holds one track of {} only", word_for(par.codec_type));
    return {};
}

void TrackSet::add_track(const AVStream& st, bool ts, std::uint16_t lane) {
    KnownTrack track;
    track.kind = kind_of(*st.codecpar);
    track.codec = codec_name(*st.codecpar);
    if (const auto* language = av_dict_get(st.metadata, "language", nullptr, 0)) track.language = language->value;
    if (track.language == "und") track.language.clear();
    if (const auto said = wanted_.languages.find(lane); track.language.empty() && said != wanted_.languages.end())
        track.language = said->second;
    track.pid = st.id;
    track.lane = lane;
    track.time_base = st.time_base;
    track.parameters = clone(*st.codecpar);
    track.coding = coding_of(track.codec);
    track.form = form_of(*st.codecpar, ts);
    if (track.form == Form::lengths) track.nal_length = nal_length_of(track.coding, extradata_of(*st.codecpar));
    tracks_.push_back(std::move(track));
}

void TrackSet::meet_again(KnownTrack& known, const AVStream& st, bool ts) {
    const auto& par = *st.codecpar;
    const auto form = form_of(par, ts);
    if (!known.complete()) {
        known.parameters = clone(par);
        known.form = form;
        known.nal_length = form == Form::lengths ? nal_length_of(known.coding, extradata_of(par)) : 0;
    }
    if (known.form == Form::lengths &&
        (form != Form::lengths || !std::ranges::equal(extradata_of(par), extradata_of(*known.parameters)))) {
        known.parameters = with_start_codes(*known.parameters, known.time_base);
        known.form = Form::start_codes;
        known.nal_length = 0;
    }
    if (known.kind == TrackKind::audio && par.sample_rate > 0 && known.complete() &&
        par.sample_rate != known.parameters->sample_rate)
        note(fmt::format("track 0x{:x}: the sample rate changes from {} to {}", known.pid,
                         known.parameters->sample_rate, par.sample_rate));
}

void TrackSet::survey(Input& in, std::uint16_t lane) {
    const auto map = match(in, true, lane);
    // ADTS says in each frame what the other containers want to know before the first.
    std::set<std::size_t> open;
    for (std::size_t s = 0; s < map.size(); ++s)
        if (map[s] != none) {
            const auto& track = tracks_[static_cast<std::size_t>(map[s])];
            if (in.wraps() && track.coding == UnitCoding::aac && track.parameters->extradata_size == 0) open.insert(s);
        }
    constexpr std::size_t most_packets = 4000, most_bytes = 32u << 20;
    std::size_t bytes = 0;
    std::vector<Packet> seen;
    while (!open.empty() && seen.size() < most_packets && bytes < most_bytes) {
        auto packet = new_packet();
        if (const auto got = in.next(*packet); !got || !*got) break;
        const auto s = static_cast<std::size_t>(packet->stream_index);
        if (open.contains(s)) {
            const auto config = config_of_adts(*in.context().streams[s]->codecpar, *packet);
            if (!config.empty()) {
                set_extradata(*tracks_[static_cast<std::size_t>(map[s])].parameters, config);
                open.erase(s);
            }
        }
        bytes += static_cast<std::size_t>(packet->size);
        seen.push_back(std::move(packet));
    }
    for (auto& packet : seen) in.put_back(std::move(packet));
}

void TrackSet::drop_incomplete() {
    std::erase_if(tracks_, [](const KnownTrack& t) { return !t.complete(); });
}

void TrackSum::add(std::uint64_t unit_hash, Micros pts, Micros duration) {
    summary.hash = fold(summary.hash, unit_hash);
    ++summary.packets;
    summary.first = any ? std::min(summary.first, pts) : pts;
    summary.last = any ? std::max(summary.last, pts) : pts;
    end = any ? std::max(end, pts + duration) : pts + duration;
    any = true;
}

Summary sum_up(const std::vector<TrackSum>& tracks) {
    Summary all;
    Micros first{0}, end{0};
    for (const auto& t : tracks) {
        if (!t.any) continue;
        first = all.tracks.empty() ? t.summary.first : std::min(first, t.summary.first);
        end = all.tracks.empty() ? t.end : std::max(end, t.end);
        all.tracks.push_back(t.summary);
    }
    all.duration = end - first;
    return all;
}

}  // namespace weir::media
