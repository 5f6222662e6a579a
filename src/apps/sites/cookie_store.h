#pragma once
#include <memory>
#include <string>

#include "base/secret.h"
#include "io/cookie_jar.h"
#include "runtime/file_lane.h"
#include "runtime/shard.h"

namespace weir::sites {

/// The login of a site, kept: imported from a Netscape file, kept in an encrypted file of ours, saved whenever it changes.
///
/// which    of import file and kept file the newer one by time of change wins; cookies of the older one that the newer lacks stay
///          (FC2-121, FC2-122 as a better program), but not those of an import that the kept file has taken in already: what is missing
///          since then was deleted. Lines of an import that are no cookies are left out with one warning (FC2-117). A kept file that cannot be read or decrypted is put aside as NAME.bad with a warning, and
///          the import file is used
/// kept     AES-256-GCM under a key derived from the secret (PBKDF2-HMAC-SHA-256, 600 000 rounds, random salt); mode 0600;
///          written to a new file, synced and renamed. The reference's own format (FC2-123) is read once and rewritten in ours
/// threads  one shard; files and key derivation on the lane
class CookieStore {
public:
    struct Settings {
        Path import_file = {};         ///< empty: none
        Path kept_file = {};           ///< empty: nothing is kept
        Secret secret = {};            ///< empty: a random key in KEPT_FILE.key, mode 0600, made with the first save
        Secret reference_secret = {};  ///< empty `secret`: what the reference kept its file under without one
    };
    CookieStore(Shard& shard, FileLane& lane, Settings settings);
    ~CookieStore();
    [[nodiscard]] CookieJar& jar() noexcept;
    /// Errors: the import file is named and cannot be read or has no cookies; the kept ones are in the jar all the same.
    Task<Result<>> load();
    /// Somebody has written the import file since load(): a new store will take it.
    Task<bool> import_changed();
    /// When the jar changed since; errors are told by the caller.
    Task<Result<>> save_if_changed();

private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace weir::sites
