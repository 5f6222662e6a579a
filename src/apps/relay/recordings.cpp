#include "apps/relay/recordings.h"

#include <algorithm>
#include <array>
#include <deque>
#include <set>

#include "apps/recorder/lazy_recording.h"
#include "apps/relay/recording_items.h"
#include "base/log.h"
#include "media/tool.h"
#include "runtime/task_group.h"

namespace weir::relay {
namespace {

constexpr std::string_view source_kind = "relay";
constexpr std::size_t most_shown = 50, deepest = 8, most_folders = 4'096;

/// Endings of files that take bytes as they come.
bool is_verbatim(const Path& path) {
    static constexpr std::array endings{".bin", ".raw", ".dat", ".txt", ".log", ".jsonl"};
    const auto ending = path.extension().string();
    return std::find(endings.begin(), endings.end(), ending) != endings.end();
}

/// One file of one recording, from its first media to its end.
struct Shot {
    Shot(RecordingItems::Take what) : items(what) {}
    Recordings::Status status;
    RecordingItems items;
    std::unique_ptr<apps::LazyRecording> recording;  ///< until it is closed
    bool ended = false;                              ///< nothing is left to do

    void look() {
        status.left_out = items.left_out();
        const auto* made = recording ? recording->made() : nullptr;
        if (!made) return;
        const auto stats = made->stats();
        status.bytes = stats.bytes;
        status.duration = stats.duration;
        status.losses = stats.gaps;
        status.waiting_for_space = stats.waiting_for_space;
    }
    void fail(const Error& why) {
        status.state = Recordings::State::failed;
        status.error = why.text();
    }
};
using ShotPtr = std::shared_ptr<Shot>;

/// One id: it records until it is ended.
struct Job {
    Job(asio::any_io_executor ex, std::string i, std::string s, std::string w, Path p)
        : id(std::move(i)), stream(std::move(s)), wish(std::move(w)), path(std::move(p)), tasks(std::move(ex)) {}
    const std::string id, stream, wish;
    const Path path;  ///< below the folder
    ShotPtr shot;
    TaskGroup tasks;
};
using JobPtr = std::shared_ptr<Job>;

struct Unfinished {
    Path journal;
    ShotPtr shot;
};

/// The first media is there: what name and form the file gets.
Result<> settle(store::RecordingPlan& plan, const Shot& shot, const std::vector<InitPtr>& inits) {
    if (shot.items.what() == RecordingItems::Take::verbatim) {
        plan.remux = false;
        if (!is_verbatim(plan.target)) plan.target += shot.items.text() ? ".txt" : ".bin";
        return {};
    }
    if (media::format_for(plan.target.filename().string())) return {};
    const bool tables = std::any_of(inits.begin(), inits.end(), [](const InitPtr& i) { return !i->tracks.empty(); });
    plan.target += tables ? ".mp4" : ".ts";
    plan.remux = tables;
    return {};
}

}  // namespace

struct Recordings::Impl {
    Impl(Hub& h, FileLane& l, Settings s)
        : hub(h),
          home(h.home()),
          lane(l),
          settings(std::move(s)),
          progress(home.executor()),
          closing(home.executor()),
          finishing(home.executor()),
          looking(home.executor()) {}

    Hub& hub;
    Shard& home;
    FileLane& lane;
    const Settings settings;
    std::map<std::string, JobPtr> jobs;
    std::deque<ShotPtr> shots;  ///< oldest first
    std::deque<Unfinished> queue;
    std::set<Path> own;  ///< journals of this run, while looking for those of earlier ones
    std::size_t at_work = 0;
    bool stopping = false;
    Bell progress;  ///< something was finished
    TaskGroup closing, finishing, looking;

    [[nodiscard]] std::string below(const Path& file) const {
        return file.lexically_relative(settings.folder).generic_string();
    }

