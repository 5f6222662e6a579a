#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "apps/sites/site.h"

namespace weir::sites {

/// What a recorder tells people, under the names of the configuration's notificationFormats (FC2-129); `blind` is ours.
enum class EventKind : std::uint8_t {
    config_reloaded,
    login_failed,
    panicked,
    idle,
    blind,
    preparing_files,
    downloading,
    post_processing,
    finished,
    error,
    canceled,
    update_available,
};
[[nodiscard]] std::string_view name_of(EventKind kind) noexcept;  ///< "configReloaded"

struct Event {
    EventKind kind = EventKind::idle;
    std::string channel_id = {};
    std::map<std::string, std::string> labels = {};
    gotemplate::Value metadata = {};
    std::string text = {};  ///< the error, the version, the capture
};
/// Takes events on the shard, at once and without waiting. The notifier hangs here; without one they are log lines.
using EventSink = std::function<void(const Event&)>;
[[nodiscard]] EventSink log_events();

}  // namespace weir::sites
