#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "proto/unit_cutter.h"

namespace weir {

/// What mp4::FragmentCutter, audio::PackedCutter and flv::Cutter share: the brackets of a unit, the one offset between
/// raw and stream time, and the epochs. ts::Cutter follows the same rules and has its own, for speed.
/// threads  one owner; pure
class UnitFrame : public UnitCutter {
public:
    void begin_unit(std::uint64_t unit, std::uint32_t gen, Micros duration, Micros expected, Micros slack) override;
    void rebase(Micros at) override;
    void set_offset(Micros offset) override;
    [[nodiscard]] std::optional<Micros> offset() const override;
    void new_epoch() override { forced_ = true; }

    [[nodiscard]] std::optional<Micros> unit_start() const override { return unit_start_; }
    [[nodiscard]] std::optional<Micros> last_dts() const override { return last_dts_; }
    [[nodiscard]] const InitPtr& init() const override { return init_; }
    [[nodiscard]] bool unit_has_chunk() const override { return unit_has_chunk_; }

protected:
    UnitFrame(std::uint16_t lane, std::uint32_t first_epoch, Micros jump)
        : lane_(lane), epoch_(first_epoch - 1), jump_(jump) {}

    /// Gives the Init the next epoch and this lane.
    void publish(Init draft, std::vector<Item>& out);
    [[nodiscard]] bool epoch_forced() const noexcept { return forced_; }

    /// Moves a timestamp to stream time. One far from what it should be is a break in time, announced before the chunk
    /// it begins, and makes a new offset.
    void stamp(Micros raw, std::vector<Item>& out);
    /// A clock of `bits` bits, counted on past its wraps: the value nearest to the last one, or to what is expected of
    /// it when set_offset() came. |result| <= 2^60 microseconds as long as ticks / timescale is.
    [[nodiscard]] std::int64_t unrolled(std::uint64_t ticks, unsigned bits, std::uint32_t timescale) const;
    /// Raw time that the unit should begin with; none without a unit, an offset, or after its first timestamp.
    [[nodiscard]] std::optional<Micros> expected_raw() const;
    [[nodiscard]] bool awaits_timestamp() const noexcept { return rebase_at_ || imposed_; }
    [[nodiscard]] std::optional<Micros> last_raw() const noexcept { return last_raw_; }
    [[nodiscard]] std::optional<Micros> chunk_dts() const { return awaits_timestamp() ? std::nullopt : last_dts_; }
    [[nodiscard]] std::optional<Micros> chunk_raw() const { return awaits_timestamp() ? std::nullopt : last_raw_; }

    /// Fills in epoch, lane, unit and brackets; in a unit the newest chunk is held, since it may be the last.
    void emit(Chunk chunk, SteadyTime arrival, std::vector<Item>& out);
    void release(bool unit_end, std::vector<Item>& out);
    /// `bytes` of the unit were no media: listed when it ends.
    void lose(std::uint64_t bytes) noexcept { unit_lost_ += bytes; }
    /// The unit's end when it had media (bad_input: `none`).
    Result<> close_unit(std::string_view none, std::string_view what_was_lost, std::vector<Item>& out);
    void leave_unit(std::vector<Item>& out);
    [[nodiscard]] bool in_unit() const noexcept { return in_unit_; }

private:
    const std::uint16_t lane_;
    std::uint32_t epoch_;
    const Micros jump_;
    InitPtr init_;
    bool forced_ = false;
    std::optional<Chunk> held_;

    bool in_unit_ = false, unit_has_chunk_ = false, check_expected_ = false;
    std::uint64_t unit_ = 0, unit_lost_ = 0;
    std::uint32_t gen_ = 0;
    Micros unit_duration_{0}, expected_{0}, slack_{0};
    Micros offset_{0};
    bool imposed_ = false;  ///< set_offset() came, and no timestamp since
    std::optional<Micros> rebase_at_ = Micros{0};
    std::optional<Micros> unit_start_, last_dts_, last_raw_;
};

/// ticks / timescale in microseconds, without overflow as long as that is below 2^60; 0 for a timescale of 0.
[[nodiscard]] Micros micros_of(std::int64_t ticks, std::uint32_t timescale) noexcept;

}  // namespace weir
