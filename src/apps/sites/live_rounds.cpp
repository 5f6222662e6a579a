#include <algorithm>

#include "apps/recorder/mark.h"
#include "apps/sites/live_recording_inner.h"
#include "apps/sites/post_processing.h"
#include "base/log.h"
#include "store/book.h"
#include "store/names.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;

constexpr Millis over_idle = 6s;            ///< after the site said that the live is over
constexpr Micros over_without_media = 15s;  ///< and nothing has come at all
constexpr Micros longest_outage = 10min;
constexpr Micros address_deadline = 25s;
constexpr int addresses_per_session = 3;
constexpr std::size_t longest_name_text = 4096;

std::string short_text(const std::string& text) {
    return store::shorten_name(text, longest_name_text);
}

}  // namespace

Task<Result<>> LiveTap::accept(std::span<const Item> items) {
    const bool media =
        std::any_of(items.begin(), items.end(), [](const Item& i) { return std::holds_alternative<Chunk>(i); });
    std::vector<Item> kept;
    if (leaving_) {
        const auto cut_by_the_stop = [](const Item& i) {
            const auto* gap = std::get_if<Gap>(&i);
            return gap != nullptr && gap->partial && gap->why == "stopped";
        };
        std::remove_copy_if(items.begin(), items.end(), std::back_inserter(kept), cut_by_the_stop);
        items = kept;
    }
    auto taken = co_await inner_.accept(items);
    if (!taken) refused_ = true;
    if (taken) taken_(items);
    if (taken && media) {
        any_media_ = true;
        last_media_ = clock_.now();
    }
    co_return taken;
}

Session::Listener LiveRecording::Inner::listener() {
    Session::Listener l;
    l.follow = [this, alive = listening](Url url, std::string new_quality) {
        if (!*alive) return;
        if (!new_quality.empty() && new_quality != quality) stream_span.event("quality upgrade");
        if (!new_quality.empty()) quality = std::move(new_quality);
        if (hls)
            hls->follow(std::move(url));
        else
            followed = std::move(url);
    };
    l.comment = [this, alive = listening](std::string line) {
        if (*alive && chat) chat->write(std::move(line));
    };
    l.over = [this, alive = listening](const Result<std::string>& why) {
        if (*alive) over(why);
    };
    l.trace = (live_span.context().valid() ? live_span : process_span).context();
    return l;
}

void LiveRecording::Inner::over(const Result<std::string>& why) {
    if (std::exchange(over_told, true)) return;
    over_why = why ? *why : why.error().text();
    if (!why) refused = why.error();
    WEIR_LOG(info, "the site ends the live for us", {"source", source_id}, {"why", over_why});
    if (hls) hls->ends_soon(over_idle);
    timers.spawn(give_up_waiting(), "the live is over");
}

/// A live that was over before anything came of it.
Task<void> LiveRecording::Inner::give_up_waiting() {
    co_await errors_not_throws();
    const bool came = co_await tools.shard.clock().sleep_for(over_without_media);
    if (came && pipeline && tap && !tap->any_media()) pipeline->ask_stop(over_why);
}

Task<Result<Url>> LiveRecording::Inner::open_session() {
    session = plan.channel->open(plan.live, listener());
    auto opening = session->open();
    auto opened = co_await step(std::move(opening));
    if (!opened) co_return opened.error();
    quality = opened->quality;
    stream_parent = opened->trace;
    co_return std::move(opened->playlist);
}

/// What comes too late is no stop: whoever asked goes on.
Task<Result<Url>> LiveRecording::Inner::fresh_address_in_time() {
    bool late = false;
    const auto until = tools.shard.clock().now() + address_deadline;
    auto asking = session->fresh_address();
    auto url = co_await with_deadline(tools.shard.clock(), until, std::move(asking), &late);
    if (!url && late) co_return Error{Errc::timed_out, "no address of the playlist came in time"};
    co_return url;
}

