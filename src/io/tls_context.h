#pragma once
// Inner part of the HTTP server and of dial(): certificates, keys and whom to trust.
#include <array>
#include <cstdint>
#include <string>

#include "base/time.h"
#include "io/tls_stream.h"

namespace weir::net {

/// For dialling: TLS 1.2 or 1.3, trusting `ca_file`, or SSL_CERT_FILE and SSL_CERT_DIR, or the system's store. Kept for
/// the next caller while the file stays as it is, since a bundle takes long to read.
/// errors   bad_input or as errno says, the file named
/// threads  any
Result<TlsContext> client_context(const std::string& ca_file);

/// The certificate of a server, looked at again when its files change.
/// threads  one owner; a context given out may be used anywhere
class ServerCertificate {
public:
    ServerCertificate(std::string certificate, std::string key) : files_{std::move(certificate), std::move(key)} {}

    /// Errors name the file and what is wrong with it.
    Result<> load();
    /// What new connections use. Looks at the files at most once a second; a change that does not fit together is
    /// logged, and the old certificate stays.
    [[nodiscard]] const TlsContext& current(SteadyTime now);

private:
    struct Stamp {
        std::int64_t seconds = 0, nanoseconds = 0, size = 0;
        std::uint64_t inode = 0;
        bool operator==(const Stamp&) const = default;
    };
    [[nodiscard]] std::array<Stamp, 2> stamps() const;

    std::array<std::string, 2> files_;  ///< certificate, key
    std::array<Stamp, 2> seen_;
    SteadyTime next_look_ = SteadyTime::min();
    TlsContext context_;
};

}  // namespace weir::net
