#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/trace.h"
#include "core/source.h"
#include "io/http_client.h"
#include "runtime/clock.h"

namespace weir {

struct HlsSettings {
    Url url;  ///< master or media playlist, as the user gave it
    std::vector<std::pair<std::string, std::string>> headers;
    std::string quality = "best";  ///< best, worst, 720p (or the next lower), 1500k, or a rendition's name
    std::string audio =
        "default";  ///< of alternate audio with playlists of its own: default, all, none, a name or a language
    bool from_start = false;  ///< the whole window; else from where EXT-X-START says, else three target durations back
                              ///< from the live edge. A finished playlist is recorded whole
    std::optional<Micros> duration;  ///< stop after so much media
    Millis idle_timeout{30'000};     ///< no new segment for so long: the live is over (FC2-64)
    Millis wait_for_start{0};  ///< how long a 404 or an empty playlist is waited for at the start (--wait); 0: not
    int parallel = 3;          ///< fetches at once
    std::uint64_t max_segment = 512u << 20;
    std::uint64_t max_playlist = 8u << 20;
    /// Where an interrupted recording stands: go on right after it while the window has it, else a Gap and go on.
    struct Resume {
        std::uint64_t unit = 0;
        std::uint32_t gen = 0;
        Micros stream_time{0};
        WallTime last_written = {};
        struct Lane {
            std::uint16_t lane = 0;
            std::uint64_t unit = 0;
            std::uint32_t gen = 0;
            Micros stream_time{0};
        };
        std::vector<Lane> beside = {};  ///< alternate audio, where known; else it begins where stream_time says
        std::optional<Micros> offset =
            {};  ///< stream time minus the source's own; without it what comes begins exactly there
    };
    std::optional<Resume> resume;
    /// A new address of the playlist at `url`, asked for when it is refused a few times in a row (403, 404, 410) and no multivariant
    /// playlist knows one; none, or an error: the old one is asked again. Its host is trusted as that of `url`.
    std::function<Task<Result<std::optional<Url>>>()> fresh_address = {};
    std::uint64_t seed = 0;     ///< of the jitter; 0: from the system. Tests repeat with a fixed one
    trace::Context trace = {};  ///< the parent of its spans: one for the reading, one for what it fetches
    /// What follow() asked for is followed now, or cannot be.
    std::function<void(const Result<>& outcome)> switched = [](const Result<>&) {};
};

struct HlsStats {
    std::uint64_t asked = 0, got = 0, missing = 0, retries = 0, bytes = 0, playlists = 0;
    std::string rendition;
    std::vector<std::string> audio;  ///< of the lanes 1, 2, …
    std::uint64_t behind_units = 0;  ///< listed in the window and not yet committed
};

/// Follows a live (or finished) HLS playlist: every unit it asks for is delivered or a Gap, in order.
/// source  RFC 8216; FC2-56 to FC2-67 for what it must survive
class HlsSource : public Source {
public:
    static std::unique_ptr<HlsSource> create(asio::any_io_executor ex, Clock& clock, HttpClient& http,
                                             CookieJar* cookies, HlsSettings settings);
    /// Waits for the stream (wait_for_start), chooses the rendition and reads the first media playlist; emits nothing. run() does it
    /// when the caller did not. Everything that makes a recording impossible is an error here, before any file exists.
    virtual Task<Result<>> prepare(Demand& demand) = 0;
    /// After prepare(): does the playlist plausibly continue settings.resume (units still in the window, or as far ahead as the time
    /// that passed explains)? false: it is another live; call drop_resume() and run() begins anew.
    [[nodiscard]] virtual bool continues() const = 0;
    virtual void drop_resume() = 0;
    /// From the next unit border on the playlist at `url` is followed, in the same recording: a fresh address of the same rendition,
    /// or another rendition. Nothing is missed; where the numbering does not go on, at most one unit is repeated. The old playlist
    /// goes on until the new one has been read and its newest segment looked at; if that fails it goes on for good, with a warning.
    /// A multivariant playlist stands for the rendition that settings.quality means. Its host is trusted as that of settings.url.
    /// Demand::rendition_wanted does the same by name (as settings.quality), for the multivariant playlist that is known.
    virtual void follow(Url url) = 0;
    /// Whoever knows says that the live is over: what is listed still comes whole, and run() ends, with EndReason::endlist, when no
    /// new segment came for `idle` (while the playlist fails: for idle_timeout) or the playlist is refused (403, 404, 410) twice in
    /// a row. Any number of times; the first counts.
    virtual void ends_soon(Millis idle) = 0;
    [[nodiscard]] virtual HlsStats stats() const = 0;
};

}  // namespace weir
