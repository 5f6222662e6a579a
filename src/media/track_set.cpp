#include "media/track_set.h"

#include <algorithm>
#include <span>

namespace weir::media {
namespace {

constexpr std::size_t max_notes = 50;

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

bool mp4_holds(const AVCodecParameters& par) {
    if (par.codec_id == AV_CODEC_ID_NONE) return false;
    if (par.codec_type != AVMEDIA_TYPE_VIDEO && par.codec_type != AVMEDIA_TYPE_AUDIO &&
        par.codec_type != AVMEDIA_TYPE_SUBTITLE)
        return false;
    static const auto* muxer = av_guess_format("mp4", nullptr, nullptr);
    return muxer && avformat_query_codec(muxer, par.codec_id, FF_COMPLIANCE_NORMAL) == 1;
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

std::vector<int> TrackSet::match(Input& in, bool add) {
    std::vector<int> map;
    extend(map, in, add);
    return map;
}

void TrackSet::extend(std::vector<int>& map, Input& in, bool add) {
    auto& context = in.context();
    const std::size_t first = map.size();
    map.resize(context.nb_streams, none);
    const auto taken = [&](int t) { return std::find(map.begin(), map.end(), t) != map.end(); };
    const auto find = [&](const AVStream& st, bool same_pid) {
        for (std::size_t t = 0; t < tracks_.size(); ++t)
            if (tracks_[t].parameters->codec_id == st.codecpar->codec_id && !taken(static_cast<int>(t)) &&
                (!same_pid || tracks_[t].pid == st.id))
                return static_cast<int>(t);
        return none;
    };
    for (const bool same_pid : {true, false})
        for (std::size_t s = first; s < map.size(); ++s)
            if (map[s] == none) map[s] = find(*context.streams[s], same_pid);

    for (std::size_t s = first; s < map.size(); ++s) {
        const AVStream& st = *context.streams[s];
        if (map[s] != none) {
            auto& known = tracks_[static_cast<std::size_t>(map[s])];
            if (add && !known.complete()) known.parameters = clone(*st.codecpar);
            if (add && known.kind == TrackKind::audio && st.codecpar->sample_rate > 0 && known.complete() &&
                st.codecpar->sample_rate != known.parameters->sample_rate)
                note(fmt::format("track 0x{:x}: the sample rate changes from {} to {}", known.pid,
                                 known.parameters->sample_rate, st.codecpar->sample_rate));
            continue;
        }
        if (!mp4_holds(*st.codecpar)) {
            note(fmt::format("track 0x{:x} left out: MP4 cannot hold {} {}", st.id, word_for(st.codecpar->codec_type),
                             codec_name(*st.codecpar)));
            continue;
        }
        if (!add) continue;
        KnownTrack track;
        track.kind = kind_of(*st.codecpar);
        track.codec = codec_name(*st.codecpar);
        if (const auto* language = av_dict_get(st.metadata, "language", nullptr, 0)) track.language = language->value;
        track.pid = st.id;
        track.time_base = st.time_base;
        track.parameters = clone(*st.codecpar);
        track.coding = coding_of(track.codec);
        track.nal_length =
            in.is_ts() ? 0
                       : nal_length_of(track.coding,
                                       {st.codecpar->extradata, static_cast<std::size_t>(st.codecpar->extradata_size)});
        map[s] = static_cast<int>(tracks_.size());
        tracks_.push_back(std::move(track));
    }
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
