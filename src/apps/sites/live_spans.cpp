// What a recording tells who watches from outside: its spans, under the names of its site's reference (FC2-128).
#include "apps/sites/live_recording_inner.h"
#include "base/secret.h"

namespace weir::sites {
namespace {

const char* event_of(State state) {
    switch (state) {
        case State::preparing_files:
            return "preparing files";
        case State::downloading:
            return "downloading";
        case State::post_processing:
            return "post-processing";
        default:
            return nullptr;
    }
}

void fail(trace::Span& span, const Error& why) {
    span.fail(name_of(why.code), why.text());
}

}  // namespace

void LiveRecording::Inner::enter(State state) {
    if (const auto* event = event_of(state)) process_span.event(event);
    entered(state);
}

void LiveRecording::Inner::begin_spans() {
    if (!trace::wanted()) return;
    words = plan.channel->trace_names();
    process_span =
        trace::begin(words.tracer, words.process, {}, {{"channelID", plan.live.channel_id}, {"params", words.params}});
}

void LiveRecording::Inner::begin_live_span() {
    if (words.live.empty()) return;
    live_span = trace::begin(words.tracer, words.live, process_span.context(),
                             {{"channel_id", plan.live.channel_id},
                              {"fname_stream", names->target().string()},
                              {"fname_chat", names->chat().string()}});
}

void LiveRecording::Inner::begin_stream_span(const Url& url) {
    const auto& above = live_span.context().valid() ? live_span : process_span;
    const auto parent = stream_parent.valid() ? stream_parent : above.context();
    stream_span = trace::begin(words.tracer, words.stream, parent,
                               {{"channel_id", plan.live.channel_id}, {"fname", names->target().string()}});
    stream_span.event("playlist received", {{"url", masked_url(url.text())}, {"mode", quality}});
    stream_span.event("downloading");
}

void LiveRecording::Inner::end_stream_span(const End& end) {
    if (end.reason == EndReason::error) {
        stream_span.fail("end", end.why);
        live_span.fail("end", end.why);
    }
    stream_span.end();
    live_span.end();
}

void LiveRecording::Inner::end_spans(const Result<LiveResult>* result) {
    if (!result)
        process_span.fail("bug", "an exception");
    else if (!*result)
        fail(process_span, result->error());
    else
        process_span.event("done");
    if (result && !*result) fail(live_span, result->error());
    stream_span.end();
    live_span.end();
    process_span.end();
}

}  // namespace weir::sites
