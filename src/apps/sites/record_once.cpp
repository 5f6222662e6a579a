#include <algorithm>
#include <exception>
#include <utility>

#include "apps/sites/watcher.h"
#include "base/log.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;

constexpr Millis stop_is_looked_at = 200ms;
constexpr Millis between_lives = 1s;
constexpr Millis same_live_again = 5s;
constexpr int blind_looks_until_told = 3;

/// One channel from its first look to the end of `download`.
struct OneByOne {
    OneByOne(Watcher::Setup s, LiveRecording::Tools t, OnceSettings o, const Stop& st, EventSink e,
             std::function<void(LiveRecording*)> c, LiveWork w)
        : setup(std::move(s)),
          tools(t),
          settings(o),
          stop(st),
          tell(std::move(e)),
          current(std::move(c)),
          work(std::move(w)),
          clock(t.shard.clock()),
          beside(t.shard.executor()) {}

    Watcher::Setup setup;
    LiveRecording::Tools tools;
    OnceSettings settings;
    const Stop& stop;
    EventSink tell;
    std::function<void(LiveRecording*)> current;
    LiveWork work;

    Clock& clock;
    std::vector<LeftOver> left_overs;
    std::optional<LiveResult> last;
    std::shared_ptr<const Live> live;
    std::string ended_live;
    int failures = 0, blind_looks = 0;
    bool idle_told = false, began = false;
    Backoff pause_after_failure{{1s, 60s, 2.0}};
    TaskGroup beside;

    using Answer = std::optional<Result<LiveResult>>;  ///< nothing: go on

    void say(EventKind kind, std::string text = {}) {
        if (!tell) return;
        Event event;
        event.kind = kind;
        event.channel_id = setup.id;
        event.labels = setup.params.labels;
        if (live) event.metadata = live->metadata;
        event.text = std::move(text);
        tell(event);
    }
    [[nodiscard]] Answer over() const {
        if (last) return Result<LiveResult>(*last);
        return Result<LiveResult>(Error{Errc::cancelled, stop.asked() ? stop.reason() : "cancelled"});
    }

    Task<void> find();
    Task<bool> pause(Millis d);
    Task<Answer> round();
    Task<Answer> failed(Error why, bool counts);
    Task<Answer> not_live();
    Task<Answer> record(Live found);
    [[nodiscard]] std::optional<Path> sort_left_overs(const Live* on);
    Task<void> finish_all(std::vector<LeftOver> all);
};

/// False: stopped or cancelled.
Task<bool> OneByOne::pause(Millis d) {
    const auto until = clock.now() + d;
    bool slept = true;
    while (slept && !stop.asked() && clock.now() < until)
        slept = co_await clock.sleep_until(std::min<SteadyTime>(until, clock.now() + stop_is_looked_at));
    co_return slept && !stop.asked();
}

Task<void> OneByOne::find() {
    const std::string site(setup.channel->site());
    std::string out_format = setup.params.out_format;
    auto found = co_await work.find(tools.lane, std::move(out_format), site);
    if (!found) {
        WEIR_LOG(warn, "what earlier runs left cannot be looked for", {"error", found.error().text()});
        co_return;
    }
    const auto mine = source_id_of(site, setup.id, "");
    for (auto& left : *found)
        if (left.source_id.starts_with(mine)) left_overs.push_back(std::move(left));
}

std::optional<Path> OneByOne::sort_left_overs(const Live* on) {
    if (left_overs.empty()) return std::nullopt;
    const auto wanted = on ? source_id_of(setup.channel->site(), on->channel_id, on->id) : std::string();
    std::optional<Path> unfinished;
    std::vector<LeftOver> all;
    for (auto& left : std::exchange(left_overs, {})) {
        if (on && !unfinished && !left.ended && left.source_id == wanted)
            unfinished = std::move(left.journal);
        else
            all.push_back(std::move(left));
    }
    if (!all.empty()) beside.spawn(finish_all(std::move(all)), "left-overs");
    return unfinished;
}

Task<void> OneByOne::finish_all(std::vector<LeftOver> all) {
    for (auto& left : all) {
        if (beside.stopping().asked()) break;
        const auto journal = left.journal.string();
        Params params = setup.params;
        auto done = co_await work.finish(tools, std::move(left), std::move(params));
        if (done)
            WEIR_LOG(info, "finished what an earlier run had begun", {"file", done->file.string()});
        else if (done.error().code != Errc::cancelled)
            WEIR_LOG(error, "what an earlier run had begun could not be finished", {"journal", journal},
                     {"error", done.error().text()});
    }
}

