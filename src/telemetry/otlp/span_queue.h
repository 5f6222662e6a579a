#pragma once
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "base/trace.h"

namespace weir::telemetry {

/// Ended spans on their way out: the newest are dropped when it is full, as whoever ends one can never wait.
/// threads  any
class SpanQueue {
public:
    struct Settings {
        std::size_t most = 2048, batch = 512;
        /// A whole batch is there; under the queue's lock.
        std::function<void()> on_batch = [] {};
        std::function<void()> on_drop = [] {};
    };
    explicit SpanQueue(Settings settings) : settings_(std::move(settings)) {}
    void put(trace::SpanData&& span);
    /// The oldest, up to a batch.
    [[nodiscard]] std::vector<trace::SpanData> take();
    [[nodiscard]] std::size_t size() const;
    /// From now on nobody is told of batches, and what comes is dropped.
    void close();

private:
    mutable std::mutex mutex_;
    Settings settings_;
    std::deque<trace::SpanData> spans_;
    bool closed_ = false;
};

/// The settings' sampler as trace::Sink asks it (telemetry.md 3.2).
struct Sampling {
    bool all = true, parent_based = true;
    double ratio = 1.0;  ///< of the roots, by their trace id, so that all programs of a trace decide alike
    [[nodiscard]] bool operator()(const trace::Context& parent, const trace::Context& own) const noexcept;
};

}  // namespace weir::telemetry
