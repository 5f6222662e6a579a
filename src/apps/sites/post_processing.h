#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "apps/sites/live_recording.h"
#include "apps/sites/recording_names.h"
#include "store/book.h"

namespace weir::sites {

/// Beside a recording of a live until the last step after it is done: a start after a kill goes on there.
inline const std::string todo_ending = ".weir-todo";
/// Beside the recordings of a live: which joined file holds which of them.
inline const std::string joined_ending = ".weir-joined";

/// A journal's first line, and where it lies.
struct JournalHead {
    Path journal;
    store::journal::Open open;
};
/// Reads no more than that line. Blocks. Errors: io; bad_input: it is no journal's.
[[nodiscard]] Result<JournalHead> read_journal_head(FileSystem& fs, const Path& journal);
/// The journals in `folder` of that source, the oldest first. Blocks; what cannot be read is left out.
[[nodiscard]] std::vector<JournalHead> journals_of_source(FileSystem& fs, const Path& folder,
                                                          std::string_view source_id);

/// What follows a recording, in the order of FC2-53: the final file, its sound apart, the parts of this live joined. Each file gets its
/// name only when it is whole, none is ever overwritten, no raw media goes before its final file was compared with it. A step that
/// fails is a complaint.
///
/// joined   the finished recordings with the same source id in this folder, also when it is one (FC2-92); one that was joined
///          before goes when the new one is there and holds all of it
/// stop     cancellable at every step; then `result.left_unfinished`, and the next call goes on
/// threads  one shard
class PostProcessing {
public:
    PostProcessing(const LiveRecording::Tools& tools, const Params& params, const trace::Context& trace = {})
        : shard_(tools.shard), lane_(tools.lane), params_(params), trace_(trace) {}
    /// Errors: not_found: nothing was recorded; bad_input: nothing of it is media. All else is in `result`.
    Task<Result<>> run(Path journal, LiveResult& result);

private:
    struct Joined {  ///< what a mark says
        std::string all, sound;
        std::uint64_t all_size = 0, sound_size = 0;
        std::vector<std::string> parts;
    };
    struct LiveParts {
        std::vector<Path> journals, files;
    };

    Task<Result<>> all_steps(Path journal, LiveResult& result);
    Task<Result<>> final_file_failed(Path journal, Error why, LiveResult& result);
    Task<void> keep_as_ts(Path journal, LiveResult& result);
    Task<void> sound_apart(LiveResult& result);
    Task<void> join_parts(const JournalHead& head, const RecordingNames& names, LiveResult& result);
    Task<LiveParts> parts_of(std::string source_id, Path folder);
    Task<void> supersede(std::vector<Joined> older, Joined& made, const Path& wished, LiveResult& result);
    [[nodiscard]] static std::string text_of(const Joined& joined);
    [[nodiscard]] static Joined parse(std::string_view text);
    void complain(LiveResult& result, std::string what, const Error& why);

    Shard& shard_;
    FileLane& lane_;
    const Params& params_;
    const trace::Context trace_;  ///< the parent of its spans
    std::string channel_;         ///< whose recording it is
    bool cancelled_ = false;
};

}  // namespace weir::sites
