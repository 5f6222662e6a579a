#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "base/time.h"

namespace weir {

/// One MQTT 5 PUBLISH, in a connection of its own.
struct MqttPublish {
    std::string host;  ///< a name or an address; IPv6 without brackets
    std::vector<std::string> addresses =
        {};  ///< where `host` is, numeric; empty: the system looks it up, by its own limits
    std::uint16_t port = 1883;
    bool tls = false, verify_tls = true;
    std::string user;
    Secret password;  ///< only together with a user
    std::string client_id = "weir";
    bool clean = true;  ///< whether what the server kept of this client id is dropped
    std::string topic, payload;
    int qos = 0;  ///< 0 to 2
    bool retain = false;
    Millis timeout{10'000};  ///< for all of it
};

/// Connects, publishes, waits for what the QoS asks for (PUBACK, PUBCOMP; of QoS 0 until it is written), disconnects.
/// Blocking: for a WorkerPool. TLS is 1.2 or later, the server's name is `host`, and who signs is trusted as HttpClient does.
/// errors  bad_input: an empty topic, one with + or #, a payload above the limit; unreachable: no connection, TLS; lost_peer, timed_out,
///         cancelled; denied: "MQTT connect failed: reason code 0x87 - Not authorized", "MQTT publish failed: reason code 0x..  - …" (busy
///         where the code says that later may do). One line; never the password
/// limits  payload 1 MiB, topic 65535 bytes
/// threads  any; `cancelled` may be set from another.
/// source  OASIS MQTT 5.0; protocols/notify.md 7
[[nodiscard]] Result<> publish_mqtt(const MqttPublish& publish, const std::atomic<bool>& cancelled);

}  // namespace weir
