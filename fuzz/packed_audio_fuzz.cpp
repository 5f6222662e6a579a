#include <cstddef>
#include <cstdint>
#include <span>

#include "cut_check.h"
#include "proto/audio/packed_audio.h"

/// The first byte chooses the piece size. Chunks and what is listed as lost make up what went in, chunks hold input bytes in
/// their order, and another piece size gives the same chunks.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir;
    if (size < 2) return 0;
    const std::size_t piece = 1 + std::size_t{data[0]} * 37;
    const auto all = Bytes::copy_of(std::as_bytes(std::span(data + 1, size - 1)));
    audio::PackedSettings settings;
    settings.max_tag = 1u << 14;
    audio::PackedCutter in_pieces(settings), at_once(settings);
    const auto one = fuzz::cut(in_pieces, all, piece), other = fuzz::cut(at_once, all, all.size());
    if (one.good != other.good || one.chunks.size() != other.chunks.size()) __builtin_trap();
    if (one.bytes() != other.bytes() || one.lost != other.lost) __builtin_trap();
    if (one.good && one.bytes().size() + one.lost != all.size()) __builtin_trap();
    const auto text = all.text();
    std::size_t at = 0;
    for (const auto& chunk : one.chunks) {  // each lies in the input behind the one before
        at = text.find(chunk.bytes.text(), at);
        if (at == std::string_view::npos) __builtin_trap();
        at += chunk.bytes.size();
    }
    return 0;
}
