#include "runtime/worker_pool.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "runtime/wait_impl.h"

namespace weir {

namespace {

void run_guarded(const std::function<void()>& job) noexcept {
    try {
        job();
    } catch (const std::exception& e) {
        WEIR_LOG(error, "a blocking job ended by an exception; please report this", {"error", e.what()});
    } catch (...) {
        WEIR_LOG(error, "a blocking job ended by an exception; please report this");
    }
}

/// Completes when it goes, whether its job ran or was dropped with the queue: the waiter is told exactly once.
struct Call {
    Call(std::function<void()> j, std::shared_ptr<detail::Completion> c)
        : job(std::move(j)), completion(std::move(c)) {}
    Call(const Call&) = delete;
    ~Call() {
        job = nullptr;  // what the job holds goes before the waiter goes on
        completion->complete();
    }
    std::function<void()> job;
    std::shared_ptr<detail::Completion> completion;
};

}  // namespace

struct WorkerPool::State {
    std::mutex mutex;
    std::condition_variable more;
    std::deque<std::function<void()>> jobs;
    bool closing = false;
    std::vector<std::thread> threads;

    void work() {
        std::unique_lock lock(mutex);
        while (true) {
            more.wait(lock, [&] { return closing || !jobs.empty(); });
            if (closing) return;
            auto job = std::move(jobs.front());
            jobs.pop_front();
            lock.unlock();
            run_guarded(job);
            job = nullptr;
            lock.lock();
        }
    }
};

WorkerPool::WorkerPool(std::size_t threads, const char* name) : state_(std::make_shared<State>()) {
    for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) {
        state_->threads.emplace_back([state = state_.get()] { state->work(); });
        pthread_setname_np(state_->threads.back().native_handle(), (std::string("weir-") + name).substr(0, 15).c_str());
    }
}

WorkerPool::~WorkerPool() {
    std::deque<std::function<void()>> dropped;
    {
        const std::scoped_lock lock(state_->mutex);
        state_->closing = true;
        dropped.swap(state_->jobs);
    }
    state_->more.notify_all();
    dropped.clear();  // tells their waiters, who need not wait for the jobs that still run
    for (auto& thread : state_->threads) thread.join();
}

void WorkerPool::post(std::function<void()> job) {
    {
        const std::scoped_lock lock(state_->mutex);
        if (state_->closing) return;
        state_->jobs.push_back(std::move(job));
    }
    state_->more.notify_one();
}

namespace detail {

Task<bool> run_on(WorkerPool& pool, std::function<void()> job, std::shared_ptr<std::atomic<bool>> cancelled) {
    const auto completion = std::make_shared<Completion>(co_await asio::this_coro::executor);
    const auto began = std::make_shared<std::atomic<bool>>(false);
    {
        auto call = std::make_shared<Call>(std::move(job), completion);
        pool.post([call = std::move(call), began] {
            began->store(true);
            run_guarded(call->job);
        });
    }
    co_await completion->wait(cancelled.get());
    co_return began->load();
}

}  // namespace detail
}  // namespace weir
