#pragma once
#include <string>

namespace weir::media {

/// The one file this child is making: a SIGTERM takes it away. One at a time; no-ops unless the handler was installed.
void partial_file_begins(const std::string& path);
void partial_file_ends() noexcept;
/// Called once by tool_main().
void remove_partial_file_on_term();

}  // namespace weir::media
