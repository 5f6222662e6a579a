#pragma once
#include <string_view>

namespace weir::store::journal {

// What enumerations are called in a journal, in the order of their values.
inline constexpr std::string_view container_names[] = {"ts", "flv", "fmp4", "packed_audio", "text", "opaque"};
inline constexpr std::string_view kind_names[] = {"video", "audio", "text", "data"};
inline constexpr std::string_view step_names[] = {"begin", "written", "verified", "renamed", "raw_deleted", "failed"};

/// The lines, in the order of the alternatives of Line; Other has the name it came with.
inline constexpr std::string_view line_names[] = {"open", "raw", "init", "disc", "begin", "unit", "run",
                                                  "sync", "gap", "lost", "trim", "end",   "final"};

}  // namespace weir::store::journal
