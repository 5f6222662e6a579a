#include <algorithm>

#include "base/log.h"
#include "base/secret.h"
#include "sources/hls/cutters.h"
#include "sources/hls/hls_metrics.h"
#include "sources/hls/lane.h"

namespace weir::hls {
namespace {

using namespace std::chrono_literals;

constexpr int tries_at_least = 3, tries_finite = 10;
constexpr auto grace_after_gone = 10s;  ///< for failures that pass
constexpr auto patience_refused = 60s;  ///< for answers that say "not here", while it is listed
constexpr auto patience_any = 5min;
constexpr auto patience_finite = 30s;  ///< when no playlist will come any more

/// Does the answer say that the thing is not there, rather than that the way to it is disturbed?
bool is_refusal(const Error& e) {
    return e.status == 401 || e.status == 403 || e.status == 404 || e.status == 410 || e.status == 416 ||
           e.code == Errc::bad_input;
}

bool is_final(const Error& e) {
    return e.code == Errc::unsupported || (e.code == Errc::denied && e.status == 0) ||
           (e.code == Errc::bad_input && e.what.find("above the limit") != std::string::npos);
}

}  // namespace

bool Lane::is_head(const Unit& unit) const {
    return !queue_.empty() && queue_.front().unit.get() == &unit;
}

bool Lane::must_wait(const Unit& unit) const {
    return is_head(unit) ? unit.held >= head_bytes : held_ >= ahead_bytes;
}

/// Starts transfers in order while there are hands and room.
void Lane::schedule() {
    if (stopping_) return;
    std::size_t looked = 0;
    for (auto& entry : queue_) {
        // The head starts in any case: all other hands may be waiting for the room that only it can make.
        if ((active_ >= std::clamp(settings_.parallel, 1, 16) && !(entry.unit && is_head(*entry.unit))) ||
            ++looked > 4096)
            return;
        if (!entry.unit || entry.unit->state != Unit::State::queued) continue;
        if (!is_head(*entry.unit) && held_ >= ahead_bytes) return;
        entry.unit->state = Unit::State::fetching;
        ++active_;
        tasks_.spawn(fetch(entry.unit), "hls segment");
    }
}

/// One try, and the pause after a failed one; schedule() starts the next.
Task<void> Lane::fetch(UnitPtr unit) {
    co_await errors_not_throws();
    auto done = co_await attempt(*unit);
    --active_;
    if (unit->dropped) {
        drop_held(*unit);
        schedule();
        co_return;
    }
    if (done) {
        if (unit->tries > 1)
            WEIR_LOG(info, "segment came in the end", {"unit", unit->segment.sequence}, {"tries", unit->tries});
        unit->state = Unit::State::done;
    } else {
        attempt_failed(*unit, done.error());
    }
    work_.notify();
    schedule();
    if (unit->state != Unit::State::waiting) co_return;
    const auto pause = unit->backoff->next(unit->error->retry_after);
    if (!co_await clock_.sleep_for(pause) || stopping_) co_return;
    if (unit->state != Unit::State::waiting) co_return;
    unit->state = Unit::State::queued;
    schedule();
}

void Lane::drop_held(Unit& unit) {
    held_ -= unit.held;
    unit.held = 0;
    unit.pieces.clear();
    room_.notify();
}

void Lane::attempt_failed(Unit& unit, Error e) {
    drop_held(unit);
    if (e.code == Errc::cancelled || stopping_) {
        unit.state = Unit::State::waiting;
        unit.error = std::move(e);
        return;
    }
    count_errors(1);
    if (e.code == Errc::unsupported && !delivered_any_) fatal_ = e;
    const bool over = give_up(unit, e);
    if (unit.tries == 1 && !over)
        WEIR_LOG(warn, "segment failed, trying again", {"unit", unit.segment.sequence}, {"why", e.text()});
    if (!over) ++stats_.retries;
    if (finished_ && is_refusal(e) && e.status != 0) tasks_.spawn(refresh_expired(), "hls refresh");
    unit.error = std::move(e);
    unit.state = over ? Unit::State::failed : Unit::State::waiting;
}

/// While it is listed a unit is tried again; not for ever, and not at the cost of units that are about to leave the
/// window.
bool Lane::give_up(const Unit& unit, const Error& e) const {
    if (unit.hopeless || is_final(e)) return true;
    const auto age = clock_.now() - unit.first_try;
    if (finished_) return (unit.tries >= tries_finite && age >= patience_finite) || age >= 3 * patience_finite;
    if (unit.tries < tries_at_least) return false;
    if (unit.gone) return is_refusal(e) || clock_.now() - unit.gone_at >= grace_after_gone;
    if (is_head(unit) && others_at_risk()) return true;
    return is_refusal(e) ? unit.tries >= tries_finite && age >= patience_refused : age >= patience_any;
}

/// Is memory full with good units while others, not begun, come to the end of the window?
bool Lane::others_at_risk() const {
    if (held_ < ahead_bytes) return false;
    for (const auto& entry : queue_) {
        if (!entry.unit || entry.unit->state != Unit::State::queued || entry.unit->tries > 0) continue;
        return entry.unit->gone || entry.unit->segment.sequence < window_.first() + window_.size() / 4 + 1;
    }
    return false;
}

Task<Result<>> Lane::attempt(Unit& unit) {
    drop_held(unit);
    if (!unit.opened) {
        if (unit.tries++ == 0) unit.first_try = clock_.now();
        if (!unit.backoff) {
            const auto ceiling = std::clamp(std::chrono::duration_cast<Millis>(target_), Millis{1'000}, Millis{4'000});
            unit.backoff.emplace(finished_ ? Backoff::Settings{Millis{500}, Millis{10'000}, 2.0}
                                           : Backoff::Settings{Millis{250}, ceiling, 2.0},
                                 jitter_seed());
        }
        auto opened = co_await p_.loader.open(unit, target_);
        if (!opened) co_return opened.error();
        unit.opened = std::move(*opened);
    } else if (!unit.backoff) {
        unit.backoff.emplace(Backoff::Settings{Millis{250}, Millis{4'000}, 2.0}, jitter_seed());
    }
    auto open = std::move(*unit.opened);
    unit.opened.reset();
    if (auto clear = in_the_clear(open.header.empty() ? open.first : open.header); !clear) co_return clear.error();
    if (unit.passed > 0 && (open.content != unit.content || open.header.view().size() != unit.header.view().size())) {
        unit.hopeless = true;
        co_return Error{Errc::bad_input, "another try brought another form of media"};
    }
    unit.content = open.content;
    unit.header = open.header;
    co_return co_await receive_all(unit, std::move(open));
}

Task<Result<>> Lane::receive_all(Unit& unit, OpenSegment open) {
    Prefix prefix;
    prefix.due = unit.passed;
    if (prefix.due > 0) prefix.digest = unit.passed_hash->digest();
    auto piece = Result<Bytes>(std::move(open.first));
    while (true) {
        if (auto ok = receive(unit, std::move(*piece), prefix); !ok) co_return ok.error();
        work_.notify();
        while (!unit.dropped && must_wait(unit)) {
            const bool rung = co_await room_.wait();
            if (!rung) co_return Error{Errc::cancelled, "stopped"};
        }
        piece = co_await p_.loader.next(open);
        if (!piece) co_return within("segment", piece.error());
        if (piece->empty()) break;
    }
    if (prefix.seen < prefix.due) {
        unit.hopeless = true;
        co_return Error{Errc::bad_input, "another try brought a shorter segment"};
    }
    co_return Result<>();
}

/// What an earlier try already handed on is compared, not handed on twice.
Result<> Lane::receive(Unit& unit, Bytes piece, Prefix& prefix) {
    if (unit.dropped) return Error{Errc::cancelled, "given up"};
    if (prefix.seen < prefix.due) {
        const auto count = std::min<std::uint64_t>(prefix.due - prefix.seen, piece.size());
        prefix.hash.update(piece.view().first(count));
        prefix.seen += count;
        if (prefix.seen == prefix.due && prefix.hash.digest() != prefix.digest) {
            unit.hopeless = true;
            return Error{Errc::bad_input, "another try brought other bytes"};
        }
        piece = piece.slice(count);
    }
    if (piece.empty()) return {};
    unit.held += piece.size();
    held_ += piece.size();
    unit.pieces.push_back(std::move(piece));
    return {};
}

/// Signed addresses of a finished playlist expire too: fetch it again for new ones.
Task<void> Lane::refresh_expired() {
    co_await errors_not_throws();
    if (refreshing_ || (refreshed_ && clock_.now() - *refreshed_ < 10s)) co_return;
    refreshing_ = true;
    refreshed_ = clock_.now();
    auto loaded = co_await reload();
    refreshing_ = false;
    if (!loaded) {
        playlist_failed(loaded.error());
        co_return;
    }
    const auto& media = std::get<MediaPlaylist>(loaded->playlist);
    refresh(media, std::make_shared<const Url>(loaded->url));
}

}  // namespace weir::hls
