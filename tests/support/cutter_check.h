#pragma once
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proto/unit_cutter.h"

namespace weir::test {

inline std::string media_file(const std::string& name) {
    std::ifstream in(std::string(WEIR_SOURCE_DIR) + "/tests/data/media/" + name, std::ios::binary);
    EXPECT_TRUE(in) << name;
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

struct CutItems {
    std::vector<InitPtr> inits;
    std::vector<Chunk> chunks;
    std::vector<Gap> gaps;
    std::vector<Discontinuity> breaks;
    std::string bytes;  ///< of all chunks
};

inline CutItems sorted(const std::vector<Item>& items) {
    CutItems out;
    for (const auto& item : items) {
        if (const auto* init = std::get_if<InitPtr>(&item)) out.inits.push_back(*init);
        if (const auto* gap = std::get_if<Gap>(&item)) out.gaps.push_back(*gap);
        if (const auto* d = std::get_if<Discontinuity>(&item)) out.breaks.push_back(*d);
        if (const auto* chunk = std::get_if<Chunk>(&item)) {
            EXPECT_FALSE(out.inits.empty()) << "a chunk before the first Init";
            EXPECT_EQ(chunk->epoch, out.inits.empty() ? chunk->epoch : out.inits.back()->epoch);
            if (chunk->dts && !out.chunks.empty() && out.chunks.back().dts) {
                EXPECT_GE(*chunk->dts, *out.chunks.back().dts) << "time never falls";
            }
            out.chunks.push_back(*chunk);
            out.bytes += chunk->bytes.text();
        }
    }
    return out;
}

/// What a reader could tell apart, one line per item: for comparing two ways of feeding the same bytes.
inline std::string told(const std::vector<Item>& items, bool chunk_borders) {
    std::string out, bytes;
    const auto flush = [&] {
        if (!bytes.empty()) out += fmt::format("bytes {} {:x}\n", bytes.size(), std::hash<std::string>()(bytes));
        bytes.clear();
    };
    for (const auto& item : items) {
        if (const auto* chunk = std::get_if<Chunk>(&item)) {
            bytes += chunk->bytes.text();
            if (!chunk_borders) continue;
            const auto micros = [](const std::optional<Micros>& t) { return t ? std::to_string(t->count()) : "none"; };
            out += fmt::format("chunk {} {} {} {} {}{}{} {}\n", chunk->epoch, chunk->unit, micros(chunk->dts),
                               micros(chunk->raw_dts), chunk->rap, chunk->unit_begin, chunk->unit_end,
                               chunk->duration.count());
            flush();
            continue;
        }
        flush();
        if (const auto* init = std::get_if<InitPtr>(&item)) {
            out += fmt::format("init {} {:x}", (*init)->epoch, std::hash<std::string_view>()((*init)->header.text()));
            for (const auto& t : (*init)->tracks) out += " " + t.codec;
            out += '\n';
        } else if (const auto* gap = std::get_if<Gap>(&item)) {
            out += fmt::format("gap {} {}\n", gap->first_unit, gap->bytes.value_or(0));
        } else {
            out += fmt::format("item {}\n", item.index());
        }
    }
    flush();
    return out;
}

/// One unit, fed in pieces of this size.
inline std::vector<Item> cut_unit(UnitCutter& cutter, std::string_view text, std::size_t piece,
                                  std::uint64_t unit = 5) {
    using namespace std::chrono_literals;
    std::vector<Item> items;
    cutter.begin_unit(unit, 0, 1s, 0s, 0s);
    for (std::size_t at = 0; at < text.size(); at += piece) {
        const auto r = cutter.feed(Bytes::copy_of(text.substr(at, piece)), {}, items);
        EXPECT_TRUE(r.has_value()) << (r ? "" : r.error().text()) << " in pieces of " << piece;
        if (!r) return items;
    }
    const auto r = cutter.end_unit(items);
    EXPECT_TRUE(r.has_value()) << (r ? "" : r.error().text()) << " in pieces of " << piece;
    return items;
}

/// Small pieces one by one, larger ones in steps, and the whole.
inline std::vector<std::size_t> piece_sizes(std::size_t total) {
    std::vector<std::size_t> out;
    for (std::size_t n = 1; n < total; n += n < 64 ? 1 : 1 + n / 7) out.push_back(n);
    out.push_back(std::max<std::size_t>(1, total));
    return out;
}

/// The same items come out in whatever pieces the bytes came.
inline void expect_pieces_do_not_matter(const std::function<std::unique_ptr<UnitCutter>()>& make, std::string_view text,
                                        bool chunk_borders = true) {
    const auto whole = make();
    const auto model = told(cut_unit(*whole, text, text.size()), chunk_borders);
    for (const auto piece : piece_sizes(text.size())) {
        const auto cutter = make();
        ASSERT_EQ(told(cut_unit(*cutter, text, piece), chunk_borders), model) << "in pieces of " << piece;
    }
}

}  // namespace weir::test
