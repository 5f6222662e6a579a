#pragma once
#include <span>
#include <string>

#include "apps/tools/folder_facts.h"
#include "media/tool.h"

namespace weir::apps {

/// What reading a part, or what was joined from the parts, told.
struct ReadMedia {
    std::string name;
    media::Summary summary;
    double frames_per_second = 0;  ///< of the pictures, 0: none or not known
};

/// The joined file holds what the parts do, as far as counting can tell: the same kinds of tracks, and for each kind
/// either exactly as many packets as all parts together, or at most one fewer or more for each join and all durations
/// together within a frame for each join. `sound_only` asks about the sound alone. Errors: bad_input, the first
/// difference in words.
[[nodiscard]] Result<> proves(const ReadMedia& joined, std::span<const ReadMedia> parts, bool sound_only);

/// Pure: why nothing may be done to a set yet; empty when all of it is older than `age` (strictly, FC2-93). The age of
/// every part counts as well.
[[nodiscard]] std::string too_young(const FileFacts& joined, std::span<const FileFacts> parts, WallTime now,
                                    Millis age);

/// Pure: which journal forbids that `name` of the set "PREFIX." is touched, in words; empty: none does.
[[nodiscard]] std::string forbidden_by(const Journals& journals, const std::string& name);

}  // namespace weir::apps
