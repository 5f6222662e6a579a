#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "core/item.h"

namespace weir::ts {

/// Bytes that someone pushes live, in any pieces, to Items with no delay at all: what the relay's ingest is made of.
///
/// kind      decided by the first bytes: a transport stream (0x47 again 188 bytes on, also behind some stray bytes), else
///           opaque messages, each handed on whole as it came
/// messages  a transport stream's chunk ends where a chunk of the sender of at least `least_message` bytes ends, at flush(),
///           and right before a random-access point with the tables in front of it; always at a packet's end (relay/WIN-3):
///           what is left of a packet waits for the rest of it. So ffmpeg's pictures keep their sizes (SC-3), and dribbles of
///           188 or 1316 bytes that came together become one message (VW-31, relay/WIN-1). A sender without such borders that
///           never pauses: what one feed() brings, from `enough` bytes on. Websocket messages of whole packets stay one
///           message, but for the cut before a random-access point
/// items     Init (tables as header; a changed map is a new epoch) before the first chunk, rap, dts and raw_dts as
///           ts::Cutter makes them; a stream without tables yet gets an Init without tracks, so that nothing is held back
/// losses    bytes that are no packets are dropped and counted; 188-byte rhythm found again by two sync bytes in a row (by
///           one where what arrived ends with that packet)
/// threads   one owner; pure
class PushCutter {
public:
    struct Settings {
        std::uint16_t lane = 0;
        std::uint32_t origin = 0;
        std::uint32_t first_epoch = 1;
        std::size_t least_message = 4u << 10;
        std::size_t enough = 64u << 10;
        std::size_t max_message = 1u << 20;  ///< of a pushed body; websocket messages are as large as they came
        bool messages = false;  ///< from a websocket: message() instead of feed(); a text message is always opaque
    };
    struct Stats {
        std::uint64_t bytes = 0, packets = 0, messages = 0, dropped_bytes = 0,
                      resyncs = 0;  ///< bytes = handed out + dropped + waiting
        std::uint64_t continuity_errors =
            0;  ///< counters that jumped without the flag that allows it, those of PAT and PMT left out
        std::uint64_t raps = 0;
    };

    explicit PushCutter(Settings settings);
    ~PushCutter();
    /// `borders` as in BodyPiece. What is complete goes to `out`.
    void feed(const Bytes& piece, std::span<const std::uint32_t> borders, SteadyTime arrival, std::vector<Item>& out);
    /// One websocket message (Settings::messages).
    void message(const Bytes& payload, bool text, SteadyTime arrival, std::vector<Item>& out);
    /// Nothing more has arrived: whole packets that wait go out now.
    void flush(std::vector<Item>& out);
    /// The publisher has gone: what is whole goes out, then (when there ever was an Init) a closed one for the lane. The last
    /// call.
    void close(std::vector<Item>& out);
    [[nodiscard]] const Stats& stats() const noexcept;
    [[nodiscard]] const InitPtr& init() const noexcept;  ///< null before the first
    [[nodiscard]] std::uint32_t epoch() const noexcept;  ///< the newest used; the lane's next owner goes on from it

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::ts
