#pragma once
#include <functional>

#include "media/tool.h"
#include "store/book.h"
#include "store/recording.h"

namespace weir::store {

/// Who makes and reads the final file; tests put their own here.
struct FinaliseTools {
    std::function<Task<Result<media::Summary>>(asio::any_io_executor, media::JoinPlan)> write = media::join;
    std::function<Task<Result<media::Summary>>(asio::any_io_executor, std::string)> summarise = media::summarise;
    std::function<void(double)> on_progress = {};  ///< 0 to 1, of the remuxing
};
Task<Result<Finished>> finalise_with(asio::any_io_executor ex, Clock& clock, FileLane& lane, Path journal,
                                     bool keep_raw, FinaliseTools tools);

/// The raw bytes that count, lane after lane, each in order and in as few stretches as time allows: a new one at each
/// break, new Init, other file or hole. `shift` takes the source's timestamps to stream time; where it is not known, the
/// stretch follows the one before. Headers of raw files other than TS are named beside the bytes, not in them.
[[nodiscard]] std::vector<media::Stretch> stretches_of(const Book& book, const Path& folder);

}  // namespace weir::store
