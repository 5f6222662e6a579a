#include "apps/tools/parts.h"

#include <algorithm>
#include <array>
#include <map>

#include "apps/tools/names.h"
#include "base/text.h"
#include "store/names.h"

namespace weir::apps {
namespace {

constexpr std::string_view combined_word = ".combined";

std::string_view without_dots(std::string_view s) {
    while (s.starts_with('.')) s.remove_prefix(1);
    while (s.ends_with('.')) s.remove_suffix(1);
    return s;
}

bool all_digits(std::string_view s) {
    return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view without_zeros(std::string_view s) {
    while (s.starts_with('0')) s.remove_prefix(1);
    return s;
}

/// The last dot ends the identity whatever follows it, as the reference has it: "name.fc2chat.json" is "name.fc2chat".
std::size_t last_dot(std::string_view name) {
    const auto dot = name.rfind('.');
    return dot == std::string_view::npos ? name.size() : dot;
}

}  // namespace

bool part_before(std::string_view a, std::string_view b) noexcept {
    const bool a_number = a.empty() || all_digits(a), b_number = b.empty() || all_digits(b);
    if (a_number != b_number) return a_number;
    if (!a_number) return a < b;
    const auto x = without_zeros(a), y = without_zeros(b);
    if (x.size() != y.size()) return x.size() < y.size();
    if (x != y) return x < y;
    return a < b;  // "", "0", "00": the same number
}

int container_priority(std::string_view name) noexcept {
    static constexpr std::array<std::pair<std::string_view, int>, 7> known{
        {{".ts", 100}, {".mkv", 50}, {".mp4", 20}, {".avi", 10}, {".aac", 5}, {".m4a", 1}, {".mp3", 0}}};
    const auto ending = ascii_lowered(name.substr(last_dot(name)));
    const auto it = std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.first == ending; });
    return it == known.end() ? -1 : it->second;
}

bool named_like_media(std::string_view name) noexcept {
    static constexpr std::array<std::string_view, 9> others{".flv",  ".m4s", ".m4v",  ".mov", ".mka",
                                                            ".m2ts", ".mts", ".webm", ".ogg"};
    if (container_priority(name) >= 0) return true;
    const auto ending = ascii_lowered(name.substr(last_dot(name)));
    return std::find(others.begin(), others.end(), ending) != others.end();
}

bool is_part_media(const media::Probe& probe) noexcept {
    static constexpr std::array<std::string_view, 8> stills{"png",  "apng", "mjpeg", "gif",
                                                            "webp", "bmp",  "tiff",  "ansi"};
    return std::any_of(probe.tracks.begin(), probe.tracks.end(), [](const media::ProbeTrack& t) {
        if (t.kind == TrackKind::audio) return true;
        return t.kind == TrackKind::video && std::find(stills.begin(), stills.end(), t.codec) == stills.end();
    });
}

std::vector<PartChoice> part_choices(std::span<const DirEntry> listing, std::string_view prefix) {
    std::map<std::string, PartChoice> found;  // by identity
    for (const auto& entry : listing) {
        const std::string_view name = entry.name;
        if (entry.is_directory || entry.size == 0 || prefix.empty()) continue;
        if (name.size() <= prefix.size() || !name.starts_with(prefix) || name[prefix.size()] != '.') continue;
        if (name.find(".combined.") != std::string_view::npos) continue;
        const auto identity = name.substr(0, last_dot(name));
        if (identity.size() < prefix.size()) continue;
        auto& choice = found[std::string(identity)];
        choice.rest = without_dots(identity.substr(prefix.size()));
        choice.names.emplace_back(name);
    }
    std::vector<PartChoice> out;
    for (auto& [identity, choice] : found) {
        std::stable_sort(choice.names.begin(), choice.names.end(),
                         [](const auto& a, const auto& b) { return container_priority(a) > container_priority(b); });
        out.push_back(std::move(choice));
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const PartChoice& a, const PartChoice& b) { return part_before(a.rest, b.rest); });
    return out;
}

std::optional<CombinedName> parse_combined(std::string_view name) {
    const auto ending = ending_in(name);
    if (ending.empty()) return std::nullopt;
    auto stem = name.substr(0, name.size() - ending.size());
    CombinedName c;
    c.ending = ending;
    if (!stem.ends_with(combined_word)) {
        const auto dot = last_dot(stem);
        if (dot == stem.size()) return std::nullopt;
        const auto digits = stem.substr(dot + 1);
        constexpr std::size_t most_digits = 6;
        if (!all_digits(digits) || digits.size() > most_digits) return std::nullopt;
        for (const char d : digits) c.number = c.number * 10 + static_cast<unsigned>(d - '0');
        stem = stem.substr(0, dot);
        if (!stem.ends_with(combined_word)) return std::nullopt;
    }
    c.prefix = stem.substr(0, stem.size() - combined_word.size());
    if (c.prefix.empty()) return std::nullopt;
    return c;
}

std::string combined_name(std::string_view prefix, std::string_view ending) {
    return store::shorten_name(prefix, store::max_name_bytes - store::room_for_endings) + std::string(combined_word) +
           std::string(ending);
}

}  // namespace weir::apps
