#pragma once
#include <cstdint>
#include <vector>

/// (internal to proto/otlp)
namespace weir::otlp {

/// Bucket i of `buckets` counts 2^((offset + i) / 2^scale) < x <= 2^((offset + i + 1) / 2^scale).
struct Exponential {
    int scale = 0, offset = 0;
    std::uint64_t zero = 0;
    std::vector<std::uint64_t> buckets = {};
};
/// An estimate, since only the counts between bounds are known: each counts at the middle of its two bounds, what is beyond
/// the last at one and a half of it, what is at or below 0 as zero. Scale 3 (9 % wide), less where that makes more than 160.
[[nodiscard]] Exponential exponential_of(const std::vector<double>& bounds, const std::vector<std::uint64_t>& buckets);

}  // namespace weir::otlp
