#pragma once
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "base/error.h"
#include "runtime/asio.h"
#include "runtime/file_system.h"

namespace weir {

/// All file work of one root folder: few threads of its own, per-key order, bounded bytes. A hung mount blocks its own lane only;
/// never call blocking file functions from a shard.
/// lifetime  it goes before the shards that wait for it: its threads complete on them
/// threads  submit and run from any shard; completion on the caller's shard
class FileLane {
public:
    struct Limits {
        std::size_t threads = 4;
        std::size_t max_queued_bytes = 64u << 20;  ///< accepted, not yet written, over all files
    };
    FileLane(FileSystem& fs, Limits limits);
    ~FileLane();  ///< waits for what was submitted

    [[nodiscard]] FileSystem& fs() noexcept;

    /// An ordered queue inside the lane: jobs of one strand never overlap and run in the order given. Cheap; one per file.
    class Strand {
    public:
        Strand() = default;

    private:
        friend class FileLane;
        struct State;
        std::shared_ptr<State> state_;
    };
    [[nodiscard]] Strand strand();

    /// Queues `job` behind the earlier jobs of its strand. `weight` bytes count against the lane's bound until the job ended.
    /// Returns at once; see wait_for_room() for back-pressure.
    void submit(Strand& strand, std::size_t weight, std::function<void()> job);

    /// Waits until the lane holds fewer than its bound. Not cancellable in effect: cancellation is ignored.
    Task<void> wait_for_room();

    /// Runs `job` in its strand's order and completes with its result when it has really ended; ignores cancellation.
    Task<Result<>> run(Strand& strand, std::function<Result<>()> job);

    [[nodiscard]] std::size_t queued_bytes() const noexcept;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace weir
