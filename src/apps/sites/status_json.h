#pragma once
#include <string>
#include <vector>

#include "apps/sites/watcher.h"

namespace weir::sites {

/// See Watch::status_json().
[[nodiscard]] std::string json_of(const std::vector<WatchStatus>& statuses);

/// Who watches, for the status page.
struct About {
    std::string program, version;
    WallTime started;
};
/// A program gets everything, laid out as the reference does; the page what it shows (no `extra`, of each channel's errors the newest
/// three), as it asks every two seconds.
enum class Reader : std::uint8_t { program, page };
/// With program, version, started and now beside the channels.
[[nodiscard]] std::string json_of(const std::vector<WatchStatus>& statuses, const About& about, WallTime now,
                                  Reader reader);
/// `json` (valid, of any layout) as Go's MarshalIndent with two blanks lays it out.
[[nodiscard]] std::string indented_json(std::string_view json);
/// "2026-11-21 12:19:31.451367712 +0000 UTC", as Go prints a time.
[[nodiscard]] std::string go_time_text(WallTime t);

}  // namespace weir::sites
