#include "apps/fc2/directory.h"

#include <algorithm>

#include "base/log.h"

namespace weir::fc2 {
namespace {

constexpr double most_load = 0.8;
constexpr int direct_every = 4;  ///< of the limiter's intervals
constexpr int lists_every = 8;   ///< at most so often
constexpr Millis direct_from = std::chrono::minutes(4), direct_to = std::chrono::minutes(6);
const Backoff::Settings lists_again{Millis(5'000), Millis(60'000), 2.0};

}  // namespace

Directory::Directory(Shard& shard, Api& api, std::uint64_t seed)
    : shard_(shard),
      api_(api),
      random_(seed != 0 ? seed : std::random_device{}()),
      again_(lists_again, seed),
      was_read_(shard.executor()),
      tasks_(shard.executor()) {}

Millis Directory::drawn(Millis from, Millis to) {
    return Millis(std::uniform_int_distribution<Millis::rep>(from.count(), to.count())(random_));
}

std::unique_ptr<Directory::Place> Directory::join(Millis wish) {
    auto place = std::make_unique<Place>();
    place->wish = std::max(wish, Millis(1));
    place->ask_at = shard_.clock().now() + drawn(Millis(0), direct_to);
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

Millis Directory::pace(Millis wished) const {
    if (!crowded() || lists_ != Lists::bad) return wished;
    const auto slower = static_cast<double>(wished.count()) * std::max(load() / most_load, 1.0);
    return Millis(static_cast<Millis::rep>(slower));
}

Task<bool> Directory::worth_asking(const std::string& channel, Place& place) {
    if (!crowded()) co_return true;
    if (!reading_ && shard_.clock().now() >= next_read_) {
        reading_ = true;
        tasks_.spawn(read(), "fc2 lists");
        if (tasks_.stopping().asked()) reading_ = false;
    }
    bool on = true;
    while (reading_ && on) on = co_await was_read_.wait();
    if (!on || lists_ != Lists::good || live_.contains(channel)) co_return true;
    co_return may_ask(place);
}

/// Lists lag and may be wrong.
bool Directory::may_ask(Place& place) {
    const auto now = shard_.clock().now();
    auto& limiter = api_.limiter();
    if (now < place.ask_at || now < next_direct_ || limiter.waiting() > 0 || limiter.closed_for() > Millis(0))
        return false;
    next_direct_ = now + direct_every * limiter.interval();
    place.ask_at = now + drawn(direct_from, direct_to);
    return true;
}

Task<void> Directory::read() {
    co_await errors_not_throws();
    auto got = co_await read_both();
    const auto was = lists_;
    if (got) {
        again_.reset();
        lists_ = Lists::good;
        const auto smallest = wishes_.empty() ? Millis(0) : *wishes_.begin();
        next_read_ = shard_.clock().now() + std::max(smallest, lists_every * api_.limiter().interval());
        if (was == Lists::bad) WEIR_LOG(info, "fc2's lists of live channels can be read again");
    } else {
        lists_ = Lists::bad;
        next_read_ = shard_.clock().now() + again_.next(got.error().retry_after, std::chrono::minutes(10));
        if (was != Lists::bad && got.error().code != Errc::cancelled)
            WEIR_LOG(warn, "fc2's lists of live channels cannot be read; channels are asked one by one, more slowly",
                     {"error", got.error().text()});
    }
    reading_ = false;
    was_read_.notify();
}

/// What is listed lives on when the read fails: nobody looks at it then.
Task<Result<>> Directory::read_both() {
    auto all = co_await api_.live_channels(false);
    if (!all) co_return all.error();
    auto adult = co_await api_.live_channels(true);
    if (!adult) co_return adult.error();
    all->merge(*adult);
    live_ = std::move(*all);
    co_return Result<>{};
}

Task<void> Directory::stop() {
    co_await tasks_.stop("fc2 stops");
    reading_ = false;
    was_read_.notify();
}

}  // namespace weir::fc2
