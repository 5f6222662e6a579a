#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "core/item.h"
#include "proto/ts/psi.h"
#include "proto/unit_cutter.h"

namespace weir::ts {

struct CutterSettings {
    std::uint16_t lane = 0;
    std::uint32_t first_epoch = 1;
    std::size_t max_chunk = 64u << 10;           ///< whole packets, so at most 348 of them
    std::size_t min_chunk = 24u << 10;           ///< a picture's start cuts only after so many bytes…
    Micros max_span{200'000};                    ///< …or so much media; a random-access point always cuts
    std::size_t max_before_tables = 512u << 10;  ///< bytes without PAT and PMT before the stream is refused
    Micros jump{10'000'000};                     ///< timestamps further off than this are a break of their own
};

/// Bytes of one transport stream, in any pieces, to Chunks of whole packets.
///
/// cuts     at a PES start of the video (of the audio when there is no video), at 64 KiB, and where a piece ends; a
///          chunk is a slice of its piece, only packets that lie across two pieces are copied. PAT and PMT stay in
///          front of the picture they precede.
/// Init     from PAT and PMT, before the first chunk; a changed map is a new epoch. header = the packets of both.
/// dts      of the first such PES start in the chunk (or of the one still open), its 33 bits unrolled, moved to stream
///          time by one offset that rebase() or a jump (far off, or back) sets anew. It never falls. raw_dts is the
///          value before. None before the first timestamp.
/// rap      random_access_indicator, or an IDR, IRAP or sequence header at the start of the picture; audio only: each
///          start
/// losses   bytes that are no packets are dropped, counted, and listed as a partial Gap when the unit ends
/// errors   bad_input: no PAT and PMT within the limit, or none in a whole unit before the first Init
/// cost     packets of other PIDs cost two loads and two compares
/// threads  one owner; pure
class Cutter final : public UnitCutter {
public:
    explicit Cutter(CutterSettings settings = {});

    /// What follows belongs to this unit, which should begin at stream time `expected`, give or take `jump` and `slack`
    /// (media of unknown length was lost before it). Not needed for streams without units.
    void begin_unit(std::uint64_t unit, std::uint32_t gen, Micros duration, Micros expected, Micros slack) override;
    Result<> feed(const Bytes& piece, SteadyTime arrival, std::vector<Item>& out) override;
    /// Live use, instead of feed() and units: whole packets, each with its sync byte, that came in one go. They become one
    /// chunk, cut only before a random-access point (tables and service information in front of it), where time breaks and at
    /// max_chunk; nothing is held or waited for. While there are no tables the Init has no tracks, and MPEG video and what
    /// carries the random_access_indicator is found by its PES packets. Audio only: a chunk in max_span begins at a start.
    void feed_packets(const Bytes& packets, SteadyTime arrival, std::vector<Item>& out);
    /// Hands out what is held; the last chunk carries unit_end. With no packets at all in the unit it is bad_input.
    Result<> end_unit(std::vector<Item>& out) override;
    /// The unit was given up: what is held is handed out without unit_end.
    void abandon_unit(std::vector<Item>& out) override;

    /// The next timestamp is stream time `at`, and timestamps before are forgotten.
    void rebase(Micros at) override;
    /// As rebase(), with the offset another lane found: the next timestamp is taken for what it says, unrolled to where
    /// the unit (or the last timestamp) expects it.
    void set_offset(Micros offset) override;
    /// Stream time minus raw time; none between a rebase() and the next timestamp.
    [[nodiscard]] std::optional<Micros> offset() const override;
    /// The next tables begin a new epoch even if they are the same (another rendition).
    void new_epoch() noexcept override { forced_ = true; }
    /// Transport streams bring their tables themselves: unsupported.
    Result<> set_header(const Bytes& header) override;

