#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "apps/tools/folder_facts.h"

namespace weir::apps {

/// What was proved before the first part was deleted. It lies in the folder as .PREFIX.weir-clean until the last part is
/// gone, so that a clean that was cut short in between can be finished: what is left of the parts proves nothing any more.
struct ProofNote {
    std::vector<FileFacts> all;    ///< joined files that hold everything
    std::vector<FileFacts> sound;  ///< those that hold the sound
    std::vector<FileFacts> parts;
};
[[nodiscard]] Path note_path(const Path& folder, std::string_view prefix);
/// Empty when a name has a line end in it.
[[nodiscard]] std::string note_text(const ProofNote& note);
/// Whatever of it can be understood; a torn note names fewer files and so allows less.
[[nodiscard]] ProofNote parse_note(std::string_view text);
/// The same file in every respect that outlives a reboot.
[[nodiscard]] bool has_same(const std::vector<FileFacts>& known, const FileFacts& file);

}  // namespace weir::apps
