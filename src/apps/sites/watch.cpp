#include "apps/sites/watch.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "apps/sites/status_json.h"
#include "apps/sites/watcher_metrics.h"
#include "apps/tools/cleaner.h"
#include "base/log.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;

constexpr Millis at_most_when_hurried = 5s;
constexpr int finishing_at_once = 2;

/// "fc2:CHANNEL:LIVE" → CHANNEL.
std::string channel_of_source(const std::string& source_id) {
    const auto first = source_id.find(':');
    if (first == std::string::npos) return {};
    const auto second = source_id.find(':', first + 1);
    return source_id.substr(first + 1, second == std::string::npos ? second : second - first - 1);
}

apps::CleanOptions clean_options(const Params& params) {
    apps::CleanOptions options;
    options.root = params.scan_directory;
    options.age = params.eligible_for_cleaning_age;
    options.delete_corrupted = params.delete_corrupted;
    return options;
}

/// Each directory once; channels that share one agree on the most careful wishes.
std::vector<apps::CleanOptions> directories_to_clean(const std::vector<Params>& all) {
    std::map<Path, apps::CleanOptions> by_root;
    for (const auto& params : all) {
        if (params.keep_intermediates || !params.concat || params.scan_directory.empty()) continue;
        const auto wish = clean_options(params);
        const auto [at, made] = by_root.emplace(wish.root.lexically_normal(), wish);
        if (made) continue;
        at->second.age = std::max(at->second.age, wish.age);
        at->second.delete_corrupted = at->second.delete_corrupted && wish.delete_corrupted;
    }
    std::vector<apps::CleanOptions> out;
    for (auto& [root, options] : by_root) out.push_back(std::move(options));
    return out;
}

/// After a crash of many channels: their left-overs are finished few at a time.
struct FinishTurns {
    explicit FinishTurns(asio::any_io_executor ex) : freed(std::move(ex)) {}
    int free = finishing_at_once;
    Bell freed;
};

struct FinishTurn {
    explicit FinishTurn(std::shared_ptr<FinishTurns> t) : turns(std::move(t)) { --turns->free; }
    ~FinishTurn() {
        ++turns->free;
        turns->freed.notify();
    }
    FinishTurn(const FinishTurn&) = delete;
    std::shared_ptr<FinishTurns> turns;
};

using Finish = std::function<Task<Result<LiveResult>>(LiveRecording::Tools, LeftOver, Params)>;

Task<Result<LiveResult>> finish_in_turn(std::shared_ptr<FinishTurns> turns, Finish finish, LiveRecording::Tools tools,
                                        LeftOver left, Params params) {
    while (turns->free == 0) {
        const bool rung = co_await turns->freed.wait();
        if (!rung) co_return Error{Errc::cancelled, "stopped before its turn"};
    }
    const FinishTurn mine(std::move(turns));
    Task<Result<LiveResult>> work = finish(tools, std::move(left), std::move(params));
    auto done = co_await std::move(work);
    co_return done;
}

/// One channel that is watched, or was and ends now.
struct Watched {
    explicit Watched(std::shared_ptr<Watcher> w) : watcher(std::move(w)) {}
    std::shared_ptr<Watcher> watcher;
    bool begun = false, running = false;
};
using WatchedPtr = std::shared_ptr<Watched>;

}  // namespace

struct Watch::Inner {
    Inner(LiveRecording::Tools t, Settings s, EventSink e, LiveWork w)
        : tools(t),
          settings(std::move(s)),
          tell(std::move(e)),
          work(std::move(w)),
          clock(t.shard.clock()),
          chores(t.shard.executor()),
          runs(t.shard.executor()) {
        show_metrics();
        const auto turns = std::make_shared<FinishTurns>(t.shard.executor());
        work.finish = [turns, finish = std::move(work.finish)](LiveRecording::Tools with, LeftOver left,
                                                               Params params) {
            return finish_in_turn(turns, finish, with, std::move(left), std::move(params));
        };
    }

