#pragma once
// Inner part of WsPush: where a destination rule leads, and how it is let in.
#include <string>
#include <string_view>

#include "base/secret.h"
#include "io/http_client.h"
#include "io/websocket.h"
#include "runtime/shard.h"

namespace weir::ws_push {

/// How a rule gets in.
enum class Entry : std::uint8_t {
    plain,   ///< dial
    greets,  ///< dial, then the token is the first message (VW-77)
    asks     ///< the token is changed for an address to dial (PR-20)
};
/// bad_input when the URL can never work: not ws(s), or http(s) without a token; user or password in it (VW-71).
[[nodiscard]] Result<Entry> entry_of(const std::string& url, const Secret& token);

/// POSTs to the access URL; the answer's `uri`, checked. errors: those of fetch(), of status_error(); bad_input for another
/// answer. At most 10 s.
Task<Result<std::string>> exchange(Shard& shard, HttpClient& http, std::string url, Secret token);

/// Sends the token and awaits the answer: denied when it says no, with the peer's reason.
Task<Result<>> greet(Shard& shard, WebSocket& socket, Secret token, Millis timeout);
/// What the peer answered to the token. errors: bad_input, denied
[[nodiscard]] Result<> read_greeting(const WebSocket::Message& answer);

/// `text` without `secret` and the query values of `url`.
[[nodiscard]] std::string without_secrets(std::string text, std::string_view url, const Secret& secret);

}  // namespace weir::ws_push
