#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "io/dial.h"
#include "proto/websocket/frame.h"
#include "proto/websocket/handshake.h"

namespace weir {

/// Who is never asked (ping 0) may be silent: 0, never. Who is asked has at least 6 s to answer, or as long as it had peace before.
[[nodiscard]] Millis pong_time(Millis ping, Millis pong) noexcept;

/// A websocket as one task reads and another one writes it. Pings are answered, a close is answered, by read() itself.
/// limits   Settings; what waits to be written is the caller's: send() returns when the socket has taken it
/// threads  its connection's shard
class WebSocket {
public:
    struct Settings {
        ws::Limits limits = {};
        /// Role server: what the unfinished messages of all peers may take. A client chose its peer: there only the limits hold.
        ws::Budget* budget = &ws::incoming_budget();
        Millis ping{54'000};  ///< one is sent after so long (VW-46, relay/WIN-7); 0: never
        Millis pong{60'000};  ///< no sign of life for pong_time() while read() waits: lost; 0: never
    };
    struct Message {
        bool text = false;
        Bytes payload;
    };

    /// Takes over a connection whose opening handshake is done. `early`: bytes that came behind it.
    static std::unique_ptr<WebSocket> create(std::unique_ptr<Connection> connection, ws::Role role, Bytes early,
                                             Settings settings);
    virtual ~WebSocket() = default;  ///< cuts the connection; calls still under way end with lost_peer
    /// The next message. lost_peer: closed by the peer (close_code() says how) or cut; bad_input: the peer broke the protocol
    /// (a close frame was sent, and up to a second given to read it); timed_out: no sign of life.
    virtual Task<Result<Message>> read() = 0;
    /// One message, in one frame. One caller at a time; control frames go between messages.
    virtual Task<Result<>> send(ws::Opcode opcode, Bytes payload) = 0;
    /// Several messages with one write: for what queued up meanwhile.
    virtual Task<Result<>> send_all(std::span<const Message> messages) = 0;
    /// Says goodbye and waits for the answer, at most `patience`; then the connection is closed.
    virtual Task<void> close(std::uint16_t code, std::string reason, Millis patience = Millis(1000)) = 0;
    [[nodiscard]] virtual std::optional<std::uint16_t> close_code() const noexcept = 0;  ///< the peer's, once it came
    [[nodiscard]] virtual const std::string& protocol() const noexcept = 0;              ///< agreed sub-protocol
};

struct WebSocketPlan {
    std::string url;  ///< ws:// or wss://; user and password are refused (VW-71)
    ws::Headers headers = {};
    std::vector<std::string> protocols = {};
    TlsClient tls = {};
    bool use_proxy = true;
    Millis timeout{45'000};
    Millis write_timeout{10'000};
    WebSocket::Settings settings = {};
    const UrlGuard* guard = nullptr;
};

/// Dials and shakes hands. errors: those of dial(); bad_input for the URL or an answer that is no handshake; an HTTP answer
/// other than 101 as status_error() says it, its status set, Retry-After kept.
Task<Result<std::unique_ptr<WebSocket>>> connect_websocket(Shard& shard, Resolver& resolver, WebSocketPlan plan);

/// Answers an upgrade on the server: 101, then the socket. An error was answered already (400, 426, …).
Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(Exchange& exchange, std::string protocol,
                                                          WebSocket::Settings settings);

}  // namespace weir
