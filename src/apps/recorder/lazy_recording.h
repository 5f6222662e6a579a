#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/source.h"
#include "runtime/file_lane.h"
#include "store/recording.h"

namespace weir::apps {

/// A Recording whose files come into being with the first media, so that a stream that never gives any leaves nothing
/// behind. Unless it goes on with an unfinished one: that exists already.
class LazyRecording final : public ItemSink {
public:
    /// `settle` may still change the plan (its target's ending) when the first media is there: by then its Inits are known.
    using Settle = std::function<Result<>(store::RecordingPlan& plan, const std::vector<InitPtr>& inits)>;
    /// Called once with the journal's path when the files have come into being.
    using Made = std::function<Task<void>(Path journal)>;

    LazyRecording(asio::any_io_executor ex, Clock& clock, FileLane& lane, store::RecordingPlan plan,
                  std::optional<Path> unfinished, Settle settle = {}, Made on_made = {});
    ~LazyRecording() override;

    /// A unit that the disk refused is an error of accept() from now on: without it the rest is worth nothing.
    void want_all() noexcept { want_all_ = true; }

    Task<Result<>> accept(std::span<const Item> items) override;
    Task<Result<>> close();
    /// Instead of close(): what there is stays unfinished, for the next start.
    Task<Result<>> leave();
    [[nodiscard]] const store::Recording* made() const noexcept { return recording_.get(); }

private:
    Task<Result<>> open();
    [[nodiscard]] std::vector<InitPtr> inits_in(std::span<const Item> items) const;

    asio::any_io_executor ex_;
    Clock& clock_;
    FileLane& lane_;
    store::RecordingPlan plan_;
    std::optional<Path> unfinished_;
    Settle settle_;
    Made on_made_;
    std::vector<Item> before_media_;  ///< Inits, losses: a few
    std::vector<InitPtr> inits_;
    std::unique_ptr<store::Recording> recording_;
    bool want_all_ = false;
};

}  // namespace weir::apps
