#include "apps/tools/proof.h"

#include <array>
#include <utility>

namespace weir::apps {
namespace {

struct Count {
    std::uint64_t tracks = 0, packets = 0;
};

Count count(const media::Summary& s, TrackKind kind) {
    Count c;
    for (const auto& t : s.tracks)
        if (t.kind == kind) ++c.tracks, c.packets += t.packets;
    return c;
}

std::uint64_t apart(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : b - a;
}

Micros frame_of(std::span<const ReadMedia> parts) {
    constexpr Micros usual{40'000};
    Micros longest{0};
    for (const auto& p : parts)
        if (p.frames_per_second > 0)
            longest = std::max(longest, Micros(static_cast<std::int64_t>(1e6 / p.frames_per_second)));
    return longest > Micros{0} ? longest : usual;
}

Result<> durations_agree(const ReadMedia& joined, std::span<const ReadMedia> parts) {
    Micros all{0};
    for (const auto& p : parts) all += p.summary.duration;
    const Micros off = joined.summary.duration - all;
    const Micros allowed = frame_of(parts) * static_cast<std::int64_t>(parts.size());
    if (off <= allowed && off >= -allowed) return {};
    return Error{Errc::bad_input, fmt::format("{} lasts {:.3f} s, its {} parts together {:.3f} s", joined.name,
                                              static_cast<double>(joined.summary.duration.count()) / 1e6, parts.size(),
                                              static_cast<double>(all.count()) / 1e6)};
}

}  // namespace

Result<> proves(const ReadMedia& joined, std::span<const ReadMedia> parts, bool sound_only) {
    static constexpr std::array<std::pair<TrackKind, std::string_view>, 3> kinds{
        {{TrackKind::video, "pictures"}, {TrackKind::audio, "sound"}, {TrackKind::text, "subtitles"}}};
    bool exact = true, anything = false;
    for (const auto& [kind, word] : kinds) {
        const auto have = count(joined.summary, kind);
        Count want;
        auto smallest = std::numeric_limits<std::uint64_t>::max();  // of the parts that have any
        for (const auto& p : parts) {
            const auto c = count(p.summary, kind);
            if (c.packets) smallest = std::min<std::uint64_t>(smallest, c.packets);
            want.tracks = std::max(want.tracks, c.tracks);
            want.packets += c.packets;
        }
        if (sound_only && kind != TrackKind::audio) {
            if (have.tracks) return Error{Errc::bad_input, fmt::format("{} holds more than sound", joined.name)};
            continue;
        }
        if ((have.packets == 0) != (want.packets == 0) || have.tracks < want.tracks)
            return Error{Errc::bad_input, fmt::format("{} has {} tracks with {}, its parts have {}", joined.name,
                                                      have.tracks, word, want.tracks)};
        anything = anything || want.packets > 0;
        exact = exact && have.packets == want.packets;
        // A packet lost at each join is borne; never as many as a whole part has.
        const auto off = apart(have.packets, want.packets);
        if (off >= std::max<std::size_t>(parts.size(), 1) || (off && off >= smallest))
            return Error{Errc::bad_input, fmt::format("{} has {} packets of {}, its {} parts have {}", joined.name,
                                                      have.packets, word, parts.size(), want.packets)};
    }
    if (!anything) return Error{Errc::bad_input, fmt::format("{}: there is nothing to compare", joined.name)};
    if (exact) return {};
    return durations_agree(joined, parts);
}

std::string too_young(const FileFacts& joined, std::span<const FileFacts> parts, WallTime now, Millis age) {
    const auto young = [&](const FileFacts& f) { return now - f.modified <= age; };
    if (young(joined)) return fmt::format("{} is not old enough", joined.name);
    for (const auto& p : parts)
        if (young(p)) return fmt::format("{} is not old enough, it may still be written", p.name);
    return {};
}

std::string forbidden_by(const Journals& journals, const std::string& name) {
    for (const auto* waiting : {&journals.being_written, &journals.unfinished})
        if (const auto it = waiting->find(name); it != waiting->end())
            return fmt::format("{} belongs to a recording that {} ({})", name,
                               waiting == &journals.being_written ? "is being written" : "is not finished", it->second);
    for (const auto& stem : journals.unreadable_stems)
        if (name.starts_with(stem)) return fmt::format("the journal {}weir.jsonl cannot be read", stem);
    return {};
}

}  // namespace weir::apps
