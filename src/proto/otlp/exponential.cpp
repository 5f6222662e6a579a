#include "proto/otlp/exponential.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weir::otlp {
namespace {

constexpr int finest_scale = 3, most_buckets = 160;

double middle_of(const std::vector<double>& bounds, std::size_t bucket) {
    const double low = bucket == 0 ? 0 : std::max(bounds[bucket - 1], 0.0);
    if (bucket == bounds.size()) return low > 0 ? low * 1.5 : 1;
    return low + (bounds[bucket] - low) / 2;
}

int index_of(double value, int scale) {
    return static_cast<int>(std::ceil(std::ldexp(std::log2(value), scale))) - 1;
}

}  // namespace

Exponential exponential_of(const std::vector<double>& bounds, const std::vector<std::uint64_t>& buckets) {
    Exponential out{.scale = finest_scale};
    std::vector<std::pair<double, std::uint64_t>> counted;
    for (std::size_t i = 0; i < std::min(buckets.size(), bounds.size() + 1); ++i) {
        if (buckets[i] == 0) continue;
        if (i < bounds.size() && bounds[i] <= 0)
            out.zero += buckets[i];
        else
            counted.emplace_back(middle_of(bounds, i), buckets[i]);
    }
    if (counted.empty()) return out;
    // Bounds rise, and so do the middles.
    while (index_of(counted.back().first, out.scale) - index_of(counted.front().first, out.scale) >= most_buckets)
        --out.scale;
    out.offset = index_of(counted.front().first, out.scale);
    for (const auto& [value, count] : counted) {
        const auto at = static_cast<std::size_t>(index_of(value, out.scale) - out.offset);
        out.buckets.resize(std::max(out.buckets.size(), at + 1));
        out.buckets[at] += count;
    }
    return out;
}

}  // namespace weir::otlp
