#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "proto/mp4/fragment_cutter.h"
#include "proto/mp4/whole_fragments.h"

/// The first byte chooses the piece size. Chunks are input bytes in their order, none twice; another piece size gives the
/// same chunks; what the recovery finds whole never passes the end.
namespace {

using namespace weir;

struct Cut {
    std::vector<Bytes> chunks;
    bool good = true;
};

Cut cut(const Bytes& all, std::size_t piece) {
    mp4::CutterSettings settings;
    settings.max_fragment = 1u << 20;
    mp4::FragmentCutter cutter(settings);
    cutter.begin_unit(7, 1, std::chrono::seconds(1), Micros{0}, Micros{0});
    std::vector<Item> items;
    Cut out;
    for (std::size_t at = 0; out.good && at < all.size(); at += piece)
        out.good = cutter.feed(all.slice(at, std::min(piece, all.size() - at)), {}, items).has_value();
    out.good = out.good && cutter.end_unit(items).has_value();
    if (!out.good) cutter.abandon_unit(items);
    std::uint32_t epoch = 0;
    std::optional<Micros> last;
    for (const auto& item : items) {
        if (const auto* init = std::get_if<InitPtr>(&item)) epoch = (*init)->epoch;
        const auto* chunk = std::get_if<Chunk>(&item);
        if (!chunk) continue;
        if (chunk->epoch != epoch || epoch == 0 || chunk->bytes.size() < 16) __builtin_trap();
        if (last && chunk->dts && *chunk->dts < *last) __builtin_trap();
        if (chunk->dts) last = chunk->dts;
        out.chunks.push_back(chunk->bytes);
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t piece = 1 + std::size_t{data[0]} * 37;
    const auto all = Bytes::copy_of(std::as_bytes(std::span(data + 1, size - 1)));
    const auto one = cut(all, piece), other = cut(all, all.size());
    if (one.good != other.good || one.chunks.size() != other.chunks.size()) __builtin_trap();
    // With one piece every chunk is a slice of it: its place is known.
    const auto* behind = all.data();
    for (std::size_t i = 0; i < one.chunks.size(); ++i) {
        const auto a = one.chunks[i].view(), b = other.chunks[i].view();
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
