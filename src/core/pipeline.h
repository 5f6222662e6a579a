#pragma once
#include <memory>
#include <string>

#include "core/source.h"
#include "core/stream.h"
#include "runtime/task_group.h"

namespace weir {

/// Something `main` or `weir serve` mounts: an application is a component, never the owner of the process.
class App {
public:
    virtual ~App() = default;
    virtual Task<Result<>> start() = 0;
    virtual Task<void> stop(std::string reason) = 0;
    virtual Task<Result<>> reload() = 0;
    [[nodiscard]] virtual std::string status_json() const = 0;
};

/// Owns the running of one source into one sink on one shard: start, stop, and the End. Sinks are joined in reverse
/// order of making by their owner, after this.
/// threads  one shard
class Pipeline {
public:
    Pipeline(asio::any_io_executor ex, Source& source, ItemSink& sink);
    ~Pipeline();
    [[nodiscard]] Demand& demand() noexcept;
    /// Runs until the source ends; hands the End to the sink as its last item, also when stopped. Returns what the
    /// source returned.
    Task<Result<End>> run();
    /// Asks the source to end and wakes it; run() then returns. From the same shard, any number of times.
    void ask_stop(std::string reason);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir
