#include "apps/sites/live_recording.h"

#include "apps/recorder/finish.h"
#include "apps/recorder/mark.h"
#include "apps/sites/live_recording_inner.h"
#include "apps/sites/post_processing.h"
#include "apps/sites/side_files.h"
#include "base/log.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;

constexpr Micros hurried_finish = 3500ms;

std::atomic<std::uint64_t> bytes_in_a_hurry{0};

Task<void> remove_quietly(FileLane& lane, Path path) {
    auto strand = lane.strand();
    (void)(co_await lane.run(strand, [&] { return lane.fs().remove(path); })).has_value();
}

}  // namespace

LiveRecording::Inner::Inner(Tools t, Plan p, std::function<void(State)> e)
    : tools(t),
      plan(std::move(p)),
      entered(e ? std::move(e) : [](State) {}),
      source_id(source_id_of(plan.channel->site(), plan.live.channel_id, plan.live.id)),
      arrivals(plan.live.channel_id),
      steps(tools.shard.executor()),
      aside(tools.shard.executor()),
      finishing(tools.shard.executor()),
      timers(tools.shard.executor()) {}

Task<Result<LiveResult>> LiveRecording::Inner::run() {
    co_await errors_not_throws();
    running = true;
    begin_spans();
    if (hurry) timers.spawn(hurry_watch(), "hurry");
    std::optional<Result<LiveResult>> result;
    std::exception_ptr bug;
    try {
        result = co_await record_and_finish();
    } catch (...) {
        bug = std::current_exception();
    }
    co_await uncancellable();
    co_await clean_up();
    end_spans(result ? &*result : nullptr);
    if (bug) std::rethrow_exception(bug);
    co_return std::move(*result);
}

/// Also after a bug: nothing of ours outlives us, and what was recorded is left in order.
Task<void> LiveRecording::Inner::clean_up() {
    *listening = false;
    pipeline.reset();
    hls.reset();
    tap.reset();
    if (recording) {
        auto left = co_await recording->leave();
        if (!left) WEIR_LOG(error, "the recording could not be left in order", {"error", left.error().text()});
        recording.reset();
    }
    if (session) {
        auto old = std::move(session);
        co_await old->close();
    }
    co_await timers.stop("done");
    co_await aside.stop("done");
    co_await steps.stop("done");
    co_await finishing.stop("done");
    co_await close_chat();
    names.reset();
    bytes_in_a_hurry -= std::exchange(hurried_bytes, 0);
}

Task<Result<LiveResult>> LiveRecording::Inner::record_and_finish() {
    enter(State::preparing_files);
    auto ready = co_await prepare();
    if (!ready) co_return ready.error();
    if (plan.params.write_chat && !names->chat().empty())
        chat = std::make_unique<ChatWriter>(tools.shard.executor(), tools.shard.clock(), tools.lane, names->chat(),
                                            resumed);
    if (plan.params.write_info_json && !plan.live.info_json.empty()) aside.spawn(write_info(), "info file");
    if (plan.params.write_thumbnail && plan.live.thumbnail) aside.spawn(write_thumbnail(), "thumbnail");
    begin_live_span();
    auto url = co_await open_session();
    if (!url) {
        const Error why = url.error();
        auto nothing = co_await not_opened(why);
        co_return nothing;
    }
    enter(State::downloading);
    begin_stream_span(*url);
    auto end = co_await rounds(std::move(*url));
    end_stream_span(end);
    auto result = co_await finish(std::move(end));
    co_return result;
}

/// What an earlier run left stays for the next one.
Task<Result<LiveResult>> LiveRecording::Inner::not_opened(const Error& why) {
    if (!refused) refused = why;
    End end{stop.asked() ? EndReason::stopped : EndReason::error, why.text()};
    auto nothing = co_await nothing_recorded(end);
    if (!earlier || stop.asked()) co_return nothing;
    LiveResult result;
    result.journal = earlier->journal;
    result.end = std::move(end);
    result.refused = refused;
    result.resumed = result.left_unfinished = result.goes_on = true;
    co_return result;
}

Task<Result<>> LiveRecording::Inner::prepare() {
    if (plan.unfinished) {
        auto taken = co_await take_up(*plan.unfinished);
        if (taken) co_return taken;
        WEIR_LOG(warn, "an unfinished recording of this live cannot be gone on with; it stays as it is",
                 {"journal", plan.unfinished->string()}, {"error", taken.error().text()});
    }
    auto strand = tools.lane.strand();
    auto named = co_await tools.lane.run(strand, [&]() -> Result<> {
        auto made = RecordingNames::take(tools.lane.fs(), plan.params, plan.live, plan.channel->chat_extension(),
                                         tools.shard.clock().wall());
        if (!made) return made.error();
        names = std::move(*made);
        return {};
    });
    if (!named) co_return within("names", named.error());
    if (plan.unfinished) co_return Result<>();
    auto own = co_await find_own_unfinished(store::folder_of(names->target()));
    if (!own) co_return Result<>();
    auto taken = co_await take_up(std::move(*own));
    if (!taken) WEIR_LOG(debug, "not gone on with", {"error", taken.error().text()});
    co_return Result<>();
}

