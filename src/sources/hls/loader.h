#pragma once
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "io/http_client.h"
#include "runtime/clock.h"
#include "runtime/deadline.h"
#include "sources/hls/hls_source.h"
#include "sources/hls/unit.h"

namespace weir::hls {

/// The requests of one HLS source, of all its lanes: every URL resolved, guarded, sent with what the user gave and no
/// more.
/// secrets  keys stay in here; headers that carry rights (all but Accept*, Origin, Referer, User-Agent) go to the
///          user's host only
/// threads  its shard
class Loader {
public:
    Loader(asio::any_io_executor ex, Clock& clock, HttpClient& http, CookieJar* cookies, const HlsSettings& settings);

    /// An address from the user's side, as settings.url is: its host may be asked, with the user's headers.
    void trust(const Url& url);

    struct Loaded {
        Playlist playlist;
        Url url;  ///< after redirects: what its URIs are relative to
    };
    Task<Result<Loaded>> playlist(Url url, SteadyTime deadline, Micros target_duration);

    /// Sends the request for a unit, waits for its head, fetches its key and its EXT-X-MAP, reads the first bytes and
    /// looks at them. A server that sends the whole file for a byte range is borne: what lies before it is skipped.
    /// errors  denied without a status: the guard; unsupported: media of another form; the rest may be tried again
    /// limits  a MAP has at most 16 MiB; settings.max_segment counts all that is received
    Task<Result<OpenSegment>> open(const Unit& unit, Micros target_duration);
    /// The next plain bytes; empty at the end, which has been checked (length, padding).
    Task<Result<Bytes>> next(OpenSegment& segment);

    /// Resolves a URI of a playlist. denied: the guard says no.
    [[nodiscard]] Result<Url> resolve(const Url& base, std::string_view uri) const;

private:
    template <class Value>
    struct Stored {
        std::optional<Value> value;
        bool loading = false;
    };
    [[nodiscard]] HttpRequest request(Url url) const;
    Task<Result<aes::Block>> key(Url url, std::uint32_t gen);
    Task<Result<aes::Block>> fetch_key(Url url);
    Task<Result<Bytes>> header(const Unit& unit);
    Task<Result<Bytes>> fetch_header(const Unit& unit, Url url);
    Task<Result<Bytes>> read_header(OpenSegment& answer);
    Task<Result<>> read_first(OpenSegment& segment, bool has_header);
    Result<> place_range(OpenSegment& segment, const ByteRange& range) const;
    Task<Result<Bytes>> next_received(OpenSegment& segment);
    [[nodiscard]] Result<Bytes> trimmed(OpenSegment& segment, Bytes piece) const;

    Clock& clock_;
    HttpClient& http_;
    CookieJar* cookies_;
    const HlsSettings& settings_;
    std::deque<UrlGuard> guards_;  ///< requests point at them
    std::vector<std::string> own_hosts_;
    std::map<std::string, Stored<aes::Block>> keys_;
    std::map<std::string, Stored<Bytes>> headers_;
    Bell key_came_, header_came_;
};

/// "http 404", "stalled", "cut off": the reason a Gap gives.
[[nodiscard]] std::string short_reason(const Error& e);

}  // namespace weir::hls
