#include "runtime/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "base/numbers.h"
#include "runtime/shard.h"

namespace weir {

namespace {

std::string text_of(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
}

std::optional<std::int64_t> positive(std::string_view text) {
    const auto value = parse_int(text, 1);
    return value ? std::optional(*value) : std::nullopt;
}

template <class T>
void tighten(std::optional<T>& limit, T value) {
    limit = limit ? std::min(*limit, value) : value;
}

void read_v2(const std::filesystem::path& group, CgroupLimits& limits) {
    const auto cpu = text_of(group / "cpu.max");  // "200000 100000", or "max 100000"
    if (const auto space = cpu.find(' '); space != std::string::npos) {
        const auto quota = positive(std::string_view(cpu).substr(0, space));
        const auto period = positive(std::string_view(cpu).substr(space + 1));
        if (quota && period) tighten(limits.cores, static_cast<double>(*quota) / static_cast<double>(*period));
    }
    if (const auto memory = positive(text_of(group / "memory.max")))
        tighten(limits.memory, static_cast<std::uint64_t>(*memory));
}

void read_v1(const std::filesystem::path& group, CgroupLimits& limits) {
    const auto quota = positive(text_of(group / "cpu.cfs_quota_us"));  // -1: none
    const auto period = positive(text_of(group / "cpu.cfs_period_us"));
    if (quota && period) tighten(limits.cores, static_cast<double>(*quota) / static_cast<double>(*period));
    constexpr std::int64_t unlimited = std::int64_t{1} << 60;  // version 1 says "none" by a number near 2^63
    const auto memory = positive(text_of(group / "memory.limit_in_bytes"));
    if (memory && *memory < unlimited) tighten(limits.memory, static_cast<std::uint64_t>(*memory));
}

template <class Read>
void each_level(const std::filesystem::path& root, std::filesystem::path path, Read read) {
    path = path.relative_path();
    while (true) {
        read(root / path);
        if (path.empty()) return;
        path = path.parent_path();
    }
}

}  // namespace

CgroupLimits cgroup_limits(std::string_view proc_self_cgroup, const std::filesystem::path& mount) {
    CgroupLimits limits;
    while (!proc_self_cgroup.empty()) {
        const auto end = std::min(proc_self_cgroup.find('\n'), proc_self_cgroup.size());
        const auto line = proc_self_cgroup.substr(0, end);  // "4:cpu,cpuacct:/docker/…", or "0::/…" for version 2
        proc_self_cgroup.remove_prefix(std::min(end + 1, proc_self_cgroup.size()));
        const auto first = line.find(':');
        const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        const auto controllers = line.substr(first + 1, second - first - 1);
        const std::filesystem::path path = line.substr(second + 1);
        const auto lists = [&](std::string_view name) {
            return ("," + std::string(controllers) + ",").find("," + std::string(name) + ",") != std::string::npos;
        };
        if (controllers.empty()) each_level(mount, path, [&](const auto& group) { read_v2(group, limits); });
        for (const std::string_view name : {"cpu", "memory"}) {
            if (!lists(name)) continue;
            for (const auto& root : {mount / name, mount / controllers})
                each_level(root, path, [&](const auto& group) { read_v1(group, limits); });
        }
    }
    return limits;
}

std::size_t usable_cores() {
    std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
    cpu_set_t set;
    CPU_ZERO(&set);
    // Fails on machines with more cores than the fixed set holds; hardware_concurrency() looks at the affinity as well.
    if (::sched_getaffinity(0, sizeof set, &set) == 0) cores = static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
    if (const auto quota = cgroup_limits(text_of("/proc/self/cgroup"), "/sys/fs/cgroup").cores)
        cores = std::min(cores, static_cast<std::size_t>(std::max(1.0, std::ceil(*quota))));
    return cores;
}

std::uint64_t usable_memory() {
    const auto pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
    std::uint64_t memory =
        pages > 0 && page > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) : 0;
    if (const auto limit = cgroup_limits(text_of("/proc/self/cgroup"), "/sys/fs/cgroup").memory)
        memory = memory ? std::min(memory, *limit) : *limit;
    return memory;
}

}  // namespace weir