/// Of what is being recorded; from a new session where the old one gives none any more.
Task<Result<Url>> LiveRecording::Inner::address() {
    if (session && refused_addresses < addresses_per_session) {
        auto asking = fresh_address_in_time();
        auto url = co_await step(std::move(asking));
        refused_addresses = url ? 0 : refused_addresses + 1;
        co_return url;
    }
    refused_addresses = 0;
    if (session) {
        auto old = std::move(session);
        co_await old->close();
    }
    auto url = co_await open_session();
    co_return url;
}

HlsSettings LiveRecording::Inner::hls_settings(Url url) {
    HlsSettings s;
    s.url = std::move(url);
    s.headers = plan.channel->media_headers();
    s.from_start = true;
    s.wait_for_start = 30s;
    s.trace = stream_span.context();
    s.switched = [this](const Result<>& outcome) {
        if (outcome) stream_span.event("stream alive, cancel old downloader");
    };
    s.fresh_address = [this]() -> Task<Result<std::optional<Url>>> {
        std::optional<Url> fresh;
        if (!session || over_told) co_return fresh;
        auto url_now = co_await fresh_address_in_time();
        if (!url_now) co_return url_now.error();
        fresh = std::move(*url_now);
        co_return fresh;
    };
    if (!earlier || !earlier->at.any) return s;
    const auto& at = earlier->at;
    s.resume = HlsSettings::Resume{at.unit, at.gen, at.stream_time, at.last_written, {}, at.offset};
    for (const auto& [lane, beside] : at.lanes)
        s.resume->beside.push_back({lane, beside.unit, beside.gen, beside.stream_time});
    return s;
}

store::RecordingPlan LiveRecording::Inner::plan_of_recording() const {
    store::RecordingPlan p;
    p.target = names->target();
    p.source_kind = std::string(plan.channel->site());
    p.source_id = source_id;
    p.remux = plan.params.remux;
    p.name_data["channel"] = plan.live.channel_id;
    if (!plan.live.title.empty()) p.name_data["title"] = short_text(plan.live.title);
    if (!plan.live.channel_name.empty()) p.name_data["artist"] = short_text(plan.live.channel_name);
    names->add_to(p.name_data);
    return p;
}

Task<Result<End>> LiveRecording::Inner::round(Url url) {
    ++rounds_begun;
    auto& clock = tools.shard.clock();
    hls = HlsSource::create(tools.shard.executor(), clock, tools.http, tools.cookies, hls_settings(std::move(url)));
    std::optional<Path> unfinished;
    if (earlier) unfinished = earlier->journal;
    auto settle = [remux = plan.params.remux](store::RecordingPlan& p, const std::vector<InitPtr>& inits) -> Result<> {
        if (remux || inits.empty()) return {};
        const bool lanes = std::any_of(inits.begin(), inits.end(), [](const InitPtr& i) { return i->lane != 0; });
        const auto container = inits.front()->format.container;
        p.remux = lanes;
        p.target.replace_extension(lanes || container == Container::fmp4 ? ".mp4" : store::ending_of(container));
        return {};
    };
    auto on_made = [this](Path journal) { return apps::set_mark(tools.lane, std::move(journal), todo_ending); };
    recording = std::make_unique<apps::LazyRecording>(tools.shard.executor(), clock, tools.lane, plan_of_recording(),
                                                      std::move(unfinished), std::move(settle), std::move(on_made));
    auto taken = [this](std::span<const Item> items) {
        arrivals.took(items, hls ? hls->stats().behind_units : 0, tools.shard.clock().wall());
    };
    tap = std::make_unique<LiveTap>(clock, *recording, leaving, std::move(taken));
    pipeline = std::make_unique<Pipeline>(tools.shard.executor(), *hls, *tap);
    if (stop.asked()) pipeline->ask_stop(stop.reason());
    if (over_told) hls->ends_soon(over_idle);
    if (followed) hls->follow(*std::exchange(followed, std::nullopt));
    auto ended = co_await pipeline->run();
    count_round();
    co_return ended;
}

void LiveRecording::Inner::count_round() {
    if (tap->any_media()) {
        last_media = tap->last_media();
        backoff.reset();
    }
    if (recording->made()) made_journal = recording->made()->journal();
    pipeline.reset();
    hls.reset();
}

