#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "core/source.h"
#include "runtime/clock.h"
#include "runtime/file_lane.h"
#include "store/ledger.h"

namespace weir::store {

/// Where a recording stands, for resuming its source: its last whole unit. The beginning of the next one may be in the
/// raw files too; when that unit comes again it takes the place of the beginning, else the beginning stays and the Gap
/// is partial.
struct ResumePoint {
    bool any = false;  ///< there is a whole unit; else only stream_time and last_written mean something
    std::uint64_t unit = 0;
    std::uint32_t gen = 0;
    Micros stream_time{0};  ///< where that unit ends
    WallTime last_written = {};
    struct Lane {
        std::uint64_t unit = 0;
        std::uint32_t gen = 0;
        Micros stream_time{0};
    };
    std::map<std::uint16_t, Lane> lanes = {};  ///< the last whole units of the lanes beside the main one
    std::optional<Micros> offset = {};         ///< stream time minus the source's own, at that unit; of all lanes
};

/// In name_data: how many bytes a file that is fetched has. What was never fetched of it is listed as a loss.
inline constexpr std::string_view expected_bytes_key = "http.length";

struct RecordingPlan {
    Path
        target;  ///< the final file, e.g. DIR/NAME.mp4, its ending decides the container; journal, raw files stand beside it
    std::string source_kind;  ///< "hls"
    std::string source_id;    ///< equal ids are the same source: for `download` a hash of the URL without query
    std::map<std::string, std::string> name_data;
    bool remux = true;      ///< false: the final file is the raw bytes themselves (one lane), under the target's name
    std::string node = {};  ///< node_id() of this installation, for the journal's first line
};

struct RecordingStats {
    std::uint64_t bytes = 0, units = 0, missing_units = 0, gaps = 0;
    Micros duration{0};
    Micros longest_sync_interval{0};
    bool waiting_for_space = false;
};

/// Keeps items: raw bytes appended to NAME.N.ts (.m4s .flv .aac .bin by container; one series of files for all lanes), the journal NAME.weir.jsonl beside it, sync rounds each second (media,
/// then journal). Never overwrites; holds a lock on the journal. Disk errors and full disks go through the gate: while
/// no space is left, units are dropped and listed as Gaps, one alarm; it goes on when space returns.
/// threads  its
/// shard; all file work on the lane
class Recording : public ItemSink {
public:
    /// Creates the files, or continues `unfinished` (after recovery) with a new raw file. Errors: busy (exists,
    /// locked), denied, no_space.
    static Task<Result<std::unique_ptr<Recording>>> create(asio::any_io_executor ex, Clock& clock, FileLane& lane,
                                                           RecordingPlan plan);
    static Task<Result<std::unique_ptr<Recording>>> resume(asio::any_io_executor ex, Clock& clock, FileLane& lane,
                                                           Path journal);
    Task<Result<>> accept(std::span<const Item> items) override = 0;
    /// Ends the recording: everything synced, the `end` line written. Ignores cancellation. Call once, after the last
    /// accept().
    virtual Task<Result<>> close() = 0;
    /// Instead of close(): everything synced, no `end` line. The recording stays unfinished, and resume() goes on with it.
    virtual Task<Result<>> leave() = 0;
    [[nodiscard]] virtual std::optional<ResumePoint> resume_point() const = 0;
    [[nodiscard]] virtual RecordingStats stats() const = 0;
    [[nodiscard]] virtual const Path& journal() const noexcept = 0;
    /// The wished final file, with the number it got when the name was taken.
    [[nodiscard]] virtual const Path& target() const noexcept = 0;
};

/// An unfinished recording found by its journal.
struct Unfinished {
    Path journal, target;
    std::string source_kind, source_id;
    ResumePoint at;
    bool ended = false;      ///< only the finalising is left
    std::string end_reason;  ///< then: name_of(EndReason), or "crash"
};
/// Looks in one folder (not below). Locked ones belong to another process and are left out. Damaged journals are
/// reported in `complaints`.
Task<Result<std::vector<Unfinished>>> find_unfinished(FileLane& lane, Path folder,
                                                      std::vector<std::string>* complaints);
/// Cuts torn tails (journal: bad last line; raw: what is past the last good unit or sync, checked by hash; whole
/// pieces of the container only) and writes what it did into the journal. Idempotent.
Task<Result<Unfinished>> recover(FileLane& lane, Clock& clock, Path journal);

/// Makes the final file next to the raw ones, reads it back, compares, renames, and only then removes the raw files
/// (unless `keep_raw`). All lanes go into the one file, the target's ending says of which container. Without `remux`, and
/// for files fetched as such, it is the raw bytes themselves: the one raw file gets the name (no copy, and nothing is
/// left to keep), several of a stream format are appended; else they are remuxed with a warning. Each step is journalled and may be killed: the next call goes on from there. The target's name
/// gets a number when taken meanwhile. Errors leave the raw files alone and say where they are.
struct Finished {
    Path file, journal;
    std::uint64_t bytes = 0;
    Micros duration{0};
};
Task<Result<Finished>> finalise(asio::any_io_executor ex, Clock& clock, FileLane& lane, Path journal, bool keep_raw);

/// The judge for users: reads the journal and whatever of the recording exists, and compares. `file` may be the final
/// file, a raw file or the journal.
Task<Result<Verdict>> verify(asio::any_io_executor ex, FileLane& lane, Path file);

}  // namespace weir::store
