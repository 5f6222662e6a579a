#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/asio.h"
#include "runtime/file_lane.h"

namespace weir::apps {

/// A small hidden file beside a recording, DIR/.NAME<ending> beside DIR/NAME.weir.jsonl: what is still wanted of it, or known of it,
/// that its journal has no line for. It outlives a kill.
[[nodiscard]] Path mark_beside(const Path& journal, std::string_view ending);
/// `text` takes the place of what it said. A failure is a warning: only a start after a kill would miss it.
Task<void> set_mark(FileLane& lane, Path journal, std::string ending, std::string text = {});
/// What it says; nothing when there is none.
Task<std::optional<std::string>> read_mark(FileLane& lane, Path journal, std::string ending);
Task<void> clear_mark(FileLane& lane, Path journal, std::string ending);
/// The journals of the marks among a folder's entries; marks without a journal go. Blocks.
[[nodiscard]] std::vector<Path> marked_in(FileSystem& fs, const Path& folder, const std::vector<DirEntry>& entries,
                                          std::string_view ending);

}  // namespace weir::apps
