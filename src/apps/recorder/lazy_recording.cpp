#include "apps/recorder/lazy_recording.h"

#include <algorithm>

namespace weir::apps {
namespace {

constexpr std::size_t max_items_before_media = 4096;

}  // namespace

LazyRecording::LazyRecording(asio::any_io_executor ex, Clock& clock, FileLane& lane, store::RecordingPlan plan,
                             std::optional<Path> unfinished)
    : ex_(std::move(ex)), clock_(clock), lane_(lane), plan_(std::move(plan)), unfinished_(std::move(unfinished)) {}

LazyRecording::~LazyRecording() = default;

Task<Result<>> LazyRecording::open() {
    // Two statements, not one conditional expression: g++ 12 miscompiles co_await inside ?:.
    if (unfinished_) {
        auto resumed = co_await store::Recording::resume(ex_, clock_, lane_, *unfinished_);
        if (!resumed) co_return resumed.error();
        recording_ = std::move(*resumed);
    } else {
        auto created = co_await store::Recording::create(ex_, clock_, lane_, plan_);
        if (!created) co_return created.error();
        recording_ = std::move(*created);
    }
    auto held = std::move(before_media_);
    if (held.empty()) co_return Result<>{};
    co_return co_await recording_->accept(held);
}

Task<Result<>> LazyRecording::accept(std::span<const Item> items) {
    if (!recording_) {
        const bool media =
            std::any_of(items.begin(), items.end(), [](const Item& i) { return std::holds_alternative<Chunk>(i); });
        if (!media) {
            before_media_.insert(before_media_.end(), items.begin(), items.end());
            if (before_media_.size() > max_items_before_media)
                co_return Error{Errc::lost_peer, "the stream gives no media"};
            co_return Result<>{};
        }
        if (auto opened = co_await open(); !opened) co_return opened.error();
    }
    co_return co_await recording_->accept(items);
}

Task<Result<>> LazyRecording::close() {
    if (!recording_ && unfinished_) {
        if (auto opened = co_await open(); !opened) co_return opened.error();
    }
    if (!recording_) co_return Result<>{};
    co_return co_await recording_->close();
}

}  // namespace weir::apps
