#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "proto/ts/packet.h"
#include "proto/ts/push_cutter.h"

namespace {

using namespace weir;

/// What comes out of a transport stream are packets of the input, in order and none twice; of anything else, all of it.
void check(const ts::PushCutter& cutter, const std::vector<Item>& items, std::span<const std::byte> input,
           bool closed) {
    std::uint32_t epoch = 0;
    std::size_t at = 0, out = 0, messages = 0;
    bool is_ts = false;
    for (const auto& item : items) {
        if (const auto* init = std::get_if<InitPtr>(&item)) {
            if ((*init)->epoch <= epoch) __builtin_trap();
            epoch = (*init)->epoch;
            is_ts = (*init)->format.container == Container::ts;
        }
        const auto* chunk = std::get_if<Chunk>(&item);
        if (!chunk) continue;
        if (epoch == 0 || chunk->epoch != epoch || chunk->bytes.empty()) __builtin_trap();
        ++messages;
        out += chunk->bytes.size();
        const auto step = is_ts ? ts::packet_size : chunk->bytes.size();
        if (chunk->bytes.size() % step != 0 || (is_ts && chunk->bytes.size() > 4096)) __builtin_trap();
        for (std::size_t from = 0; from < chunk->bytes.size(); from += step) {
            const auto part = chunk->bytes.view().subspan(from, step);
            if (is_ts && part[0] != std::byte{ts::sync_byte}) __builtin_trap();
            const auto found =
                std::search(input.begin() + static_cast<std::ptrdiff_t>(at), input.end(), part.begin(), part.end());
            if (found == input.end()) __builtin_trap();
            at = static_cast<std::size_t>(found - input.begin()) + step;
        }
    }
    const auto& stats = cutter.stats();
    if (stats.messages != messages || stats.bytes < out + stats.dropped_bytes) __builtin_trap();
    if (is_ts && stats.bytes - out - stats.dropped_bytes > (closed ? 0 : ts::packet_size)) __builtin_trap();
    if (closed && stats.bytes != out + stats.dropped_bytes) __builtin_trap();
    if (cutter.epoch() != epoch) __builtin_trap();
}

}  // namespace

/// Eight bytes choose pieces, borders and flushes; the rest is pushed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 9 || size > (64u << 10)) return 0;
    const std::span<const std::uint8_t> plan(data, 8);
    const auto all = Bytes::copy_of(std::as_bytes(std::span(data + 8, size - 8)));
    ts::PushCutter cutter({.least_message = 1u + plan[7] * 8u, .enough = 2000, .max_message = 4096});
    std::vector<Item> items;
    std::size_t turn = 0;
    for (std::size_t at = 0; at < all.size(); ++turn) {
        const auto length = std::min<std::size_t>(1 + plan[turn % 7] * 11u, all.size() - at);
        const auto piece =
            plan[(turn + 3) % 7] & 1 ? all.slice(at, length) : Bytes::copy_of(all.view().subspan(at, length));
        std::vector<std::uint32_t> borders;
        const auto step = static_cast<std::uint32_t>(plan[(turn + 1) % 7]) * 7u;
        for (auto border = step; step != 0 && border <= length; border += step) borders.push_back(border);
        cutter.feed(piece, borders, {}, items);
        at += length;
        if ((plan[(turn + 2) % 7] & 3) != 0) continue;
        cutter.flush(items);
        check(cutter, items, all.view().first(at), false);
    }
    cutter.close(items);
    check(cutter, items, all.view(), true);
    return 0;
}
