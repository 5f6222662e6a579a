#include "apps/tools/concat_metrics.h"

#include <chrono>

#include "base/metrics.h"

namespace weir::apps {
namespace {

metrics::Counter runs() {
    return metrics::counter("concat_runs_total", "Number of concats");
}

metrics::Counter errors() {
    return metrics::counter("concat_errors_total", "Accumulated failed runs of concats");
}

}  // namespace

Task<Result<media::Summary>> counted_concat(Task<Result<media::Summary>> work, bool audio_only) {
    const auto began = std::chrono::steady_clock::now();
    auto done = co_await std::move(work);
    runs().add();
    if (done) {
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        metrics::histogram("concat_completion_time_seconds", "Time taken to complete a concat",
                           metrics::default_bounds(), {{"audio_only", audio_only ? "true" : "false"}})
            .observe(took.count());
    } else if (done.error().code != Errc::cancelled) {
        errors().add();
    }
    co_return done;
}

void show_concat_metrics() {
    (void)runs();
    (void)errors();
}

}  // namespace weir::apps
