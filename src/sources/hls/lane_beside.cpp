#include <algorithm>

#include "base/log.h"
#include "base/secret.h"
#include "sources/hls/lane.h"

namespace weir::hls {
namespace {

using namespace std::chrono_literals;

constexpr Micros again_after = 5s;

}  // namespace

/// A lane beside the main one: what cannot be read of it is a Gap, and it is tried again until the recording ends.
Task<void> Lane::run_beside(Url url) {
    co_await errors_not_throws();
    demand_ = &own_demand_;
    std::string why;
    while (!closing_ && !prepared_) {
        auto ready = co_await ready_beside(url);
        if (ready) break;
        if (ready.error().code == Errc::cancelled) break;
        if (why.empty())
            WEIR_LOG(warn, "alternate audio cannot be read", {"lane", number_}, {"url", masked_url(url.text())},
                     {"why", ready.error().text()});
        why = ready.error().text();
        last_progress_ = clock_.now();
        while (!closing_ && clock_.now() < last_progress_ + again_after) {
            const bool came = co_await clock_.sleep_for(250ms);
            if (!came) break;
        }
        if (own_demand_.stop.asked()) break;
    }
    if (prepared_) {
        why.clear();
        tasks_.spawn(tick(), "hls lane");
        auto ended = co_await run(own_demand_);
        if (!ended) why = ended.error().text();
        if (ended && playlist_error_) why = short_reason(*playlist_error_);
        if (!ended && !p_.sink_error)
            WEIR_LOG(warn, "alternate audio ends early", {"lane", number_}, {"why", ended.error().text()});
    }
    co_await uncancellable();
    while (!closing_ && !p_.sink_error) (void)co_await work_.wait();
    if (!why.empty() && !p_.sink_error) co_await list_unread(why);
}

Task<Result<>> Lane::ready_beside(const Url& url) {
    auto loaded = co_await first_load(own_demand_, url);
    if (!loaded) co_return loaded.error();
    if (!std::holds_alternative<MediaPlaylist>(loaded->playlist))
        co_return Error{Errc::bad_input, "alternate audio is a multivariant playlist", "playlist"};
    co_return co_await enter(std::move(*loaded), url);
}

/// From where this lane stopped to the end of the recording.
Task<void> Lane::list_unread(const std::string& why) {
    if (closing_->until <= position_ + (delivered_any_ ? target_ : Micros{0})) co_return;
    Gap gap;
    gap.lane = number_;
    gap.gen = window_.gen();
    gap.from = position_;
    gap.to = closing_->until;
    gap.exact = false;
    gap.why = why;
    std::vector<Item> items;
    items.emplace_back(std::move(gap));
    (void)co_await hand_on(items);
}

void Lane::close(Micros until, Micros patience) {
    closing_ = Closing{until, patience};
    last_progress_ = std::max(last_progress_, clock_.now());
    work_.notify();
}

bool Lane::closed() const {
    if (!closing_) return false;
    const bool between = queue_.empty() || !queue_.front().unit || !queue_.front().unit->begun;
    if (between && position_ >= closing_->until) return true;
    return clock_.now() >= last_progress_ + closing_->patience;
}

/// Looks at the patience of close() now and then.
Task<void> Lane::tick() {
    co_await errors_not_throws();
    while (!stopping_) {
        const bool came = co_await clock_.sleep_for(500ms);
        if (!came) co_return;
        if (closing_) work_.notify();
    }
}

}  // namespace weir::hls
