#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "proto/ts/cutter.h"

/// The first byte chooses the piece size. What comes out and what is reported as dropped make up what went in; chunks
/// are whole packets behind their Init.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir;
    if (size < 2) return 0;
    const std::size_t piece = 1 + std::size_t{data[0]} * 37;
    const auto all = Bytes::copy_of(std::as_bytes(std::span(data + 1, size - 1)));
    ts::Cutter cutter;
    cutter.begin_unit(7, 1, std::chrono::seconds(1), Micros{0}, Micros{0});
    std::vector<Item> items;
    bool good = true;
    for (std::size_t at = 0; good && at < all.size(); at += piece)
        good = cutter.feed(all.slice(at, std::min(piece, all.size() - at)), {}, items).has_value();
    const bool ended = good && cutter.end_unit(items).has_value();
    if (!good) cutter.abandon_unit(items);
    std::size_t bytes = 0, dropped = 0;
    std::uint32_t epoch = 0;
    for (const auto& item : items) {
        if (const auto* init = std::get_if<InitPtr>(&item)) epoch = (*init)->epoch;
        if (const auto* gap = std::get_if<Gap>(&item)) dropped += gap->bytes.value_or(0);
        if (const auto* chunk = std::get_if<Chunk>(&item)) {
            if (chunk->epoch != epoch || epoch == 0 || chunk->bytes.size() % 188 != 0 || chunk->bytes.empty())
                __builtin_trap();
            if (chunk->bytes.size() > (64u << 10)) __builtin_trap();
            bytes += chunk->bytes.size();
        }
    }
    if (ended && bytes + dropped != all.size()) __builtin_trap();
    return 0;
}
