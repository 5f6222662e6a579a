#pragma once
#include "runtime/asio.h"

namespace weir {

/// Waits for SIGINT, SIGTERM or SIGHUP; returns its number, or 0 when cancelled. SIGPIPE is ignored from the first call on.
Task<int> next_signal();

}  // namespace weir
