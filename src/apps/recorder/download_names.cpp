#include <algorithm>
#include <ctime>

#include "apps/recorder/download.h"
#include "store/names.h"

namespace weir::apps {

std::string title_of(const Url& url) {
    std::string_view path = url.path;
    while (path.ends_with('/')) path.remove_suffix(1);
    auto last = std::string(path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1));
    if (const auto dot = last.rfind('.'); dot != std::string::npos && dot > 0) last.resize(dot);
    // "index", "playlist" and the like tell nothing; the host does.
    static constexpr std::string_view dull[] = {"index",  "playlist", "master",     "chunklist", "live",
                                                "stream", "media",    "prog_index", ""};
    if (std::find(std::begin(dull), std::end(dull), last) != std::end(dull))
        last = last.empty() ? url.host : url.host + " " + last;
    return last;
}

std::string default_name(const Url& url, WallTime now) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    const auto date = fmt::format("{:04}-{:02}-{:02} {:02}{:02}{:02}", local.tm_year + 1900, local.tm_mon + 1,
                                  local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec);
    const auto name = store::sanitise_name(fmt::format("{} {}", date, title_of(url)));
    return store::shorten_name(name, store::max_name_bytes - store::room_for_endings) + ".mp4";
}

}  // namespace weir::apps
