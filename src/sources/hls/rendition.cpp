#include "sources/hls/rendition.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

namespace weir::hls {
namespace {

auto rank(const Variant& v) {
    const auto size = v.resolution.value_or(Resolution{});
    return std::tuple(v.bandwidth, std::uint64_t{size.width} * size.height, v.frame_rate.value_or(0));
}

bool has_picture(const Variant& v) {
    if (v.resolution) return true;
    if (v.codecs.empty()) return v.video != "audio_only" && v.name != "audio_only";
    for (const char* codec : {"avc", "hvc", "hev", "vp0", "av01", "mp4v", "dvh"})
        if (v.codecs.find(codec) != std::string::npos) return true;
    return false;
}

/// A leading number and what follows it.
struct Measure {
    double number;
    std::string_view rest;
};
std::optional<Measure> measure(std::string_view wish) {
    double number = 0;
    const auto [end, ec] = std::from_chars(wish.data(), wish.data() + wish.size(), number, std::chars_format::fixed);
    if (ec != std::errc{} || number <= 0) return std::nullopt;
    return Measure{number, wish.substr(static_cast<std::size_t>(end - wish.data()))};
}

/// The best variant for which `fits`, else the least of all (with a picture where any has).
template <class Fits>
std::size_t best_where(const std::vector<Variant>& all, Fits fits) {
    std::optional<std::size_t> best;
    std::size_t least = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (fits(all[i]) && (!best || rank(all[i]) > rank(all[*best]))) best = i;
        const auto key = [&](const Variant& v) { return std::tuple(!has_picture(v), rank(v)); };
        if (key(all[i]) < key(all[least])) least = i;
    }
    return best.value_or(least);
}

/// Height first: the highest that is not above the wish; of those the wanted or highest frame rate and bandwidth.
std::size_t by_height(const std::vector<Variant>& all, double height, double rate) {
    std::optional<std::size_t> best;
    const auto key = [&](const Variant& v) {
        const bool too_fast = rate > 0 && v.frame_rate.value_or(0) > rate + 1;
        return std::tuple(v.resolution->height, !too_fast, v.frame_rate.value_or(0), v.bandwidth);
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!all[i].resolution || all[i].resolution->height > height) continue;
        if (!best || key(all[i]) > key(all[*best])) best = i;
    }
    return best.value_or(best_where(all, [](const Variant&) { return false; }));
}

Result<std::size_t> by_name(const MasterPlaylist& master, std::string_view wish) {
    std::string names;
    for (std::size_t i = 0; i < master.variants.size(); ++i) {
        const auto& v = master.variants[i];
        const auto size = v.resolution ? fmt::format("{}x{}", v.resolution->width, v.resolution->height) : "";
        if (wish == v.name || wish == v.video || wish == size || wish == variant_name(v)) return i;
        for (const auto& r : master.renditions)
            if (r.type == "VIDEO" && r.group == v.video && r.name == wish) return i;
        if (i < 20) names += fmt::format("{}{}", i ? ", " : "", variant_name(v));
    }
    return Error{Errc::bad_input, fmt::format("no rendition is called '{}'; there are: {}", wish, names)};
}

Result<std::size_t> pick(const MasterPlaylist& master, std::string_view wish) {
    const auto& all = master.variants;
    if (wish.empty() || wish == "best") return best_where(all, [](const Variant&) { return true; });
    if (wish == "worst") return best_where(all, [](const Variant&) { return false; });
    if (auto named = by_name(master, wish)) return named;
    const auto m = measure(wish);
    if (!m) return by_name(master, wish);
    if (m->rest == "p") return by_height(all, m->number, 0);
    if (m->rest.starts_with("p"))
        if (const auto rate = measure(m->rest.substr(1)); rate && rate->rest.empty())
            return by_height(all, m->number, rate->number);
    const double scale = m->rest == "k" || m->rest == "K"   ? 1e3
                         : m->rest == "M" || m->rest == "m" ? 1e6
                         : m->rest.empty()                  ? 1
                                                            : 0;
    if (scale > 0)
        return best_where(all, [&](const Variant& v) { return static_cast<double>(v.bandwidth) <= m->number * scale; });
    return by_name(master, wish);
}

std::vector<Rendition> audio_of(const MasterPlaylist& master, const Variant& v) {
    std::vector<Rendition> out;
    for (const auto& r : master.renditions)
        if (r.type == "AUDIO" && r.group == v.audio && !v.audio.empty()) out.push_back(r);
    return out;
}

/// Sound in the variant's own playlist needs no lane.
bool has_playlist(const Rendition& r, const Variant& v) {
    return !r.uri.empty() && r.uri != v.uri;
}

}  // namespace

std::string variant_name(const Variant& v) {
    const auto kbit = v.bandwidth / 1000;
    if (!v.name.empty()) return fmt::format("{} {}k", v.name, kbit);
    if (!v.video.empty()) return fmt::format("{} {}k", v.video, kbit);
    if (!v.resolution) return fmt::format("{}k", kbit);
    const auto rate = v.frame_rate ? fmt::format("{:.0f}", std::round(*v.frame_rate)) : "";
    return fmt::format("{}p{} {}k", v.resolution->height, rate, kbit);
}

Result<std::size_t> choose_variant(const MasterPlaylist& master, std::string_view wish) {
    return pick(master, wish);
}

Result<std::vector<Rendition>> choose_audio(const MasterPlaylist& master, const Variant& variant,
                                            std::string_view wish) {
    std::vector<Rendition> out;
    const auto all = audio_of(master, variant);
    if (wish == "none" || all.empty()) return out;
    if (wish == "default" || wish.empty()) {
        const auto* chosen = &all.front();
        for (const auto& r : all)
            if (std::pair(r.is_default, r.autoselect) > std::pair(chosen->is_default, chosen->autoselect)) chosen = &r;
        if (has_playlist(*chosen, variant)) out.push_back(*chosen);
        return out;
    }
    std::string names;
    bool found = wish == "all";
    for (const auto& r : all) {
        names += fmt::format("{}{}{}", names.empty() ? "" : ", ", r.name,
                             r.language.empty() ? "" : fmt::format(" ({})", r.language));
        if (wish != "all" && wish != r.name && wish != r.language) continue;
        found = true;
        const bool twice = std::any_of(out.begin(), out.end(), [&](const auto& o) { return o.uri == r.uri; });
        if (has_playlist(r, variant) && !twice) out.push_back(r);
    }
    if (!found) return Error{Errc::bad_input, fmt::format("no sound is called '{}'; there are: {}", wish, names)};
    return out;
}

const Rendition* same_audio(const MasterPlaylist& master, const Variant& variant, const Rendition& before) {
    for (const auto& r : master.renditions)
        if (r.type == "AUDIO" && r.group == variant.audio && r.name == before.name && r.language == before.language &&
            has_playlist(r, variant))
            return &r;
    return nullptr;
}

std::size_t same_variant(const MasterPlaylist& master, const Variant& before) {
    const auto distance = [&](const Variant& v) {
        const auto far =
            v.bandwidth > before.bandwidth ? v.bandwidth - before.bandwidth : before.bandwidth - v.bandwidth;
        return std::tuple(v.name != before.name || v.video != before.video, v.resolution != before.resolution,
                          v.codecs != before.codecs, far);
    };
    std::size_t best = 0;
    for (std::size_t i = 1; i < master.variants.size(); ++i)
        if (distance(master.variants[i]) < distance(master.variants[best])) best = i;
    return best;
}

}  // namespace weir::hls