/// One of the same live that nobody is at.
Task<std::optional<Path>> LiveRecording::Inner::find_own_unfinished(Path folder) {
    std::optional<Path> found;
    auto strand = tools.lane.strand();
    (void)(co_await tools.lane.run(strand, [&]() -> Result<> {
        auto& fs = tools.lane.fs();
        for (const auto& head : journals_of_source(fs, folder, source_id)) {
            auto file = fs.open(head.journal, true);
            if (!file || !(*file)->lock()) continue;
            const auto loaded = store::load_book(**file);
            if (loaded && !loaded->book.end && loaded->book.finals.empty()) found = head.journal;
        }
        return {};
    })).has_value();
    co_return found;
}

Task<Result<store::Unfinished>> LiveRecording::Inner::recover(Path journal) {
    std::function<Task<Result<store::Unfinished>>()> work = [&] {
        return store::recover(tools.lane, tools.shard.clock(), journal);
    };
    auto working = apps::while_busy(tools.shard.clock(), std::move(work));
    auto recovered = co_await std::move(working);
    co_return recovered;
}

Task<Result<>> LiveRecording::Inner::take_up(Path journal) {
    auto recovered = co_await recover(journal);
    if (!recovered) co_return recovered.error();
    if (recovered->ended) co_return Error{Errc::busy, "it has ended already"};
    if (recovered->source_id != source_id) co_return Error{Errc::bad_input, "it is of another live"};
    JournalHead head;
    auto strand = tools.lane.strand();
    auto read = co_await tools.lane.run(strand, [&]() -> Result<> {
        auto h = read_journal_head(tools.lane.fs(), journal);
        if (!h) return h.error();
        head = std::move(*h);
        return {};
    });
    if (!read) co_return read.error();
    names = RecordingNames::from_journal(journal, recovered->target, head.open.name);
    earlier = std::move(*recovered);
    resumed = true;
    WEIR_LOG(info, "goes on with an interrupted recording", {"source", source_id}, {"file", earlier->target.string()});
    co_return Result<>();
}

Task<void> LiveRecording::Inner::write_info() {
    co_await errors_not_throws();
    auto written = co_await write_new_file(tools.lane, names->info(), plan.live.info_json);
    const bool there = !written && written.error().code == Errc::busy && resumed;
    info_written = written.has_value() || there;
    if (!info_written && written.error().code != Errc::cancelled)
        complaints.push_back(fmt::format("info file: {}", written.error().text()));
}

Task<void> LiveRecording::Inner::write_thumbnail() {
    co_await errors_not_throws();
    auto headers = plan.channel->media_headers();
    auto picture = co_await fetch_picture(tools.http, tools.cookies, tools.shard.clock(), *plan.live.thumbnail,
                                          std::move(headers));
    auto failed = picture ? Result<>() : Result<>(picture.error());
    if (picture) {
        auto path = names->thumbnail(picture->extension);
        auto written = co_await write_new_file(tools.lane, path, std::move(picture->bytes));
        const bool there = !written && written.error().code == Errc::busy && resumed;
        if (written || there) thumbnail = std::move(path);
        if (!written && !there) failed = written.error();
    }
    if (!failed && failed.error().code != Errc::cancelled)
        complaints.push_back(fmt::format("thumbnail: {}", failed.error().text()));
}

Task<void> LiveRecording::Inner::close_chat() {
    if (!chat) co_return;
    auto closed = co_await chat->close();
    if (!closed) complaints.push_back(fmt::format("chat file: {}", closed.error().text()));
    chat_written = closed.has_value();
    chat.reset();
}

Task<void> LiveRecording::Inner::remove_side_files() {
    if (resumed) co_return;  // they are of what an earlier run recorded
    if (chat_written) co_await remove_quietly(tools.lane, names->chat());
    if (info_written) co_await remove_quietly(tools.lane, names->info());
    if (thumbnail) co_await remove_quietly(tools.lane, *thumbnail);
}

/// Errors alone come of it; what an earlier run left stays for the next.
Task<Result<LiveResult>> LiveRecording::Inner::nothing_recorded(const End& end) {
    co_await uncancellable();
    *listening = false;
    co_await aside.stop("nothing was recorded");
    co_await close_chat();
    co_await remove_side_files();
    if (stop.asked()) co_return Error{Errc::cancelled, "stopped before anything was recorded"};
    if (refused) co_return *refused;
    co_return Error{end.reason == EndReason::error ? Errc::lost_peer : Errc::not_found,
                    end.why.empty() ? std::string("the live ended before it gave any media") : end.why};
}

Task<void> LiveRecording::Inner::close_recording(const End& end) {
    const std::array<Item, 1> last{Item(end)};
    auto told = co_await recording->accept(last);
    auto closed = co_await recording->close();
    if (!told || !closed)
        WEIR_LOG(error, "the recording did not end cleanly", {"error", (told ? closed : told).error().text()});
    if (recording->made()) last_stats = recording->made()->stats();
    recording.reset();
}

