#include "telemetry/profiles/heap_profile.h"

#include <algorithm>

#include "telemetry/allocator.h"
#include "telemetry/profiles/memory_file.h"
#include "telemetry/profiles/profiles.h"

namespace weir::telemetry {

bool heap_profiles() noexcept {
    const auto control = allocator_control();
    bool on = false;
    std::size_t size = sizeof on;
    return control && control("opt.prof", &on, &size, nullptr, 0) == 0 && on;
}

Result<pprof::Profile> heap_profile() {
    constexpr std::size_t max_file = 64u << 20;
    if (!heap_profiles()) return Error{Errc::unsupported, "this process has no heap profiler"};
    auto file = MemoryFile::create("weir-heap-profile");
    if (!file) return file.error();
    const auto path = file->path();
    const char* name = path.c_str();
    if (const int err = allocator_control()("prof.dump", nullptr, nullptr, &name, sizeof name); err != 0)
        return from_errno(err, "heap profile");
    auto text = file->read(max_file);
    if (!text) return text.error();
    auto profile = pprof::read_jemalloc_heap(*text);
    if (!profile) return profile.error();
    strip_callee(*profile, "libjemalloc");
    profile->at = std::chrono::system_clock::now();
    return profile;
}

void give_memory_back() noexcept {
    const auto control = allocator_control();
    if (!control) return;
    (void)control("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
    (void)control("arena.4096.purge", nullptr, nullptr, nullptr, 0);  // 4096: MALLCTL_ARENAS_ALL
}

void strip_callee(pprof::Profile& profile, std::string_view file_part) {
    const auto in_it = [&](std::uint64_t address) {
        return std::any_of(profile.mappings.begin(), profile.mappings.end(), [&](const pprof::Mapping& m) {
            return m.start <= address && address < m.limit && m.file.find(file_part) != std::string::npos;
        });
    };
    std::map<std::vector<std::uint64_t>, std::vector<std::int64_t>> merged;
    for (auto& sample : profile.samples) {
        auto& stack = sample.stack;
        const auto first = std::find_if_not(stack.begin(), stack.end(), in_it);
        if (first != stack.begin() && first != stack.end()) {
            stack.erase(stack.begin(), first);
            stack.front() = pprof::call_address(stack.front(), false);  // it called; now it is the leaf
        }
        auto& sum = merged[std::move(stack)];
        sum.resize(sample.values.size());
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += sample.values[i];
    }
    profile.samples.clear();
    for (auto& [stack, values] : merged)
        profile.samples.push_back(pprof::Sample{.stack = stack, .values = std::move(values)});
}

void keep_rising(pprof::Profile& now, const pprof::Profile& before) {
    std::map<std::vector<std::uint64_t>, const pprof::Sample*> had;
    for (const auto& sample : before.samples) had.emplace(sample.stack, &sample);
    for (auto& sample : now.samples)
        if (const auto found = had.find(sample.stack); found != had.end())
            for (std::size_t i = 0; i < 2; ++i) sample.values[i] = std::max(sample.values[i], found->second->values[i]);
}

void label_sizes(pprof::Profile& profile) {
    for (auto& sample : profile.samples) {
        const auto& v = sample.values;
        const auto from = v[0] > 0 ? 0u : 2u;
        if (v[from] > 0) sample.numbers["bytes"] = v[from + 1] / v[from];
    }
}

}  // namespace weir::telemetry
