#pragma once
#include <functional>
#include <memory>
#include <string>

#include "core/source.h"
#include "io/http_server.h"
#include "runtime/clock.h"

namespace weir {

/// A sink that serves what it takes as live HLS from memory: a sliding window of TS segments.
///
/// takes    transport stream items of lane 0; others are passed over
/// serves   PREFIX/live.m3u8 and PREFIX/segment/N.ts: MPEG-TS segments cut at random-access points once they are
/// `segment` long
///          (so they are as long as the groups of pictures allow), EXTINF to the microsecond, PROGRAM-DATE-TIME, a
///          DISCONTINUITY where items say so, ENDLIST after the End
/// limits   `window` listed segments and three more for slow clients, max_bytes in all: the oldest go first; a segment
/// of
///          max_segment_bytes is cut wherever it is. Before the first segment the playlist is a 503 with Retry-After
/// threads  accept on one shard; the routes answer on any
/// source   RFC 8216 sections 4.3, 6.2
class HlsServe final : public ItemSink {
public:
    enum class Asked { playlist, segment };
    /// Looks at a request before it is answered; true: it has answered itself. Called on the connection's shard; `body`
    /// is what would be sent. For injected faults.
    using Before = std::function<Task<bool>(Exchange& exchange, Asked asked, Bytes body)>;
    struct Settings {
        Micros segment = std::chrono::seconds(2);
        std::size_t window = 10;
        std::uint64_t max_bytes = 64u << 20, max_segment_bytes = 16u << 20;
        std::uint64_t first_sequence = 0;
        Before before = {};
    };
    HlsServe(Clock& clock, Settings settings);
    ~HlsServe() override;

    /// Before the server starts; this object outlives the server's stop().
    void add_routes(HttpServer& server, std::string prefix = "");
    Task<Result<>> accept(std::span<const Item> items) override;

    /// The playlist as it would be served now; empty before the first segment. Any thread.
    [[nodiscard]] std::string playlist() const;
    /// Any thread.
    [[nodiscard]] Bytes segment(std::uint64_t sequence) const;
    [[nodiscard]] std::size_t segments() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace weir
