#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "cut_check.h"
#include "proto/flv/flv_cutter.h"

/// The first byte chooses the piece size. The file made of an epoch's header and chunks is whole FLV, no longer in all than
/// the input and its repeated headers, and another piece size gives the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir;
    if (size < 2) return 0;
    const std::size_t piece = 1 + std::size_t{data[0]} * 37;
    const auto all = Bytes::copy_of(std::as_bytes(std::span(data + 1, size - 1)));
    flv::Cutter in_pieces, at_once;
    const auto one = fuzz::cut(in_pieces, all, piece), other = fuzz::cut(at_once, all, all.size());
    if (one.good != other.good || one.chunks.size() != other.chunks.size() || one.bytes() != other.bytes())
        __builtin_trap();
    if (one.inits.size() != other.inits.size() || one.bytes().size() > all.size()) __builtin_trap();
    for (std::size_t i = 0; i < one.inits.size(); ++i) {
        std::string file(one.inits[i]->header.text());
        if (file != other.inits[i]->header.text()) __builtin_trap();
        for (const auto& chunk : one.chunks)
            if (chunk.epoch == one.inits[i]->epoch) file += chunk.bytes.text();
        const auto whole = flv::whole_tags(std::as_bytes(std::span(file)));
        if (whole.end != file.size() || !whole.why.empty()) __builtin_trap();
    }
    const auto whole = flv::whole_tags(all.view());
    if (whole.end > all.size() || whole.why.empty() != (whole.end == all.size())) __builtin_trap();
    const auto again = flv::whole_tags(all.view().first(static_cast<std::size_t>(whole.end)));
    if (again.end != whole.end || again.tags != whole.tags) __builtin_trap();
    return 0;
}
