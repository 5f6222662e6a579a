#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/error.h"

namespace weir::ts {

/// Where the pictures of a transport stream begin: what is needed to play it in a loop at its own pace.
struct LoopMap {
    struct Step {
        std::size_t offset =
            0;  ///< of the first packet that belongs to this picture; PAT and PMT in front of it included
        std::int64_t time = 0;  ///< decoding time since the first picture, 90 kHz
        bool rap = false;
    };
    std::vector<Step> steps;  ///< in order; the first has offset 0
    std::int64_t period = 0;  ///< 90 kHz: the time of the last picture and one mean picture more
};

/// in      a whole file: one program with one video track, whole packets from its first byte
/// errors  bad_input: packets out of step, no program map, fewer than two pictures, times that do not rise
[[nodiscard]] Result<LoopMap> map_loop(std::span<const std::byte> file);

/// The file without what has no place in a loop of `period`: whole PES packets that begin that long or longer after the
/// first one of their track. An encoder's last sound frames reach beyond the last picture, and would overlap the first
/// ones of the next run.
[[nodiscard]] std::vector<std::byte> trim_loop(std::span<const std::byte> file, std::int64_t period);

/// Moves the clocks of a transport stream and renumbers its packets, so that a file played again goes on where its last
/// run ended: no break in PTS, DTS, PCR and the continuity counters.
///
/// in      whole packets, changed in place; cut anywhere between packets
/// units   shift in ticks of 90 kHz, counted without the wrap; what is written wraps at 33 bits
/// errors  bad_input: a packet out of step or a PES head that is cut by its packet; what came before is done
/// limits  OPCR, ESCR and splice times are left as they are
/// threads one owner; pure
/// source  ISO/IEC 13818-1, 2.4.3.3 (counter), 2.4.3.5 (PCR), 2.4.3.7 (PTS, DTS)
class Restamper {
public:
    void set_shift(std::int64_t ticks) noexcept { shift_ = ticks; }
    Result<> restamp(std::span<std::byte> packets);

private:
    Result<> restamp_packet(std::uint8_t* packet);
    std::int64_t shift_ = 0;
    std::unordered_map<std::uint16_t, std::uint8_t> counters_;  ///< the last one written, by PID
};

}  // namespace weir::ts
