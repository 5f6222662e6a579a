#pragma once
#include <functional>
#include <span>

#include "base/error.h"
#include "core/item.h"
#include "runtime/asio.h"
#include "runtime/stop.h"

namespace weir {

/// Takes items: a recorder, a push, a Stream.
/// threads  one shard; one call at a time
class ItemSink {
public:
    virtual ~ItemSink() = default;
    /// Takes the items in order. Waits when it is full and its policy is to wait: that is the back-pressure of a demand
    /// source. An error means the sink can take nothing more at all; a Source then ends with that error.
    virtual Task<Result<>> accept(std::span<const Item> items) = 0;
};

/// What the sinks wish from upstream; same shard. The owner of a pipeline holds it; a Source looks at it at each step.
class Demand {
public:
    Stop stop;                     ///< ask here, then cancel the source's task to wake it
    int readers = 1;               ///< a source that runs on demand may rest at 0
    bool keyframe_wanted = false;  ///< request_keyframe; the source clears it
    std::string rendition_wanted;  ///< switch_rendition by name; empty: as chosen
};

enum class Pace { live, demand };

/// Produces items into a sink until it ends. Also an End is an outcome: the error is for what could not even begin or
/// go on.
/// cancellation  of the task wakes it; it then looks at demand.stop and ends by itself with EndReason::stopped
class Source {
public:
    virtual ~Source() = default;
    [[nodiscard]] virtual Pace pace() const noexcept = 0;
    virtual Task<Result<End>> run(ItemSink& sink, Demand& demand) = 0;
};

}  // namespace weir
