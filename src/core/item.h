#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace weir {

enum class Container : std::uint8_t { ts, flv, fmp4, packed_audio, text, opaque };
enum class Framing : std::uint8_t { none, websocket, rtmp };

/// Key of the transmuxer table. `chunk_size` only means something for rtmp.
struct Format {
    Container container = Container::opaque;
    Framing framing = Framing::none;
    std::uint32_t chunk_size = 0;
    auto operator<=>(const Format&) const = default;
};

enum class TrackKind : std::uint8_t { video, audio, text, data };
[[nodiscard]] std::string_view name_of(TrackKind kind) noexcept;

struct Track {
    std::uint32_t id = 0;  ///< in TS the PID
    TrackKind kind = TrackKind::data;
    std::string codec;  ///< "h264", "hevc", "aac", "mp2", "mpeg2video", …; "stream-type-0x86" when unknown
    Bytes extradata = {};
    std::uint32_t timescale = 90'000;
    std::string language = {};
};

/// What a reader gets before its first chunk. Immutable; a change of codec, rendition or MAP makes a new epoch.
struct Init {
    std::uint32_t epoch = 0;
    std::uint16_t lane = 0;  ///< 0 main; alternate audio and the like have lanes of their own
    Format format;
    std::vector<Track> tracks;
    Bytes header = {};         ///< PAT+PMT, FLV sequence headers + metadata, ftyp+moov; may be empty
    bool closed = false;       ///< nothing comes on this lane before its next Init: who published it has gone
    std::uint32_t origin = 0;  ///< as a Chunk's: who published it is not sent its own header back
};
using InitPtr = std::shared_ptr<const Init>;

/// ts: whole 188-byte packets, cut at a PES start or at 64 KiB. flv: one tag. fmp4: one whole moof+mdat (limit 16 MiB).
/// opaque: one message.
struct Chunk {
    std::uint64_t seq = 0;  ///< given by the Stream; 0 before
    std::uint32_t epoch = 0;
    std::uint16_t lane = 0;
    bool rap = false;          ///< a decoder may start here
    bool unit_begin = false;   ///< first chunk of `unit`
    bool unit_end = false;     ///< last chunk of `unit`
    bool text = false;         ///< opaque: a text message
    bool message = false;      ///< opaque: whole as it came, no part of media (so is all text)
    bool tables = false;       ///< ts: begins with PAT and PMT, so its Init's header says nothing new to who joins here
    std::uint32_t origin = 0;  ///< who published it, on a topic Stream
    std::uint64_t unit = 0;    ///< the source's own number (HLS media sequence), or 0
    std::optional<Micros> dts = {};      ///< stream time, continuous; none for opaque and before the first timestamp
    std::optional<Micros> raw_dts = {};  ///< the source's own, that `dts` was made from: a file can be shifted by it
    Micros duration{0};                  ///< of the unit on its first chunk where the source says so (EXTINF); else 0
    SteadyTime arrival = {};
    std::uint64_t source_first = 0, source_last = 0;  ///< units this was derived from
    Bytes bytes;
};

/// How a unit came to be, for the journal; precedes the unit's first chunk.
struct UnitInfo {
    std::uint64_t unit = 0;
    std::uint16_t lane = 0;
    std::uint32_t gen = 0;            ///< counts restarts of the origin's numbering
    std::optional<std::int64_t> pdt;  ///< EXT-X-PROGRAM-DATE-TIME, Unix milliseconds
    Micros duration{0};               ///< EXTINF
    std::string uri_hash;             ///< content_hash of the URL without query, hex
    int tries = 1;                    ///< requests made so far
};

/// Loss is data: it passes through transmuxers, mixes and shards in order, so every sink lists the same loss at the
/// same place.
struct Gap {
    std::uint16_t lane = 0;
    std::uint32_t gen = 0;
    std::uint64_t first_unit = 0, last_unit = 0;  ///< inclusive; both 0 when the source has no units
    Micros from{0}, to{0};                        ///< stream time
    std::optional<std::uint64_t> bytes = {};      ///< lost bytes, where known
    bool exact = true;
    bool partial = false;  ///< the first part of first_unit was delivered before it was given up
    std::string why;       ///< "http 404", "left the window", "skipped to keyframe"
    int tries = 0;
};

/// Time breaks here: what follows has other timestamps (rebased once, one offset for all lanes).
struct Discontinuity {
    std::uint16_t lane = 0;
    std::uint64_t unit = 0;  ///< the first unit after it
    std::string why;         ///< "ext-x-discontinuity", "origin restart", "retry differs"
};

enum class EndReason : std::uint8_t { endlist, stopped, idle, duration, error };
[[nodiscard]] std::string_view name_of(EndReason r) noexcept;

struct End {
    EndReason reason = EndReason::endlist;
    std::string why = {};  ///< for error: what; for stopped: who asked
};

using Item = std::variant<InitPtr, UnitInfo, Chunk, Gap, Discontinuity, End>;

}  // namespace weir
