#include "apps/fc2/directory.h"

#include <algorithm>

#include "base/log.h"

namespace weir::fc2 {
namespace {

constexpr double most_load = 0.8, most_hidden_load = 0.6;
constexpr int direct_every = 4;  ///< of the limiter's intervals
constexpr int lists_every = 8;   ///< at most so often
constexpr Millis direct_from = std::chrono::minutes(4), direct_to = std::chrono::minutes(6);
constexpr Millis waited_for{1'000};  ///< what is left of a penalty is waited for then (Api): the lists go first
constexpr Millis unlisted_again = std::chrono::seconds(30);
const Backoff::Settings list_again{Millis(5'000), Millis(60'000), 2.0};

Millis stretched(Millis wish, double by) {
    return Millis(static_cast<Millis::rep>(static_cast<double>(wish.count()) * std::max(by, 1.0)));
}

}  // namespace

Directory::List::List(bool a, std::uint64_t seed) : adult(a), again(list_again, seed) {}

Directory::Directory(Shard& shard, Api& api, std::uint64_t seed)
    : shard_(shard),
      api_(api),
      random_(seed != 0 ? seed : std::random_device{}()),
      lists_{List(false, seed), List(true, seed)},
      was_read_(shard.executor()),
      tasks_(shard.executor()) {}

Millis Directory::drawn(Millis from, Millis to) {
    return Millis(std::uniform_int_distribution<Millis::rep>(from.count(), to.count())(random_));
}

std::unique_ptr<Directory::Place> Directory::join(Millis wish) {
    auto place = std::make_unique<Place>();
    place->wish = std::max(wish, Millis(1));
    place->asked = shard_.clock().now();
    last_join_ = std::max(last_join_, place->asked) + direct_every * api_.limiter().interval();
    place->ask_at = last_join_;
    wishes_.insert(place->wish);
    rate_ += 1000.0 / static_cast<double>(place->wish.count());
    return place;
}

void Directory::leave(const Place& place) noexcept {
    if (const auto found = wishes_.find(place.wish); found != wishes_.end()) wishes_.erase(found);
    rate_ = wishes_.empty() ? 0 : rate_ - 1000.0 / static_cast<double>(place.wish.count());
}

double Directory::load() const {
    return rate_ * static_cast<double>(api_.limiter().interval().count()) / 1000.0;
}

bool Directory::crowded() const {
    return load() > most_load;
}

bool Directory::any_good() const {
    return std::any_of(lists_.begin(), lists_.end(), [](const List& l) { return l.state == List::State::good; });
}

/// One that failed of late is not waited for: it may hang, and nobody relies on it.
bool Directory::to_be_read() const {
    return std::any_of(lists_.begin(), lists_.end(),
                       [](const List& l) { return l.reading && l.state != List::State::bad; });
}

Millis Directory::pace(Millis wished) const {
    const bool bad = lists_[0].state == List::State::bad || lists_[1].state == List::State::bad;
    const bool blind = crowded() && bad && !any_good();
    return blind ? stretched(wished, load() / most_load) : wished;
}

Task<bool> Directory::worth_asking(const std::string& channel, Place& place) {
    if (!crowded()) co_return true;
    for (auto& list : lists_) begin_reading(list);
    bool on = true;
    while (on && to_be_read()) on = co_await was_read_.wait();
    co_return !on || judge(channel, place);
}

bool Directory::judge(const std::string& channel, Place& place) {
    if (!any_good()) return true;
    bool hidden = false;
    for (std::size_t i = 0; i < lists_.size(); ++i) {
        const auto& list = lists_[i];
        const bool good = list.state == List::State::good;
        if (good && list.ids.contains(channel)) {
            place.list = static_cast<int>(i);
            place.unlisted = false;
            return true;
        }
        // In which one it appears is learnt; until then it may be any.
        hidden = hidden || (!good && (place.list < 0 || place.list == static_cast<int>(i)));
    }
    return may_ask(place, hidden);
}

/// Lists lag and may be wrong. Those that wait take turns.
bool Directory::may_ask(Place& place, bool hidden) {
    const auto now = shard_.clock().now();
    auto& limiter = api_.limiter();
    const auto interval = limiter.interval();
    auto due = place.ask_at;
    if (hidden) due = std::min<SteadyTime>(due, place.asked + stretched(place.wish, load() / most_hidden_load));
    if (now < due || now < next_direct_ || limiter.waiting() > 0 || limiter.closed_for() > Millis(0)) return false;
    next_direct_ = now + (hidden ? interval * 10 / 7 : direct_every * interval);
    place.asked = now;
    place.ask_at = now + (place.unlisted ? unlisted_again : drawn(direct_from, direct_to));
    if (place.unlisted || hidden) return true;
    const auto after = std::max(last_turn_ + direct_every * interval, last_join_);  // all had their first turn by then
    last_turn_ = place.ask_at = std::max<SteadyTime>(place.ask_at, after);
    return true;
}

void Directory::is_live(const std::string& channel, Place& place) {
    const bool unlisted = std::all_of(lists_.begin(), lists_.end(), [&channel](const List& l) {
        return l.state == List::State::good && !l.ids.contains(channel);
    });
    if (!unlisted || place.unlisted) return;
    place.unlisted = true;
    place.ask_at = std::min<SteadyTime>(place.ask_at, shard_.clock().now() + unlisted_again);
}

void Directory::begin_reading(List& list) {
    if (list.reading || shard_.clock().now() < list.next_read || tasks_.stopping().asked()) return;
    list.reading = true;
    tasks_.spawn(read(list), "fc2 list");
}

Task<void> Directory::read(List& list) {
    co_await errors_not_throws();
    auto got = co_await api_.live_channels(list.adult);
    if (got) {
        const auto smallest = wishes_.empty() ? Millis(0) : *wishes_.begin();
        list.next_read = shard_.clock().now() + std::max(smallest, lists_every * api_.limiter().interval());
        list.state = List::State::good;
        list.ids = std::move(*got);
        list.again.reset();
        if (std::exchange(list.told, false))
            WEIR_LOG(info, "a list of live channels can be read again", {"list", list.adult ? "adult" : "general"});
    } else {
        failed(list, got.error());
    }
    list.reading = false;
    was_read_.notify();
}

void Directory::failed(List& list, const Error& why) {
    const auto now = shard_.clock().now();
    if (why.code == Errc::busy && why.retry_after) {  // it says nothing of the list; nobody is asked meanwhile
        list.state = List::State::unknown;
        list.next_read = now + *why.retry_after - waited_for;
        return;
    }
    list.state = List::State::bad;
    list.next_read = now + list.again.next(why.retry_after, std::chrono::minutes(10));
    if (why.code == Errc::cancelled || std::exchange(list.told, true)) return;
    WEIR_LOG(warn, "a list of live channels cannot be read; who may be in it is asked directly, more slowly",
             {"list", list.adult ? "adult" : "general"}, {"error", why.text()});
}

Task<void> Directory::stop() {
    co_await tasks_.stop("fc2 stops");
    for (auto& list : lists_) list.reading = false;
    was_read_.notify();
}

}  // namespace weir::fc2