    void set_channels(std::vector<Watcher::Setup> channels);
    void run(WatchedPtr one);
    Task<void> run_one(WatchedPtr one);
    Task<void> start_all();
    Task<void> find_left_overs();
    void hand_out(std::vector<LeftOver> found);
    Task<void> finish_foreign(std::vector<LeftOver> all);
    Task<void> clean_for_ever();
    Task<void> clean(apps::CleanOptions options);
    [[nodiscard]] WatchedPtr find(const std::string& id) const;

    LiveRecording::Tools tools;
    Settings settings;
    EventSink tell;
    LiveWork work;
    Clock& clock;
    std::vector<WatchedPtr> watched;  ///< in the order of the configuration
    std::vector<WatchedPtr> leaving;
    std::set<Path> searched;          ///< folders
    std::set<Path> known_left_overs;  ///< journals
    bool starting = false, cleaning = false, stopping = false;
    TaskGroup chores, runs;
};

WatchedPtr Watch::Inner::find(const std::string& id) const {
    for (const auto& one : watched)
        if (one->watcher->setup().id == id) return one;
    return nullptr;
}

void Watch::Inner::set_channels(std::vector<Watcher::Setup> channels) {
    if (stopping) return;
    std::vector<WatchedPtr> wanted;
    for (auto& setup : channels) {
        auto one = find(setup.id);
        if (!one) {
            one = std::make_shared<Watched>(std::make_shared<Watcher>(tools, std::move(setup), tell, work));
        } else if (one->watcher->setup().fingerprint != setup.fingerprint) {
            one->watcher->update(std::move(setup));
            if (one->begun && !one->running) run(one);  // one that did not wait for its live
        }
        wanted.push_back(std::move(one));
    }
    for (auto& one : watched) {
        if (std::find(wanted.begin(), wanted.end(), one) != wanted.end()) continue;
        one->watcher->ask_stop("the channel is no longer watched", false);
        if (one->running) leaving.push_back(std::move(one));
    }
    watched = std::move(wanted);
    if (!std::exchange(starting, true)) chores.spawn(start_all(), "start channels");
    if (!std::exchange(cleaning, true)) chores.spawn(clean_for_ever(), "clean");
}

void Watch::Inner::run(WatchedPtr one) {
    one->begun = one->running = true;
    runs.spawn(run_one(std::move(one)), "channel");
}

Task<void> Watch::Inner::run_one(WatchedPtr one) {
    std::string taken;
    do {  // again, when an update came after the last look of one that does not wait
        taken = one->watcher->setup().fingerprint;
        co_await one->watcher->run();
    } while (taken != one->watcher->setup().fingerprint);
    one->running = false;
    std::erase(leaving, one);
}

/// New ones, `pacing` apart. Channels that come meanwhile are in its round.
Task<void> Watch::Inner::start_all() {
    while (!stopping) {
        co_await find_left_overs();
        const auto next =
            std::find_if(watched.begin(), watched.end(), [](const WatchedPtr& one) { return !one->begun; });
        if (stopping || next == watched.end()) break;
        run(*next);
        const bool slept = co_await clock.sleep_for(settings.pacing);
        if (!slept) break;
    }
    starting = false;
}

/// In each folder once, before its first channel begins.
Task<void> Watch::Inner::find_left_overs() {
    bool any = true;
    while (any && !stopping) {
        any = false;
        std::string out_format;
        for (const auto& one : watched) {
            const auto& format = one->watcher->setup().params.out_format;
            if (one->begun || !searched.insert(literal_folder(format).lexically_normal()).second) continue;
            any = true;
            out_format = format;
            break;
        }
        if (!any) break;
        const auto folder = literal_folder(out_format).string();
        std::string site = settings.site;
        auto found = co_await work.find(tools.lane, std::move(out_format), std::move(site));
        if (found)
            hand_out(std::move(*found));
        else if (found.error().code != Errc::not_found)
            WEIR_LOG(warn, "what earlier runs left cannot be looked for", {"folder", folder},
                     {"error", found.error().text()});
    }
}

void Watch::Inner::hand_out(std::vector<LeftOver> found) {
    std::vector<LeftOver> foreign;
    for (auto& left : found) {
        if (!known_left_overs.insert(left.journal).second) continue;
        const auto one = find(channel_of_source(left.source_id));
        if (!one)
            foreign.push_back(std::move(left));
        else if (!one->begun)
            one->watcher->give({std::move(left)});
        // Else it may be what that channel records right now; if not, the next start finds it.
    }
    if (!foreign.empty()) chores.spawn(finish_foreign(std::move(foreign)), "left-overs");
}

