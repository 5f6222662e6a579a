#include "telemetry/profiles/cpu_profile.h"

#include <dlfcn.h>
#include <gperftools/profiler.h>

#include <atomic>
#include <cstdio>
#include <utility>

namespace weir::telemetry {
namespace {

constexpr std::size_t max_file = 64u << 20;
std::atomic<bool> running{false};

struct Gperftools {
    decltype(&::ProfilerStart) start = nullptr;
    decltype(&::ProfilerStop) stop = nullptr;
    std::string why = {};
};

const Gperftools& gperftools() {
    static const Gperftools library = [] {
        Gperftools out;
        // Local: its unwinder, libunwind, has functions of the compiler's own runtime by the same names.
        void* handle = ::dlopen("libprofiler.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!handle) {
            out.why = ::dlerror();
            return out;
        }
        out.start = reinterpret_cast<decltype(out.start)>(::dlsym(handle, "ProfilerStart"));
        out.stop = reinterpret_cast<decltype(out.stop)>(::dlsym(handle, "ProfilerStop"));
        if (!out.start || !out.stop) out.why = "libprofiler.so.0 has no ProfilerStart";
        return out;
    }();
    return library;
}

/// It tells its numbers on `stderr`, where our log has lines of a form (and does not use that FILE).
void stop_silently() {
    std::FILE* nowhere = std::fopen("/dev/null", "we");
    auto* before = stderr;
    if (nowhere) stderr = nowhere;
    gperftools().stop();
    stderr = before;
    if (nowhere) std::fclose(nowhere);
}

}  // namespace

Result<CpuProfile> CpuProfile::start() {
    const auto& library = gperftools();
    if (!library.why.empty()) return Error{Errc::unsupported, library.why, "cpu profile"};
    const Error busy{Errc::busy, "cpu profiling already in use"};
    if (running.exchange(true)) return busy;
    auto file = MemoryFile::create("weir-cpu-profile");
    if (file && library.start(file->path().c_str()) != 0)
        return CpuProfile(std::move(*file), std::chrono::system_clock::now(), std::chrono::steady_clock::now());
    running = false;
    if (!file) return file.error();
    return busy;  // of CPUPROFILE in the environment
}

CpuProfile::~CpuProfile() {
    if (file_) (void)stop();
}

Result<pprof::Profile> CpuProfile::stop() {
    const auto file = std::exchange(file_, std::nullopt);
    WEIR_ASSERT(file);
    const auto lasted = std::chrono::steady_clock::now() - since_;
    stop_silently();
    running = false;
    auto bytes = file->read(max_file);
    if (!bytes) return bytes.error();
    auto profile = pprof::read_gperftools_cpu(*bytes);
    if (!profile) return profile.error();
    profile->at = at_;
    profile->duration = std::chrono::duration_cast<Micros>(lasted);
    return profile;
}

}  // namespace weir::telemetry
