#pragma once
#include <memory>

#include "core/stream.h"
#include "runtime/shard.h"

namespace weir {

/// A Stream's image on another shard: one per Stream and shard that has readers there. One post per batch of published
/// items; items are shared, not copied; seq and everything else stay.
/// limits     half a ring under way between the shards; an away shard that is stuck for longer finds a Gap.
///            `Act::wait` of a reader over there is not felt by the source
/// ownership  make() on the home shard, destroy by `co_await close()` there, before the Stream
/// threads    stream() belongs to the other shard; readers there attach to it as to any Stream
class Mirror {
public:
    static std::unique_ptr<Mirror> make(Shard& home, Stream& stream, Shard& away);
    virtual ~Mirror() = default;
    [[nodiscard]] virtual Stream& stream() noexcept = 0;
    virtual Task<void> close() = 0;
};

}  // namespace weir
