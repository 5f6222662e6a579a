#pragma once
#include <cstdint>
#include <map>
#include <utility>

namespace weir::store {

/// Which units of a recording are whole: ranges per lane and numbering, so that a day of them costs what its holes cost.
class UnitSet {
public:
    /// False when it was in already.
    bool add(std::uint16_t lane, std::uint32_t gen, std::uint64_t unit);
    void remove(std::uint16_t lane, std::uint32_t gen, std::uint64_t unit);
    [[nodiscard]] bool contains(std::uint16_t lane, std::uint32_t gen, std::uint64_t unit) const;

private:
    using Ranges = std::map<std::uint64_t, std::uint64_t>;  ///< first, last
    [[nodiscard]] static Ranges::const_iterator holder(const Ranges& ranges, std::uint64_t unit);

    std::map<std::pair<std::uint16_t, std::uint32_t>, Ranges> all_;
};

}  // namespace weir::store
