#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/tools/joiner.h"
#include "runtime/clock.h"
#include "store/ledger.h"

namespace weir::apps {

struct CleanOptions {
    Path root;
    Millis age = std::chrono::hours(48);
    bool dry_run = false;                 ///< everything is looked at and proved, nothing is touched
    std::string tracer = "weir/cleaner";  ///< of its spans
    bool delete_corrupted = false;  ///< a joined file that is no media goes when all its parts are there and readable
};

/// One thing that was done, or was not, and why.
struct CleanStep {
    enum class What {
        deleted,  ///< (dry run: would be)
        renamed,  ///< (dry run: would be)
        kept,     ///< nothing is wrong: too young, being recorded, the name it would get is taken
        failed,   ///< could not be done, or was not proved
    } what = What::kept;
    Path file, to;  ///< to: the new name
    std::string why;
    std::uint64_t bytes = 0;
};
[[nodiscard]] std::string_view name_of(CleanStep::What what) noexcept;

struct CleanReport {
    std::vector<CleanStep> steps;
    std::uint64_t folders = 0, freed = 0;
    bool cancelled = false;
    [[nodiscard]] bool complete() const noexcept;  ///< nothing failed
};

struct CleanTools {
    JoinTools media = {};
    std::function<Task<Result<store::Verdict>>(asio::any_io_executor, FileLane&, Path)> verify = store_verify();
    std::function<bool(const Path&)> in_use = default_in_use();
    static std::function<Task<Result<store::Verdict>>(asio::any_io_executor, FileLane&, Path)> store_verify();
    static std::function<bool(const Path&)> default_in_use();
};

/// Takes away what a joined or finished file is proved to hold, and nothing else; then gives the joined file its plain
/// name (FC2-93 to FC2-96, by proof). Goes through `root` and what is below, one folder after the other, follows no
/// symbolic link; a folder that cannot be read is reported and left out.
/// threads  one shard; file work on the lane
class Cleaner {
public:
    Cleaner(asio::any_io_executor ex, const Clock& clock, FileLane& lane, CleanOptions options, CleanTools tools = {});
    ~Cleaner();
    /// Each step is told as it happens, and reported at the end. A cancellation ends it between two steps.
    Task<CleanReport> run(std::function<void(const CleanStep&)> on_step = {});

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::apps
