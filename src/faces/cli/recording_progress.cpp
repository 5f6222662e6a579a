#include "faces/cli/recording_progress.h"

#include <unistd.h>

#include "base/log.h"
#include "runtime/task_group.h"

namespace weir::faces {

Task<void> show_recording_progress(std::function<std::string()> text, Clock& clock, const Stop& stopping) {
    co_await errors_not_throws();
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    const auto pace = terminal ? Millis(500) : Millis(30'000);
    while (!stopping.asked()) {
        co_await clock.sleep_for(pace);
        if (stopping.asked()) break;
        if (terminal)
            log::set_status_line(text());
        else
            WEIR_LOG(info, text());
    }
    log::set_status_line("");
}

}  // namespace weir::faces
