#pragma once
// What LiveRecording is made of; for its own .cpp files.
#include <atomic>

#include "apps/recorder/lazy_recording.h"
#include "apps/sites/chat_writer.h"
#include "apps/sites/live_recording.h"
#include "apps/sites/recording_names.h"
#include "apps/sites/watcher_metrics.h"
#include "apps/tools/apart.h"
#include "base/trace.h"
#include "core/pipeline.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "sources/hls/hls_source.h"
#include "store/recording.h"

namespace weir::sites {

/// What passes from a source of the live to its recording; knows when media came last, and whether the disk refused.
class LiveTap final : public ItemSink {
public:
    /// `leaving`: the recording is to be as after a kill, so that the unit a stop cuts is no loss yet.
    /// `taken` is told what the recording took.
    LiveTap(Clock& clock, ItemSink& inner, const bool& leaving, std::function<void(std::span<const Item>)> taken)
        : clock_(clock), inner_(inner), leaving_(leaving), taken_(std::move(taken)), last_media_(clock.now()) {}
    Task<Result<>> accept(std::span<const Item> items) override;

    [[nodiscard]] SteadyTime last_media() const noexcept { return last_media_; }
    [[nodiscard]] bool any_media() const noexcept { return any_media_; }
    [[nodiscard]] bool refused() const noexcept { return refused_; }

private:
    Clock& clock_;
    ItemSink& inner_;
    const bool& leaving_;
    std::function<void(std::span<const Item>)> taken_;
    SteadyTime last_media_;
    bool any_media_ = false, refused_ = false;
};

struct LiveRecording::Inner {
    Inner(Tools t, Plan p, std::function<void(State)> e);

    // live_recording.cpp: from the names to the result
    Task<Result<LiveResult>> run();
    Task<Result<LiveResult>> record_and_finish();
    Task<void> clean_up();
    Task<Result<LiveResult>> not_opened(const Error& why);
    Task<Result<LiveResult>> leave_unfinished(End end);
    Task<Result<>> prepare();
    Task<std::optional<Path>> find_own_unfinished(Path folder);
    Task<Result<>> take_up(Path journal);
    Task<Result<store::Unfinished>> recover(Path journal);
    Task<void> close_recording(const End& end);
    Task<Result<LiveResult>> finish(End end);
    Task<void> post_process(Path journal, LiveResult& result, std::optional<Result<>>& done);
    Task<Result<LiveResult>> nothing_recorded(const End& end);
    Task<void> write_info();
    Task<void> write_thumbnail();
    Task<void> close_chat();
    Task<void> remove_side_files();
    Task<void> hurry_watch();
    void ask_stop(std::string reason, bool in_a_hurry);
    [[nodiscard]] bool too_large_for_a_hurry();
    [[nodiscard]] RecordingProgress progress() const;

    // live_rounds.cpp: one source after another, in one recording
    Task<Result<Url>> open_session();
    Task<Result<Url>> address();
    Task<Result<Url>> fresh_address_in_time();
    Task<End> rounds(Url url);
    Task<Result<End>> round(Url url);
    Task<void> give_up_waiting();
    Task<std::optional<Url>> next_address();
    Task<Result<>> reopen_recording();
    Task<bool> pause(Millis time);
    [[nodiscard]] HlsSettings hls_settings(Url url);
    [[nodiscard]] store::RecordingPlan plan_of_recording() const;
    [[nodiscard]] Session::Listener listener();
    void over(const Result<std::string>& why);
    void count_round();

    // live_spans.cpp: what is told of it to who watches from outside
    void enter(State state);
    void begin_spans();
    void begin_live_span();
    void begin_stream_span(const Url& url);
    void end_stream_span(const End& end);
    void end_spans(const Result<LiveResult>* result);

    /// One thing at a time that a stop may cancel; `cancelled` when it has.
    template <class T>
    Task<Result<T>> step(Task<Result<T>> work) {
        std::optional<Result<T>> result;
        steps.spawn(apps::into(std::move(work), result), "live recording");
        co_await steps.join();
        if (!result && steps.stopping().asked()) stop.ask("cancelled");
        if (!result && !stop.asked()) co_return Error{Errc::internal, "a step of the recording ended by an exception"};
        if (!result) co_return Error{Errc::cancelled, stop.reason()};
        co_return std::move(*result);
    }

    Tools tools;
    Plan plan;
    std::function<void(State)> entered;
    Stop stop;
    bool hurry = false;
    bool leaving = false;  ///< stopped in a hurry, too large to be finished: it gets no end
    std::uint64_t hurried_bytes = 0;
    SteadyTime hurry_until{};
    std::string source_id;

    std::optional<RecordingNames> names;
    std::optional<store::Unfinished> earlier;  ///< what the next round goes on with
    std::optional<Path> made_journal;          ///< there is something to finish
    bool resumed = false;                      ///< with what an earlier run had left
    bool running = false, info_written = false, chat_written = false;
    std::optional<Path> thumbnail;
    std::vector<std::string> complaints;

    std::shared_ptr<bool> listening = std::make_shared<bool>(true);  ///< false: what a session still says is not for us
    std::unique_ptr<Session> session;
    std::string quality;
    std::optional<Url> followed;  ///< told between two rounds
    bool over_told = false;
    std::optional<Error> refused;
    std::string over_why;

    std::unique_ptr<ChatWriter> chat;
    std::unique_ptr<apps::LazyRecording> recording;
    std::unique_ptr<LiveTap> tap;
    ArrivalMetrics arrivals;
    std::unique_ptr<HlsSource> hls;
    std::unique_ptr<Pipeline> pipeline;
    SteadyTime last_media{};
    store::RecordingStats last_stats;
    std::uint64_t rounds_begun = 0;
    Backoff backoff{{Millis{1'000}, Millis{30'000}, 2.0}};
    int refused_addresses = 0;

    TraceNames words;
    trace::Span process_span, live_span, stream_span;
    trace::Context stream_parent;

    TaskGroup steps, aside, finishing, timers;
};

}  // namespace weir::sites
