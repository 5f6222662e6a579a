#pragma once
#include <cstdint>
#include <optional>

#include "proto/mp4/init_segment.h"
#include "proto/unit_frame.h"

namespace weir::mp4 {

struct CutterSettings {
    std::uint16_t lane = 0;
    std::uint32_t first_epoch = 1;
    std::size_t max_fragment = 16u << 20;  ///< a fragment with the boxes before it; 64 MiB at most
    InitLimits header;
    Micros jump{10'000'000};  ///< timestamps further off than this are a break of their own
};

/// Bytes of fragmented MP4, in any pieces, to Chunks of one whole moof+mdat each, with the boxes before them (styp, sidx,
/// emsg, prft, unknown ones). Boxes after the last mdat of a unit are dropped and counted: there is no media in them.
///
/// cuts     where an mdat ends. A fragment within one piece is a slice of it, any other is copied once.
/// Init     from set_header(), or from a ftyp+moov that the bytes themselves begin with; header = exactly those bytes.
///          Published before the first chunk after it; other bytes than before, or new_epoch(), make a new epoch.
/// dts      tfdt of the main track's traf (InitSegment::main) / its timescale, moved to stream time by one offset; the
///          sum of durations goes on where there is no tfdt. The edit list is not applied. A fragment without the main
///          track has the time of the one before.
/// rap      the main track's first sample is a sync sample; always with sound only
/// limits   sizes are refused before anything is allocated for them
/// errors   bad_input: a fragment without a header, an mdat without a moof, a box without a size (0), sizes above the
///          limits, a unit that ends inside a fragment or holds none; unsupported: protected tracks
/// threads  one owner; pure
class FragmentCutter final : public UnitFrame {
public:
    explicit FragmentCutter(CutterSettings settings = {});

    Result<> feed(const Bytes& piece, SteadyTime arrival, std::vector<Item>& out) override;
    Result<> end_unit(std::vector<Item>& out) override;
    void abandon_unit(std::vector<Item>& out) override;
    void begin_unit(std::uint64_t unit, std::uint32_t gen, Micros duration, Micros expected, Micros slack) override;
    Result<> set_header(const Bytes& header) override;

    struct Stats {
        std::uint64_t bytes = 0, chunks = 0, copied_bytes = 0, dropped_bytes = 0;
    };
    [[nodiscard]] const Stats& stats() const noexcept { return stats_; }

private:
    enum class Found : std::uint8_t { more, header, fragment };
    struct Scan {              ///< of the bytes held, as far as their boxes are known
        std::size_t at = 0;    ///< where the next box begins
        std::size_t need = 8;  ///< bytes that must be there to go on
        std::size_t moof = 0, moof_size = 0;
        bool in_header = false;  ///< a ftyp came, its moov did not
    };
    Result<Found> scan(std::span<const std::byte> held);
    Result<Found> enter(std::uint32_t type, std::size_t size);
    Result<> take(const Bytes& bytes, Found what, std::vector<Item>& out);
    Result<> take_fragment(const Bytes& bytes, std::vector<Item>& out);
    Result<> hold(const Bytes& piece, std::size_t& at, std::vector<Item>& out);
    void reserve(std::size_t size);
    void forget();

    CutterSettings s_;
    Stats stats_;
    SteadyTime arrival_{};
    Bytes header_;
    std::optional<InitSegment> tracks_;
    bool unpublished_ = false;

    Scan scan_;
    Buffer held_;  ///< the front of a fragment whose end is in a later piece
    std::optional<Micros> next_raw_;
};

}  // namespace weir::mp4
