#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/stream.h"

namespace weir {

/// A Stream made of others: everything that comes on any of its inputs, interleaved as it comes (relay section 1, "stream").
/// Each lane of each input becomes a lane of its own; items are shared, bytes never copied.
///
/// change    set() swaps the inputs: those that stay go on without a break, a lane of one that goes is closed, one that comes
///           joins at its next start point (the current group of pictures is replayed to the mix). Names are not repeated:
///           the first of equals counts (VW-68)
/// loss      an input's Gaps keep their place; the mix reads without a budget, right when something is published
/// threads   one shard, that of the inputs; an input outlives its place here
class Mix {
public:
    struct Input {
        std::string name;
        Stream* stream = nullptr;
    };
    static std::unique_ptr<Mix> create(asio::any_io_executor ex, Clock& clock, Stream::Settings settings);
    virtual ~Mix() = default;
    [[nodiscard]] virtual Stream& stream() noexcept = 0;
    virtual void set(std::vector<Input> inputs) = 0;
};

}  // namespace weir
