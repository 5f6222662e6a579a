#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "media/tool.h"
#include "runtime/file_system.h"

namespace weir::apps {

/// What was asked for as "mp4", "MKV", ".ts", "fmp4". Errors: unsupported, naming what there is.
[[nodiscard]] Result<media::OutputFormat> format_named(std::string_view word);

/// The name's last ending with its dot, or nothing. Only what looks like one counts: "Mr. Smith" and ".hidden" have none.
[[nodiscard]] std::string_view ending_in(std::string_view name) noexcept;
[[nodiscard]] std::string_view without_ending(std::string_view name) noexcept;

/// DIR/NAME.mp4 of DIR/NAME.ts: the input without its ending, plus `ending` (FC2-98); a name that would be too long is
/// cut on a character border.
[[nodiscard]] Path output_beside(const Path& input, std::string_view ending);

/// DIR/.NAME.part.mp4 of DIR/NAME.mp4: what a file is called while it is made.
[[nodiscard]] Path part_name(const Path& file);

/// The lowest number from `from` on for which none of `wanted`, numbered (NAME.1.mp4), is taken; 0 is the bare name
/// (FC2-98). A file that is being made takes its name too. Errors: what `taken` says; busy after 100,000.
[[nodiscard]] Result<unsigned> free_number(const std::vector<Path>& wanted, unsigned from,
                                           const std::function<Result<bool>(const Path&)>& taken);

}  // namespace weir::apps
