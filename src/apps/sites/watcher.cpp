#include "apps/sites/watcher.h"

#include <algorithm>
#include <exception>
#include <random>
#include <utility>

#include "apps/sites/watcher_metrics.h"
#include "base/log.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_troubles = 100;
constexpr int looks_until_blind_is_told = 3;
constexpr Millis longest_asked_pause = 10min;
constexpr Millis after_a_bug = 60s;
constexpr Millis after_a_clean_end = 5s;

Millis pause_after_refusal(int refusals) {
    return 30s * (1 << std::min(refusals - 1, 4));
}

using Looked = std::optional<Result<std::optional<Live>>>;  ///< nothing: stopped while looking

struct Sight {
    Looked found;
    std::exception_ptr bug;
};

Task<void> look_at_channel(std::shared_ptr<Channel> channel, std::shared_ptr<Sight> into) {
    try {
        auto found = co_await channel->look();
        into->found.emplace(std::move(found));
    } catch (...) {
        into->bug = std::current_exception();
    }
}

/// What goes wrong with one live, from the first failure to a success, another live or none.
struct LiveTrouble {
    std::string live;
    int refused = 0, failed = 0;
    bool told = false, began_told = false;
    [[nodiscard]] bool any() const noexcept { return refused + failed > 0; }
};

}  // namespace

std::string_view name_of(State state) noexcept {
    switch (state) {
        case State::unspecified:
            return "UNSPECIFIED";
        case State::idle:
        case State::blind:
            return "IDLE";
        case State::preparing_files:
            return "PREPARING_FILES";
        case State::downloading:
            return "DOWNLOADING";
        case State::post_processing:
            return "POST_PROCESSING";
        case State::finished:
            return "FINISHED";
        case State::canceled:
            return "CANCELED";
    }
    return "UNSPECIFIED";
}

struct Watcher::Inner {
    Inner(LiveRecording::Tools t, Setup s, EventSink e, LiveWork w)
        : tools(t),
          setup(std::move(s)),
          tell(std::move(e)),
          work(std::move(w)),
          clock(t.shard.clock()),
          woken(t.shard.executor()),
          metrics(setup.id),
          looking(t.shard.executor()),
          finishing(t.shard.executor()) {
        status.channel_id = setup.id;
        status.since = clock.wall();
        metrics.show(status.state, setup.params.labels);
    }

    // ---- what people see
    [[nodiscard]] const Setup& newest() const noexcept { return next ? *next : setup; }
    void enter(State state, std::string reason);
    void trouble(std::string text);
    void say(EventKind kind, std::string text = {});
    void entered(State state);

    // ---- the loop
    Task<void> run();
    Task<bool> guarded_round();
    Task<bool> round();
    Task<Looked> look();
    Task<void> pause(Millis d);
    [[nodiscard]] Millis jittered(Millis d);
    Task<void> cannot_see(Error why);
    Task<bool> not_live();
    Task<bool> is_live(Live found);
    Task<bool> record(std::optional<Path> unfinished);
    void recorded(const LiveResult& result);
    [[nodiscard]] Millis failed(const Error& why);
    [[nodiscard]] Millis nothing_came(std::string why);
    [[nodiscard]] std::optional<Path> sort_left_overs(const Live* on);
    Task<void> finish_all(std::vector<LeftOver> all, Params params);

    LiveRecording::Tools tools;
    Setup setup;
    std::optional<Setup> next;
    EventSink tell;
    LiveWork work;
    Clock& clock;
    Bell woken;
    Stop stop;
    bool hurry = false, stopped_while_recording = false;

    WatchStatus status;
    WatcherMetrics metrics;
    std::shared_ptr<const Live> live;  ///< being recorded
    std::unique_ptr<LiveRun> current;
    SteadyTime prepared_at{}, downloading_at{};
    std::vector<LeftOver> left_overs;
    LiveTrouble bad;
    std::string ended_live;  ///< whose recording ended by itself
    bool waited_for_its_end = false, idle_told = false;
    int blind_looks = 0;
    Backoff blind_pause{{1s, 60s, 2.0}}, failed_pause{{1s, 60s, 2.0}};
    std::minstd_rand random{std::random_device{}()};
    TaskGroup looking, finishing;
};

