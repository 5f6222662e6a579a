#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "proto/hls/playlist.h"

namespace weir::hls {

/// Which variant a user's wish means.
///
/// best         highest bandwidth, then the larger picture, then more frames
/// worst        the least that has a picture, where any has
/// 720p 720p60  that height or the next lower, else the lowest
/// 1500k 3M     that bandwidth or the next lower, else the lowest
/// names        NAME, VIDEO group, "1280x720"
/// errors       bad_input, naming what there is; unsupported when the sound is a playlist of its own
[[nodiscard]] Result<std::size_t> choose_variant(const MasterPlaylist& master, std::string_view wish);

/// "720p60 3003k", for people and for finding the same one again in a newer multivariant playlist.
[[nodiscard]] std::string variant_name(const Variant& v);

/// Index of the variant that is `before` in a newer playlist: by name and size, then by the nearest bandwidth.
[[nodiscard]] std::size_t same_variant(const MasterPlaylist& master, const Variant& before);

}  // namespace weir::hls
