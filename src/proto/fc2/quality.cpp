#include "proto/fc2/quality.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace weir::fc2 {
namespace {

constexpr int sound = 90, first_media_mode = 10;
constexpr std::array<std::string_view, 6> qualities{"150Kbps", "400Kbps", "1.2Mbps", "2Mbps", "3Mbps", "sound"};
constexpr std::array<int, 6> quality_codes{10, 20, 30, 40, 50, sound};
constexpr std::array<std::string_view, 3> latencies{"low", "high", "mid"};  // codes 0, 1, 2

Error unknown_name(std::string_view what, std::string_view name, std::span<const std::string_view> names) {
    std::string shown;
    append_printable(shown, name.substr(0, 64), true);
    return Error{Errc::bad_input, fmt::format("unknown {} \"{}\": one of {}", what, shown, fmt::join(names, ", "))};
}

/// Greater is better; sound comes last (FC2-34).
int rank_of(int mode) {
    return mode >= sound ? mode - sound - 1000 : mode;
}

bool is_usable(const Playlist& p) {
    return p.mode >= first_media_mode && p.status == 0 && !p.url.empty();
}

}  // namespace

Result<int> quality_code(std::string_view name) {
    const auto* it = std::find(qualities.begin(), qualities.end(), name);
    if (it == qualities.end()) return unknown_name("quality", name, qualities);
    return quality_codes[static_cast<std::size_t>(it - qualities.begin())];
}

Result<int> latency_code(std::string_view name) {
    const auto* it = std::find(latencies.begin(), latencies.end(), name);
    if (it == latencies.end()) return unknown_name("latency", name, latencies);
    return static_cast<int>(it - latencies.begin());
}

std::string mode_text(int mode) {
    const auto* it = std::find(quality_codes.begin(), quality_codes.end(), mode / 10 * 10);
    const auto latency = static_cast<std::size_t>(mode < 0 ? latencies.size() : static_cast<std::size_t>(mode % 10));
    if (it == quality_codes.end() || latency >= latencies.size()) return "unknown";
    return fmt::format("{} {}", qualities[static_cast<std::size_t>(it - quality_codes.begin())], latencies[latency]);
}

std::span<const std::string_view> quality_names() noexcept {
    return qualities;
}

std::span<const std::string_view> latency_names() noexcept {
    return latencies;
}

std::optional<Choice> choose_playlist(std::span<const Playlist> playlists, int wanted_mode) {
    const bool wants_sound = wanted_mode >= sound;
    const Playlist *best = nullptr, *of_latency = nullptr;
    bool has_pictures = false;
    for (const auto& p : playlists) has_pictures = has_pictures || (is_usable(p) && p.mode < sound);
    for (const auto& p : playlists) {
        if (!is_usable(p)) continue;
        if (p.mode == wanted_mode) return Choice{p, true};
        if (p.mode >= sound && has_pictures && !wants_sound) continue;
        const auto better_than = [&](const Playlist* than) { return !than || rank_of(p.mode) > rank_of(than->mode); };
        if (better_than(best)) best = &p;
        if (p.mode % 10 == wanted_mode % 10 && better_than(of_latency)) of_latency = &p;
    }
    if (!best) return {};
    return Choice{of_latency ? *of_latency : *best, false};
}

}  // namespace weir::fc2
