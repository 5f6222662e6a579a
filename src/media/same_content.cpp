#include <algorithm>
#include <tuple>

#include "media/tool.h"

namespace weir::media {
namespace {

std::string name(const TrackSummary& t, std::size_t i) {
    return fmt::format("track {} ({})", i, t.codec);
}

/// MP4 has one name for the three layers of MPEG sound.
std::string_view family(std::string_view codec) {
    return codec == "mp1" || codec == "mp2" ? "mp3" : codec;
}

Micros earliest(const Summary& s) {
    Micros first = s.tracks.empty() ? Micros{0} : s.tracks[0].first;
    for (const auto& t : s.tracks) first = std::min(first, t.first);
    return first;
}

}  // namespace

Result<> same_content(const Summary& raw, const Summary& made) {
    const auto differ = [](std::string what) { return Error{Errc::bad_input, std::move(what), "compare"}; };
    if (raw.tracks.size() != made.tracks.size())
        return differ(fmt::format("{} tracks went in, {} came out", raw.tracks.size(), made.tracks.size()));
    const Micros shift = earliest(made) - earliest(raw);  // a common one is no difference
    constexpr Micros tick{1000};
    for (std::size_t i = 0; i < raw.tracks.size(); ++i) {
        const auto &a = raw.tracks[i], &b = made.tracks[i];
        if (a.kind != b.kind || family(a.codec) != family(b.codec))
            return differ(fmt::format("{} became {}", name(a, i), b.codec));
        if (a.packets != b.packets)
            return differ(fmt::format("{}: {} packets went in, {} came out", name(a, i), a.packets, b.packets));
        if (a.hash != b.hash)
            return differ(fmt::format("{}: the content of its {} packets differs", name(a, i), a.packets));
        for (const auto& [what, from, to] :
             {std::tuple{"begins", a.first, b.first}, std::tuple{"ends", a.last, b.last}})
            if (const Micros off = to - from - shift; off > tick || off < -tick)
                return differ(fmt::format("{} {} {} ms off", name(a, i), what, off.count() / 1000));
    }
    return {};
}

}  // namespace weir::media
