#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/unit_cutter.h"

namespace weir::fuzz {

struct CutResult {
    std::vector<InitPtr> inits;
    std::vector<Chunk> chunks;
    std::uint64_t lost = 0;  ///< in Gaps
    bool good = true;        ///< fed and ended without an error
    [[nodiscard]] std::string bytes() const {
        std::string out;
        for (const auto& c : chunks) out += c.bytes.text();
        return out;
    }
};

/// One unit in pieces of this size; traps when chunks are empty, come before their Init, or go back in time.
inline CutResult cut(UnitCutter& cutter, const Bytes& all, std::size_t piece) {
    cutter.begin_unit(7, 1, std::chrono::seconds(1), Micros{0}, Micros{0});
    std::vector<Item> items;
    CutResult out;
    for (std::size_t at = 0; out.good && at < all.size(); at += piece)
        out.good = cutter.feed(all.slice(at, std::min(piece, all.size() - at)), {}, items).has_value();
    out.good = out.good && cutter.end_unit(items).has_value();
    if (!out.good) cutter.abandon_unit(items);
    std::uint32_t epoch = 0;
    std::optional<Micros> last;
    std::size_t begins = 0, ends = 0;
    for (const auto& item : items) {
        if (const auto* init = std::get_if<InitPtr>(&item)) {
            if ((*init)->epoch != epoch + 1) __builtin_trap();
            epoch = (*init)->epoch;
            out.inits.push_back(*init);
        }
        if (const auto* gap = std::get_if<Gap>(&item)) out.lost += gap->bytes.value_or(0);
        const auto* chunk = std::get_if<Chunk>(&item);
        if (!chunk) continue;
        if (epoch == 0 || chunk->epoch != epoch || chunk->bytes.empty()) __builtin_trap();
        if (last && chunk->dts && *chunk->dts < *last) __builtin_trap();
        if (chunk->dts) last = chunk->dts;
        begins += chunk->unit_begin;
        ends += chunk->unit_end;
        out.chunks.push_back(*chunk);
    }
    if (begins != (out.chunks.empty() ? 0u : 1u) || ends != (out.good ? 1u : 0u)) __builtin_trap();
    return out;
}

}  // namespace weir::fuzz
