#include "runtime/machine.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <map>
#include <string>

#include "runtime/shard.h"

namespace weir {
namespace {

struct CgroupCase {
    const char* name;
    const char* proc_self_cgroup;
    std::map<std::string, std::string> files;
    std::optional<double> cores;
    std::optional<std::uint64_t> memory;
};
class Cgroup : public testing::TestWithParam<CgroupCase> {
protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "cgroupXXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(root_); }
    std::filesystem::path root_;
};

TEST_P(Cgroup, TheTightestLimitCounts) {
    for (const auto& [name, text] : GetParam().files) {
        std::filesystem::create_directories((root_ / name).parent_path());
        std::ofstream(root_ / name) << text << "\n";
    }
    const auto limits = cgroup_limits(GetParam().proc_self_cgroup, root_);
    EXPECT_EQ(limits.cores, GetParam().cores);
    EXPECT_EQ(limits.memory, GetParam().memory);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Cgroup,
    testing::Values(
        CgroupCase{"V2", "0::/a/b\n", {{"a/b/cpu.max", "150000 100000"}, {"a/b/memory.max", "1000"}}, 1.5, 1000},
        CgroupCase{"V2Unlimited", "0::/a\n", {{"a/cpu.max", "max 100000"}, {"a/memory.max", "max"}}, {}, {}},
        CgroupCase{
            "V2ParentIsTighter", "0::/a/b\n", {{"a/b/cpu.max", "max 100000"}, {"a/cpu.max", "50000 100000"}}, 0.5, {}},
        CgroupCase{"V2Namespaced", "0::/\n", {{"cpu.max", "200000 100000"}}, 2.0, {}},
        CgroupCase{"V2PathNotMounted", "0::/../../x\n", {{"memory.max", "77"}}, {}, {77}},
        CgroupCase{"V1",
                   "5:cpu,cpuacct:/d\n4:memory:/d\n",
                   {{"cpu/d/cpu.cfs_quota_us", "300000"},
                    {"cpu/d/cpu.cfs_period_us", "100000"},
                    {"memory/d/memory.limit_in_bytes", "9"}},
                   3.0,
                   9},
        CgroupCase{"V1Unlimited",
                   "5:cpu,cpuacct:/d\n4:memory:/d\n",
                   {{"cpu/d/cpu.cfs_quota_us", "-1"},
                    {"cpu/d/cpu.cfs_period_us", "100000"},
                    {"memory/d/memory.limit_in_bytes", "9223372036854771712"}},
                   {},
                   {}},
        CgroupCase{"Nothing", "", {}, {}, {}}, CgroupCase{"Garbage", "x\n::\n0:", {}, {}, {}}),
    [](const auto& c) { return c.param.name; });

TEST(Machine, HasAtLeastOneCoreAndSomeMemory) {
    EXPECT_GE(usable_cores(), 1u);
    EXPECT_GT(usable_memory(), 1u << 20);
}

}  // namespace
}  // namespace weir
