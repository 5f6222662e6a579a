#include "core/item.h"

namespace weir {

std::string_view name_of(TrackKind kind) noexcept {
    switch (kind) {
        case TrackKind::video:
            return "video";
        case TrackKind::audio:
            return "audio";
        case TrackKind::text:
            return "text";
        case TrackKind::data:
            break;
    }
    return "data";
}

std::string_view name_of(EndReason r) noexcept {
    switch (r) {
        case EndReason::endlist:
            return "endlist";
        case EndReason::stopped:
            return "stopped";
        case EndReason::idle:
            return "idle";
        case EndReason::duration:
            return "duration";
        case EndReason::error:
            return "error";
    }
    return "unknown";
}

}  // namespace weir
