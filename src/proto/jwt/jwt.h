#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"

/// JSON Web Tokens as crossbar and practable's relay use them (relay CB-3, PR-4).
/// source  RFC 7515, RFC 7518, RFC 7519
namespace weir::jwt {

/// The claims weir reads; others are ignored.
struct Claims {
    std::vector<std::string> audience;                        ///< `aud`: one string or an array
    std::optional<std::int64_t> issued, not_before, expires;  ///< `iat`, `nbf`, `exp`: Unix seconds
    std::string booking_id, topic, prefix;
    std::vector<std::string> scopes;
};

/// A key to verify with: a shared secret (HS256, HS384, HS512) or a public key in PEM (RS256, RS384, RS512, ES256, ES384).
/// Which family a key serves is decided by the key, never by the token (no "none", no public key used as a secret).
struct Key {
    Secret secret;
    std::string public_pem;
};

/// The public key in `pem`, as Key takes it: of a public key or of a certificate.
/// errors  bad_input: there is none, or it is of a kind, curve or strength that no method here takes
Result<std::string> public_key_of(std::string_view pem);

/// Checks the signature and, with `now` (Unix seconds), nbf and exp.
/// limits  8 KiB, three parts, JSON nesting 16; constant-time comparison
/// errors  denied, with texts in the references' spelling (CB-3): "token contains an invalid number of segments", "Token is
///         expired", "Token is not valid yet", "signature is invalid", …
Result<Claims> verify(std::string_view token, const Key& key, std::int64_t now);

/// The claims' JSON text of a token that somebody else will check: nothing says that it is genuine. Padding is let pass.
/// errors  bad_input: above 8 KiB, not three parts, not base64url
Result<std::string> payload_of(std::string_view token);

/// Makes an HS256 token; empty claims are left out, `aud` and `scopes` are arrays.
[[nodiscard]] std::string sign(const Claims& claims, const Secret& secret);

}  // namespace weir::jwt
