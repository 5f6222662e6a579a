#include "apps/recorder/download_loop.h"

#include <algorithm>

#include "apps/tools/joiner.h"
#include "apps/tools/parts.h"
#include "base/log.h"
#include "runtime/task_group.h"

namespace weir::apps {
namespace {

using namespace std::chrono_literals;

constexpr auto of_one_live = 5min;
constexpr auto for_ever = std::chrono::hours(24 * 365);

/// Nothing that waiting would mend.
bool is_final(const Error& e) {
    return e.code == Errc::bad_input || e.code == Errc::denied || e.code == Errc::unsupported;
}

Task<void> remove_file(FileLane& lane, Path path) {
    auto strand = lane.strand();
    (void)(co_await lane.run(strand, [&] { return lane.fs().remove(path); })).has_value();
}

}  // namespace

DownloadLoop::DownloadLoop(Shard& shard, HttpClient& http, FileLane& lane, DownloadOptions each, LoopSettings settings)
    : shard_(shard), http_(http), lane_(lane), each_(std::move(each)), settings_(settings), stopped_(shard.executor()) {
    if (!settings_.loop) return;
    each_.memory = memory_;
    each_.source.wait_for_start = for_ever;
}

DownloadOptions DownloadLoop::options_of_next() const {
    auto next = each_;
    // A new live is seen within seconds of its beginning: all that its window has belongs to it.
    if (ended_cleanly_) next.source.from_start = true;
    if (next.name)
        if (auto name = next.name(next.target.extension().string()); name) next.target = std::move(*name);
    return next;
}

Task<Result<>> DownloadLoop::run(std::function<void(const DownloadResult&)> tell) {
    while (!stop_.asked()) {
        current_ = std::make_unique<Download>(shard_, http_, lane_, options_of_next());
        auto result = co_await current_->run();
        if (!result) {
            if (stop_.asked() && any_) break;
            const bool over = stop_.asked() || !settings_.loop || (!any_ && is_final(result.error()));
            if (over) co_return result.error();
            const bool go_on = co_await failed(result.error());
            if (!go_on) break;
            continue;
        }
        any_ = true;
        ended_cleanly_ = result->end.reason == EndReason::endlist;
        backoff_.reset();
        if (settings_.concat) co_await combine(*result);
        last_end_ = shard_.clock().now();
        tell(*result);
        if (!settings_.loop) break;
        if (memory_->nothing_more) {
            WEIR_LOG(info, "it was a file, not a live: nothing follows it");
            break;
        }
    }
    co_return Result<>();
}

/// A pause; false when it was stopped meanwhile.
Task<bool> DownloadLoop::failed(const Error& e) {
    WEIR_LOG(warn, "no recording came of that; trying again", {"error", e.text()});
    const auto until = shard_.clock().now() + backoff_.next();
    while (!stop_.asked() && shard_.clock().now() < until) {
        const bool rung = co_await stopped_.wait_until(until);
        if (!rung) break;
    }
    co_return !stop_.asked();
}

Task<void> DownloadLoop::combine(DownloadResult& newest) {
    const auto began = shard_.clock().now() - newest.duration;
    if (!parts_.empty() && began - last_end_ > of_one_live) {
        parts_.clear();
        combined_.clear();
    }
    parts_.push_back(newest.file);
    if (parts_.size() < 2) co_return;
    Joiner joiner(shard_.executor(), lane_);
    auto inputs = co_await joiner.look_at(parts_);
    for (const auto& broken : inputs.broken)
        WEIR_LOG(warn, "a part is left out", {"file", broken.path.string()}, {"why", broken.why.text()});
    if (inputs.good.size() < 2) co_return;
    JoinWish wish;
    const auto& first = parts_.front();
    wish.output = first.parent_path() / combined_name(first.stem().string(), first.extension().string());
    if (const auto format = media::format_for(first.filename().string()); format) wish.format = *format;
    wish.inputs = std::move(inputs.good);
    wish.also_audio = each_.extract_audio;
    if (!combined_.empty()) {  // the one with fewer parts; all of it is in the parts
        co_await remove_file(lane_, combined_);
        Path sound = combined_;
        sound.replace_extension(".m4a");
        if (wish.also_audio) co_await remove_file(lane_, std::move(sound));
        combined_.clear();
    }
    const auto outcome = co_await joiner.make(std::move(wish));
    if (!outcome.made.empty()) newest.combined = combined_ = outcome.made.front().file;
    if (outcome.failed) WEIR_LOG(error, "the parts could not be joined; they stay", {"error", outcome.failed->text()});
}

void DownloadLoop::ask_stop(std::string reason) {
    stop_.ask(reason);
    stopped_.notify();
    if (current_) current_->ask_stop(std::move(reason));
}

DownloadProgress DownloadLoop::progress() const {
    return current_ ? current_->progress() : DownloadProgress{};
}

}  // namespace weir::apps
