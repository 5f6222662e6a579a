#pragma once
#include "runtime/child.h"

namespace weir::detail {

/// A started process; all descriptors are ours to close, -1 where none was asked for.
struct Launched {
    int pid = -1, pidfd = -1;
    int in = -1, out = -1, err = -1;
};

/// fork and exec. Errors of the child before exec come back here: not_found, denied…
[[nodiscard]] Result<Launched> launch(const ChildOptions& options);

}  // namespace weir::detail