Task<Result<LiveResult>> LiveRecording::Inner::finish(End end) {
    co_await uncancellable();
    if (earlier) made_journal = earlier->journal;
    if (!made_journal) {
        auto nothing = co_await nothing_recorded(end);
        co_return nothing;
    }
    if (leaving && end.reason == EndReason::stopped) {
        auto left = co_await leave_unfinished(std::move(end));
        co_return left;
    }
    enter(State::post_processing);
    if (recording) co_await close_recording(end);
    LiveResult result;
    result.end = std::move(end);
    result.resumed = resumed;
    result.refused = refused;
    const Path journal = *made_journal;
    // The live needs us no more.
    *listening = false;
    if (session) {
        auto old = std::move(session);
        co_await old->close();
    }
    co_await close_chat();
    if (chat_written) result.chat = names->chat();
    std::optional<Result<>> done;
    finishing.spawn(post_process(journal, result, done), "post-processing");
    co_await finishing.join();
    co_await aside.join();
    if (!done) {
        result.journal = journal;
        result.left_unfinished = true;
    } else if (!*done && done->error().code == Errc::not_found) {
        auto nothing = co_await nothing_recorded(result.end);
        co_return nothing;
    } else if (!*done) {
        result.left_unfinished = true;
        complaints.push_back(done->error().text());
    }
    if (info_written) result.info = names->info();
    if (thumbnail) result.thumbnail = *thumbnail;
    result.complaints.insert(result.complaints.begin(), complaints.begin(), complaints.end());
    complaints.clear();
    co_return result;
}

/// Everything is on the disk, nothing is ended: as after a kill.
Task<Result<LiveResult>> LiveRecording::Inner::leave_unfinished(End end) {
    LiveResult result;
    result.journal = *made_journal;
    result.end = std::move(end);
    result.resumed = resumed;
    result.left_unfinished = result.goes_on = true;
    co_await clean_up();
    result.complaints = std::exchange(complaints, {});
    WEIR_LOG(info, "stopped in a hurry; the next start goes on with the recording, or finishes it",
             {"journal", result.journal.string()});
    co_return result;
}

Task<void> LiveRecording::Inner::post_process(Path journal, LiveResult& result, std::optional<Result<>>& done) {
    co_await errors_not_throws();
    PostProcessing after(tools, plan.params, process_span.context());
    done = co_await after.run(std::move(journal), result);
}

Task<void> LiveRecording::Inner::hurry_watch() {
    co_await errors_not_throws();
    const bool came = co_await tools.shard.clock().sleep_until(hurry_until);
    if (!came) co_return;
    finishing.ask_stop("in a hurry");
    aside.ask_stop("in a hurry");
}

bool LiveRecording::Inner::too_large_for_a_hurry() {
    if (over_told || (!recording && !earlier)) return false;
    const auto* made = recording ? recording->made() : nullptr;
    if (!made) return earlier.has_value();  // not taken up again yet: no reason to end it now
    hurried_bytes = made->stats().bytes;
    return (bytes_in_a_hurry += hurried_bytes) > plan.most_hurried_bytes;
}

void LiveRecording::Inner::ask_stop(std::string reason, bool in_a_hurry) {
    const bool first = !stop.asked();
    stop.ask(reason);
    if (in_a_hurry && !std::exchange(hurry, true)) {
        hurry_until = tools.shard.clock().now() + hurried_finish;
        if (running) timers.spawn(hurry_watch(), "hurry");
        leaving = first && too_large_for_a_hurry();
    }
    steps.ask_stop(reason);
    if (pipeline) pipeline->ask_stop(std::move(reason));
}

RecordingProgress LiveRecording::Inner::progress() const {
    RecordingProgress p;
    if (names) p.file = names->target();
    p.quality = quality;
    if (session) {
        const auto status = session->status();
        p.as_whom = status.as_whom;
        p.reconnects = status.reconnects;
        if (!status.quality.empty()) p.quality = status.quality;
    }
    const auto* made = recording ? recording->made() : nullptr;
    const auto stats = made ? made->stats() : last_stats;
    if (made) p.file = made->target();
    p.bytes = stats.bytes;
    p.got = stats.units;
    p.missing = stats.missing_units;
    p.gaps = stats.gaps;
    p.duration = stats.duration;
    p.waiting_for_space = stats.waiting_for_space;
    if (hls) p.behind = hls->stats().behind_units;
    if (chat) p.comments = chat->lines();
    return p;
}

LiveRecording::LiveRecording(Tools tools, Plan plan, std::function<void(State)> entered)
    : inner_(std::make_unique<Inner>(tools, std::move(plan), std::move(entered))) {}
LiveRecording::~LiveRecording() = default;

Task<Result<LiveResult>> LiveRecording::run() {
    return inner_->run();
}
void LiveRecording::ask_stop(std::string reason, bool hurry) {
    inner_->ask_stop(std::move(reason), hurry);
}
RecordingProgress LiveRecording::progress() const {
    return inner_->progress();
}

}  // namespace weir::sites
