#include "telemetry/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <memory>
#include <mutex>
#include <sstream>
#include <string_view>

#include "base/env.h"
#include "base/metrics.h"
#include "base/text.h"
#include "runtime/task_group.h"
#include "telemetry/heap_numbers.h"
#include "telemetry/otlp/codings.h"

namespace weir::telemetry {
namespace {

using metrics::counter;
using metrics::gauge;

std::string file_text(const char* path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

double number_of(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return static_cast<double>(value);
}

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    while (true) {
        const auto begin = text.find_first_not_of(" \t\n");
        if (begin == text.npos) return words;
        text.remove_prefix(begin);
        const auto end = std::min(text.find_first_of(" \t\n"), text.size());
        words.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
}

/// /proc/self/stat from the third field on: the second, a name in parentheses, may hold anything.
struct Stat {
    double cpu_seconds = 0, threads = 0, start_seconds = 0, virtual_bytes = 0, resident_bytes = 0;
};

Stat read_stat() {
    const auto text = file_text("/proc/self/stat");
    const auto name_end = text.rfind(')');
    Stat s;
    if (name_end == text.npos) return s;
    const auto words = words_of(std::string_view(text).substr(name_end + 1));
    if (words.size() < 22) return s;
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    s.cpu_seconds = (number_of(words[11]) + number_of(words[12])) / ticks;
    s.threads = number_of(words[17]);
    s.start_seconds = number_of(words[19]) / ticks;  // after the machine's start
    s.virtual_bytes = number_of(words[20]);
    s.resident_bytes = number_of(words[21]) * static_cast<double>(sysconf(_SC_PAGESIZE));
    return s;
}

double boot_seconds() {
    const auto text = file_text("/proc/stat");
    const auto at = text.find("\nbtime ");
    return at == text.npos ? 0 : number_of(std::string_view(text).substr(at + 7));
}

double open_descriptors() {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
    double count = 0;
    if (!folder) return count;
    while (const auto* entry = readdir(folder.get()))
        if (entry->d_name[0] != '.') ++count;
    return count - 1;  // this look's own
}

double limit_of(__rlimit_resource what) {
    rlimit limit{};
    if (getrlimit(what, &limit) != 0) return 0;
    if (limit.rlim_cur == RLIM_INFINITY) return static_cast<double>(std::numeric_limits<std::uint64_t>::max());
    return static_cast<double>(limit.rlim_cur);
}

struct Network {
    double received = 0, sent = 0;
};

/// All interfaces of our network namespace, as the reference counts.
Network read_network() {
    Network n;
    const auto text = file_text("/proc/self/net/dev");
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const auto colon = line.find(':');
        if (colon == line.npos) continue;
        const auto words = words_of(line.substr(colon + 1));
        if (words.size() < 9) continue;
        n.received += number_of(words[0]);
        n.sent += number_of(words[8]);
    }
    return n;
}

/// A counter that somebody else keeps. Never goes back.
void follow(metrics::Counter& shown, double now) {
    shown.add(std::max(0.0, now - shown.value()));
}

struct ProcessFamilies {
    metrics::Counter cpu = counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.");
    metrics::Gauge max_fds = gauge("process_max_fds", "Maximum number of open file descriptors.");
    metrics::Gauge open_fds = gauge("process_open_fds", "Number of open file descriptors.");
    metrics::Gauge resident = gauge("process_resident_memory_bytes", "Resident memory size in bytes.");
    metrics::Gauge start =
        gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.");
    metrics::Gauge virt = gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.");
    metrics::Gauge virt_max =
        gauge("process_virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes.");
    metrics::Counter received =
        counter("process_network_receive_bytes_total", "Number of bytes received by the process over the network.");
    metrics::Counter sent =
        counter("process_network_transmit_bytes_total", "Number of bytes sent by the process over the network.");
    metrics::Gauge threads = gauge("go_threads", "Number of OS threads created.");
    double boot = boot_seconds();

