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
    while (!closing_ && !prepared_) {
        auto ready = co_await ready_beside(url);
        if (ready) break;
        if (ready.error().code == Errc::cancelled) break;
        if (unread_.empty())
            WEIR_LOG(warn, "alternate audio cannot be read", {"lane", number_}, {"url", masked_url(url.text())},
                     {"why", ready.error().text()});
        unread_ = ready.error().text();
        last_progress_ = clock_.now();
        while (!closing_ && clock_.now() < last_progress_ + again_after) {
            const bool came = co_await clock_.sleep_for(250ms);
            if (!came) break;
        }
        if (own_demand_.stop.asked()) break;
    }
    if (prepared_) {
        unread_.clear();
        tasks_.spawn(tick(), "hls lane");
        auto ended = co_await run(own_demand_);
        if (!ended) unread_ = ended.error().text();
        if (ended && playlist_error_) unread_ = short_reason(*playlist_error_);
        if (!ended && !p_.sink_error)
            WEIR_LOG(warn, "alternate audio ends early", {"lane", number_}, {"why", ended.error().text()});
    }
    co_await uncancellable();
    while (!closing_ && !p_.sink_error) (void)co_await work_.wait();
    if (!p_.sink_error) co_await list_unread();
}

Task<Result<>> Lane::ready_beside(const Url& url) {
    auto loaded = co_await first_load(own_demand_, url);
    if (!loaded) co_return loaded.error();
    if (!std::holds_alternative<MediaPlaylist>(loaded->playlist))
        co_return Error{Errc::bad_input, "alternate audio is a multivariant playlist", "playlist"};
    co_return co_await enter(std::move(*loaded), url);
}

/// What is still in line and covers the recording's time did not come soon enough.
Task<void> Lane::list_late() {
    std::vector<Item> items;
    for (auto& entry : queue_) {
        if (position_ + untried_length() + 100ms >= closing_->until) break;
        const auto* unit = entry.unit.get();
        const auto why = unit && unit->error ? short_reason(*unit->error) : std::string("came too late");
        if (unit ? unit->trial : entry.trial) {
            unit ? leave_untried(*unit, why) : leave_untried(entry.missed, may_be_due());
            continue;
        }
        list_untried(items);
        unit ? lose(*entry.unit, why, items) : lose(entry.missed, items);
    }
    (void)co_await hand_on(items);
}

/// From where this lane stopped to the end of the recording.
Task<void> Lane::list_unread() {
    std::vector<Item> items;
    if (last_number_) list_untried(items);
    if (!untried_.empty()) {
        auto missed = untried_.back().missed;
        missed.duration = std::max(Micros{0}, closing_->until - position_);
        lose(missed, items);
    } else if (failing() && closing_->until > position_ + (delivered_any_ ? target_ : Micros{0})) {
        Gap gap;
        gap.lane = number_;
        gap.gen = window_.gen();
        gap.from = position_;
        gap.to = closing_->until;
        gap.exact = false;
        gap.why = unread_;
        items.emplace_back(std::move(gap));
    }
    (void)co_await hand_on(items);
}

void Lane::close(Micros until, Micros patience, bool whole, bool hurry) {
    auto by = closing_ ? closing_->by : std::nullopt;
    if (hurry && !by) by = clock_.now() + 2500ms;
    closing_ = Closing{until, patience, whole, by};
    last_progress_ = std::max(last_progress_, clock_.now());
    work_.notify();
}

bool Lane::closed() const {
    if (!closing_) return false;
    if (closing_->by && clock_.now() >= *closing_->by) return true;
    const bool between = queue_.empty() || !queue_.front().unit || !queue_.front().unit->begun;
    const bool covered = position_ >= closing_->until;
    const auto beyond = closing_->whole ? 2 * target_ : Micros{0};
    if (between && covered && position_ >= closing_->until + beyond) return true;
    const auto patience = closing_->whole && covered ? 3 * target_ : closing_->patience;
    return clock_.now() >= last_progress_ + std::min(patience, closing_->patience);
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
