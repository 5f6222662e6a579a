#pragma once
#include "base/secret.h"
#include "runtime/file_lane.h"

namespace weir::status {

struct KeptToken {
    Secret token;
    bool made = false;  ///< now: it is to be shown
};

/// The token that `file` holds; where there is none, a new one, kept there (mode 0600). A file that cannot be read, holds no token or
/// cannot be written is a warning in the log: the token is one of this run alone.
Task<KeptToken> kept_token(FileLane& lane, Path file);

/// What a person wrote into a file: its one line, blanks around it taken off. Blocks.
/// errors  not_found; bad_input: empty, more than one line, or above 4 KiB
[[nodiscard]] Result<Secret> read_token(const Path& file);

}  // namespace weir::status
