#pragma once
#include <functional>
#include <string>

#include "runtime/clock.h"
#include "runtime/stop.h"

namespace weir::faces {

/// On a terminal one line that is redrawn, else a plain line each half minute, until `stopping`.
Task<void> show_recording_progress(std::function<std::string()> text, Clock& clock, const Stop& stopping);

}  // namespace weir::faces
