#pragma once
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
    LazyRecording(asio::any_io_executor ex, Clock& clock, FileLane& lane, store::RecordingPlan plan,
                  std::optional<Path> unfinished);
    ~LazyRecording() override;

    Task<Result<>> accept(std::span<const Item> items) override;
    Task<Result<>> close();
    [[nodiscard]] const store::Recording* made() const noexcept { return recording_.get(); }

private:
    Task<Result<>> open();

    asio::any_io_executor ex_;
    Clock& clock_;
    FileLane& lane_;
    store::RecordingPlan plan_;
    std::optional<Path> unfinished_;
    std::vector<Item> before_media_;  ///< Inits, losses: a few
    std::unique_ptr<store::Recording> recording_;
};

}  // namespace weir::apps
