#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "io/cookie_jar.h"
#include "io/url.h"
#include "io/url_guard.h"
#include "runtime/asio.h"
#include "runtime/shard.h"

namespace weir {

class Resolver;  // io/resolver.h

struct HttpRequest {
    std::string method = "GET";
    Url url;
    std::vector<std::pair<std::string, std::string>> headers;  ///< sent to the first origin only, never across hosts
    Bytes body = {};
    std::optional<std::pair<std::uint64_t, std::uint64_t>> range = {};  ///< first, last byte
    bool media = false;  ///< HTTP/1.1 only, no content coding asked for; else HTTP/2 where it can be had, gzip and br
    bool http2_only =
        false;  ///< for gRPC, with fetch(): HTTP/2 at once (without TLS by prior knowledge), no content coding
    int max_redirects = 10;
    const UrlGuard* guard = nullptr;  ///< none: only schemes are checked
    CookieJar* cookies = nullptr;
    Millis connect_timeout{10'000};
    Millis stall_timeout{20'000};  ///< no byte for so long
    std::optional<SteadyTime> deadline = {};
    std::uint64_t max_body = 16u << 20;  ///< decoded bytes
    bool verify_tls = true;              ///< false: whoever answers is trusted, where a user said so
};

struct HttpHead {
    int status = 0;
    Url url;                                                   ///< after redirects
    std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case, last response only
    std::optional<std::uint64_t> content_length;
    std::vector<std::pair<std::string, std::string>> trailers = {};  ///< as headers; known when the body has ended
    [[nodiscard]] const std::string* find(std::string_view name) const;
    [[nodiscard]] const std::string* find_trailer(std::string_view name) const;
};

struct HttpResponse {
    HttpHead head;
    std::string body;
};

/// A body being received, in pieces; destroying it ends the transfer.
class HttpBody {
public:
    virtual ~HttpBody() = default;
    [[nodiscard]] virtual const HttpHead& head() const noexcept = 0;
    /// The next piece: what arrived since, coalesced up to about 64 KiB; an empty Bytes is the clean end (a body shorter than its
    /// Content-Length or chunking is lost_peer). While nobody asks, at most ~256 KiB are held and the peer is slowed.
    virtual Task<Result<Bytes>> next() = 0;
};

/// HTTP(S) through libcurl's multi interface on one shard. Connections are kept and shared.
/// errors   unreachable (DNS, refused, TLS: the text says which), timed_out (connect, stall, deadline), lost_peer (cut),
///          bad_input (limits, bad reply), denied (guard), cancelled. A status of 400 and above is NOT an error of fetch()/open():
///          look at head().status or use status_error().
/// proxies  HTTP_PROXY HTTPS_PROXY NO_PROXY in both cases, `host:port` or URL; SSL_CERT_FILE, SSL_CERT_DIR
/// detours  WEIR_CONNECT_TO (io/connect_to.h)
/// threads  its shard
class HttpClient {
public:
    struct Settings {
        std::string user_agent = "weir/0.1";
        int max_connections_per_host = 8;
        bool verify_tls = true;
        std::string ca_file = {};  ///< PEM; trusted instead of the system's and SSL_CERT_FILE's
        std::string client_certificate = {}, client_key = {};  ///< PEM files, shown to who asks for them
    };
    static std::unique_ptr<HttpClient> create(Shard& shard, std::shared_ptr<Resolver> resolver, Settings settings);
    virtual ~HttpClient() = default;  ///< every body and fetch has ended
    virtual Task<Result<HttpResponse>> fetch(HttpRequest request) = 0;
    virtual Task<Result<std::unique_ptr<HttpBody>>> open(HttpRequest request) = 0;  ///< returns with the head
};

/// "http 503 for https://host/path" with the code that fits: 401/403 denied, 404/410 not_found, 429/503 busy (Retry-After kept),
/// 5xx lost_peer, others bad_input. Error::status is set.
[[nodiscard]] Error status_error(const HttpHead& head);

}  // namespace weir
