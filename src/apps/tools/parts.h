#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "media/tool.h"
#include "runtime/file_system.h"

namespace weir::apps {

/// One place in a recording that was cut up, and the files that hold it, the best container first: names that differ in
/// their ending only are the same part (FC2-89).
struct PartChoice {
    std::string
        rest;  ///< what orders it: the name after the prefix, without ending and dots around it; "" is the first
    std::vector<std::string> names;
};

/// The parts of `prefix` (a bare name) in a folder's listing, in the order they are to be joined: those with numbers
/// first and by number, then the others by their text (FC2-88 to FC2-90). A dot must follow the prefix; folders, empty
/// files and what is itself joined (".combined.") are not parts. Pure: what in it is media has to be looked at.
[[nodiscard]] std::vector<PartChoice> part_choices(std::span<const DirEntry> listing, std::string_view prefix);

/// The order of two rests; "" counts as 0. A strict weak order, for numbers of any length.
[[nodiscard]] bool part_before(std::string_view a, std::string_view b) noexcept;

/// .ts 100, .mkv 50, .mp4 20, .avi 10, .aac 5, .m4a 1, .mp3 0, others -1; any letter case (FC2-89).
[[nodiscard]] int container_priority(std::string_view name) noexcept;

/// The name says media: when such a file cannot be read, something is lost, and a person must be told. Other files
/// beside a recording (.json, .png) need only not be media to be left out.
[[nodiscard]] bool named_like_media(std::string_view name) noexcept;

/// Sound, or pictures that move (a thumbnail is a video track of one picture to libav).
[[nodiscard]] bool is_part_media(const media::Probe& probe) noexcept;

/// PREFIX, number and ending of PREFIX.combined.mp4 and PREFIX.combined.2.mp4 (FC2-92, FC2-93).
struct CombinedName {
    std::string prefix, ending;
    unsigned number = 0;
};
[[nodiscard]] std::optional<CombinedName> parse_combined(std::string_view name);
[[nodiscard]] std::string combined_name(std::string_view prefix, std::string_view ending);

}  // namespace weir::apps
