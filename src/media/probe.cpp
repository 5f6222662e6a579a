#include <cmath>

#include "media/libav.h"
#include "media/tool_work.h"

namespace weir::media {
namespace {

/// Channels by the field's new home in libavutil 57.24, its old one before.
int channels_of(const AVCodecParameters& par) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
    return par.ch_layout.nb_channels;
#else
    return par.channels;
#endif
}

double rate_of(const AVStream& st) {
    for (const AVRational rate : {st.avg_frame_rate, st.r_frame_rate})
        if (rate.num > 0 && rate.den > 0) return std::round(av_q2d(rate) * 1000) / 1000;
    return 0;
}

std::string text_of(const AVDictionary* words, const char* key) {
    const auto* found = av_dict_get(words, key, nullptr, 0);
    return found ? found->value : "";
}

}  // namespace

Result<Probe> probe_here(const std::string& path) {
    auto opened = Input::open({.path = path, .whole_index = true});
    if (!opened) return within("probe", opened.error());
    auto& context = (*opened)->context();
    Probe p;
    p.format = context.iformat->name;
    p.bytes = (*opened)->size();
    if (context.duration > 0) p.duration = Micros(context.duration);
    if (context.start_time != AV_NOPTS_VALUE) p.start = Micros(context.start_time);
    for (unsigned i = 0; i < context.nb_streams; ++i) {
        const AVStream& st = *context.streams[i];
        const auto& par = *st.codecpar;
        ProbeTrack t;
        t.kind = kind_of(par);
        t.codec = codec_name(par);
        if (const char* profile = avcodec_profile_name(par.codec_id, par.profile)) t.profile = profile;
        t.language = text_of(st.metadata, "language");
        if (t.kind == TrackKind::video) {
            t.width = par.width;
            t.height = par.height;
            t.frames_per_second = rate_of(st);
        }
        if (t.kind == TrackKind::audio) {
            t.sample_rate = par.sample_rate;
            t.channels = channels_of(par);
        }
        if (par.bit_rate > 0) t.bit_rate = static_cast<std::uint64_t>(par.bit_rate);
        p.tracks.push_back(std::move(t));
    }
    return p;
}

}  // namespace weir::media
