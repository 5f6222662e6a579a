#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "cut_check.h"
#include "proto/mp4/fragment_cutter.h"
#include "proto/mp4/whole_fragments.h"

/// The first byte chooses the piece size. Chunks are input bytes in their order, none twice; another piece size gives the
/// same chunks; what the recovery finds whole never passes the end.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir;
    if (size < 2) return 0;
    const std::size_t piece = 1 + std::size_t{data[0]} * 37;
    const auto all = Bytes::copy_of(std::as_bytes(std::span(data + 1, size - 1)));
    mp4::CutterSettings settings;
    settings.max_fragment = 1u << 20;
    mp4::FragmentCutter in_pieces(settings), at_once(settings);
    const auto one = fuzz::cut(in_pieces, all, piece), other = fuzz::cut(at_once, all, all.size());
    if (one.good != other.good || one.chunks.size() != other.chunks.size()) __builtin_trap();
    // With one piece every chunk is a slice of it: its place is known.
    const auto* behind = all.data();
    for (std::size_t i = 0; i < one.chunks.size(); ++i) {
        const auto a = one.chunks[i].bytes.view(), b = other.chunks[i].bytes.view();
        if (!std::equal(a.begin(), a.end(), b.begin(), b.end())) __builtin_trap();
        if (b.data() < behind || b.data() + b.size() > all.data() + all.size()) __builtin_trap();
        behind = b.data() + b.size();
    }
    const auto whole = mp4::whole_fragments(all.view());
    if (whole.end > all.size() || whole.header > whole.end) __builtin_trap();
    if (whole.why.empty() != (whole.end == all.size())) __builtin_trap();
    const auto again = mp4::whole_fragments(all.view().first(static_cast<std::size_t>(whole.end)));
    if (again.end != whole.end || !again.why.empty() || again.fragments != whole.fragments) __builtin_trap();
    return 0;
}
