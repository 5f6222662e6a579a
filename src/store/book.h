#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/file_system.h"
#include "store/journal.h"

namespace weir::store {

/// Some bytes of a raw file that the journal answers for.
struct Piece {
    enum class Kind : std::uint8_t { unit, part, run, header } kind = Kind::unit;
    bool superseded = false;  ///< a part whose unit came again with more of it, or a unit that was there already
    bool again = false;       ///< its line says that the unit was there already
    bool lost = false;        ///< a `lost` line covers some of it
    std::uint16_t lane = 0;
    std::uint32_t gen = 0, f = 0;
    std::uint64_t u = 0, off = 0, n = 0, h = 0;
    std::optional<Micros> dts, raw_dts;
    Micros dur{0};

    [[nodiscard]] std::uint64_t end() const noexcept { return off + n; }
    [[nodiscard]] bool counts() const noexcept { return !superseded && !lost; }
};

struct RawFile {
    std::uint32_t f = 0;
    std::string path;
    std::uint16_t lane = 0;
    Container format = Container::ts;
    std::uint64_t end = 0;     ///< how far the journal answers for it
    std::uint64_t synced = 0;  ///< how far it is durable
    std::string boot;
    bool torn = false;  ///< a write to it failed: bytes past `end` are known of
};

/// A journal read in: what the recording holds and what it lost. Pure; the numbers in it are as the journal says, not
/// as the disk.
struct Book {
    struct UnitKey {
        std::uint16_t lane = 0;
        std::uint32_t gen = 0;
        std::uint64_t u = 0;
        auto operator<=>(const UnitKey&) const = default;
    };
    struct Asked {
        std::optional<Micros> dts;
        Micros dur{0};
        std::string why;
    };

    journal::Open open;
    std::vector<RawFile> raws;  ///< by f
    std::vector<Piece> pieces;  ///< in the order they were written
    std::vector<journal::Disc> discs;
    std::vector<journal::InitLine> inits;
    std::vector<journal::GapLine> gaps;
    std::vector<journal::Lost> lost;
    std::map<std::uint16_t, journal::Begin> begun;  ///< by lane: the unit that has a beginning and no line yet
    std::map<UnitKey, Asked> cut;  ///< units that recovery took away, or of which only the beginning is there
    std::optional<journal::EndLine> end;
    std::vector<journal::Final> finals;
    std::uint64_t next_id = 1, next_round = 1;
    std::int64_t last_written = 0;  ///< Unix ms of the last sync round, or of the opening

    void take(const journal::Line& line);
    /// Marks what is superseded or lost. After the last take(), and again after more of them.
    void settle();

    [[nodiscard]] const RawFile* raw(std::uint32_t f) const;
    [[nodiscard]] RawFile* raw(std::uint32_t f);
    [[nodiscard]] bool gap_covers(const UnitKey& unit) const;
    /// Units that were asked for and are neither there nor listed: what closing a recording has to list. Needs
    /// settle().
    [[nodiscard]] std::vector<journal::GapLine> unaccounted(std::string_view why) const;
    /// The last whole unit of lane 0 in the newest numbering.
    [[nodiscard]] const Piece* last_unit() const;
    /// As unit and time where each other lane stands, for ResumePoint.
    [[nodiscard]] std::map<std::uint16_t, const Piece*> last_units() const;
    [[nodiscard]] Micros first_time() const;
    [[nodiscard]] Micros last_time() const;
    [[nodiscard]] std::uint64_t bytes() const;        ///< that count
    [[nodiscard]] std::uint64_t media_bytes() const;  ///< the same without headers
    struct Tally {
        std::uint64_t got = 0, missing = 0;
    };
    [[nodiscard]] Tally tally() const;
    /// Nothing is left to do: renamed and meant to keep the raw files, or these are gone.
    [[nodiscard]] const journal::Final* finished() const;
};

struct LoadedBook {
    Book book;
    journal::Scanner::Outcome scan;
};
/// Streams the file through the scanner. Damage is an outcome in `scan`, not an error.
Result<LoadedBook> load_book(File& file);

/// Names this run of the kernel; empty when that cannot be known.
[[nodiscard]] std::string boot_name(FileSystem& fs);

/// "DIR/NAME" of "DIR/NAME.weir.jsonl".
inline constexpr std::string_view journal_ending = ".weir.jsonl";
[[nodiscard]] bool is_journal_name(std::string_view name) noexcept;
[[nodiscard]] Path stem_of_journal(const Path& journal);
[[nodiscard]] std::string_view ending_of(Container c) noexcept;  ///< ".ts"
/// "DIR/NAME.2.mp4" of "DIR/NAME.mp4" and 2; 0 gives the path itself.
[[nodiscard]] Path numbered(const Path& target, unsigned number);
/// Where the folder of a path without one is.
[[nodiscard]] Path folder_of(const Path& path);

}  // namespace weir::store
