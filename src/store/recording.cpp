#include "store/recording.h"

#include <boost/asio/post.hpp>

#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "store/keeper.h"
#include "store/recording_metrics.h"
#include "store/recovery.h"

namespace weir::store {
namespace {

constexpr std::size_t part_bytes = 64u << 10;
constexpr Micros part_media{500'000};
constexpr std::size_t most_in_flight = 1u << 20;
constexpr Micros sync_every{1'000'000};
/// How long a full disk makes the source wait, whose window is the better buffer, before media is dropped.
constexpr Micros patience{30'000'000};
constexpr Micros look_again{200'000};
constexpr int close_tries = 3;

class LaneRecording final : public Recording {
public:
    LaneRecording(asio::any_io_executor ex, Clock& clock, FileLane& lane, std::shared_ptr<SpaceGate> gate,
                  std::unique_ptr<Keeper> keeper)
        : clock_(clock),
          lane_(lane),
          gate_(std::move(gate)),
          strand_(lane.strand()),
          flight_(std::make_shared<Flight>(ex)),
          keeper_(std::move(keeper)),
          tasks_(ex) {
        last_round_ = clock_.now();
        tasks_.spawn(rounds(), "sync rounds");
    }

    Task<Result<>> accept(std::span<const Item> items) override {
        for (const auto& item : items) {
            const auto* chunk = std::get_if<Chunk>(&item);
            batch_.push_back(item);
            if (!chunk) continue;
            batch_bytes_ += chunk->bytes.size();
            if (chunk->dts && !batch_dts_) batch_dts_ = chunk->dts;
            const bool media_bound = chunk->dts && *chunk->dts - *batch_dts_ >= part_media;
            if (chunk->unit_end || batch_bytes_ >= part_bytes || media_bound) submit();
        }
        if (batch_.size() >= 256) submit();
        while (flight_->bytes > most_in_flight)
            if (!co_await flight_->less.wait()) break;  // cancelled: the items are taken, the source ends
        co_await lane_.wait_for_room();
        co_await wait_for_space();
        co_return Result<>{};
    }

    Task<Result<>> close() override {
        co_await uncancellable();
        co_await tasks_.stop("recording closed");
        submit();
        Result<> closed;
        for (int i = 0; i < close_tries; ++i) {
            if (i) (void)co_await clock_.sleep_for(sync_every);
            closed = co_await lane_.run(strand_, [this, at = moment()] { return keeper_->close(at); });
            if (closed) break;
        }
        co_return closed;
    }

    Task<Result<>> leave() override {
        co_await uncancellable();
        co_await tasks_.stop("recording left");
        submit();
        co_return co_await lane_.run(strand_, [this, at = moment()]() -> Result<> {
            keeper_->round(at);
            return {};
        });
    }

    [[nodiscard]] std::optional<ResumePoint> resume_point() const override { return keeper_->snapshot().at; }
    [[nodiscard]] RecordingStats stats() const override {
        auto stats = keeper_->snapshot().stats;
        stats.longest_sync_interval = longest_round_;
        return stats;
    }
    [[nodiscard]] const Path& journal() const noexcept override { return keeper_->journal(); }
    [[nodiscard]] const Path& target() const noexcept override { return keeper_->target(); }

private:
    struct Flight {
        explicit Flight(asio::any_io_executor e) : ex(e), less(e) {}
        asio::any_io_executor ex;
        Bell less;
        std::size_t bytes = 0;
    };

    [[nodiscard]] Moment moment() const { return {clock_.now(), clock_.wall()}; }

    void submit() {
        if (batch_.empty()) return;
        const auto bytes = batch_bytes_;
        flight_->bytes += bytes;
        lane_.submit(strand_, bytes,
                     [keeper = keeper_.get(), items = std::move(batch_), bytes, at = moment(), flight = flight_] {
                         keeper->take(items, at);
                         asio::post(flight->ex, [flight, bytes] {
                             flight->bytes -= bytes;
                             flight->less.notify();
                         });
                     });
        batch_ = {};
        batch_bytes_ = 0;
        batch_dts_.reset();
    }

    Task<void> wait_for_space() {
        if (gate_->open()) closed_since_.reset();
        while (!gate_->open() && !hurried_) {
            const auto now = clock_.now();
            if (!closed_since_) closed_since_ = now;
            if (now - *closed_since_ >= patience) break;
            const bool slept = co_await clock_.sleep_for(look_again);
            if (!slept) hurried_ = true;
        }
    }

    Task<void> rounds() {
        while (co_await clock_.sleep_until(last_round_ + sync_every)) {
            submit();
            const auto done = co_await lane_.run(strand_, [this, at = moment()]() -> Result<> {
                keeper_->round(at);
                return {};
            });
            if (!done) co_return;
            const auto now = clock_.now();
            running_.synced_after(std::chrono::duration_cast<Micros>(now - last_round_));
            longest_round_ = std::max(longest_round_, std::chrono::duration_cast<Micros>(now - last_round_));
            last_round_ = now;
        }
    }

    Clock& clock_;
    FileLane& lane_;
    std::shared_ptr<SpaceGate> gate_;
    std::optional<SteadyTime> closed_since_;
    bool hurried_ = false;  ///< the source is being stopped: what it still has to say waits no more
    FileLane::Strand strand_;
    std::shared_ptr<Flight> flight_;
    std::unique_ptr<Keeper> keeper_;  // jobs on the strand use it: close() waits for them
    std::vector<Item> batch_;
    std::size_t batch_bytes_ = 0;
    std::optional<Micros> batch_dts_;
    RunningRecording running_;
    SteadyTime last_round_;
    Micros longest_round_{0};
    TaskGroup tasks_;
};

using Made = Result<std::unique_ptr<Keeper>>;

Task<Result<std::unique_ptr<Recording>>> start(asio::any_io_executor ex, Clock& clock, FileLane& lane,
                                               std::shared_ptr<SpaceGate> gate, std::function<Made()> make) {
    auto strand = lane.strand();
    std::unique_ptr<Keeper> keeper;
    auto made = co_await lane.run(strand, [&]() -> Result<> {
        auto k = make();
        if (!k) return k.error();
        keeper = std::move(*k);
        return {};
    });
    if (!made) co_return made.error();
    std::unique_ptr<Recording> recording =
        std::make_unique<LaneRecording>(ex, clock, lane, std::move(gate), std::move(keeper));
    co_return recording;
}

}  // namespace

Task<Result<std::unique_ptr<Recording>>> Recording::create(asio::any_io_executor ex, Clock& clock, FileLane& lane,
                                                           RecordingPlan plan) {
    auto gate = SpaceGate::of(lane, folder_of(plan.target));
    co_return co_await start(ex, clock, lane, gate,
                             [&]() -> Made { return Keeper::create(lane.fs(), gate, plan, clock.wall()); });
}

Task<Result<std::unique_ptr<Recording>>> Recording::resume(asio::any_io_executor ex, Clock& clock, FileLane& lane,
                                                           Path journal) {
    auto gate = SpaceGate::of(lane, folder_of(journal));
    co_return co_await start(ex, clock, lane, gate,
                             [&]() -> Made { return Keeper::resume(lane.fs(), gate, journal, clock.wall()); });
}

Task<Result<std::vector<Unfinished>>> find_unfinished(FileLane& lane, Path folder,
                                                      std::vector<std::string>* complaints) {
    auto strand = lane.strand();
    std::vector<Unfinished> found;
    auto r = co_await lane.run(strand, [&]() -> Result<> {
        auto list = find_unfinished_blocking(lane.fs(), folder, complaints);
        if (!list) return list.error();
        found = std::move(*list);
        return {};
    });
    if (!r) co_return r.error();
    co_return found;
}

Task<Result<Unfinished>> recover(FileLane& lane, Clock&, Path journal) {
    auto strand = lane.strand();
    Unfinished found;
    auto r = co_await lane.run(strand, [&]() -> Result<> {
        auto recovered = recover_blocking(lane.fs(), journal);
        if (!recovered) return recovered.error();
        found = unfinished_of(recovered->book, journal);
        return {};
    });
    if (!r) co_return r.error();
    co_return found;
}

}  // namespace weir::store
