#pragma once
#include <string_view>

namespace weir::store::journal {

// What enumerations are called in a journal, in the order of their values.
inline constexpr std::string_view container_names[] = {"ts", "flv", "fmp4", "packed_audio", "text", "opaque"};
inline constexpr std::string_view kind_names[] = {"video", "audio", "text", "data"};
inline constexpr std::string_view step_names[] = {"begin", "written", "verified", "renamed", "raw_deleted", "failed"};

}  // namespace weir::store::journal
