#include "sinks/gather.h"

#include <algorithm>

namespace weir::fan_out {
namespace {

constexpr std::size_t max_pieces = 8;  ///< more pieces than this are worth one copy for all viewers

void append(std::vector<Bytes>& pieces, const Bytes& piece) {
    if (piece.empty()) return;
    if (!pieces.empty()) {
        auto& last = pieces.back();
        if (last.owner() == piece.owner() && last.data() + last.size() == piece.data()) {
            last = Bytes(last.owner(), {last.data(), last.size() + piece.size()});
            return;
        }
    }
    pieces.push_back(piece);
}

/// The Stream's own Gaps are no skips: the reader says so in its own.
bool is_skip(const Gap& gap) {
    return gap.why.starts_with("skipped to");
}

}  // namespace

bool Gathered::has(std::uint32_t origin) const noexcept {
    return std::find(origins.begin(), origins.end(), origin) != origins.end();
}

void Gathered::note(std::uint32_t origin) {
    if (origin != 0 && !has(origin)) origins.push_back(origin);
}

void gather(const Batch& batch, Gathered& into, Wanted wanted) {
    auto& pieces = into.pieces;
    std::vector<const Init*> headers;  // not needed yet
    for (const auto& item : batch.items) {
        if (const auto* chunk = std::get_if<Chunk>(item.get())) {
            if (wanted.without != 0 && chunk->origin == wanted.without) continue;
            if (wanted.media_only && (chunk->message || chunk->text)) continue;
            std::erase_if(headers, [&](const Init* init) {
                if (init->lane != chunk->lane) return false;
                if (!chunk->tables) append(pieces, init->header);
                return true;
            });
            append(pieces, chunk->bytes);
            into.note(chunk->origin);
        } else if (const auto* init = std::get_if<InitPtr>(item.get())) {
            if ((*init)->closed || (wanted.without != 0 && (*init)->origin == wanted.without)) continue;
            headers.push_back(init->get());
            into.note((*init)->origin);
        } else if (const auto* gap = std::get_if<Gap>(item.get())) {
            if (is_skip(*gap)) into.skipped_bytes += gap->bytes.value_or(0);
        } else if (std::holds_alternative<End>(*item)) {
            into.last = true;
        }
    }
    for (const auto* init : headers) append(pieces, init->header);
    into.size = 0;
    for (const auto& piece : pieces) into.size += piece.size();
    if (pieces.size() <= max_pieces) return;
    Buffer whole(into.size);
    for (const auto& piece : pieces) whole.append(piece.view());
    pieces.assign(1, whole.all());
}

void drop_front(std::vector<Bytes>& pieces, std::size_t count) {
    auto it = pieces.begin();
    for (; it != pieces.end() && count >= it->size(); ++it) count -= it->size();
    if (it != pieces.end()) *it = it->slice(count);
    pieces.erase(pieces.begin(), it);
}

}  // namespace weir::fan_out
