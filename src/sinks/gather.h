#pragma once
// Inside of viewers: what of a batch of items goes on the wire.
#include <cstdint>
#include <vector>

#include "core/stream.h"

namespace weir::fan_out {

struct Gathered {
    std::vector<Bytes> pieces = {};
    std::size_t size = 0;                     ///< of all pieces
    std::vector<std::uint32_t> origins = {};  ///< whose chunks are in it, each once
    std::uint64_t skipped_bytes = 0;          ///< told by Gaps of a reader that was too slow
    bool last = false;                        ///< an End was in it

    [[nodiscard]] bool has(std::uint32_t origin) const noexcept;
    void note(std::uint32_t origin);
};

struct Wanted {
    std::uint32_t without = 0;  ///< chunks and headers of this origin, when not 0, are left out
    bool media_only = false;    ///< messages beside the media are left out: a body over HTTP has no borders for them
};

/// Neighbours in memory become one piece, many small ones are copied into one, once for all who get it. An Init's header is left
/// out where its lane's next chunk says the same (Chunk::tables).
void gather(const Batch& batch, Gathered& into, Wanted wanted = {});
void drop_front(std::vector<Bytes>& pieces, std::size_t count);

}  // namespace weir::fan_out