    [[nodiscard]] std::optional<Micros> unit_start() const noexcept override {
        return unit_start_;
    }  ///< first dts of this unit
    [[nodiscard]] std::optional<Micros> last_dts() const noexcept override { return last_dts_; }  ///< stream time
    [[nodiscard]] const InitPtr& init() const noexcept override { return init_; }
    [[nodiscard]] bool unit_has_chunk() const noexcept override { return unit_has_chunk_; }
    [[nodiscard]] const std::optional<std::uint16_t>& pmt_pid() const noexcept { return pmt_pid_; }

    struct Stats {
        std::uint64_t packets = 0, bytes = 0, chunks = 0, dropped_bytes = 0, resyncs = 0, copied_bytes = 0;
    };
    [[nodiscard]] const Stats& stats() const noexcept { return stats_; }

private:
    struct Run {  ///< packets not yet handed out, [begin, …) of the piece under work
        std::size_t begin = 0;
        bool rap = false;
        std::optional<Micros> dts, raw;
    };
    void work(const Bytes& whole_packets, std::vector<Item>& out);
    [[nodiscard]] Run fresh_run(std::size_t at) const;
    void on_start(const Bytes& piece, std::size_t at, std::vector<Item>& out);
    void on_table(const Bytes& piece, std::size_t at, std::vector<Item>& out);
    void on_picture(const Bytes& piece, std::size_t at, std::vector<Item>& out);
    void guess_picture(const Bytes& piece, std::size_t at, std::vector<Item>& out);
    [[nodiscard]] bool cuts_live(bool rap, std::optional<Micros> raw) const;
    void note_table_place(std::size_t at);
    void stamp(std::int64_t ticks, std::vector<Item>& out);
    [[nodiscard]] std::int64_t unrolled(std::uint64_t ticks) const;
    [[nodiscard]] bool awaits_timestamp() const noexcept { return rebase_at_ || imposed_; }
    void cut(const Bytes& piece, std::size_t at, std::vector<Item>& out);
    void emit(Chunk chunk, std::vector<Item>& out);
    void release(bool unit_end, std::vector<Item>& out);
    void publish(ProgramMap map, std::vector<Item>& out);
    Result<> packetise(const Bytes& piece, std::vector<Item>& out);
    Result<> find_tables(std::vector<Item>& out);
    bool tables_in(const Bytes& all, std::vector<Item>& out);
    void forget_before_tables();
    void drop(std::size_t bytes);

    CutterSettings s_;
    Stats stats_;
    SteadyTime arrival_{};

    // Packets across pieces
    std::array<std::byte, 188> carry_{};
    std::size_t carried_ = 0;
    bool synced_ = true;

    // Tables
    SectionReader pat_, pmt_;
    std::vector<std::byte> pat_packets_, pmt_packets_;
    std::optional<std::uint16_t> pmt_pid_;
    ProgramMap map_;
    InitPtr init_;
    std::uint32_t epoch_ = 0;
    bool forced_ = false, tables_open_ = false;
    std::optional<std::uint16_t> main_pid_;
    bool main_is_video_ = false;
    std::string main_codec_;
    std::vector<Bytes> before_tables_;
    std::size_t before_tables_bytes_ = 0, next_look_ = 2 * 188;

    // Cutting
    Run run_;
    std::size_t tables_begin_ = 0, tables_end_ = SIZE_MAX;  ///< in the piece under work
    std::optional<Chunk> held_;
    bool live_ = false;                   ///< feed_packets()
    bool rap_seen_ = false;               ///< live: some chunk was a random-access point
    std::optional<Micros> last_rap_raw_;  ///< live: raw time of the last one

    // Units and time
    bool in_unit_ = false, unit_has_chunk_ = false;
    std::uint64_t unit_ = 0, unit_dropped_ = 0;
    std::uint32_t gen_ = 0;
    Micros unit_duration_{0}, expected_{0}, slack_{0};
    bool check_expected_ = false;
    std::optional<std::int64_t> last_ticks_;
    std::int64_t offset_ = 0;  ///< microseconds: stream time = raw + offset
    bool imposed_ = false;     ///< set_offset() came, and no timestamp since
    std::optional<Micros> rebase_at_;
    std::optional<Micros> unit_start_, last_dts_, last_raw_;
};

}  // namespace weir::ts