void Watcher::Inner::enter(State state, std::string reason) {
    if (state != status.state) status.since = clock.wall();
    status.state = state;
    status.reason = std::move(reason);
    status.next_look.reset();
    const bool recording = state == State::downloading || state == State::post_processing;
    status.metadata_json = recording && live ? live->metadata_json : std::string();
    metrics.show(state, newest().params.labels);
}

void Watcher::Inner::trouble(std::string text) {
    status.errors.push_back({clock.wall(), std::move(text)});
    if (status.errors.size() > most_troubles) status.errors.pop_front();
}

void Watcher::Inner::say(EventKind kind, std::string text) {
    if (!tell) return;
    Event event;
    event.kind = kind;
    event.channel_id = setup.id;
    event.labels = newest().params.labels;
    if (live) event.metadata = live->metadata;
    event.text = std::move(text);
    tell(event);
}

/// Called by the recording as it goes on.
void Watcher::Inner::entered(State state) {
    enter(state, live ? live->title : std::string());
    switch (state) {
        case State::preparing_files:
            prepared_at = clock.now();
            if (!bad.any()) say(EventKind::preparing_files);
            break;
        case State::downloading:
            downloading_at = clock.now();
            metrics.began(std::chrono::duration_cast<Micros>(clock.now() - prepared_at));
            if (std::exchange(bad.began_told, true)) break;
            say(EventKind::downloading);
            break;
        case State::post_processing:
            if (downloading_at != SteadyTime{})
                metrics.downloaded(std::chrono::duration_cast<Micros>(clock.now() - std::exchange(downloading_at, {})));
            say(EventKind::post_processing);
            break;
        default:
            break;
    }
}

Millis Watcher::Inner::jittered(Millis d) {
    std::uniform_real_distribution<double> factor(0.9, 1.1);
    return Millis(static_cast<Millis::rep>(static_cast<double>(d.count()) * factor(random)));
}

/// Ends early with a stop or an update.
Task<void> Watcher::Inner::pause(Millis d) {
    const auto until = clock.now() + d;
    status.next_look = clock.wall() + d;
    while (!stop.asked() && !next && clock.now() < until) {
        Task<bool> ring = woken.wait();
        const bool rung = co_await with_deadline(clock, until, std::move(ring));
        if (!rung && clock.now() < until) stop.ask("the watcher was cancelled");
    }
    status.next_look.reset();
}

Task<Looked> Watcher::Inner::look() {
    const auto sight = std::make_shared<Sight>();
    looking.spawn(look_at_channel(setup.channel, sight), "look");
    co_await looking.join();
    if (sight->bug) std::rethrow_exception(sight->bug);
    if (looking.stopping().asked()) stop.ask("the watcher was cancelled");
    if (stop.asked()) sight->found.reset();
    co_return std::move(sight->found);
}

/// False: nothing more to do.
Task<bool> Watcher::Inner::round() {
    if (next) setup = std::move(*std::exchange(next, std::nullopt));
    metrics.show(status.state, setup.params.labels);
    auto looked = co_await look();
    if (!looked) co_return false;
    if (next) co_return true;
    if (!*looked) {
        co_await cannot_see(looked->error());
        co_return true;
    }
    if (blind_looks >= looks_until_blind_is_told)
        WEIR_LOG(info, "it can be seen again whether the channel is live", {"channelID", setup.id});
    blind_looks = 0;
    blind_pause.reset();
    auto& found = looked->value();
    bool go_on = false;
    if (found) {
        Live one = std::move(*found);
        go_on = co_await is_live(std::move(one));
    } else {
        go_on = co_await not_live();
    }
    co_return go_on;
}

Task<void> Watcher::Inner::cannot_see(Error why) {
    const auto text = why.text();
    if (blind_looks == 0 || status.reason != text) trouble(text);
    enter(State::blind, text);
    if (++blind_looks == looks_until_blind_is_told) say(EventKind::blind, text);
    co_await pause(blind_pause.next(why.retry_after, longest_asked_pause));
}

Task<bool> Watcher::Inner::not_live() {
    bad = {};
    failed_pause.reset();
    ended_live.clear();
    (void)sort_left_overs(nullptr);
    const bool waits = setup.params.wait_for_live;
    enter(State::idle, waits ? "not live" : "not live, and not waited for");
    if (!std::exchange(idle_told, true)) say(EventKind::idle);
    if (!waits) co_return false;
    co_await pause(jittered(setup.channel->pace(setup.params.wait_poll_interval)));
    co_return true;
}

