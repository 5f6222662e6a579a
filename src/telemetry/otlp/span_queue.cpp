#include "telemetry/otlp/span_queue.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace weir::telemetry {

void SpanQueue::put(trace::SpanData&& span) {
    const std::scoped_lock lock(mutex_);
    if (closed_ || spans_.size() >= settings_.most) {
        settings_.on_drop();
        return;
    }
    spans_.push_back(std::move(span));
    if (spans_.size() == std::min(settings_.batch, settings_.most)) settings_.on_batch();
}

std::vector<trace::SpanData> SpanQueue::take() {
    const std::scoped_lock lock(mutex_);
    const auto count = static_cast<std::ptrdiff_t>(std::min(settings_.batch, spans_.size()));
    std::vector<trace::SpanData> taken(std::make_move_iterator(spans_.begin()),
                                       std::make_move_iterator(spans_.begin() + count));
    spans_.erase(spans_.begin(), spans_.begin() + count);
    return taken;
}

std::size_t SpanQueue::size() const {
    const std::scoped_lock lock(mutex_);
    return spans_.size();
}

void SpanQueue::close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    settings_.on_batch = [] {};
}

bool Sampling::operator()(const trace::Context& parent, const trace::Context& own) const noexcept {
    if (parent_based && parent.valid()) return parent.sampled;
    if (!all) return false;
    if (ratio >= 1.0) return true;
    // The low 63 bits, as OpenTelemetry's Go SDK takes them.
    std::uint64_t id = 0;
    for (std::size_t i = 8; i < own.trace_id.size(); ++i) id = id << 8 | own.trace_id[i];
    return static_cast<double>(id >> 1) < std::ldexp(std::max(ratio, 0.0), 63);
}

}  // namespace weir::telemetry
