#include "apps/recorder/lazy_recording.h"

#include <algorithm>

#include "apps/recorder/finish.h"
#include "store/node.h"

namespace weir::apps {
namespace {

constexpr std::size_t max_items_before_media = 4096;

}  // namespace

LazyRecording::LazyRecording(asio::any_io_executor ex, Clock& clock, FileLane& lane, store::RecordingPlan plan,
                             std::optional<Path> unfinished, Settle settle, Made on_made)
    : ex_(std::move(ex)),
      clock_(clock),
      lane_(lane),
      plan_(std::move(plan)),
      unfinished_(std::move(unfinished)),
      settle_(std::move(settle)),
      on_made_(std::move(on_made)) {}

LazyRecording::~LazyRecording() = default;

Task<Result<>> LazyRecording::open() {
    // Two statements, not one conditional expression: g++ 12 miscompiles co_await inside ?:.
    if (unfinished_) {
        std::function<Task<Result<std::unique_ptr<store::Recording>>>()> work = [this] {
            return store::Recording::resume(ex_, clock_, lane_, *unfinished_);
        };
        auto working = while_busy(clock_, std::move(work));
        auto resumed = co_await std::move(working);
        if (!resumed) co_return resumed.error();
        recording_ = std::move(*resumed);
    } else {
        if (settle_)
            if (auto settled = settle_(plan_, inits_); !settled) co_return settled.error();
        auto strand = lane_.strand();
        auto named = co_await lane_.run(strand, [this]() -> Result<> {
            plan_.node = store::this_node();
            return {};
        });
        if (!named) co_return named.error();
        auto created = co_await store::Recording::create(ex_, clock_, lane_, plan_);
        if (!created) co_return created.error();
        recording_ = std::move(*created);
    }
    if (on_made_) {
        Path journal = recording_->journal();
        co_await on_made_(std::move(journal));
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
        inits_ = inits_in(items);
        if (auto opened = co_await open(); !opened) co_return opened.error();
    }
    auto taken = co_await recording_->accept(items);
    if (taken && want_all_ && recording_->stats().missing_units > 0)
        co_return Error{Errc::no_space, "the disk did not take all of the file"};
    co_return taken;
}

/// All that came up to here.
std::vector<InitPtr> LazyRecording::inits_in(std::span<const Item> items) const {
    std::vector<InitPtr> found;
    const auto look = [&](const Item& item) {
        if (const auto* init = std::get_if<InitPtr>(&item)) found.push_back(*init);
    };
    std::for_each(before_media_.begin(), before_media_.end(), look);
    std::for_each(items.begin(), items.end(), look);
    return found;
}

Task<Result<>> LazyRecording::leave() {
    if (!recording_) co_return Result<>{};
    co_return co_await recording_->leave();
}

Task<Result<>> LazyRecording::close() {
    if (!recording_ && unfinished_) {
        if (auto opened = co_await open(); !opened) co_return opened.error();
    }
    if (!recording_) co_return Result<>{};
    co_return co_await recording_->close();
}

}  // namespace weir::apps
