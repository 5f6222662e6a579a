#pragma once
// Inside of http_ts: the viewers of one Stream on one shard.
#include <atomic>
#include <memory>
#include <vector>

#include "core/stream.h"
#include "io/http_server.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "sinks/http_ts.h"

namespace weir::http_ts {

/// One viewer: in the group (no reader of its own), feeding (a task writes what it missed), or seeking (nothing to
/// begin at yet).
struct Viewer {
    std::unique_ptr<Connection> connection;
    std::unique_ptr<Reader> reader;
    std::vector<Bytes> rest = {};  ///< gathered and not yet taken by the socket
    std::size_t place = SIZE_MAX;  ///< in the group
    bool last = false;             ///< nothing comes after `rest`
    bool gone = false;
};

/// What of a batch goes on the wire; neighbours in memory become one piece, many small ones are copied into one, once
/// for all. Returns how many Gaps there were; `last` is set by an End.
std::uint64_t gather(const Batch& batch, std::vector<Bytes>& into, bool& last);
void drop_front(std::vector<Bytes>& pieces, std::size_t count);

/// threads  one shard, but for stats()
class FanOut {
public:
    FanOut(Shard& shard, Stream& stream, const HttpTs::Settings& settings);
    void add(std::unique_ptr<Connection> connection);
    Task<void> stop();
    [[nodiscard]] HttpTs::Stats stats() const noexcept;

private:
    using ViewerPtr = std::shared_ptr<Viewer>;

    Task<void> watch(ViewerPtr viewer);
    Task<void> feed(ViewerPtr viewer);
    Task<void> pace();
    bool rest_here(const ViewerPtr& viewer);
    void join(const ViewerPtr& viewer);
    void leave(Viewer& viewer);
    void news();
    void flush();
    [[nodiscard]] Micros patience() const;
    void write_to_all();
    void fall_behind(const ViewerPtr& viewer, std::size_t wrote);

    Shard& shard_;
    Stream& stream_;
    const HttpTs::Settings& settings_;
    const Bytes head_;
    std::vector<ViewerPtr> group_;    ///< all at the leader's place
    std::unique_ptr<Reader> leader_;  ///< while the group has viewers
    std::vector<Bytes> batch_;
    std::vector<ViewerPtr> fallen_;  ///< left the group in this write
    bool last_ = false;              ///< the batch holds the End
    bool waiting_ = false;           ///< pace() will flush soon
    std::atomic<std::size_t> viewers_{0};
    std::atomic<std::uint64_t> bytes_{0}, blocked_{0}, skips_{0};
    Bell paced_;
    TaskGroup tasks_;
};

}  // namespace weir::http_ts
