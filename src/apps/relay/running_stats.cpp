#include "apps/relay/running_stats.h"

#include <fmt/format.h>

namespace weir::relay {
namespace {

constexpr auto longest_gap = std::chrono::hours(24);

}  // namespace

std::string RunningStats::json() const {
    return fmt::format(R"({{"count":{},"min":{},"max":{},"mean":{},"stddev":{},"variance":{}}})", count_, min_, max_,
                       mean_, stddev(), variance());
}

void MessageStats::add(std::size_t bytes, SteadyTime arrival) noexcept {
    bytes_.add(static_cast<double>(bytes));
    const auto gap = last_ ? arrival - *last_ : SteadyTime::duration::zero();
    if (last_ && gap >= SteadyTime::duration::zero() && gap <= longest_gap)
        gap_.add(std::chrono::duration<double, std::milli>(gap).count());
    last_ = arrival;
}

}  // namespace weir::relay
