#include "media/lane.h"

namespace weir::media {
namespace {

constexpr AVRational ts_clock{1, 90'000};
constexpr std::int64_t no_time = AV_NOPTS_VALUE;

Result<Summary> read_back(const std::string& path, const OnProgress& on_progress, bool content) {
    auto opened = Input::open({.path = path, .without_media = !content});
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
        if (in.wraps()) {
            if (known.coding == UnitCoding::aac && adts_header_size(bytes) % bytes.size() == 0) continue;
            auto here = av_rescale_q(pts, base, ts_clock);
            const auto rounds = near == no_time ? 0 : unwrap(here, near, ts_bits) - here;
            pts += av_rescale_q(rounds, ts_clock, base);
            near = here + rounds;
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

}  // namespace

Result<Summary> summarise_here(const std::string& path, const OnProgress& on_progress) {
    return read_back(path, on_progress, true);
}

Result<Summary> summarise_index_here(const std::string& path, const OnProgress& on_progress) {
    return read_back(path, on_progress, false);
}

}  // namespace weir::media
