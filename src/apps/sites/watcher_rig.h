#pragma once
// Helpers of the watchers' tests: a channel that says what it is told to, and lives that are recorded without media.
#include <deque>
#include <map>

#include "apps/sites/sites_rig.h"
#include "apps/sites/watcher.h"
#include "fake_http.h"
#include "runtime/deadline.h"
#include "temp_folder.h"

namespace weir::sites {

/// What a look finds is `now`; each look is counted.
class RigChannel final : public Channel {
public:
    explicit RigChannel(Shard& shard) : shard_(shard) {}
    Task<Result<std::optional<Live>>> look() override {
        ++looks;
        if (throws) throw std::runtime_error("a bug in look");
        if (hangs) {
            (void)co_await shard_.clock().sleep_for(std::chrono::hours(1));
            co_return Error{Errc::cancelled, "cancelled"};
        }
        if (why) co_return *why;
        if (id.empty()) co_return std::optional<Live>();
        Live live;
        live.id = id;
        live.channel_id = "1";
        live.title = "title of " + id;
        live.metadata_json = R"({"live":")" + id + "\"}";
        co_return std::optional<Live>(std::move(live));
    }
    [[nodiscard]] std::unique_ptr<Session> open(const Live&, Session::Listener) override { return nullptr; }
    [[nodiscard]] std::string_view site() const override { return "fc2"; }
    [[nodiscard]] std::string_view chat_extension() const override { return "fc2chat.json"; }

    std::string id;            ///< of the live that is on; empty: none
    std::optional<Error> why;  ///< it cannot be told
    bool throws = false, hangs = false;
    int looks = 0;

private:
    Shard& shard_;
};

/// What becomes of a live: by default it is recorded until it is told to end.
struct RigLive {
    std::optional<Error> refused = {};  ///< before anything was recorded
    std::optional<Error> cut_off = {};  ///< while it was recorded
    bool unfinished = false;            ///< the disk was full
    bool goes_on = false;               ///< an earlier run's could not be gone on with yet
    bool empty = false;                 ///< ended without media
    bool throws = false;
};

struct RigWorks {
    RigLive next;                               ///< of lives that begin now
    std::deque<LiveRecording::Plan> begun;      ///< all that began
    std::vector<std::string> stops;             ///< "reason" or "reason!" in a hurry
    std::vector<std::string> finished_rests;    ///< source ids
    std::vector<LeftOver> rests;                ///< what find() finds
    std::vector<std::string> searched;          ///< out formats
    std::vector<std::function<void()>> enders;  ///< of lives that go on
    int running = 0, finishing = 0, most_at_once = 0;
    bool slow_rests = false;  ///< a second each
    std::vector<std::string> complaints;

    [[nodiscard]] LiveWork work(Shard& shard);
    void end_lives() {
        for (const auto& end : std::exchange(enders, {})) end();
    }
};

class RigRun final : public LiveRun {
public:
    RigRun(Shard& shard, RigWorks& works, std::function<void(State)> entered)
        : works_(works), kind_(works.next), entered_(std::move(entered)), over_(shard.executor()) {
        ++works_.running;
    }
    ~RigRun() override { --works_.running; }
    Task<Result<LiveResult>> run() override {
        entered_(State::preparing_files);
        if (kind_.throws) throw std::runtime_error("a bug in a recording");
        if (kind_.refused) co_return *kind_.refused;
        entered_(State::downloading);
        works_.enders.emplace_back([this] { end(); });
        while (!ended_ && !kind_.empty) (void)co_await over_.wait();
        entered_(State::post_processing);
        LiveResult result;
        result.complaints = works_.complaints;
        result.refused = kind_.cut_off;
        result.left_unfinished = kind_.unfinished;
        result.goes_on = kind_.goes_on;
        if (kind_.unfinished) {
            result.journal = "/r/now.journal";
            co_return result;
        }
        if (!kind_.empty) result.file = "live.mp4";
        co_return result;
    }
    void ask_stop(std::string reason, bool hurry) override {
        works_.stops.push_back(std::move(reason) + (hurry ? "!" : ""));
        end();
    }
    [[nodiscard]] RecordingProgress progress() const override {
        RecordingProgress p;
        p.file = "live.mp4";
        p.bytes = 1234;
        return p;
    }

private:
    void end() {
        ended_ = true;
        over_.notify();
    }
    RigWorks& works_;
    const RigLive kind_;
    std::function<void(State)> entered_;
    Bell over_;
    bool ended_ = false;
};

inline LiveWork RigWorks::work(Shard& shard) {
    LiveWork made;
    made.record = [this, &shard](LiveRecording::Tools, LiveRecording::Plan plan, std::function<void(State)> entered) {
        begun.push_back(std::move(plan));
        return std::unique_ptr<LiveRun>(std::make_unique<RigRun>(shard, *this, std::move(entered)));
    };
    made.finish = [this](LiveRecording::Tools with, LeftOver left, Params) -> Task<Result<LiveResult>> {
        most_at_once = std::max(most_at_once, ++finishing);
        if (slow_rests) (void)co_await with.shard.clock().sleep_for(std::chrono::seconds(1));
        --finishing;
        finished_rests.push_back(left.source_id);
        co_return LiveResult{};
    };
    made.find = [this](FileLane&, std::string out_format, std::string) -> Task<Result<std::vector<LeftOver>>> {
        searched.push_back(std::move(out_format));
        co_return rests;
    };
    return made;
}

struct WatchRigBase {
    RigShard shard;
    test::FakeHttp http{shard.time, [](const HttpRequest&) { return test::Reply{}; }};
    FileLane lane{real_file_system(), {.threads = 1}};
    LiveRecording::Tools tools{shard, http, nullptr, lane};
    RigWorks works;
    std::vector<Event> events;
    EventSink tell = [this](const Event& e) { events.push_back(e); };

    [[nodiscard]] std::string told() const {
        std::string all;
        for (const auto& e : events) all += (all.empty() ? "" : " ") + std::string(name_of(e.kind));
        return all;
    }
    [[nodiscard]] int count(EventKind kind) const {
        return static_cast<int>(
            std::count_if(events.begin(), events.end(), [&](const Event& e) { return e.kind == kind; }));
    }
};

}  // namespace weir::sites
