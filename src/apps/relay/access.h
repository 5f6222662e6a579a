#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "io/http_server.h"
#include "proto/jwt/jwt.h"

namespace weir::relay {

enum class Right : std::uint8_t { push, view, admin };

/// Who may do what at one relay. Three secrets, each optional, apart from each other (reliability.md 7.5).
struct AccessSettings {
    Secret push_secret = {};   ///< publishing: `Authorization: Bearer …`, Basic with it as password, or `?token=…`
    Secret admin_token = {};   ///< REST, admin messages, statistics: the same ways; also the page's sign-in
    jwt::Key viewer_key = {};  ///< viewers and websocket publishers: a JWT (CB-3, PR-4)
    std::string audience = {};
    bool allow_no_booking_id = false;
    std::vector<std::string> allowed_origins = {};  ///< "*": any
    bool loopback_only =
        true;  ///< then a Host or Origin that is not this machine is refused (another site's page, DNS rebinding)
    bool auth_none = false;     ///< `--auth none`: rights without a secret are everybody's, also on an open listener
    bool open_view = false;     ///< `--viewers anyone`: who brings nothing may view, and no more than that
    Secret jsmpeg_secret = {};  ///< of the jsmpeg ports: pushes to their topic are asked for it at every door (JS-13)
    std::string public_host = {};  ///< of `--public-url`: an open relay is asked for by this name, or by an address
};

/// What a request may do here.
struct Grant {
    bool read = true, write = true;
    std::optional<std::int64_t> expires = {};  ///< Unix seconds
    std::string booking_id = {};
    std::vector<std::string> scopes = {};
};

/// The rules at the door. Pure but for the clock value handed in.
/// threads  any; the deny list and the codes have a lock of their own
class Access {
public:
    explicit Access(AccessSettings settings);
    ~Access();

    /// May this request do that to `topic`? denied with status 401 (no or bad credentials; a clear line) or 403 (known, but not
    /// for this; another site's page).
    /// push   the push secret, or a JWT that may write. Asked for where a push secret is set; where a viewer key is, of
    ///        websockets everywhere and of plain HTTP on an open listener. Of the topic "jsmpeg" where its secret is set
    /// view   a JWT that may read, or the admin token (its holder sees all anyway)
    /// admin  the admin token; for the topics "relay:admin" and "relay:stats" also a JWT with that scope (PR-5)
    /// A JWT names its topic (PR-4), or has audience + path as audience (CB-3: what its path stands for is what it may do).
    /// Where nothing is asked for: everybody of this machine (but not through a proxy on it), on an open listener nobody unless
    /// `auth_none`. Credentials that a page must have put there itself make its Origin and the Host irrelevant; with Basic, which
    /// browsers repeat, and to change something at the REST doors, a page has to come from the very same host and port.
    Result<Grant> check(const ServerRequest& request, Right right, const std::string& topic, std::int64_t now) const;
    /// Host and Origin alone: lesson 32 (CVE-2024-26135) and DNS rebinding; for doors that ask for no right. A request with
    /// credentials passes here: what they are worth, check() says. Two Origin fields never pass, here and above.
    Result<> check_origin(const ServerRequest& request) const;
    /// Does a crossbar client still have to send a token as its first message (CB-3)?
    [[nodiscard]] bool wants_first_message(const ServerRequest& request, Right right) const;
    /// That message: `path` is "/in/x", the claim's audience is settings.audience + path. The text says what CB-3 says.
    Result<Grant> check_first_message(std::string_view token, const std::string& path, Right right,
                                      std::int64_t now) const;
    [[nodiscard]] const AccessSettings& settings() const noexcept;

    /// practable's exchange (PR-6, PR-7): checks the JWT of the request and makes a code of it.
    Result<std::string> exchange(const ServerRequest& request, const std::string& topic, std::int64_t now);
    /// A code for one websocket, good for 30 s and one use (PR-8). busy: 10 000 are out.
    Result<std::string> make_code(const jwt::Claims& claims, const std::string& topic, std::int64_t now);
    Result<Grant> use_code(const std::string& code, const std::string& topic, std::int64_t now);
    /// Deny list (PR-14). Returns the codes' and connections' booking id that is refused from now on.
    Result<> deny(const std::string& booking_id, std::int64_t until, std::int64_t now);
    void allow(const std::string& booking_id, std::int64_t until, std::int64_t now);
    [[nodiscard]] bool denied(const std::string& booking_id, std::int64_t now) const;
    [[nodiscard]] std::vector<std::string> denied_ids(std::int64_t now) const;
    [[nodiscard]] std::vector<std::string> allowed_ids(std::int64_t now) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// For the answer to a request that check_origin() let in: a page of that origin may read it. Without an origin none, as by vw
/// (VW-20).
[[nodiscard]] std::vector<std::pair<std::string, std::string>> cors_headers(const ServerRequest& request);

}  // namespace weir::relay
