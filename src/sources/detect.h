#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/source.h"
#include "io/http_client.h"
#include "runtime/clock.h"

namespace weir {

/// What stands behind an address.
enum class Form : std::uint8_t {
    hls,      ///< a playlist
    ts,       ///< MPEG-TS
    flv,      ///< FLV
    fmp4,     ///< MP4 in fragments
    mp4,      ///< MP4 that is no stream: its index may stand anywhere
    media,    ///< other media that is kept as it comes: Matroska, ADTS, MP3, Ogg, …
    page,     ///< a web page, JSON, some other text
    nothing,  ///< an empty body
    unknown,
};

struct Sniffed {
    Form form = Form::unknown;
    std::string_view what = "unknown data";  ///< for people: "Matroska", "a web page"
    std::string_view ending = ".bin";        ///< of a file that holds these bytes
};

/// By the first bytes alone; no name and no type is looked at. 1 KiB tells all there is to tell but fmp4 from mp4, for which the
/// boxes up to the end of moov are wanted: `mp4_is_open` says that more bytes could still tell.
/// source   hls::sniff for TS, MP4, audio and playlists; the others by their magic numbers
[[nodiscard]] Sniffed sniff_form(std::span<const std::byte> first_bytes) noexcept;
[[nodiscard]] bool mp4_is_open(std::span<const std::byte> first_bytes) noexcept;

struct DetectSettings {
    Url url;
    std::vector<std::pair<std::string, std::string>> headers = {};
    Millis wait_for_start{0};  ///< how long a 404, 5xx or a refused connection is waited for; 0: three short tries
    Millis stall{10'000};
    std::uint64_t seed = 0;  ///< of the jitter; 0: from the system
};

/// An answer that has begun and what it is. The body goes on after `first`.
struct Detected {
    Sniffed sniffed;
    HttpHead head;
    Bytes first;
    std::unique_ptr<HttpBody> body;  ///< none when `first` is all there was
    /// A finite answer: its whole length, as it is on the wire. Not above 32 TiB: such a length is a live server's.
    std::optional<std::uint64_t> length = {};
};

/// Asks until there is an answer, as patiently as the settings say, and looks at its first bytes.
/// errors   of the last try (denied, not_found, unreachable …); cancelled when demand.stop was asked; bad_input for a page, an empty
///          body or unknown data, in one clear sentence
/// threads  the client's shard
Task<Result<Detected>> detect(Clock& clock, HttpClient& http, CookieJar* cookies, const DetectSettings& settings,
                              Demand& demand);
/// One request and its first bytes, whatever they are; no patience. errors: no answer, or a status of 300 and above.
Task<Result<Detected>> open_and_look(HttpClient& http, HttpRequest request);

}  // namespace weir
