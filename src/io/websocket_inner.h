#pragma once
// Inner part of the websocket: nothing outside src/io/websocket* includes this.
#include <memory>
#include <string>

#include "io/websocket.h"

namespace weir::websocket {

/// WebSocket::create() with the sub-protocol that was agreed on.
std::unique_ptr<WebSocket> make(std::unique_ptr<Connection> connection, ws::Role role, Bytes early,
                                WebSocket::Settings settings, std::string protocol);

}  // namespace weir::websocket
