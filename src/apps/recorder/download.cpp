#include "apps/recorder/download.h"

#include <algorithm>

#include "apps/recorder/download_audio.h"
#include "apps/recorder/download_source.h"
#include "apps/recorder/finish.h"
#include "apps/recorder/lazy_recording.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/secret.h"
#include "core/pipeline.h"
#include "runtime/task_group.h"
#include "store/book.h"
#include "store/names.h"

namespace weir::apps {
namespace {

/// Equal for the same stream whatever token its query carries today.
std::string source_id(const Url& url) {
    const auto text = url.without_query();
    return "url:" + hex16(content_hash(std::as_bytes(std::span(text))));
}

constexpr std::uint64_t max_cookie_file = 4u << 20;

Task<Result<CookieJar>> read_cookies(FileLane& lane, const Path& path, WallTime now) {
    std::string text;
    auto strand = lane.strand();
    auto read = co_await lane.run(strand, [&]() -> Result<> {
        auto file = lane.fs().open(path, false);
        if (!file) return file.error();
        auto size = (*file)->size();
        if (!size) return size.error();
        if (*size > max_cookie_file) return Error{Errc::bad_input, "larger than 4 MiB: not a cookie file"};
        text.resize(static_cast<std::size_t>(*size));
        auto got = (*file)->pread(0, std::as_writable_bytes(std::span(text)));
        if (!got) return got.error();
        text.resize(*got);
        return {};
    });
    const auto step = fmt::format("cookies file {}", path.string());
    if (!read) co_return within(step, read.error());
    CookieJar jar;
    if (auto imported = jar.import_netscape(text, now); !imported) co_return within(step, imported.error());
    co_return jar;
}

/// What the first line of a journal says of the recording's name and source; nothing when it cannot be read.
Task<std::map<std::string, std::string>> name_data_of(FileLane& lane, Path journal) {
    auto strand = lane.strand();
    std::map<std::string, std::string> data;
    (void)(co_await lane.run(strand, [&]() -> Result<> {
        auto file = lane.fs().open(journal, false);
        if (!file) return file.error();
        auto loaded = store::load_book(**file);
        if (!loaded) return loaded.error();
        data = loaded->book.open.name;
        return {};
    })).has_value();
    co_return data;
}

/// A recording whose final file is there.
struct FinishedOne {
    std::string source_id;
    Path target;
};
Task<std::optional<FinishedOne>> finished_one(FileLane& lane, Path journal) {
    auto strand = lane.strand();
    std::optional<FinishedOne> found;
    (void)(co_await lane.run(strand, [&]() -> Result<> {
        auto file = lane.fs().open(journal, false);
        if (!file) return file.error();
        auto loaded = store::load_book(**file);
        if (loaded && loaded->book.finished())
            found = FinishedOne{loaded->book.open.source_id, store::folder_of(journal) / loaded->book.open.target};
        return {};
    })).has_value();
    co_return found;
}

}  // namespace

struct Download::State {
    State(Shard& s, HttpClient& h, FileLane& l, DownloadOptions o)
        : shard(s), http(h), lane(l), options(std::move(o)), others(s.executor()), preparing(s.executor()) {}

    Task<Result<DownloadResult>> run();
    Task<Result<std::optional<Earlier>>> look_for_unfinished();
    Task<std::optional<Earlier>> take_up(store::Unfinished found);
    Task<std::optional<Earlier>> look_for_marks(bool any_mine);
    Task<Result<>> prepare_source(const std::optional<Earlier>& mine);
    Task<void> prepare_into(const std::optional<Earlier>& mine, Result<>& result);
    Task<Result<DownloadResult>> record(std::optional<Earlier> mine);
    Task<Result<>> make_recording(const std::optional<Earlier>& mine);
    Task<Result<DownloadResult>> leave(const Result<End>& ended);
    Task<Result<DownloadResult>> finish(Path journal, End end, bool resumed);
    Task<void> finish_other(Path journal);
    [[nodiscard]] Result<Path> named(std::string_view ending) const;
    [[nodiscard]] Result<> settle(store::RecordingPlan& plan, const std::vector<InitPtr>& inits) const;
    [[nodiscard]] bool lacks_some() const;