Task<bool> Watcher::Inner::is_live(Live found) {
    if (bad.live != found.id) {
        bad = {};
        bad.live = found.id;
        failed_pause.reset();
    }
    if (found.id == ended_live && !std::exchange(waited_for_its_end, true)) {
        enter(State::idle, "its recording has just ended");
        co_await pause(after_a_clean_end);
        co_return true;
    }
    live = std::make_shared<const Live>(std::move(found));
    status.channel_name = live->channel_name;
    auto unfinished = sort_left_overs(live.get());
    const bool go_on = co_await record(std::move(unfinished));
    co_return go_on;
}

Task<bool> Watcher::Inner::record(std::optional<Path> unfinished) {
    LiveRecording::Plan plan{setup.params, *live, setup.channel, std::move(unfinished)};
    downloading_at = {};
    current = work.record(tools, std::move(plan), [this](State state) { entered(state); });
    auto result = co_await current->run();
    current.reset();
    if (result) recorded(*result);
    if (!result && result.error().code == Errc::cancelled && !stop.asked()) stop.ask("the recording was cancelled");
    if (stop.asked()) {
        const bool whole = result && !stopped_while_recording && !result->left_unfinished;
        const bool begun = status.state != State::idle && status.state != State::blind;
        if (whole) {
            enter(State::finished, stop.reason());
            say(EventKind::finished);
        } else if (begun) {
            enter(State::canceled, stop.reason());
            say(EventKind::canceled);
        }
        co_return false;
    }
    Millis wait{0};
    if (result && !result->file.empty()) {
        enter(State::finished, result->file.filename().string());
        say(EventKind::finished);
        bad = {};
        bad.live = ended_live = live->id;
        failed_pause.reset();
        waited_for_its_end = idle_told = false;
    }
    if (!result) {
        wait = result.error().code == Errc::not_found ? nothing_came(result.error().text()) : failed(result.error());
    } else if (result->refused && result->goes_on && result->refused->code == Errc::not_found) {
        wait = nothing_came(result->refused->text());
    } else if (result->refused) {
        wait = failed(*result->refused);
        waited_for_its_end = true;
    } else if (result->left_unfinished) {
        wait = failed(Error{Errc::io, "the recording could not be finished: its raw files stay"});
    } else if (result->file.empty()) {
        wait = nothing_came("nothing came of the live");
    }
    live.reset();
    if (wait > Millis{0}) co_await pause(wait);
    co_return true;
}

void Watcher::Inner::recorded(const LiveResult& result) {
    for (const auto& complaint : result.complaints) {
        trouble(complaint);
        WEIR_LOG(warn, "a step after the recording failed", {"channelID", setup.id}, {"error", complaint});
    }
    if (result.left_unfinished && !result.journal.empty() && !stop.asked())  // once more, later
        left_overs.push_back(
            {result.journal, source_id_of(setup.channel->site(), live->channel_id, live->id), !result.goes_on});
    if (result.file.empty()) return;
    WEIR_LOG(info, "recorded", {"channelID", setup.id}, {"file", result.file.string()},
             {"duration", duration_text(result.duration)}, {"size", size_text(result.bytes)}, {"gaps", result.gaps});
}

/// Told once a streak; returns how long to wait.
Millis Watcher::Inner::failed(const Error& why) {
    const auto text = why.text();
    const bool refused = why.code == Errc::denied;
    if (!bad.any() || status.errors.empty() || status.errors.back().text != text) trouble(text);
    if (!std::exchange(bad.told, true)) say(EventKind::error, text);
    ++(refused ? bad.refused : bad.failed);
    enter(State::idle, text);
    if (refused) return jittered(pause_after_refusal(bad.refused));
    return failed_pause.next(why.retry_after, longest_asked_pause);
}

/// Over before there was anything to keep: most often a live that has ended and is still listed. Nobody is told.
Millis Watcher::Inner::nothing_came(std::string why) {
    enter(State::idle, std::move(why));
    ++bad.failed;
    return std::max(after_a_clean_end, failed_pause.next());
}

