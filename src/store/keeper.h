#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "core/item.h"
#include "runtime/file_system.h"
#include "store/book.h"
#include "store/journal.h"
#include "store/recording.h"
#include "store/recording_metrics.h"
#include "store/space_gate.h"
#include "store/unit_set.h"

namespace weir::store {

struct Moment {
    SteadyTime now;
    WallTime wall;
};

/// The blocking half of a recording: places items in raw files, writes the journal, syncs, and lists what it could not
/// keep. Order of claims   media written, then its line; media synced, then `sync` lines, then the journal synced; a
/// raw file's line
///                   durable before its first byte, the folder before that.
/// threads           calls never overlap (one FileLane strand); snapshot() from any
class Keeper {
public:
    static Result<std::unique_ptr<Keeper>> create(FileSystem& fs, std::shared_ptr<SpaceGate> gate,
                                                  const RecordingPlan& plan, WallTime wall);
    /// Recovers first, then goes on in new raw files. busy: locked, or ended already.
    static Result<std::unique_ptr<Keeper>> resume(FileSystem& fs, std::shared_ptr<SpaceGate> gate, Path journal,
                                                  WallTime wall);

    /// Each run of chunks in `items` becomes one write per lane and unit.
    void take(std::span<const Item> items, Moment now);
    /// One sync round. Also the heartbeat of the gate.
    void round(Moment now);
    /// Everything listed and synced, and the `end` line. An error: the journal could not be written; call it again, or
    /// leave it to the next start.
    Result<> close(Moment now);

    struct Snapshot {
        RecordingStats stats;
        std::optional<ResumePoint> at;
    };
    [[nodiscard]] Snapshot snapshot() const;
    [[nodiscard]] const Path& journal() const noexcept { return journal_path_; }
    [[nodiscard]] const Path& target() const noexcept { return target_; }

private:
    struct RawOut {
        std::uint32_t f = 0;
        Container format = Container::ts;
        std::unique_ptr<File> file;
        std::uint64_t size = 0, synced = 0;
        std::uint64_t header = 0;  ///< hash of what it begins with
        bool announced = false;    ///< its line is durable
        bool dead = false;         ///< takes no more
        bool sync_failed = false;  ///< never synced again
    };
    /// A unit, or a run of a source without units, that is being written.
    struct Filling {
        Book::UnitKey key;
        UnitInfo info;
        std::uint32_t f = 0;
        std::uint64_t off = 0, n = 0;
        ContentHash hash;
        std::optional<Micros> dts, raw_dts;
        Micros until{0};  ///< largest dts seen
        Micros dur{0};
        bool placed = false, begun = false;
    };
    struct Recent {  ///< journalled, not yet durable
        std::uint32_t f = 0;
        std::uint64_t off = 0, n = 0;
        std::optional<Book::UnitKey> unit;
        Micros from{0}, to{0};
    };
    /// What is being dropped; one gap when it ends.
    struct Drop {
        bool any = false, part = false, units = false;
        std::uint32_t gen = 0;
        std::uint64_t first = 0, last = 0, bytes = 0;
        std::optional<Micros> from;
        Micros to{0};
        std::string why;
    };
    struct Lane {
        std::uint16_t number = 0;
        InitPtr init;
        bool init_due = false, has_units = false, saw_rap = false;
        std::optional<Discontinuity> disc_due;
        std::optional<std::int64_t> disc_pdt;
        std::optional<UnitInfo> info;
        std::shared_ptr<RawOut> raw;
        std::optional<Filling> filling;
        std::vector<Bytes> pending;
        std::optional<Drop> drop;
        std::vector<Recent> recent;
        Micros last_time{0};
        std::optional<Book::UnitKey> listed;  ///< the last unit that was dropped and listed here
    };

    Keeper(FileSystem& fs, std::shared_ptr<SpaceGate> gate) : fs_(fs), gate_(std::move(gate)) {}
    Result<bool> own_journal();
    Result<> start_journal(const RecordingPlan& plan, WallTime wall);
    Lane& lane(std::uint16_t number);
    void item(const Item& item);
    void on(const InitPtr& init);
    void on(const UnitInfo& info);
    void on(const Chunk& chunk);
    void on(const Gap& gap);
    void on(const Discontinuity& disc);
    void on(const End& end);

    void begin(Lane& lane, const Chunk& chunk);
    bool write_pending(Lane& lane, bool unit_ends);
    void foretell(const Lane& lane);
    Result<> place(Lane& lane, std::uint64_t bytes);
    [[nodiscard]] static bool needs_other_file(const Lane& lane);
    Result<> ensure_raw(Lane& lane);
    Result<> announce(Lane& lane);
    void write_failed(Lane& lane, const Error& error);
    void finish_unit(Lane& lane);
    void finish_part(Lane& lane);
    void finish_run(Lane& lane);
    [[nodiscard]] journal::Unit unit_line(const Filling& f, bool part) const;

    void start_drop(Lane& lane, std::string why);
    void note_dropped(Lane& lane, const Chunk& chunk);
    void flush_drop(Lane& lane);
    void write_gap(journal::GapLine gap);

    void sync_raw(Lane& lane, const std::shared_ptr<RawOut>& raw, Moment now);
    void sync_lost(Lane& lane, RawOut& raw, const Error& error);
    void line(const journal::Line& line) { out_ += journal::format(line); }
    Result<> flush_journal();
    Result<> sync_journal();
    Result<> rewrite_journal();
    Result<> let_go();
    void publish();

    FileSystem& fs_;
    std::shared_ptr<SpaceGate> gate_;
    Path journal_path_, target_, stem_;
    std::unique_ptr<File> lock_,
        journal_again_;     ///< the second one after a failed sync of the first, which keeps the lock
    std::string out_;       ///< lines not yet written
    std::string unsynced_;  ///< lines written, not yet durable
    std::uint64_t journal_size_ = 0;
    bool journal_torn_ = false, journal_suspect_ = false;

    std::map<std::uint16_t, Lane> lanes_;
    std::vector<std::pair<std::uint16_t, std::shared_ptr<RawOut>>>
        raws_;  ///< current ones, and old ones not yet durable
    std::uint32_t next_f_ = 0;
    std::uint64_t next_id_ = 1, round_ = 1;
    std::map<Book::UnitKey, journal::GapLine> owed_;  ///< what a crash left unlisted; the source may still bring it
    std::set<Book::UnitKey> parts_;                   ///< units of which a crash left the beginning
    UnitSet whole_;
    End end_{EndReason::stopped, {}};
    bool end_said_ = false;
    WallTime wall_{};
    std::string boot_;

    RecordingStats stats_;
    std::optional<RecordingCounters> counters_;
    std::uint64_t got_ = 0;
    std::optional<Micros> first_time_;
    Micros last_time_{0};
    std::optional<ResumePoint> at_;
    mutable std::mutex mutex_;
    Snapshot shared_;
};

}  // namespace weir::store