    void show(ShotPtr shot) {
        shots.push_back(std::move(shot));
        auto ended = static_cast<std::size_t>(
            std::count_if(shots.begin(), shots.end(), [](const ShotPtr& s) { return s->ended; }));
        for (auto it = shots.begin(); it != shots.end() && ended > most_shown;) {
            const bool goes = (*it)->ended;
            it = goes ? shots.erase(it) : std::next(it);
            ended -= goes;
        }
    }

    // -------------------------------------------------------------- recording

    ShotPtr make_shot(const Job& job) {
        using Take = RecordingItems::Take;
        const auto target = settings.folder / job.path;
        const auto what = is_verbatim(target)                             ? Take::verbatim
                          : media::format_for(target.filename().string()) ? Take::media
                                                                          : Take::whatever;
        auto shot = std::make_shared<Shot>(what);
        shot->status.id = job.id;
        shot->status.stream = job.stream;
        shot->status.file = job.path.generic_string();
        shot->status.since = home.clock().wall();
        store::RecordingPlan plan;
        plan.target = target;
        plan.source_kind = source_kind;
        plan.source_id = job.stream;
        plan.name_data = {{"stream", job.stream}, {"recording", job.id}, {"title", job.stream}};
        const std::weak_ptr<Shot> weak = shot;
        shot->recording = std::make_unique<apps::LazyRecording>(
            home.executor(), home.clock(), lane, std::move(plan), std::nullopt,
            [weak](store::RecordingPlan& p, const std::vector<InitPtr>& inits) -> Result<> {
                const auto self = weak.lock();
                return self ? settle(p, *self, inits) : Result<>();
            });
        return shot;
    }

    /// Until it is asked to stop, the topic ends, or nothing more can be written.
    Task<Result<>> follow(Job& job, ShotPtr shot) {
        auto at = hub.attach(job.stream);
        if (!at) co_return at.error();
        Policy policy;
        policy.act =
            Act::wait;  // a disk that is slow may be behind by all that the ring holds: live streams wait for nobody
        policy.budget_bytes = at->second->settings().ring_bytes;
        policy.budget_time = Micros::max();
        const auto reader = at->second->attach(policy);
        std::vector<Item> items;
        while (true) {
            auto batch = co_await reader->next_batch(256u << 10, 256);
            if (!batch) co_return Result<>();
            items.clear();
            for (const auto& item : batch->items) shot->items.take(*item, items);
            batch->items.clear();
            if (items.empty()) continue;
            auto taken = co_await shot->recording->accept(items);
            if (!taken) co_return taken;
            const auto* made = shot->recording->made();
            if (!made || shot->status.state == State::recording) continue;
            shot->status.state = State::recording;
            note_own(*made);
            shot->status.file = below(made->target());
            WEIR_LOG(info, "recording", {"stream", job.stream}, {"file", made->target().string()});
        }
    }

    Task<void> record(JobPtr job) {
        Backoff backoff(settings.again);
        while (!job->tasks.stopping().asked() && !stopping) {
            const auto shot = make_shot(*job);
            job->shot = shot;
            show(shot);
            const auto followed = co_await follow(*job, shot);
            const bool failed = !followed && followed.error().code != Errc::cancelled;
            if (failed) {
                shot->status.error = followed.error().text();
                WEIR_LOG(error, "a recording had to end", {"stream", job->stream}, {"error", shot->status.error});
            }
            if (shot->recording->made()) backoff.reset();
            closing.spawn(close(shot), "close a recording");
            if (!failed) break;
            const auto wait = backoff.next();
            const bool slept = co_await home.clock().sleep_for(wait);
            if (!slept) break;
        }
    }

