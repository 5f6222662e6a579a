#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proto/fc2/messages.h"

namespace weir::fc2 {

/// "3Mbps" → 50; names are exact (FC2-31, FC2-32). Errors: bad_input, naming what there is.
[[nodiscard]] Result<int> quality_code(std::string_view name);
[[nodiscard]] Result<int> latency_code(std::string_view name);
/// "3Mbps mid"; "unknown" for what is none (FC2-33, without its slip: 12 is "150Kbps mid").
[[nodiscard]] std::string mode_text(int mode);
[[nodiscard]] std::span<const std::string_view> quality_names() noexcept;
[[nodiscard]] std::span<const std::string_view> latency_names() noexcept;

struct Choice {
    Playlist playlist;
    bool exact = false;
};
/// FC2-34 without its slips: master playlists (modes 0 to 2), empty URLs and a status other than 0 are left out; the exact mode; else
/// the best of the wanted latency, else the best; sound only when it was wanted or nothing else is there. Nothing: no playlist.
[[nodiscard]] std::optional<Choice> choose_playlist(std::span<const Playlist> playlists, int wanted_mode);

}  // namespace weir::fc2
