#include "apps/recorder/finish.h"

#include "apps/tools/apart.h"
#include "apps/tools/concat_metrics.h"
#include "apps/tools/media_spans.h"
#include "store/finalise.h"

namespace weir::apps {
namespace {

/// The media tool shields its clean-up; as tasks of their own its calls leave the rest of the finishing cancellable.
store::FinaliseTools cancellable_tools(const trace::Context& trace) {
    store::FinaliseTools tools;
    tools.write = [trace](asio::any_io_executor ex, media::JoinPlan plan) -> Task<Result<media::Summary>> {
        const bool audio_only = plan.audio_only;
        auto span = concat_span(plan, trace);
        auto work = media::join(ex, std::move(plan));
        auto counted = counted_concat(std::move(work), audio_only);
        return apart(ex, traced(std::move(span), std::move(counted)));
    };
    tools.summarise = [trace](asio::any_io_executor ex, std::string path) -> Task<Result<media::Summary>> {
        auto span = probe_span(path, trace);
        auto work = media::summarise(ex, std::move(path));
        return apart(ex, traced(std::move(span), std::move(work)));
    };
    return tools;
}

}  // namespace

Task<Result<FinishedRecording>> finish_recording(asio::any_io_executor ex, Clock& clock, FileLane& lane, Path journal,
                                                 bool keep_raw, trace::Context trace) {
    std::function<Task<Result<store::Finished>>()> work = [&] {
        return store::finalise_with(ex, clock, lane, journal, keep_raw, cancellable_tools(trace));
    };
    auto working = while_busy(clock, std::move(work));
    auto done = co_await std::move(working);
    if (!done) co_return within("finish", done.error());
    FinishedRecording out;
    out.file = done->file;
    out.journal = done->journal;
    out.bytes = done->bytes;
    out.duration = done->duration;
    auto verdict = co_await store::verify(ex, lane, done->file);
    if (!verdict) co_return within("verify", verdict.error());
    out.asked = verdict->asked;
    out.got = verdict->got;
    out.missing = verdict->missing;
    out.gaps = verdict->gaps.size();
    if (verdict->state == store::Verdict::State::damaged && !verdict->complaints.empty())
        co_return Error{Errc::io, fmt::format("{} is damaged: {}", done->file.string(), verdict->complaints.front()),
                        "verify"};
    co_return out;
}

}  // namespace weir::apps
