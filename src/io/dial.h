#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/http_server.h"
#include "io/resolver.h"
#include "io/url_guard.h"

namespace weir {

struct TlsClient {
    bool verify = true;
    std::string ca_file = {};  ///< PEM; empty: the system's, or SSL_CERT_FILE / SSL_CERT_DIR
};

struct DialPlan {
    std::string host;  ///< a name or a numeric address, IPv6 without brackets
    std::uint16_t port = 0;
    bool tls = false;
    TlsClient tls_settings = {};
    /// "http://[user:password@]host:port": the connection goes through CONNECT; empty: straight. See proxy_for().
    std::string proxy = {};
    Millis timeout{45'000};        ///< name, connect, proxy and TLS together (VW-71)
    Millis write_timeout{10'000};  ///< a write without progress ends the connection (relay/WIN-7)
    const UrlGuard* guard = nullptr;
};

/// Opens a TCP or TLS connection; TCP_NODELAY and keep-alive set, every address tried in turn (RFC 8305 without the race).
/// errors   unreachable (which name, address or TLS step), timed_out, denied (guard, proxy 407), cancelled
/// threads  `shard`, where the connection then lives
Task<Result<std::unique_ptr<Connection>>> dial(Shard& shard, Resolver& resolver, DialPlan plan);

/// The proxy that the usual environment names for a host (HTTP_PROXY for ws and http, HTTPS_PROXY for wss and https, both cases;
/// NO_PROXY with its suffixes and addresses); empty: none.
[[nodiscard]] std::string proxy_for(bool tls, const std::string& host, std::uint16_t port);

}  // namespace weir
