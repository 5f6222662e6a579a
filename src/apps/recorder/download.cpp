#include "apps/recorder/download.h"

#include <algorithm>
#include <ctime>

#include "apps/recorder/lazy_recording.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/secret.h"
#include "core/pipeline.h"
#include "runtime/task_group.h"
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

}  // namespace

std::string default_name(const Url& url, WallTime now) {
    std::string_view path = url.path;
    while (path.ends_with('/')) path.remove_suffix(1);
    auto last = std::string(path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1));
    if (const auto dot = last.rfind('.'); dot != std::string::npos && dot > 0) last.resize(dot);
    // "index", "playlist" and the like tell nothing; the host does.
    static constexpr std::string_view dull[] = {"index",  "playlist", "master",     "chunklist", "live",
                                                "stream", "media",    "prog_index", ""};
    if (std::find(std::begin(dull), std::end(dull), last) != std::end(dull))
        last = last.empty() ? url.host : url.host + " " + last;

    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    const auto date = fmt::format("{:04}-{:02}-{:02} {:02}{:02}{:02}", local.tm_year + 1900, local.tm_mon + 1,
                                  local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec);
    const auto name = store::sanitise_name(fmt::format("{} {}", date, last));
    return store::shorten_name(name, store::max_name_bytes - store::room_for_endings) + ".mp4";
}

struct Download::State {
    State(Shard& s, HttpClient& h, FileLane& l, DownloadOptions o)
        : shard(s), http(h), lane(l), options(std::move(o)), others(s.executor()), preparing(s.executor()) {}

    Task<Result<DownloadResult>> run();
    Task<Result<std::optional<store::Unfinished>>> look_for_unfinished();
    Task<Result<>> prepare_source(const std::optional<store::Unfinished>& mine);
    Task<void> prepare_into(Result<>& result);
    Task<Result<DownloadResult>> record(std::optional<store::Unfinished> mine);
    Task<Result<DownloadResult>> finish(Path journal, End end, bool resumed);
    Task<void> finish_other(Path journal);

