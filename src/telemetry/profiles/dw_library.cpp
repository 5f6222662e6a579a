#include "telemetry/profiles/dw_library.h"

#include <dlfcn.h>

#include <optional>

#include "base/log.h"

namespace weir::telemetry {
namespace {

std::optional<DwLibrary> load() {
    void* handle = ::dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        WEIR_LOG(warn, "profiles will have no function names", {"why", ::dlerror()});
        return std::nullopt;
    }
    DwLibrary out;
    bool whole = true;
#define WEIR_DW_FIND(name)                                                  \
    out.name = reinterpret_cast<decltype(&::name)>(::dlsym(handle, #name)); \
    whole = whole && out.name;
    WEIR_DW_FUNCTIONS(WEIR_DW_FIND)
#undef WEIR_DW_FIND
    if (!whole) {
        WEIR_LOG(warn, "profiles will have no function names", {"why", "libdw.so.1 lacks a function"});
        return std::nullopt;
    }
    return out;
}

}  // namespace

const DwLibrary* dw_library() {
    static const std::optional<DwLibrary> library = load();
    return library ? &*library : nullptr;
}

}  // namespace weir::telemetry
