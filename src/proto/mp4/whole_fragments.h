#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/error.h"

namespace weir::mp4 {

/// Reads into the span from an offset; fewer bytes only at the end. What pread is.
using ReadAt = std::function<Result<std::size_t>(std::uint64_t offset, std::span<std::byte> into)>;

struct WholeFragments {
    std::uint64_t end = 0;     ///< offset behind the last whole fragment (or behind the header when there is none)
    std::uint64_t header = 0;  ///< bytes of ftyp+moov at the very front of the range, 0 when it begins with fragments
    std::uint64_t fragments = 0;
    std::string why;  ///< what is behind `end`; empty when nothing is
};

/// How much of [from, size) are whole fragments: after a crash the rest is cut off. A box that passes the end, zeros,
/// garbage, a moof that does not parse, boxes without their mdat: all end it. The bodies of mdat are not read (zeros in
/// them cannot be told from media), those of moof are.
/// memory  one moof or moov at a time, at most 4 MiB (a larger one ends it)
/// errors  only those of `read`
[[nodiscard]] Result<WholeFragments> whole_fragments(const ReadAt& read, std::uint64_t from, std::uint64_t size);
[[nodiscard]] WholeFragments whole_fragments(std::span<const std::byte> bytes);

}  // namespace weir::mp4
