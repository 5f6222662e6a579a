#pragma once
// Inside of the hub: one publisher on its connection's shard.
#include <memory>

#include "apps/relay/hub.h"
#include "apps/relay/hub_core.h"

namespace weir::relay {

/// A publisher with its lane taken, to be used on `here`. Home shard.
Result<std::shared_ptr<Publisher>> make_publisher(const std::shared_ptr<HubCore>& core, Shard& here,
                                                  const std::string& topic, PublisherInfo who);

/// So much of it is under way that it should wait_for_room() before it takes more.
[[nodiscard]] bool is_behind(const Publisher& publisher) noexcept;

}  // namespace weir::relay