    void look() {
        const auto stat = read_stat();
        const auto network = read_network();
        follow(cpu, stat.cpu_seconds);
        max_fds.set(limit_of(RLIMIT_NOFILE));
        open_fds.set(open_descriptors());
        resident.set(stat.resident_bytes);
        start.set(boot + stat.start_seconds);
        virt.set(stat.virtual_bytes);
        virt_max.set(limit_of(RLIMIT_AS));
        follow(received, network.received);
        follow(sent, network.sent);
        threads.set(stat.threads);
    }
};

/// Under the names that the dashboards of the reference ask for (telemetry.md 1.4).
struct HeapFamilies {
    metrics::Gauge tasks = gauge("go_goroutines", "Number of tasks that currently exist.");
    metrics::Gauge alloc =
        gauge("go_memstats_heap_alloc_bytes", "Number of heap bytes allocated and currently in use.");
    metrics::Gauge inuse = gauge("go_memstats_heap_inuse_bytes", "Number of heap bytes that are in use.");
    metrics::Gauge idle = gauge("go_memstats_heap_idle_bytes", "Number of heap bytes waiting to be used.");
    metrics::Gauge released = gauge("go_memstats_heap_released_bytes", "Number of heap bytes released to OS.");
    metrics::Gauge sys = gauge("go_memstats_heap_sys_bytes", "Number of heap bytes obtained from system.");
    metrics::Gauge objects = gauge("go_memstats_heap_objects", "Number of currently allocated objects.");
    metrics::Counter mallocs = counter("go_memstats_mallocs_total", "Total number of heap objects allocated.");
    metrics::Counter frees = counter("go_memstats_frees_total", "Total number of heap objects freed.");
    metrics::Counter lookups = counter("go_memstats_lookups_total", "Total number of pointer lookups; always 0 here.");

    void look() {
        const auto heap = heap_numbers();
        tasks.set(static_cast<double>(live_tasks()));
        alloc.set(static_cast<double>(heap.allocated));
        inuse.set(static_cast<double>(heap.active));
        idle.set(static_cast<double>(heap.system - std::min(heap.system, heap.active)));
        released.set(static_cast<double>(heap.released));
        sys.set(static_cast<double>(heap.system));
        objects.set(static_cast<double>(heap.mallocs - std::min(heap.mallocs, heap.frees)));
        follow(mallocs, static_cast<double>(heap.mallocs));
        follow(frees, static_cast<double>(heap.frees));
    }
};

std::string label_name(std::string_view name) {
    std::string out;
    for (const char c : name) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        const bool digit = c >= '0' && c <= '9';
        if (out.empty() && digit) out += "key_";
        out += letter || digit ? c : '_';
    }
    return out.starts_with("__") ? "key" + out : out;
}

}  // namespace

std::map<std::string, std::string> target_labels(const std::string& program, const std::string& version,
                                                 const std::string& resource, const std::string& service) {
    std::map<std::string, std::string> labels{{"service_name", program},
                                              {"service_version", version},
                                              {"telemetry_sdk_language", "cpp"},
                                              {"telemetry_sdk_name", "weir"},
                                              {"telemetry_sdk_version", version}};
    std::string_view rest = resource;
    while (!rest.empty()) {
        const auto pair = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
        const auto equals = pair.find('=');
        if (equals == pair.npos) continue;
        const auto name = label_name(stripped(pair.substr(0, equals)));
        if (name.empty() || name.starts_with("telemetry_sdk_")) continue;
        labels[name] = percent_decoded(stripped(pair.substr(equals + 1)));
    }
    if (!service.empty()) labels["service_name"] = service;
    return labels;
}

void add_process_metrics(const std::string& program, const std::string& version) {
    static std::once_flag once;
    std::call_once(once, [&] {
        const auto labels = target_labels(program, version, env("OTEL_RESOURCE_ATTRIBUTES").value_or(""),
                                          env("OTEL_SERVICE_NAME").value_or(""));
        gauge("target_info", "Target metadata", labels).set(1);
        const auto mutex = std::make_shared<std::mutex>();
        const auto process = std::make_shared<ProcessFamilies>();
        const auto heap = std::make_shared<HeapFamilies>();
        metrics::before_reading([mutex, process, heap] {
            const std::scoped_lock lock(*mutex);  // two readers would count the same twice
            process->look();
            heap->look();
        });
    });
}

}  // namespace weir::telemetry
