#include "store/unit_set.h"

#include <iterator>

namespace weir::store {

UnitSet::Ranges::const_iterator UnitSet::holder(const Ranges& ranges, std::uint64_t unit) {
    auto it = ranges.upper_bound(unit);
    if (it == ranges.begin()) return ranges.end();
    --it;
    return it->second >= unit ? it : ranges.end();
}

bool UnitSet::add(std::uint16_t lane, std::uint32_t gen, std::uint64_t unit) {
    auto& ranges = all_[{lane, gen}];
    if (holder(ranges, unit) != ranges.end()) return false;
    auto first = unit, last = unit;
    const auto after = ranges.upper_bound(unit);
    if (after != ranges.begin()) {
        const auto before = std::prev(after);
        if (before->second + 1 == unit) first = before->first;
    }
    if (after != ranges.end() && after->first == unit + 1) {
        last = after->second;
        ranges.erase(after);
    }
    ranges[first] = last;
    return true;
}

void UnitSet::remove(std::uint16_t lane, std::uint32_t gen, std::uint64_t unit) {
    auto& ranges = all_[{lane, gen}];
    const auto it = holder(ranges, unit);
    if (it == ranges.end()) return;
    const auto [first, last] = *it;
    ranges.erase(it);
    if (first < unit) ranges[first] = unit - 1;
    if (unit < last) ranges[unit + 1] = last;
}

bool UnitSet::contains(std::uint16_t lane, std::uint32_t gen, std::uint64_t unit) const {
    const auto it = all_.find({lane, gen});
    return it != all_.end() && holder(it->second, unit) != it->second.end();
}

}  // namespace weir::store