    /// Its bytes are safe and its journal ends; then it is finished when its turn comes.
    Task<void> close(ShotPtr shot) {
        co_await uncancellable();
        auto& recording = *shot->recording;
        const auto* made = recording.made();
        if (made) {
            note_own(*made);
            std::vector<Item> last;
            last.emplace_back(End{EndReason::stopped, shot->status.error});
            const auto taken = co_await recording.accept(last);
            if (!taken) shot->status.error = taken.error().text();
        }
        shot->status.state = State::finishing;
        auto closed = co_await recording.close();
        shot->look();
        if (!closed) shot->fail(closed.error());
        if (made) {
            queue.push_back({made->journal(), shot});
        } else {
            shot->ended = true;
            shot->status.state = shot->status.error.empty() ? State::finished : State::failed;
            if (shot->status.error.empty()) shot->status.error = "nothing came";
        }
        shot->recording.reset();
        work();
    }

    Task<void> retire(JobPtr job) {
        co_await uncancellable();
        co_await job->tasks.stop("ended");
    }

    // -------------------------------------------------------------- finishing

    void work() {
        while (at_work < settings.finish_at_once && !queue.empty() && !finishing.stopping().asked()) {
            auto next = std::move(queue.front());
            queue.pop_front();
            ++at_work;
            finishing.spawn(finish(std::move(next)), "finish a recording");
        }
        progress.notify();
    }

    Task<void> finish(Unfinished job) {
        auto& status = job.shot->status;
        auto done = co_await store::finalise(home.executor(), home.clock(), lane, job.journal, settings.keep_raw);
        if (done) {
            status.state = State::finished;
            status.file = below(done->file);
            status.bytes = done->bytes;
            status.duration = done->duration;
            WEIR_LOG(info, "recorded", {"file", done->file.string()}, {"duration", duration_text(done->duration)});
        } else if (done.error().code == Errc::cancelled) {
            status.error = "will be finished at the next start";
        } else {
            job.shot->fail(done.error());
            WEIR_LOG(error, "a recording could not be finished; its raw files are kept",
                     {"journal", job.journal.string()}, {"error", status.error});
        }
        job.shot->ended = true;
        --at_work;
        work();
    }

    // -------------------------------------------------------------- what an earlier run left

    /// What this run began is nothing to take up, though its journal is nobody's between its end and its finishing.
    void note_own(const store::Recording& made) {
        if (looking.size() != 0) own.insert(made.journal());
    }

    Task<std::vector<Path>> folders() {
        std::vector<std::pair<Path, std::size_t>> found{{settings.folder, 0}};
        auto strand = lane.strand();
        const std::function<Result<>()> look = [&]() -> Result<> {
            for (std::size_t i = 0; i < found.size() && found.size() < most_folders; ++i) {
                const auto [folder, depth] = found[i];
                const auto list = lane.fs().list(folder);
                if (!list || depth + 1 >= deepest) continue;
                for (const auto& entry : *list)
                    if (entry.is_directory) found.emplace_back(folder / entry.name, depth + 1);
            }
            return {};
        };
        (void)co_await lane.run(strand, look);
        std::vector<Path> paths;
        for (auto& [path, depth] : found) paths.push_back(std::move(path));
        co_return paths;
    }

    Task<void> look_for_unfinished() {
        const auto all = co_await folders();
        for (const auto& folder : all) {
            std::vector<std::string> complaints;
            const auto found = co_await store::find_unfinished(lane, folder, &complaints);
            for (const auto& complaint : complaints)
                WEIR_LOG(warn, "an earlier recording", {"folder", folder.string()}, {"problem", complaint});
            if (!found) continue;  // no such folder yet
            for (const auto& one : *found) {
                if (looking.stopping().asked()) co_return;
                if (one.source_kind == source_kind && !own.contains(one.journal)) co_await take_up(one);
            }
        }
        own.clear();
    }

