#include "runtime/file_lane.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/log.h"
#include "runtime/wait_impl.h"

namespace weir {

namespace {

struct Job {
    std::size_t weight = 0;
    std::function<void()> run;
};

void run_guarded(const std::function<void()>& job) noexcept {
    try {
        job();
    } catch (const std::exception& e) {
        WEIR_LOG(error, "a file job ended by an exception; please report this", {"error", e.what()});
    } catch (...) {
        WEIR_LOG(error, "a file job ended by an exception; please report this");
    }
}

}  // namespace

struct FileLane::Strand::State {
    std::deque<Job> jobs;    // under the lane's mutex
    bool scheduled = false;  ///< in the lane's ready queue, or in the hands of one thread
};

struct FileLane::State {
    State(FileSystem& f, Limits l) : fs(f), limits(l) {}

    FileSystem& fs;
    const Limits limits;
    std::mutex mutex;
    std::condition_variable more;
    std::deque<std::shared_ptr<Strand::State>> ready;
    std::atomic<std::size_t> queued{0};  // changed under the mutex, read anywhere
    std::vector<std::shared_ptr<detail::Completion>> want_room;
    bool closing = false;
    std::vector<std::thread> threads;

    void work() {
        std::unique_lock lock(mutex);
        while (true) {
            more.wait(lock, [&] { return closing || !ready.empty(); });
            if (ready.empty()) return;
            const auto strand = std::move(ready.front());
            ready.pop_front();
            auto job = std::move(strand->jobs.front());
            strand->jobs.pop_front();
            lock.unlock();
            run_guarded(job.run);
            job.run = nullptr;
            lock.lock();
            finished(job.weight);
            if (strand->jobs.empty()) {
                strand->scheduled = false;
            } else {
                ready.push_back(
                    strand);  // behind the other files: one busy file does not starve them; this thread goes on
            }
        }
    }

    void finished(std::size_t weight) {
        queued -= weight;
        if (queued >= limits.max_queued_bytes) return;
        for (const auto& waiter : want_room) waiter->complete();
        want_room.clear();
    }
};

FileLane::FileLane(FileSystem& fs, Limits limits) : state_(std::make_shared<State>(fs, limits)) {
    for (std::size_t i = 0; i < std::max<std::size_t>(limits.threads, 1); ++i) {
        state_->threads.emplace_back([state = state_.get()] { state->work(); });
        pthread_setname_np(state_->threads.back().native_handle(), "weir-file");
    }
}

FileLane::~FileLane() {
    {
        const std::scoped_lock lock(state_->mutex);
        state_->closing = true;
    }
    state_->more.notify_all();
    for (auto& thread : state_->threads) thread.join();
}

FileSystem& FileLane::fs() noexcept {
    return state_->fs;
}

FileLane::Strand FileLane::strand() {
    Strand made;
    made.state_ = std::make_shared<Strand::State>();
    return made;
}

void FileLane::submit(Strand& strand, std::size_t weight, std::function<void()> job) {
    {
        const std::scoped_lock lock(state_->mutex);
        if (!strand.state_) strand.state_ = std::make_shared<Strand::State>();
        strand.state_->jobs.push_back({weight, std::move(job)});
        state_->queued += weight;
        if (std::exchange(strand.state_->scheduled, true)) return;
        state_->ready.push_back(strand.state_);
    }
    state_->more.notify_one();
}

Task<void> FileLane::wait_for_room() {
    const auto state = state_;
    const auto ex = co_await asio::this_coro::executor;
    while (true) {
        std::shared_ptr<detail::Completion> waiter;
        {
            const std::scoped_lock lock(state->mutex);
            if (state->queued < state->limits.max_queued_bytes) co_return;
            waiter = std::make_shared<detail::Completion>(ex);
            state->want_room.push_back(waiter);
        }
        co_await waiter->wait();
    }
}

Task<Result<>> FileLane::run(Strand& strand, std::function<Result<>()> job) {
    const auto completion = std::make_shared<detail::Completion>(co_await asio::this_coro::executor);
    const auto result = std::make_shared<std::optional<Result<>>>();
    submit(strand, 0, [work = std::move(job), result, completion]() mutable {
        try {
            result->emplace(work());
        } catch (const std::exception& e) {
            result->emplace(Error{Errc::internal, e.what(), "file job"});
        } catch (...) {
            result->emplace(Error{Errc::internal, "unknown exception", "file job"});
        }
        work = nullptr;  // what the job holds goes before the waiter goes on
        completion->complete();
    });
    co_await completion->wait();
    co_return std::move(**result);
}

std::size_t FileLane::queued_bytes() const noexcept {
    return state_->queued.load();
}

}  // namespace weir
