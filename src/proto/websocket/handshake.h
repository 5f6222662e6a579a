#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace weir::ws {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// What a client asks for with its upgrade.
struct Offer {
    std::string key;                     ///< Sec-WebSocket-Key, 24 characters that are 16 bytes
    std::vector<std::string> protocols;  ///< as offered, in order
    std::string origin, host;            ///< empty: not sent
};

/// Reads an upgrade request. `headers`: names in lower case.
/// limits  names and values together at most 8 KiB, at most 100 fields and 32 protocols (reliability.md lessons 29, 30)
/// errors  bad_input with status 400 (not an upgrade, bad key), 405 (not GET), 426 (another version), 431 (too long)
/// origin  only told here: whether it may come in is the caller's to say (lesson 32)
/// source  RFC 6455 4.2.1
Result<Offer> read_upgrade(std::string_view method, const Headers& headers);

/// The whole answer "101 Switching Protocols", with `protocol` when it is not empty.
[[nodiscard]] std::string accept_answer(const Offer& offer, std::string_view protocol = {});
/// Sec-WebSocket-Accept for a key.
[[nodiscard]] std::string accept_key(std::string_view key);

/// The client's side of the opening handshake. Nothing in a Request can add a line of its own to the text: controls in
/// values become spaces, in the target and the host they are left out, headers whose name is no token are not sent.
/// limits  the answer's head at most 8 KiB and 100 fields, checked while its bytes arrive
/// threads one owner; pure: the 16 random bytes come from the caller
class ClientHandshake {
public:
    struct Request {
        std::string host;    ///< as in the Host header, with the port when it is not the scheme's
        std::string target;  ///< path and query
        Headers headers = {};
        std::vector<std::string> protocols = {};
    };
    ClientHandshake(const Request& request, std::span<const std::byte, 16> nonce);
    [[nodiscard]] const std::string& text() const noexcept { return text_; }  ///< the request to send

    struct Answer {
        int status = 0;
        Headers headers;       ///< names in lower case
        std::string protocol;  ///< the one chosen, or empty
    };
    /// Feeds bytes of the answer: nothing ("feed me more") or the answer; `consumed` of `in` belonged to it. An answer
    /// other than 101 is no error here, but a 101 that breaks RFC 6455 4.1 is bad_input.
    Result<std::optional<Answer>> feed(std::span<const std::byte> in, std::size_t& consumed);

private:
    Result<std::optional<Answer>> on_head();
    Result<> check_accepted(Answer& answer) const;
    Error fail(std::string what);

    std::string text_, expected_, head_;
    std::vector<std::string> protocols_;
    std::size_t taken_ = 0, lines_ = 0, end_have_ = 0;  ///< bytes and lines so far; how much of the blank line is there
    bool done_ = false;
    std::optional<Error> failed_;
};

}  // namespace weir::ws
