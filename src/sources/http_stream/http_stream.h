#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/source.h"
#include "io/http_client.h"
#include "runtime/clock.h"
#include "sources/detect.h"

namespace weir {

struct HttpStreamSettings {
    Url url;
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::optional<Micros> duration = {};  ///< of a live stream: stop after so much media
    Millis idle_timeout{30'000};          ///< no byte for so long: the live is over
    Millis stall{10'000};                 ///< no byte for so long: the connection is given up, and another one made
    Millis file_patience{300'000};        ///< how long a file that is cut is tried again without any new byte
    Millis refusal_patience{60'000};      ///< … when all answers say that it is not there
    std::uint64_t seed = 0;               ///< of the jitter; 0: from the system
};

/// What makes a file over HTTP the same file. As text it goes into the journal, for the next start.
struct FileIdentity {
    std::uint64_t length = 0;
    std::string etag, modified;  ///< as the server says them; empty: it does not

    [[nodiscard]] bool has_validator() const noexcept { return !etag.empty() || !modified.empty(); }
    /// The same length, and the same validator by what both have.
    [[nodiscard]] bool fits(const FileIdentity& other) const noexcept;
};

/// Blocks of a file are its units, so that the journal knows which of them it holds; the last one is shorter.
inline constexpr std::uint64_t file_block = 1u << 20;

struct HttpStreamStats {
    std::uint64_t bytes = 0, connections = 0, outages = 0;
    std::optional<std::uint64_t> length = {};  ///< of a file
    bool repeats = false;                      ///< it ended because the server sends the same again from its first byte
};

/// A media stream or a file behind one HTTP(S) address that was opened by detect().
///
/// live     no length: TS, FLV and fMP4 are cut into chunks without units, other media is passed on as opaque chunks. A cut, a
///          stall or a bad answer is ridden out for idle_timeout; each outage that ended is a Gap (exact = false) and a
///          Discontinuity. Ends by duration, stop, idle_timeout, or (endlist) a clean end after which the server refuses,
///          or sends the same bytes again from their beginning.
/// file     a length: opaque chunks; unit n is bytes n * file_block and on. After a cut it goes on by Range (If-Range) at the
///          exact byte; a server without ranges sends all again, and what was had is compared. Changed meanwhile: bad_input.
///          The error of a file that could not be had whole leaves no End of its own: the next start goes on.
/// pace     live, or demand for a file
/// threads  one shard
class HttpStream : public Source {
public:
    static std::unique_ptr<HttpStream> create(asio::any_io_executor ex, Clock& clock, HttpClient& http,
                                              CookieJar* cookies, HttpStreamSettings settings, Detected opened);
    [[nodiscard]] virtual std::optional<FileIdentity> file() const = 0;  ///< none: live
    /// Where an interrupted recording stands. Before run().
    virtual void resume_live(Micros stream_time, Micros away) = 0;
    virtual void resume_file(std::uint64_t whole_blocks) = 0;
    [[nodiscard]] virtual HttpStreamStats stats() const = 0;
};

}  // namespace weir