/// What goes on with the live that is on; all others are finished beside.
std::optional<Path> Watcher::Inner::sort_left_overs(const Live* on) {
    if (left_overs.empty()) return std::nullopt;
    const auto wanted = on ? source_id_of(setup.channel->site(), on->channel_id, on->id) : std::string();
    std::optional<Path> unfinished;
    std::vector<LeftOver> over;
    for (auto& left : std::exchange(left_overs, {})) {
        if (on && !unfinished && !left.ended && left.source_id == wanted)
            unfinished = std::move(left.journal);
        else
            over.push_back(std::move(left));
    }
    if (!over.empty()) finishing.spawn(finish_all(std::move(over), setup.params), "left-overs");
    return unfinished;
}

Task<void> Watcher::Inner::finish_all(std::vector<LeftOver> all, Params params) {
    for (auto& left : all) {
        if (finishing.stopping().asked()) break;
        const auto journal = left.journal.string();
        Params wishes = params;
        auto done = co_await work.finish(tools, std::move(left), std::move(wishes));
        if (done) {
            WEIR_LOG(info, "finished what an earlier run had begun", {"channelID", setup.id},
                     {"file", done->file.string()});
            for (const auto& complaint : done->complaints) trouble(complaint);
        } else if (done.error().code != Errc::cancelled) {
            trouble(done.error().text());
            WEIR_LOG(error, "what an earlier run had begun could not be finished", {"channelID", setup.id},
                     {"journal", journal}, {"error", done.error().text()});
        }
    }
}

Task<bool> Watcher::Inner::guarded_round() {
    std::string bug;
    bool go_on = true;
    try {
        go_on = co_await round();
    } catch (const std::exception& e) {
        bug = e.what();
        if (bug.empty()) bug = "an exception";
    } catch (...) {
        bug = "an exception of unknown type";
    }
    if (bug.empty()) co_return go_on;
    current.reset();
    live.reset();
    trouble("panicked: " + bug);
    enter(State::idle, "a bug: " + bug);
    say(EventKind::panicked, bug);
    co_await pause(after_a_bug);
    co_return true;
}

Task<void> Watcher::Inner::run() {
    co_await errors_not_throws();
    bool go_on = true;
    while (go_on && !stop.asked()) go_on = co_await guarded_round();
    if (hurry) finishing.ask_stop(stop.reason());
    co_await finishing.join();
    const bool still_waits = status.state == State::idle || status.state == State::blind;
    if (stop.asked() && (still_waits || status.state == State::unspecified)) enter(State::idle, stop.reason());
}

Watcher::Watcher(LiveRecording::Tools tools, Setup setup, EventSink tell, LiveWork work)
    : inner_(std::make_unique<Inner>(tools, std::move(setup), std::move(tell), std::move(work))) {}
Watcher::~Watcher() = default;

Task<void> Watcher::run() {
    return inner_->run();
}

void Watcher::give(std::vector<LeftOver> left_overs) {
    auto& mine = inner_->left_overs;
    mine.insert(mine.end(), std::make_move_iterator(left_overs.begin()), std::make_move_iterator(left_overs.end()));
}

void Watcher::update(Setup setup) {
    inner_->next = std::move(setup);
    inner_->metrics.show(inner_->status.state, inner_->next->params.labels);
    inner_->woken.notify();
}

void Watcher::ask_stop(std::string reason, bool hurry) {
    auto& in = *inner_;
    const bool recording = in.status.state == State::preparing_files || in.status.state == State::downloading;
    if (!in.stop.asked()) in.stopped_while_recording = recording;
    in.stop.ask(reason);
    in.hurry = in.hurry || hurry;
    in.woken.notify();
    in.looking.ask_stop(reason);
    if (hurry) in.finishing.ask_stop(reason);
    if (in.current) in.current->ask_stop(std::move(reason), hurry);
}

WatchStatus Watcher::status() const {
    auto status = inner_->status;
    status.labels = inner_->newest().params.labels;
    if (inner_->live) status.title = inner_->live->title;
    if (inner_->current) status.recording = inner_->current->progress();
    return status;
}

const Watcher::Setup& Watcher::setup() const noexcept {
    return inner_->newest();
}

}  // namespace weir::sites
