#include "telemetry/process_metrics.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "base/metrics.h"
#include "on_shard.h"
#include "runtime/clock.h"
#include "runtime/task_group.h"
#include "telemetry/heap_numbers.h"

namespace weir::telemetry {
namespace {

using namespace std::chrono_literals;

std::optional<double> value_of(const char* name) {
    add_process_metrics("weir", "1.2.3");
    for (const auto& family : metrics::snapshot())
        if (family.name == name && family.series.size() == 1) return family.series[0].value;
    return std::nullopt;
}

TEST(ProcessMetrics, AllThatDashboardsAskForIsThere) {
    for (const char* name : {"process_cpu_seconds_total",
                             "process_max_fds",
                             "process_network_receive_bytes_total",
                             "process_network_transmit_bytes_total",
                             "process_open_fds",
                             "process_resident_memory_bytes",
                             "process_start_time_seconds",
                             "process_virtual_memory_bytes",
                             "process_virtual_memory_max_bytes",
                             "go_goroutines",
                             "go_threads",
                             "go_memstats_heap_alloc_bytes",
                             "go_memstats_heap_inuse_bytes",
                             "go_memstats_heap_sys_bytes",
                             "go_memstats_heap_idle_bytes",
                             "go_memstats_heap_released_bytes",
                             "go_memstats_heap_objects",
                             "go_memstats_mallocs_total",
                             "go_memstats_frees_total",
                             "go_memstats_lookups_total",
                             "target_info"})
        EXPECT_TRUE(value_of(name)) << name;
}

TEST(ProcessMetrics, NumbersOfTheProcessAreRight) {
    const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    EXPECT_NEAR(*value_of("process_start_time_seconds"), now, 600);
    EXPECT_LE(*value_of("process_start_time_seconds"), now + 1);
    EXPECT_GT(*value_of("process_resident_memory_bytes"), 1e6);
    EXPECT_GE(*value_of("process_virtual_memory_bytes"), *value_of("process_resident_memory_bytes"));
    EXPECT_GE(*value_of("go_threads"), 1);
    EXPECT_EQ(*value_of("process_max_fds"), static_cast<double>(sysconf(_SC_OPEN_MAX)));
}

TEST(ProcessMetrics, OpenDescriptorsAreCounted) {
    const auto before = *value_of("process_open_fds");
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    EXPECT_EQ(*value_of("process_open_fds"), before + 1);
    close(fd);
    EXPECT_EQ(*value_of("process_open_fds"), before);
}

TEST(ProcessMetrics, CpuTimeGrows) {
    const auto before = *value_of("process_cpu_seconds_total");
    double now = before;
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (now == before && std::chrono::steady_clock::now() < until) now = *value_of("process_cpu_seconds_total");
    EXPECT_GT(now, before);
}

TEST(ProcessMetrics, TasksAreCounted) {
    test::on_shard([](Shard& shard) -> Task<void> {
        TaskGroup group(shard.executor());
        const auto before = *value_of("go_goroutines");
        for (int i = 0; i < 3; ++i)
            group.spawn([](Clock& clock) -> Task<void> { (void)co_await clock.sleep_for(1h); }(shard.clock()));
        EXPECT_EQ(*value_of("go_goroutines"), before + 3);
        co_await group.stop("done");
        EXPECT_EQ(*value_of("go_goroutines"), before);
    });
}

TEST(HeapNumbers, ABlockIsSeen) {
    const auto before = heap_numbers();
    constexpr std::size_t much = 64u << 20;
    const auto block = std::make_unique<std::vector<char>>(much, 'x');
    const auto with = heap_numbers();
    if (before.system == 0) GTEST_SKIP() << "a sanitizer allocates";
    EXPECT_GE(with.allocated, before.allocated + much / 2);
    EXPECT_GE(with.system, with.active);
    EXPECT_GE(with.active + (1u << 20), with.allocated);
    if (!heap_is_jemalloc()) return;  // glibc counts no blocks
    EXPECT_GT(with.mallocs, before.mallocs);
}

TEST(ProcessMetrics, TargetInfoSaysWhatTheEnvironmentSays) {
    using Labels = std::map<std::string, std::string>;
    const auto plain = target_labels("weir", "1.2.3", "", "");
    EXPECT_EQ(plain, (Labels{{"service_name", "weir"},
                             {"service_version", "1.2.3"},
                             {"telemetry_sdk_language", "cpp"},
                             {"telemetry_sdk_name", "weir"},
                             {"telemetry_sdk_version", "1.2.3"}}));
    const auto rich = target_labels(
        "weir", "1.2.3", "service.name=a, deployment.environment = home%2C%20two ,1st=x,nothing,telemetry.sdk.name=no",
        "");
    EXPECT_EQ(rich.at("service_name"), "a");
    EXPECT_EQ(rich.at("deployment_environment"), "home, two");
    EXPECT_EQ(rich.at("key_1st"), "x");
    EXPECT_EQ(rich.at("telemetry_sdk_name"), "weir");
    EXPECT_EQ(rich.size(), 7u);
    EXPECT_EQ(target_labels("weir", "1", "service.name=a", "b").at("service_name"), "b");
}

}  // namespace
}  // namespace weir::telemetry