/// What was recorded is left in order, and taken up again as after a kill: in one journal, with a new raw file.
Task<Result<>> LiveRecording::Inner::reopen_recording() {
    if (!recording->made()) {
        recording.reset();
        co_return Result<>();
    }
    last_stats = recording->made()->stats();
    const auto journal = recording->made()->journal();
    auto left = co_await recording->leave();
    if (!left) WEIR_LOG(error, "the recording could not be left in order", {"error", left.error().text()});
    recording.reset();
    auto recovered = co_await recover(journal);
    if (!recovered) co_return within("go on with the recording", recovered.error());
    earlier = std::move(*recovered);
    co_return Result<>();
}

/// Sources, one after another, until the live is over or nothing has come for long.
Task<End> LiveRecording::Inner::rounds(Url url) {
    last_media = tools.shard.clock().now();
    while (true) {
        auto ended = co_await round(std::move(url));
        End end = ended ? *ended : End{EndReason::error, ended.error().text()};
        if (end.reason == EndReason::stopped && !over_told) stop.ask(end.why);  // our own caller was cancelled
        if (stop.asked()) {
            End stopped{EndReason::stopped, stop.reason()};
            co_return stopped;
        }
        if (refused) {
            End denied{EndReason::error, over_why};
            co_return denied;
        }
        if (over_told) {
            End over_now{EndReason::endlist, over_why};
            co_return over_now;
        }
        const bool disk = tap->refused();
        if (disk) co_return end;
        // An ENDLIST proves nothing: FC2 writes none, and a proxy's or a worker's may come in the midst (FC2-58).
        WEIR_LOG(warn, "the source of a live ended; is it still live?", {"source", source_id}, {"why", end.why});
        auto next = co_await next_address();
        if (stop.asked()) {
            End stopped{EndReason::stopped, stop.reason()};
            co_return stopped;
        }
        if (!next) {
            if (refused) end = End{EndReason::error, over_why};
            co_return end;
        }
        auto reopened = co_await reopen_recording();
        if (!reopened) {
            End broken{EndReason::error, reopened.error().text()};
            co_return broken;
        }
        url = std::move(*next);
    }
}

/// Nothing: it is over, or has given nothing for so long that it is as good as over.
Task<std::optional<Url>> LiveRecording::Inner::next_address() {
    std::optional<Url> none;
    bool first = rounds_begun == 1 || (tap && tap->any_media());
    while (!stop.asked() && !over_told) {
        if (!std::exchange(first, false)) {
            const bool waited = co_await pause(backoff.next());
            if (!waited || over_told) break;
        }
        auto looking = plan.channel->look();
        auto seen = co_await step(std::move(looking));
        if (stop.asked()) break;
        const bool gone = seen && (!*seen || (*seen)->id != plan.live.id);
        if (gone) break;
        if (tools.shard.clock().now() - last_media > longest_outage) {
            WEIR_LOG(warn, "nothing has come for ten minutes; the recording is finished", {"source", source_id});
            break;
        }
        auto url = co_await address();
        if (stop.asked() || over_told) break;
        if (followed) {  // the session knows better by now
            none = std::exchange(followed, std::nullopt);
            co_return none;
        }
        if (url) {
            none = std::move(*url);
            co_return none;
        }
        WEIR_LOG(warn, "no address of a live that goes on", {"source", source_id}, {"why", url.error().text()},
                 {"seen", seen ? "live" : seen.error().text()});
    }
    co_return none;
}

Task<bool> LiveRecording::Inner::pause(Millis time) {
    const auto sleep = [](Clock& clock, Micros length) -> Task<Result<>> {
        const bool came = co_await clock.sleep_for(length);
        if (!came) co_return Error{Errc::cancelled, "stopped"};
        co_return Result<>();
    };
    auto sleeping = sleep(tools.shard.clock(), time);
    auto slept = co_await step(std::move(sleeping));
    co_return slept.has_value() && !stop.asked();
}

}  // namespace weir::sites
