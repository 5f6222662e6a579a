#pragma once
#include <string>

#include "runtime/file_system.h"

namespace weir::store {

/// $XDG_STATE_HOME/weir, or ~/.local/state/weir; empty when neither is known.
[[nodiscard]] Path state_folder();
/// The ULID of this installation: the file node.id in `folder`, made when it is not there. Where that cannot be read or
/// written, a new one. Blocks.
[[nodiscard]] std::string node_id(FileSystem& fs, const Path& folder);
/// node_id() of state_folder(), looked up once per process. Blocks the first time.
/// threads  any
[[nodiscard]] const std::string& this_node();

}  // namespace weir::store
