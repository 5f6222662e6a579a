#pragma once
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"

/// Small secrets kept on a disk: AES-256-GCM under a key derived from a pass phrase.
namespace weir::seal {

/// "weir-sealed-1\n", salt 16, nonce 12, ciphertext, tag 16; PBKDF2-HMAC-SHA-256 with 600 000 rounds. Salt and nonce are random.
/// Blocks for about 0.3 s: never on a shard. errors: internal (no randomness); bad_input: above 16 MiB
[[nodiscard]] Result<std::string> seal(std::string_view plain, const Secret& secret);
/// errors  denied: another pass phrase, or damaged; bad_input: not of this form
/// limits  16 MiB
[[nodiscard]] Result<std::string> unseal(std::string_view sealed, const Secret& secret);
/// It begins as what seal() makes.
[[nodiscard]] bool is_sealed(std::string_view text) noexcept;
/// The reference's jar (FC2-123): nonce 12, ciphertext, tag; 100 000 rounds, salt of zeros. errors: denied
[[nodiscard]] Result<std::string> unseal_reference(std::string_view sealed, const Secret& secret);

}  // namespace weir::seal