Task<OneByOne::Answer> OneByOne::round() {
    auto found = co_await setup.channel->look();
    if (stop.asked()) co_return over();
    Answer answer;
    if (!found) {
        // While a live is waited for, an outage is no reason to give up.
        if (++blind_looks == blind_looks_until_told) say(EventKind::blind, found.error().text());
        Error why = found.error();
        answer = co_await failed(std::move(why), !setup.params.wait_for_live);
        co_return answer;
    }
    blind_looks = 0;
    if (!*found) {
        answer = co_await not_live();
        co_return answer;
    }
    Live one = std::move(**found);
    if (one.id == ended_live) {
        ended_live.clear();
        const bool go_on = co_await pause(same_live_again);
        if (!go_on) answer = over();
        co_return answer;
    }
    answer = co_await record(std::move(one));
    co_return answer;
}

Task<OneByOne::Answer> OneByOne::failed(Error why, bool counts) {
    if (why.code == Errc::cancelled) co_return over();
    if (counts && ++failures >= std::max(settings.max_tries, 1) && !settings.loop) co_return Result<LiveResult>(why);
    WEIR_LOG(warn, "trying again", {"channelID", setup.id}, {"error", why.text()});
    const bool go_on = co_await pause(pause_after_failure.next(why.retry_after));
    Answer answer;
    if (!go_on) answer = over();
    co_return answer;
}

Task<OneByOne::Answer> OneByOne::not_live() {
    ended_live.clear();
    (void)sort_left_overs(nullptr);
    if (!settings.loop && !setup.params.wait_for_live)
        co_return Result<LiveResult>(Error{Errc::not_found, "the channel is not live"});
    if (!std::exchange(idle_told, true)) say(EventKind::idle);
    const bool go_on = co_await pause(setup.channel->pace(setup.params.wait_poll_interval));
    Answer answer;
    if (!go_on) answer = over();
    co_return answer;
}

Task<OneByOne::Answer> OneByOne::record(Live found) {
    live = std::make_shared<const Live>(std::move(found));
    auto unfinished = sort_left_overs(live.get());
    LiveRecording::Plan plan{setup.params, *live, setup.channel, std::move(unfinished)};
    auto entered = [this](State state) {
        if (state == State::downloading && !std::exchange(began, true)) say(EventKind::downloading);
        if (state == State::post_processing) say(EventKind::post_processing);
    };
    if (failures == 0) say(EventKind::preparing_files);
    auto run = work.record(tools, std::move(plan), entered);
    if (current) current(run->recording());
    auto result = co_await run->run();
    if (current) current(nullptr);
    run.reset();
    Answer answer;
    if (result && result->goes_on && !stop.asked()) {  // could not be gone on with yet
        left_overs.push_back({result->journal, source_id_of(setup.channel->site(), live->channel_id, live->id), false});
        result = result->refused.value_or(Error{Errc::lost_peer, result->end.why});
    }
    if (!result) {
        const auto code = result.error().code;  // not_found: it ended before it gave any media
        if (failures == 0 && code != Errc::cancelled && code != Errc::not_found)
            say(EventKind::error, result.error().text());
        Error why = result.error();
        answer = co_await failed(std::move(why), code != Errc::not_found || !setup.params.wait_for_live);
        co_return answer;
    }
    for (const auto& complaint : result->complaints)
        WEIR_LOG(warn, "a step after the recording failed", {"error", complaint});
    say(stop.asked() ? EventKind::canceled : EventKind::finished);
    ended_live = live->id;
    live.reset();
    failures = 0;
    began = idle_told = false;
    pause_after_failure.reset();
    last = std::move(*result);
    bool go_on = settings.loop;
    if (go_on) go_on = co_await pause(between_lives);
    if (!go_on) answer = over();
    co_return answer;
}

}  // namespace

Task<Result<LiveResult>> record_once(Watcher::Setup setup, LiveRecording::Tools tools, OnceSettings settings,
                                     const Stop& stop, EventSink tell, std::function<void(LiveRecording*)> current,
                                     LiveWork work) {
    co_await errors_not_throws();
    OneByOne one(std::move(setup), tools, settings, stop, std::move(tell), std::move(current), std::move(work));
    OneByOne::Answer answer;
    std::exception_ptr bug;
    try {
        co_await one.find();
        while (!answer && !stop.asked()) answer = co_await one.round();
        if (!answer) answer = one.over();
    } catch (...) {
        bug = std::current_exception();
        if (one.current) one.current(nullptr);
    }
    if (bug || stop.asked()) one.beside.ask_stop("the recorder stops");
    co_await one.beside.join();
    if (bug) std::rethrow_exception(bug);
    co_return std::move(*answer);
}

}  // namespace weir::sites