    Shard& shard;
    HttpClient& http;
    FileLane& lane;
    DownloadOptions options;
    CookieJar cookies;
    std::unique_ptr<DownloadSource> source;
    std::unique_ptr<LazyRecording> recording;
    std::unique_ptr<Pipeline> pipeline;
    Demand before;  ///< while the source is being prepared; afterwards the pipeline's
    DownloadProgress::State phase = DownloadProgress::State::waiting;
    TaskGroup others;  ///< finishes what earlier runs left
    TaskGroup preparing;
};

/// Was it this source's whole recording, and only its finishing was cut short? One that the user stopped was not: the source may go on.
bool only_to_be_finished(const store::Unfinished& u) {
    return u.ended && u.end_reason != name_of(EndReason::stopped) && u.end_reason != name_of(EndReason::error);
}

/// The same wish, whatever container it ended in.
bool same_name(const Path& a, const Path& b) {
    return a.parent_path() == b.parent_path() && a.stem() == b.stem();
}

/// The unfinished recording of this very source; every other one in the folder is finished on the side.
Task<Result<std::optional<Earlier>>> Download::State::look_for_unfinished() {
    std::vector<std::string> complaints;
    auto found = co_await store::find_unfinished(lane, options.target.parent_path(), &complaints);
    for (const auto& complaint : complaints) WEIR_LOG(warn, complaint);
    if (!found) {
        if (found.error().code == Errc::not_found) co_return std::optional<Earlier>{};  // the folder is made later
        co_return found.error();
    }
    const auto id = source_id(options.source.url);
    const auto fits = [&](const store::Unfinished& u) {
        return u.source_id == id && (!u.ended || (only_to_be_finished(u) && same_name(u.target, options.target)));
    };
    const auto newest = std::max_element(found->begin(), found->end(), [&](const auto& a, const auto& b) {
        return std::pair(fits(a), a.at.last_written) < std::pair(fits(b), b.at.last_written);
    });
    std::optional<Path> mine;
    if (newest != found->end() && fits(*newest)) mine = newest->journal;
    for (const auto& each : *found) {
        if (mine && each.journal == *mine) continue;
        const auto data = co_await name_data_of(lane, each.journal);
        // Half a file of another address is worth more to the next start with that address than to anybody now.
        if (!each.ended && each.source_id != id && data.contains("http.length")) continue;
        others.spawn(finish_other(each.journal), "finish an earlier recording");
    }
    auto only_its_sound = co_await look_for_marks(mine.has_value());
    if (!mine) co_return only_its_sound;
    auto taken = co_await take_up(*newest);
    co_return taken;
}

/// Finished recordings whose sound was not made any more. Of this very wish: then that is all there is to do.
Task<std::optional<Earlier>> Download::State::look_for_marks(bool any_mine) {
    const auto id = source_id(options.source.url);
    const auto marked = co_await marked_journals(lane, options.target.parent_path());
    std::optional<Earlier> mine;
    for (const auto& journal : marked) {
        const auto done = co_await finished_one(lane, journal);
        if (!done) continue;
        if (any_mine || mine || done->source_id != id || !same_name(done->target, options.target)) {
            others.spawn(finish_other(journal), "finish an earlier recording's sound");
            continue;
        }
        mine.emplace();
        mine->unfinished.journal = journal;
        mine->unfinished.target = done->target;
        mine->unfinished.ended = true;
    }
    co_return mine;
}

Task<std::optional<Earlier>> Download::State::take_up(store::Unfinished found) {
    Earlier mine;
    mine.unfinished = std::move(found);
    if (mine.unfinished.ended) co_return mine;
    auto recovered = co_await store::recover(lane, shard.clock(), mine.unfinished.journal);
    if (!recovered) {
        WEIR_LOG(warn, "an unfinished recording could not be recovered; it is left as it is",
                 {"journal", mine.unfinished.journal.string()}, {"error", recovered.error().text()});
        co_return std::optional<Earlier>{};
    }
    mine.unfinished = std::move(*recovered);
    mine.name_data = co_await name_data_of(lane, mine.unfinished.journal);
    if (mine.name_data.contains("http.length")) {
        const auto verdict = co_await store::verify(shard.executor(), lane, mine.unfinished.journal);
        const auto& at = mine.unfinished.at;
        mine.whole_so_far = verdict && verdict->missing == 0 && verdict->got == (at.any ? at.unit + 1 : 0);
    }
    co_return mine;
}

Task<void> Download::State::finish_other(Path journal) {
    co_await errors_not_throws();
    auto recovered = co_await store::recover(lane, shard.clock(), journal);
    if (!recovered) {
        if (recovered.error().code != Errc::busy)
            WEIR_LOG(warn, "an unfinished recording could not be recovered", {"journal", journal.string()},
                     {"error", recovered.error().text()});
        co_return;
    }
    auto done = co_await store::finalise(shard.executor(), shard.clock(), lane, journal, options.keep_raw);
    if (!done) {
        WEIR_LOG(warn, "an interrupted recording could not be finished; its raw files are kept",
                 {"journal", journal.string()}, {"error", done.error().text()});
        co_return;
    }
    WEIR_LOG(info, "finished a recording that was interrupted", {"file", done->file.string()},
             {"duration", duration_text(done->duration)});
    const bool sound = co_await has_audio_mark(lane, journal);
    if (!sound) co_return;
    auto audio = co_await extract_audio(shard.executor(), lane, done->file);
    if (audio)
        WEIR_LOG(info, "made its sound apart", {"file", audio->string()});
    else
        WEIR_LOG(warn, "its sound could not be made apart", {"error", audio.error().text()});
    if (audio || audio.error().code != Errc::cancelled) co_await clear_audio_mark(lane, journal);
}

Task<Result<>> Download::State::prepare_source(const std::optional<Earlier>& mine) {
    source = std::make_unique<DownloadSource>(shard, http, cookies, options);
    // A task of its own, so that a stop can wake it and nothing else.
    Result<> result = Error{Errc::cancelled, "stopped before anything was recorded"};
    preparing.spawn(prepare_into(mine, result), "prepare");
    co_await preparing.join();
    co_await preparing.stop("prepared");
    co_return result;
}

Task<void> Download::State::prepare_into(const std::optional<Earlier>& mine, Result<>& result) {
    co_await errors_not_throws();
    result = co_await source->prepare(before, mine);
}

Task<Result<DownloadResult>> Download::State::finish(Path journal, End end, bool resumed) {
    phase = DownloadProgress::State::finishing;
    auto done = co_await finish_recording(shard.executor(), shard.clock(), lane, journal, options.keep_raw);
    if (!done) {
        if (done.error().code == Errc::not_found) co_await clear_audio_mark(lane, journal);
        co_return done.error();
    }
    DownloadResult result;
    result.file = done->file;
    result.journal = done->journal;
    result.duration = done->duration;
    result.bytes = done->bytes;
    result.end = std::move(end);
    result.resumed = resumed;
    result.asked = done->asked;
    result.got = done->got;
    result.missing = done->missing;
    result.gaps = done->gaps;
    const bool marked = co_await has_audio_mark(lane, journal);
    const bool sound = options.extract_audio || marked;
    if (!sound) co_return result;
    auto audio = co_await extract_audio(shard.executor(), lane, done->file);
    co_await clear_audio_mark(lane, journal);
    if (!audio)
        co_return Error{audio.error().code, fmt::format("{} ({} is whole)", audio.error().text(), done->file.string())};
    result.audio = std::move(*audio);
    co_return result;
}

/// Of this recording with that ending.
Result<Path> Download::State::named(std::string_view ending) const {
    if (options.name) return options.name(ending);
    auto path = options.target;
    path.replace_extension();
    path += ending;
    return path;
}

/// The first media is there: now it is known what the raw bytes are.
Result<> Download::State::settle(store::RecordingPlan& plan, const std::vector<InitPtr>& inits) const {
    if (options.remux) return {};
    const bool lanes = std::any_of(inits.begin(), inits.end(), [](const InitPtr& i) { return i->lane != 0; });
    if (lanes || inits.empty()) {
        WEIR_LOG(warn, "sound and pictures come apart and make one file only when they are remuxed");
        plan.remux = true;
        return {};
    }
    plan.remux = false;
    const auto container = inits.front()->format.container;
    const auto ending = container == Container::fmp4     ? std::string_view(".mp4")
                        : container == Container::opaque ? source->ending()
                                                         : store::ending_of(container);
    auto target = named(ending);
    if (!target) return target.error();
    plan.target = std::move(*target);
    return {};
}

Task<Result<>> Download::State::make_recording(const std::optional<Earlier>& mine) {
    const bool own_ending = source->file() && options.any_ending && options.remux;
    auto target = own_ending ? named(source->ending()) : named(options.target.extension().string());
    if (!target) co_return target.error();
    if (!mine) options.target = *target;
    store::RecordingPlan plan{std::move(*target),
                              std::string(source->kind()),
                              source_id(options.source.url),
                              {{"url", options.source.url.without_query()}}};
    source->describe(plan.name_data);
    LazyRecording::Made on_made;
    if (options.extract_audio) on_made = [this](Path journal) { return set_audio_mark(lane, std::move(journal)); };
    recording = std::make_unique<LazyRecording>(
        shard.executor(), shard.clock(), lane, std::move(plan),
        mine ? std::optional<Path>(mine->unfinished.journal) : std::nullopt,
        [this](store::RecordingPlan& p, const std::vector<InitPtr>& inits) { return settle(p, inits); },
        std::move(on_made));
    if (source->file()) recording->want_all();
    co_return Result<>();
}

/// Did the disk refuse some of a file?
bool Download::State::lacks_some() const {
    return source->file() && recording->made() && recording->made()->stats().missing_units > 0;
}

/// A file that is not whole is no recording of anything: it stays unfinished, and the next start goes on with it.
Task<Result<DownloadResult>> Download::State::leave(const Result<End>& ended) {
    const auto bytes = recording->made()->stats().bytes;
    const auto journal = recording->made()->journal();
    auto left = co_await recording->leave();
    if (!left) WEIR_LOG(error, "the recording could not be left in order", {"error", left.error().text()});
    const bool void_now = lacks_some() || (!ended && ended.error().code == Errc::bad_input);
    const auto why = ended ? "stopped: " + ended->why : ended.error().text();
    co_return Error{
        ended ? Errc::cancelled : ended.error().code,
        fmt::format("{}; {} of {} stay beside {}{}", why, size_text(bytes), size_text(source->file()->length),
                    journal.string(), void_now ? "" : ", the same command goes on with them")};
}

Task<Result<DownloadResult>> Download::State::record(std::optional<Earlier> mine) {
    auto ready = co_await make_recording(mine);
    if (!ready) co_return ready.error();
    pipeline = std::make_unique<Pipeline>(shard.executor(), source->source(), *recording);
    if (before.stop.asked()) pipeline->demand().stop.ask(before.stop.reason());
    phase = DownloadProgress::State::recording;
    const auto rendition = source->rendition();
    WEIR_LOG(info, mine ? "goes on with an interrupted recording" : "recording",
             {"url", masked_url(options.source.url.text())},
             {"rendition", rendition.empty() ? "the only one" : rendition},
             {"file", (mine ? mine->unfinished.target : options.target).string()});

    auto ended = co_await pipeline->run();
    if (options.memory) source->remember(*options.memory);
    if (source->file() && recording->made()) {  // all written and synced: only now it is known what the disk took
        auto settled = co_await recording->leave();
        if (!settled) WEIR_LOG(error, "the file could not be written in order", {"error", settled.error().text()});
    }
    const bool cut_short =
        source->file() && recording->made() && (!ended || ended->reason != EndReason::endlist || lacks_some());
    if (cut_short) {
        auto left = co_await leave(ended);
        co_return left;
    }
    auto closed = co_await recording->close();
    if (!closed) WEIR_LOG(error, "the recording did not end cleanly", {"error", closed.error().text()});
    if (!recording->made()) {
        if (!ended) co_return ended.error();
        if (ended->reason == EndReason::stopped)
            co_return Error{Errc::cancelled, "stopped before anything was recorded"};
        co_return Error{Errc::not_found, ended->why.empty() ? "the stream ended before it gave any media" : ended->why};
    }
    End end = ended ? std::move(*ended) : End{EndReason::error, ended.error().text()};
    if (!ended)
        WEIR_LOG(error, "the recording ended early; what was recorded is finished now",
                 {"error", ended.error().text()});
    co_return co_await finish(recording->made()->journal(), std::move(end), mine.has_value());
}

Task<Result<DownloadResult>> Download::State::run() {
    if (!options.cookies_file.empty()) {
        auto jar = co_await read_cookies(lane, options.cookies_file, shard.clock().wall());
        if (!jar) co_return jar.error();
        cookies = std::move(*jar);
    }
    auto mine = co_await look_for_unfinished();
    if (!mine) co_return mine.error();

    if (*mine && (*mine)->unfinished.ended) {
        WEIR_LOG(info, "this recording was whole and only has to be finished",
                 {"file", (*mine)->unfinished.target.string()});
        End whole{EndReason::endlist, "finished after an interruption"};
        co_return co_await finish((*mine)->unfinished.journal, std::move(whole), true);
    }
    auto prepared = co_await prepare_source(*mine);
    if (!prepared) {
        if (!*mine || (*mine)->name_data.contains("http.length")) co_return prepared.error();
        WEIR_LOG(info, "the stream is over; its interrupted recording is finished now",
                 {"reason", prepared.error().text()});
        End over{EndReason::endlist, "the stream was over"};
        co_return co_await finish((*mine)->unfinished.journal, std::move(over), true);
    }
    if (*mine && !source->continues()) {
        WEIR_LOG(info, "the interrupted recording is of an earlier live; a new one begins",
                 {"file", (*mine)->unfinished.target.string()});
        others.spawn(finish_other((*mine)->unfinished.journal), "finish an earlier recording");
        source->drop_earlier();
        mine->reset();
    }
    co_return co_await record(std::move(*mine));
}

Download::Download(Shard& shard, HttpClient& http, FileLane& lane, DownloadOptions options)
    : state_(std::make_unique<State>(shard, http, lane, std::move(options))) {}
Download::~Download() = default;

Task<Result<DownloadResult>> Download::run() {
    auto result = co_await state_->run();
    co_await uncancellable();
    co_await state_->others.join();
    co_await state_->others.stop("done");
    co_return result;
}

void Download::ask_stop(std::string reason) {
    if (state_->pipeline) {
        state_->pipeline->ask_stop(std::move(reason));
    } else {
        state_->before.stop.ask(reason);
        state_->preparing.ask_stop(std::move(reason));
    }
}

DownloadProgress Download::progress() const {
    DownloadProgress p;
    p.state = state_->phase;
    p.target = state_->options.target;
    if (state_->source && state_->source->ready()) {
        p.behind = state_->source->behind();
        if (const auto file = state_->source->file()) p.length = file->length;
    }
    if (state_->recording && state_->recording->made()) {
        const auto stats = state_->recording->made()->stats();
        p.bytes = stats.bytes;
        p.got = stats.units;
        p.missing = stats.missing_units;
        p.duration = stats.duration;
        p.waiting_for_space = stats.waiting_for_space;
    }
    return p;
}

}  // namespace weir::apps
