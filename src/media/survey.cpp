#include "media/survey.h"

#include <algorithm>

namespace weir::media {

Result<std::unique_ptr<Input>> survey(const JoinPlan& plan, TrackSet& set) {
    std::unique_ptr<Input> first;
    std::optional<Error> worst;
    bool before_first = true, any_media = false;
    for (std::size_t i = 0; i < plan.input.size(); ++i) {
        const auto& stretch = plan.input[i];
        if (stretch.size == 0) continue;
        const bool is_first = std::exchange(before_first, false);
        auto in = Input::open_stretch(stretch);
        if (!in) {
            if (in.error().code != Errc::bad_input) return within(fmt::format("stretch {}", i), in.error());
            set.note(fmt::format("stretch {} (from byte {}) holds no media: {}", i, stretch.offset, in.error().what));
            if (!worst) worst = in.error();
            continue;
        }
        if ((*in)->size() < stretch.size)
            set.note(
                fmt::format("stretch {} ends {} bytes early: the file is shorter", i, stretch.size - (*in)->size()));
        for (const auto& note : (*in)->notes()) set.note(fmt::format("stretch {}: {}", i, note));
        set.survey(**in, stretch.lane);
        any_media = any_media || (*in)->context().nb_streams > 0;
        if (is_first) first = std::move(*in);
    }
    set.drop_incomplete();
    if (!set.tracks().empty()) return first;
    if (worst && !any_media) return *worst;
    if (set.wanted().audio_only || set.wanted().format == OutputFormat::m4a)
        return Error{Errc::bad_input, any_media ? "no sound in it" : "no media in it"};
    return Error{Errc::bad_input, set.notes().empty() ? "no media in it" : set.notes().front()};
}

namespace {

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

}  // namespace

std::uint64_t index_room(const JoinPlan& plan, const Input* first) {
    constexpr std::uint64_t worth_it = 64u << 20;
    constexpr double bytes_per_packet = 24, margin = 1.2, most_waste = 0.01;
    if (!first) return 0;
    std::uint64_t total = 0, stretches = 0;
    const Stretch* largest = nullptr;
    for (const auto& s : plan.input) {
        total += s.size;
        stretches += s.size > 0;
        if (!largest || s.size > largest->size) largest = &s;
    }
    if (total < worth_it || largest->size < total / 2) return 0;
    double packets = 0;
    if (first->is_ts()) packets = densest_sample(*largest) * static_cast<double>(total);
    if (stretches == 1 && !first->is_ts()) packets = static_cast<double>(first->indexed_packets());
    const double room = packets * bytes_per_packet * margin;
    const bool sensible = room > 0 && room < static_cast<double>(total) * most_waste;
    return sensible ? static_cast<std::uint64_t>(room) + 65'536 : 0;
}

}  // namespace weir::media
