#pragma once
#include <string>
#include <string_view>

#include "apps/relay/changes.h"

namespace weir::relay {

/// What one admin message (relay section 5) is answered with, and what it changes. `change` was checked already.
struct AdminAnswer {
    std::string reply;
    Change change = {};
};

/// One message of the websocket /ws/api or of the console (VW-51 to VW-62): pure, never fails; nonsense is answered with
/// {"error":…}, which names what is wrong where vw crashed (VW-61) or stored an empty rule (VW-62).
[[nodiscard]] AdminAnswer answer_admin(std::string_view message, const RuleView& view);

}  // namespace weir::relay
