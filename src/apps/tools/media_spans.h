#pragma once
#include <string>
#include <utility>

#include "base/trace.h"
#include "media/tool.h"

namespace weir::apps {

/// "concat.Do" of a remux, a join or an extraction, under the reference's tracer and attributes (FC2-128).
[[nodiscard]] trace::Span concat_span(const media::JoinPlan& plan, const trace::Context& parent);
/// "probe.Do" of a file that is looked into.
[[nodiscard]] trace::Span probe_span(const std::string& file, const trace::Context& parent);

/// Awaits `work`; the span ends with it, and fails with it.
template <class T>
Task<Result<T>> traced(trace::Span span, Task<Result<T>> work) {
    auto done = co_await std::move(work);
    if (!done) span.fail(name_of(done.error().code), done.error().text());
    span.end();
    co_return done;
}

}  // namespace weir::apps