    Shard& shard;
    HttpClient& http;
    FileLane& lane;
    DownloadOptions options;
    CookieJar cookies;
    std::unique_ptr<HlsSource> source;
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

/// The unfinished recording of this very source; every other one in the folder is finished on the side.
Task<Result<std::optional<store::Unfinished>>> Download::State::look_for_unfinished() {
    std::vector<std::string> complaints;
    auto found = co_await store::find_unfinished(lane, options.target.parent_path(), &complaints);
    for (const auto& complaint : complaints) WEIR_LOG(warn, complaint);
    if (!found) {
        if (found.error().code == Errc::not_found)
            co_return std::optional<store::Unfinished>{};  // the folder is made later
        co_return found.error();
    }
    const auto id = source_id(options.source.url);
    const auto fits = [&](const store::Unfinished& u) {
        return u.source_id == id && (!u.ended || (only_to_be_finished(u) && u.target == options.target));
    };
    const auto newest = std::max_element(found->begin(), found->end(), [&](const auto& a, const auto& b) {
        return std::pair(fits(a), a.at.last_written) < std::pair(fits(b), b.at.last_written);
    });
    std::optional<store::Unfinished> mine;
    if (newest != found->end() && fits(*newest)) mine = *newest;
    for (const auto& each : *found)
        if (!mine || each.journal != mine->journal)
            others.spawn(finish_other(each.journal), "finish an earlier recording");
    if (!mine || mine->ended) co_return mine;
    auto recovered = co_await store::recover(lane, shard.clock(), mine->journal);
    if (!recovered) {
        WEIR_LOG(warn, "an unfinished recording could not be recovered; it is left as it is",
                 {"journal", mine->journal.string()}, {"error", recovered.error().text()});
        co_return std::optional<store::Unfinished>{};
    }
    co_return std::optional<store::Unfinished>{std::move(*recovered)};
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
    if (done)
        WEIR_LOG(info, "finished a recording that was interrupted", {"file", done->file.string()},
                 {"duration", duration_text(done->duration)});
    else
        WEIR_LOG(warn, "an interrupted recording could not be finished; its raw files are kept",
                 {"journal", journal.string()}, {"error", done.error().text()});
}

Task<Result<>> Download::State::prepare_source(const std::optional<store::Unfinished>& mine) {
    auto settings = options.source;
    if (mine && mine->at.any)
        settings.resume = HlsSettings::Resume{mine->at.unit, mine->at.gen, mine->at.stream_time, mine->at.last_written};
    else if (mine)
        settings.from_start = true;  // killed before a whole segment was kept: what the window has belongs to it
    source = HlsSource::create(shard.executor(), shard.clock(), http, &cookies, std::move(settings));
    // A task of its own, so that a stop can wake it and nothing else.
    Result<> result = Error{Errc::cancelled, "stopped before anything was recorded"};
    preparing.spawn(prepare_into(result), "prepare");
    co_await preparing.join();
    co_await preparing.stop("prepared");
    co_return result;
}

Task<void> Download::State::prepare_into(Result<>& result) {
    co_await errors_not_throws();
    result = co_await source->prepare(before);
}

Task<Result<DownloadResult>> Download::State::finish(Path journal, End end, bool resumed) {
    phase = DownloadProgress::State::finishing;
    auto done = co_await store::finalise(shard.executor(), shard.clock(), lane, journal, options.keep_raw);
    if (!done) co_return within("finish", done.error());
    auto verdict = co_await store::verify(shard.executor(), lane, done->file);
    DownloadResult result{done->file, done->journal, done->duration, done->bytes, 0, 0, 0, std::move(end), resumed};
    if (!verdict) co_return within("verify", verdict.error());
    result.asked = verdict->asked;
    result.got = verdict->got;
    result.missing = verdict->missing;
    if (verdict->state == store::Verdict::State::damaged && !verdict->complaints.empty())
        co_return Error{Errc::io, fmt::format("{} is damaged: {}", done->file.string(), verdict->complaints.front()),
                        "verify"};
    co_return result;
}

Task<Result<DownloadResult>> Download::State::record(std::optional<store::Unfinished> mine) {
    store::RecordingPlan plan{
        options.target, "hls", source_id(options.source.url), {{"url", options.source.url.without_query()}}};
    recording = std::make_unique<LazyRecording>(shard.executor(), shard.clock(), lane, std::move(plan),
                                                mine ? std::optional<Path>(mine->journal) : std::nullopt);
    pipeline = std::make_unique<Pipeline>(shard.executor(), *source, *recording);
    if (before.stop.asked()) pipeline->demand().stop.ask(before.stop.reason());
    phase = DownloadProgress::State::recording;
    const auto rendition = source->stats().rendition;
    WEIR_LOG(info, mine ? "goes on with an interrupted recording" : "recording",
             {"url", masked_url(options.source.url.text())},
             {"rendition", rendition.empty() ? "the only one" : rendition},
             {"file", (mine ? mine->target : options.target).string()});

    auto ended = co_await pipeline->run();
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

    if (*mine && (*mine)->ended) {
        WEIR_LOG(info, "this recording was whole and only has to be finished", {"file", (*mine)->target.string()});
        End whole{EndReason::endlist, "finished after an interruption"};
        co_return co_await finish((*mine)->journal, std::move(whole), true);
    }
    auto prepared = co_await prepare_source(*mine);
    if (!prepared) {
        if (!*mine) co_return prepared.error();
        WEIR_LOG(info, "the stream is over; its interrupted recording is finished now",
                 {"reason", prepared.error().text()});
        End over{EndReason::endlist, "the stream was over"};
        co_return co_await finish((*mine)->journal, std::move(over), true);
    }
    if (*mine && (*mine)->at.any && !source->continues()) {
        WEIR_LOG(info, "the interrupted recording is of an earlier live; a new one begins",
                 {"file", (*mine)->target.string()});
        others.spawn(finish_other((*mine)->journal), "finish an earlier recording");
        source->drop_resume();
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
    if (state_->source) p.behind = state_->source->stats().behind_units;
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
