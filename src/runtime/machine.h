#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace weir {

/// What the control groups of a process allow. Looks at its own group and at every group above it: the tightest limit
/// counts. Under a namespaced mount the path in /proc/self/cgroup may not exist below `mount`; the groups that do exist
/// are read.
struct CgroupLimits {
    std::optional<double> cores;          ///< quota / period
    std::optional<std::uint64_t> memory;  ///< bytes
};

/// proc_self_cgroup  the text of /proc/self/cgroup
/// mount             where the hierarchies are mounted: /sys/fs/cgroup
[[nodiscard]] CgroupLimits cgroup_limits(std::string_view proc_self_cgroup, const std::filesystem::path& mount);

}  // namespace weir
