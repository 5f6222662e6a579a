#pragma once
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "base/error.h"
#include "runtime/asio.h"

namespace weir {

/// Threads for what blocks (libav in process, big hashes, DNS). Never for media bytes on their way.
class WorkerPool {
public:
    explicit WorkerPool(std::size_t threads, const char* name = "worker");
    ~WorkerPool();  ///< waits for what runs; drops what has not begun
    void post(std::function<void()> job);

private:
    struct State;
    std::shared_ptr<State> state_;
};

/// Runs `job` on the pool and completes on the caller's shard, only when the job has really ended (it holds our buffers).
/// A cancellation of the caller sets `cancelled`, which a long job looks at.
template <class T>
Task<Result<T>> run_blocking(WorkerPool& pool, std::function<Result<T>(const std::atomic<bool>& cancelled)> job);

}  // namespace weir

#include "runtime/worker_pool_impl.h"
