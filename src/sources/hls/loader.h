#pragma once
#include <map>
#include <string>

#include "io/http_client.h"
#include "runtime/clock.h"
#include "runtime/deadline.h"
#include "sources/hls/hls_source.h"
#include "sources/hls/unit.h"

namespace weir::hls {

/// The requests of one HLS source: every URL resolved, guarded, sent with what the user gave and no more.
/// secrets  keys stay in here; headers that carry rights (all but Accept*, Origin, Referer, User-Agent) go to the
///          user's host only
/// threads  its shard
class Loader {
public:
    Loader(asio::any_io_executor ex, Clock& clock, HttpClient& http, CookieJar* cookies, const HlsSettings& settings);

    struct Loaded {
        Playlist playlist;
        Url url;  ///< after redirects: what its URIs are relative to
    };
    Task<Result<Loaded>> playlist(Url url, SteadyTime deadline, Micros target_duration);

    /// Sends the request for a unit, waits for its head, fetches its key, reads the first bytes and looks at them.
    /// errors  denied without a status: the guard; unsupported: media of another form; the rest may be tried again
    Task<Result<OpenSegment>> open(const Unit& unit, Micros target_duration);
    /// The next plain bytes; empty at the end, which has been checked (length, padding).
    Task<Result<Bytes>> next(OpenSegment& segment);

    /// Resolves a URI of a playlist. denied: the guard says no.
    [[nodiscard]] Result<Url> resolve(const Url& base, std::string_view uri) const;

private:
    struct StoredKey {
        std::optional<aes::Block> key;
        bool loading = false;
    };
    [[nodiscard]] HttpRequest request(Url url) const;
    Task<Result<aes::Block>> key(Url url);
    Task<Result<aes::Block>> fetch_key(Url url);
    Task<Result<>> read_first(OpenSegment& segment);

    Clock& clock_;
    HttpClient& http_;
    CookieJar* cookies_;
    const HlsSettings& settings_;
    UrlGuard guard_;
    std::map<std::string, StoredKey> keys_;
    Bell key_came_;
};

/// "http 404", "stalled", "cut off": the reason a Gap gives.
[[nodiscard]] std::string short_reason(const Error& e);

}  // namespace weir::hls
