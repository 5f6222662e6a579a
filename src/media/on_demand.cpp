#include "media/on_demand.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "media/libav.h"

namespace weir::media {
namespace {

std::string version_text(unsigned v) {
    return fmt::format("{}.{}.{}", AV_VERSION_MAJOR(v), AV_VERSION_MINOR(v), AV_VERSION_MICRO(v));
}

}  // namespace

#ifdef WEIR_LIBAV_ON_DEMAND

namespace {

constexpr const char* sonames = WEIR_LIBAV_ON_DEMAND;  // "libavformat.so.59:libavcodec.so.59:libavutil.so.57"
constexpr const char* tried = "WEIR_LIBAV_TRIED";

bool is_loaded() {
    return avformat_version != nullptr && avcodec_version != nullptr && avutil_version != nullptr;
}

template <class F>
F* function(void* library, const char* name) {
    return library == nullptr ? nullptr : reinterpret_cast<F*>(::dlsym(library, name));
}

}  // namespace

std::string load_libav() {
    if (is_loaded()) {
        ::unsetenv("LD_PRELOAD");
        return {};
    }
    if (std::getenv(tried) == nullptr) {
        ::setenv(tried, "1", 1);
        ::setenv("LD_PRELOAD", sonames, 1);
        std::array<char*, 3> argv{const_cast<char*>("weir"), const_cast<char*>("media-tool"), nullptr};
        ::execv("/proc/self/exe", argv.data());
    }
    return fmt::format("libav is missing ({}): install FFmpeg's libraries", sonames);
}

std::vector<std::pair<std::string, std::string>> libav_versions() {
    std::vector<std::pair<std::string, std::string>> found;
    std::string_view rest = sonames;
    for (const char* name : {"avformat", "avcodec", "avutil"}) {
        const std::string soname(rest.substr(0, rest.find(':')));
        rest.remove_prefix(std::min(rest.size(), soname.size() + 1));
        void* const library = ::dlopen(soname.c_str(), RTLD_LAZY | RTLD_LOCAL);
        if (auto* version = function<unsigned()>(library, fmt::format("{}_version", name).c_str()))
            found.emplace_back(fmt::format("lib{}", name), version_text(version()));
        if (std::string_view(name) != "avutil") continue;
        if (auto* info = function<const char*()>(library, "av_version_info")) found.emplace_back("ffmpeg", info());
    }
    return found;
}

#else

std::string load_libav() {
    return {};
}

std::vector<std::pair<std::string, std::string>> libav_versions() {
    return {{"libavformat", version_text(avformat_version())},
            {"libavcodec", version_text(avcodec_version())},
            {"libavutil", version_text(avutil_version())},
            {"ffmpeg", av_version_info()}};
}

#endif

}  // namespace weir::media
