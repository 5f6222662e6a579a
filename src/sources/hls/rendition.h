#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "proto/hls/playlist.h"

namespace weir::hls {

/// Which variant a user's wish means.
///
/// best         highest bandwidth, then the larger picture, then more frames
/// worst        the least that has a picture, where any has
/// 720p 720p60  that height or the next lower, else the lowest
/// 1500k 3M     that bandwidth or the next lower, else the lowest
/// names        NAME, VIDEO group, "1280x720"
/// errors       bad_input, naming what there is
[[nodiscard]] Result<std::size_t> choose_variant(const MasterPlaylist& master, std::string_view wish);

/// Alternate audio of a variant that has playlists of its own, in the order of the lanes 1, 2, …
///
/// default      the group's default (else the first to be chosen by itself, else the first); none when that one is in
///              the variant's own playlist
/// all, none    every one, no one
/// names        NAME or LANGUAGE
/// errors       bad_input, naming what there is
[[nodiscard]] Result<std::vector<Rendition>> choose_audio(const MasterPlaylist& master, const Variant& variant,
                                                          std::string_view wish);

/// The rendition of the variant's audio group that is `before`; none when there is no such one with a playlist.
[[nodiscard]] const Rendition* same_audio(const MasterPlaylist& master, const Variant& variant,
                                          const Rendition& before);

/// "720p60 3003k", for people and for finding the same one again in a newer multivariant playlist.
[[nodiscard]] std::string variant_name(const Variant& v);

/// Index of the variant that is `before` in a newer playlist: by name and size, then by the nearest bandwidth.
[[nodiscard]] std::size_t same_variant(const MasterPlaylist& master, const Variant& before);

}  // namespace weir::hls
