#include "sources/http_stream/opaque_cutter.h"

namespace weir::http_stream {

Result<> OpaqueCutter::feed(const Bytes& piece, SteadyTime arrival, std::vector<Item>& out) {
    if (!init_) {
        auto init = std::make_shared<Init>();
        init->epoch = epoch_;
        init->format.container = Container::opaque;
        init_ = std::move(init);
        out.emplace_back(init_);
    }
    Chunk chunk;
    chunk.epoch = epoch_;
    chunk.arrival = arrival;
    chunk.bytes = piece;
    out.emplace_back(std::move(chunk));
    return {};
}

}  // namespace weir::http_stream
