#include "apps/sites/events.h"

#include "base/log.h"

namespace weir::sites {
namespace {

log::Level level_of(EventKind kind) {
    switch (kind) {
        case EventKind::panicked:
        case EventKind::error:
            return log::Level::error;
        case EventKind::login_failed:
        case EventKind::blind:
            return log::Level::warn;
        case EventKind::idle:
            return log::Level::debug;
        default:
            return log::Level::info;
    }
}

}  // namespace

std::string_view name_of(EventKind kind) noexcept {
    switch (kind) {
        case EventKind::config_reloaded:
            return "configReloaded";
        case EventKind::login_failed:
            return "loginFailed";
        case EventKind::panicked:
            return "panicked";
        case EventKind::idle:
            return "idle";
        case EventKind::blind:
            return "blind";
        case EventKind::preparing_files:
            return "preparingFiles";
        case EventKind::downloading:
            return "downloading";
        case EventKind::post_processing:
            return "postProcessing";
        case EventKind::finished:
            return "finished";
        case EventKind::error:
            return "error";
        case EventKind::canceled:
            return "canceled";
        case EventKind::update_available:
            return "updateAvailable";
    }
    return "?";
}

EventSink log_events() {
    return [](const Event& event) {
        const auto level = level_of(event.kind);
        if (!log::enabled(level)) return;
        const log::Where here{__FILE__, __LINE__};
        if (event.channel_id.empty())
            log::write(level, here, name_of(event.kind), {{"text", event.text}});
        else if (event.text.empty())
            log::write(level, here, name_of(event.kind), {{"channelID", event.channel_id}});
        else
            log::write(level, here, name_of(event.kind), {{"channelID", event.channel_id}, {"text", event.text}});
    };
}

}  // namespace weir::sites