Task<void> Watch::Inner::finish_foreign(std::vector<LeftOver> all) {
    for (auto& left : all) {
        if (stopping) break;
        const auto journal = left.journal.string();
        Params defaults;
        auto done = co_await work.finish(tools, std::move(left), std::move(defaults));
        if (done)
            WEIR_LOG(info, "finished a recording of a channel that is no longer watched",
                     {"file", done->file.string()});
        else if (done.error().code != Errc::cancelled)
            WEIR_LOG(error, "a recording of a channel that is no longer watched could not be finished",
                     {"journal", journal}, {"error", done.error().text()});
    }
}

Task<void> Watch::Inner::clean_for_ever() {
    bool slept = true;
    while (slept && !stopping) {
        std::vector<Params> all;
        for (const auto& one : watched) all.push_back(one->watcher->setup().params);
        for (auto& options : directories_to_clean(all))
            if (!stopping) co_await clean(std::move(options));
        slept = co_await clock.sleep_for(settings.clean_every);
    }
}

Task<void> Watch::Inner::clean(apps::CleanOptions options) {
    const Path root = options.root;
    auto strand = tools.lane.strand();
    std::function<Result<>()> look = [&fs = tools.lane.fs(), root]() -> Result<> {
        auto there = fs.exists(root);
        if (!there) return there.error();
        if (!*there) return Error{Errc::not_found, "it is not there"};
        return {};
    };
    auto there = co_await tools.lane.run(strand, std::move(look));
    if (!there && there.error().code == Errc::not_found) co_return;  // nothing was recorded yet
    const auto began = clock.now();
    options.tracer = settings.site + "/cleaner";
    apps::Cleaner cleaner(tools.shard.executor(), clock, tools.lane, options);
    const auto report = co_await cleaner.run();
    for (const auto& step : report.steps) {
        const auto what = name_of(step.what);
        if (step.what == apps::CleanStep::What::failed)
            WEIR_LOG(warn, "cleaning: a file could not be dealt with", {"file", step.file.string()}, {"why", step.why});
        else if (step.what != apps::CleanStep::What::kept)
            WEIR_LOG(info, "cleaned", {"what", what}, {"file", step.file.string()}, {"why", step.why});
    }
    count_cleaning(options, report, std::chrono::duration_cast<Micros>(clock.now() - began));
}

Watch::Watch(LiveRecording::Tools tools, Settings settings, EventSink tell, LiveWork work)
    : inner_(std::make_unique<Inner>(tools, std::move(settings), std::move(tell), std::move(work))) {}
Watch::~Watch() = default;

void Watch::set_channels(std::vector<Watcher::Setup> channels) {
    inner_->set_channels(std::move(channels));
}

void Watch::set_pacing(Millis pacing) {
    inner_->settings.pacing = pacing;
}

Task<void> Watch::stop(std::string reason, bool hurry) {
    co_await uncancellable();
    auto& in = *inner_;
    in.stopping = true;
    for (const auto* list : {&in.watched, &in.leaving}) {
        const auto all = *list;  // one may end at once
        for (const auto& one : all) one->watcher->ask_stop(reason, hurry);
    }
    in.chores.ask_stop(reason);
    if (hurry) {
        Task<void> all = in.runs.join();
        co_await with_deadline(in.clock, in.clock.now() + at_most_when_hurried, std::move(all));
    }
    co_await in.runs.join();
    co_await in.chores.stop(std::move(reason));
}

std::vector<WatchStatus> Watch::statuses() const {
    std::vector<WatchStatus> all;
    for (const auto& one : inner_->watched) all.push_back(one->watcher->status());
    for (const auto& one : inner_->leaving) {
        const auto& id = one->watcher->setup().id;
        const bool shown =
            std::any_of(all.begin(), all.end(), [&](const WatchStatus& s) { return s.channel_id == id; });
        if (!shown) all.push_back(one->watcher->status());
    }
    return all;
}

std::string Watch::status_json() const {
    return json_of(statuses());
}

}  // namespace weir::sites
