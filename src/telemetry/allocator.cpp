#include "telemetry/allocator.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "runtime/child.h"

namespace weir::telemetry {
namespace {

#ifdef WEIR_HEAP_PROFILER
constexpr bool in_this_build = true;
#else
constexpr bool in_this_build = false;  // a sanitizer allocates
#endif
constexpr const char* library = "libjemalloc.so.2";
/// One arena, little kept for later: a recorder's threads allocate little.
constexpr const char* settings =
    "narenas:1,dirty_decay_ms:100,muzzy_decay_ms:0,tcache_max:1024,"
    "prof:true,prof_active:true,prof_accum:true,lg_prof_sample:19";
/// Set by who starts again: LD_PRELOAD as it was before.
constexpr const char* preload_before = "WEIR_PRELOAD_BEFORE";

/// Many glibcs cannot load it later (its thread-local data is of the static kind), and say so only when they have found it.
bool is_installed() {
    if (::dlopen(library, RTLD_LAZY | RTLD_LOCAL)) return true;
    const char* why = ::dlerror();
    return why && std::strstr(why, "cannot open shared object file") == nullptr;
}

/// By its own name, so that the process keeps it; by /proc when an upgrade has put another file there.
std::string own_path() {
    const auto path = own_executable();
    struct stat named {
    }, own{};
    const bool same = ::stat(path.c_str(), &named) == 0 && ::stat(own_program.data(), &own) == 0 &&
                      named.st_dev == own.st_dev && named.st_ino == own.st_ino;
    return same ? path : std::string(own_program);
}

void start_again() {
    std::ifstream in("/proc/self/cmdline", std::ios::binary);
    std::string all(std::istreambuf_iterator<char>(in), {});
    std::vector<char*> argv;
    if (!all.ends_with('\0')) all += '\0';
    for (std::size_t at = 0; at < all.size(); at = all.find('\0', at) + 1) argv.push_back(all.data() + at);
    argv.push_back(nullptr);
    const auto before = env("LD_PRELOAD").value_or(""), given = env("MALLOC_CONF").value_or("");
    const auto preload = before.empty() ? std::string(library) : before + ":" + library;
    const auto conf = given.empty() ? std::string(settings) : std::string(settings) + "," + given;
    ::setenv(preload_before, before.c_str(), 1);
    ::setenv("LD_PRELOAD", preload.c_str(), 1);
    ::setenv("MALLOC_CONF", conf.c_str(), 1);
    const auto path = own_path();
    ::execv(path.c_str(), argv.data());
    ::unsetenv(preload_before);
}

void restore_preload() {
    const auto before = env(preload_before).value_or("");
    if (before.empty())
        ::unsetenv("LD_PRELOAD");
    else
        ::setenv("LD_PRELOAD", before.c_str(), 1);
    ::unsetenv(preload_before);
}

}  // namespace

void be_heap_profiled() {
    if (!in_this_build || env("WEIR_HEAP_PROFILES") == "off") return;
    const bool again = env(preload_before).has_value();
    if (!again && !allocator_control() && is_installed()) start_again();
    if (again) restore_preload();  // it is no business of programs that this one starts
    if (!allocator_control()) WEIR_LOG(info, "there will be no heap profiles", {"missing", library});
}

AllocatorControl allocator_control() noexcept {
    // Not a weak reference: mold, which links the daily build, leaves none to the loader.
    static const auto entry = reinterpret_cast<AllocatorControl>(::dlsym(RTLD_DEFAULT, "mallctl"));
    return entry;
}

}  // namespace weir::telemetry
