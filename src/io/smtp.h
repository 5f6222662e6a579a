#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "base/time.h"

namespace weir {

/// One mail to one recipient, in a session of its own.
struct Mail {
    enum class Auth : std::uint8_t { none, plain, login, cram_md5, oauth2 };
    /// `if_offered`: STARTTLS where the server has it. `required`: not without. `implicit`: TLS from the first byte (port 465).
    enum class Tls : std::uint8_t { never, if_offered, required, implicit };

    std::string host;  ///< a name or an address; IPv6 without brackets
    std::vector<std::string> addresses =
        {};  ///< where `host` is, numeric; empty: the system looks it up, by its own limits
    std::uint16_t port = 25;
    Tls tls = Tls::if_offered;
    bool verify_tls = true;
    Auth auth = Auth::none;
    std::string user;
    Secret secret;                          ///< the password; of oauth2 the bearer token
    std::string client_host = "localhost";  ///< said in EHLO
    std::string from, to;                   ///< addresses without <>
    std::string message;                    ///< header and body with CRLF; dots are doubled here
    Millis timeout{10'000};                 ///< for the whole session
};

/// Blocking: for a WorkerPool. TLS is 1.2 or later, the server's name is `host`, and who signs is trusted as HttpClient does.
/// A password (or token) never goes in clear to another machine: there, `if_offered` counts as `required`, and `never` is an error.
/// errors  bad_input: a control character in an address, a message above the limit, a password that would go in clear;
///         unreachable: no connection, TLS; lost_peer, timed_out, cancelled; denied: the server refused for good (5xx, a wrong
///         password); busy: refused for now (4xx). One line, with what the server said; never the password
/// limits  message 1 MiB; what the server said is cut to 200 bytes
/// threads  any; `cancelled` may be set from another
/// source  RFC 5321, 3207, 4954; protocols/notify.md 6
[[nodiscard]] Result<> send_mail(const Mail& mail, const std::atomic<bool>& cancelled);

}  // namespace weir
