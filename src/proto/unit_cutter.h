#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "core/item.h"

namespace weir {

/// Bytes of one lane, in any pieces, to the Items of its container: what every source does between the wire and its
/// sink. ts::Cutter says the rules that hold for all: an Init before the first chunk, units bracketed by unit_begin and
/// unit_end, dts = raw_dts + one offset, never falling; losses listed as a partial Gap when the unit ends.
/// threads  one owner; pure
class UnitCutter {
public:
    virtual ~UnitCutter() = default;
    /// What follows belongs to this unit, which should begin at stream time `expected`, give or take the cutter's idea of
    /// a jump and `slack` (media of unknown length was lost before it). Not needed for streams without units.
    virtual void begin_unit(std::uint64_t unit, std::uint32_t gen, Micros duration, Micros expected, Micros slack) = 0;
    virtual Result<> feed(const Bytes& piece, SteadyTime arrival, std::vector<Item>& out) = 0;
    /// Hands out what is held; the last chunk carries unit_end. bad_input: the unit holds no media.
    virtual Result<> end_unit(std::vector<Item>& out) = 0;
    /// The unit was given up: what is held and whole is handed out without unit_end.
    virtual void abandon_unit(std::vector<Item>& out) = 0;

    /// The next timestamp is stream time `at`, and timestamps before are forgotten.
    virtual void rebase(Micros at) = 0;
    /// As rebase(), but with what another lane of the same presentation found: stream time = raw + `offset`.
    virtual void set_offset(Micros offset) = 0;
    /// Stream time minus raw time since the last rebase(); none before a timestamp came.
    [[nodiscard]] virtual std::optional<Micros> offset() const = 0;
    /// The next tables or headers begin a new epoch even if they are the same (another rendition).
    virtual void new_epoch() = 0;
    /// fMP4: the bytes of EXT-X-MAP for what follows; the same bytes again change nothing.
    virtual Result<> set_header(const Bytes& header) = 0;

    [[nodiscard]] virtual std::optional<Micros> unit_start() const = 0;  ///< first dts of this unit, stream time
    [[nodiscard]] virtual std::optional<Micros> last_dts() const = 0;    ///< stream time
    [[nodiscard]] virtual const InitPtr& init() const = 0;
    [[nodiscard]] virtual bool unit_has_chunk() const = 0;
};

}  // namespace weir
