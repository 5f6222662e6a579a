#include <algorithm>
#include <utility>

#include "proto/otlp/parts.h"

namespace weir::otlp {
namespace {

constexpr std::uint32_t sampled = 1, remoteness_known = 0x100, failed_status = 2;

template <class Writer>
void write_event(Writer& to, const trace::SpanData::Event& event) {
    to.fixed(1, "timeUnixNano", unix_nanos(event.at));
    to.text(2, "name", event.name);
    write_attributes(to, 3, event.attributes);
    to.small(4, "droppedAttributesCount", event.dropped_attributes);
}

template <class Writer>
void write_span(Writer& to, const trace::SpanData& span) {
    to.id(1, "traceId", span.context.trace_id);
    to.id(2, "spanId", span.context.span_id);
    if (span.parent != decltype(span.parent){}) to.id(4, "parentSpanId", span.parent);
    to.text(5, "name", span.name);
    to.small(6, "kind", static_cast<std::uint32_t>(span.kind));
    to.fixed(7, "startTimeUnixNano", unix_nanos(span.start));
    to.fixed(8, "endTimeUnixNano", unix_nanos(span.end));
    write_attributes(to, 9, span.attributes);
    to.small(10, "droppedAttributesCount", span.dropped_attributes);
    to.list(11, "events", span.events,
            [](Writer& inside, const trace::SpanData::Event& event) { write_event(inside, event); });
    to.small(12, "droppedEventsCount", span.dropped_events);
    to.message(15, "status", [&](Writer& inside) {
        if (!span.failed) return;
        inside.text(2, "message", span.failure);
        inside.small(3, "code", failed_status);
    });
    // No parent of ours is in another process, and that is known.
    to.small_fixed(16, "flags", remoteness_known | (span.context.sampled ? sampled : 0));
}

using Scope = std::pair<std::string_view, std::vector<const trace::SpanData*>>;

std::vector<Scope> by_tracer(std::span<const trace::SpanData> spans) {
    std::vector<Scope> out;
    for (const auto& span : spans) {
        auto found = std::find_if(out.begin(), out.end(), [&](const Scope& one) { return one.first == span.tracer; });
        if (found == out.end()) found = out.insert(out.end(), {span.tracer, {}});
        found->second.push_back(&span);
    }
    return out;
}

template <class Writer>
void write_spans(Writer& to, const Scope& scope) {
    write_scope(to, scope.first);
    to.list(2, "spans", scope.second, [](Writer& inside, const trace::SpanData* span) { write_span(inside, *span); });
}

}  // namespace

std::string trace_request(const Resource& resource, std::span<const trace::SpanData> spans, Form form) {
    const auto scopes = by_tracer(spans);
    return written(form == Form::json, [&]<class Writer>(Writer& to) {
        to.list(1, "resourceSpans", std::span(&resource, 1), [&](Writer& inside, const Resource&) {
            write_resource(inside, resource);
            inside.list(2, "scopeSpans", scopes, [](Writer& one, const Scope& scope) { write_spans(one, scope); });
            inside.text(3, "schemaUrl", schema_url);
        });
    });
}

}  // namespace weir::otlp