    Task<void> take_up(const store::Unfinished& one) {
        auto recovered = co_await store::recover(lane, home.clock(), one.journal);
        if (!recovered) {
            if (recovered.error().code != Errc::busy)
                WEIR_LOG(warn, "an unfinished recording could not be recovered", {"journal", one.journal.string()},
                         {"error", recovered.error().text()});
            co_return;
        }
        auto shot = std::make_shared<Shot>(RecordingItems::Take::whatever);
        shot->status.stream = one.source_id;
        shot->status.file = below(one.target);
        shot->status.state = State::finishing;
        shot->status.since = recovered->at.last_written;
        show(shot);
        WEIR_LOG(info, "finishes a recording that was interrupted", {"file", one.target.string()});
        queue.push_back({one.journal, std::move(shot)});
        work();
    }

    Task<void> stop() {
        co_await uncancellable();
        stopping = true;
        const auto until = std::chrono::steady_clock::now() + settings.stop_within;
        looking.ask_stop("the relay stops");
        const auto ending = std::exchange(jobs, {});
        for (const auto& [id, job] : ending) job->tasks.ask_stop("the relay stops");
        for (const auto& [id, job] : ending) co_await job->tasks.stop("the relay stops");
        co_await looking.stop("the relay stops");
        co_await closing.join();  // one that is ending may still begin to close
        co_await closing.stop("the relay stops");
        while ((at_work || !queue.empty()) && std::chrono::steady_clock::now() < until)
            (void)co_await progress.wait_until(until);
        co_await finishing.stop("the relay stops");
        for (const auto& left : queue)
            WEIR_LOG(info, "will be finished at the next start", {"journal", left.journal.string()});
        queue.clear();
    }
};

Recordings::Recordings(Hub& hub, FileLane& lane, Settings settings)
    : impl_(std::make_unique<Impl>(hub, lane, std::move(settings))) {}
Recordings::~Recordings() = default;

void Recordings::start() {
    impl_->looking.spawn(impl_->look_for_unfinished(), "unfinished recordings");
}

Result<> Recordings::begin(const std::string& id, const std::string& stream, const std::string& wish) {
    auto& all = *impl_;
    if (all.stopping) return Error{Errc::cancelled, "the relay is stopping"};
    auto path = recording_name(wish, stream, all.home.clock().wall());
    if (!path) return path.error();
    const auto known = all.jobs.find(id);
    if (known != all.jobs.end() && known->second->stream == stream && known->second->wish == wish) return {};
    if (known == all.jobs.end() && all.jobs.size() >= all.settings.max_active)
        return Error{Errc::busy, fmt::format("{} recordings are under way, which is the limit", all.jobs.size())};
    (void)end(id);
    auto job = std::make_shared<Job>(all.home.executor(), id, stream, wish, std::move(*path));
    all.jobs.emplace(id, job);
    job->tasks.spawn(all.record(job), "recording");
    return {};
}

bool Recordings::end(const std::string& id) {
    auto& all = *impl_;
    const auto known = all.jobs.find(id);
    if (known == all.jobs.end()) return false;
    const auto job = std::move(known->second);
    all.jobs.erase(known);
    job->tasks.ask_stop("the rule has gone");
    all.closing.spawn(all.retire(job), "end a recording");
    return true;
}

std::vector<Recordings::Status> Recordings::status() const {
    std::vector<Status> under_way, ended;
    for (auto it = impl_->shots.rbegin(); it != impl_->shots.rend(); ++it) {
        (*it)->look();
        ((*it)->ended ? ended : under_way).push_back((*it)->status);
    }
    under_way.insert(under_way.end(), ended.begin(), ended.end());
    return under_way;
}

bool Recordings::busy() const noexcept {
    return !impl_->jobs.empty() || impl_->at_work || !impl_->queue.empty() || impl_->closing.size() != 0;
}

Task<void> Recordings::stop() {
    co_await impl_->stop();
}

std::string_view name_of(Recordings::State state) noexcept {
    switch (state) {
        case Recordings::State::waiting:
            return "waiting";
        case Recordings::State::recording:
            return "recording";
        case Recordings::State::finishing:
            return "finishing";
        case Recordings::State::finished:
            return "finished";
        case Recordings::State::failed:
            return "failed";
    }
    return "failed";
}

}  // namespace weir::relay
