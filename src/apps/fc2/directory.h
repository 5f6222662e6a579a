#pragma once
#include <memory>
#include <random>
#include <set>
#include <string>
#include <unordered_set>

#include "apps/fc2/api.h"
#include "runtime/task_group.h"

namespace weir::fc2 {

/// The two lists of all live channels, read for all watched channels at once when asking for each would exceed the limit
/// (FC2-141, section 11.19).
///
/// when      the channels' wishes together take more than 80 % of the limiter's rate
/// cost      two requests and two parses for each smallest wish, however many channels there are; a look is one hash lookup
/// blind     a list that cannot be read tells nothing: the channels are asked directly, more slowly, and the list is tried again
/// trust     who is not listed is asked directly about every 5 min, all of them with at most a quarter of the limiter's rate
/// threads   one shard
class Directory {
public:
    /// What one watched channel wishes; the Directory's until leave().
    struct Place {
        Millis wish{0};
        SteadyTime ask_at = {};  ///< the next direct question to one that is not listed
    };

    Directory(Shard& shard, Api& api, std::uint64_t seed);
    std::unique_ptr<Place> join(Millis wish);
    void leave(const Place& place) noexcept;
    /// False: it is not live, and need not be asked now.
    Task<bool> worth_asking(const std::string& channel, Place& place);
    [[nodiscard]] Millis pace(Millis wished) const;
    Task<void> stop();

private:
    /// The share of the limiter's rate that asking for each channel would take.
    [[nodiscard]] double load() const;
    [[nodiscard]] bool crowded() const;
    [[nodiscard]] bool may_ask(Place& place);
    [[nodiscard]] Millis drawn(Millis from, Millis to);
    Task<void> read();
    Task<Result<>> read_both();

    Shard& shard_;
    Api& api_;
    std::mt19937_64 random_;
    std::multiset<Millis> wishes_;
    double rate_ = 0;  ///< questions a second, as wished
    std::unordered_set<std::string> live_;
    enum class Lists : std::uint8_t { unknown, good, bad } lists_ = Lists::unknown;
    bool reading_ = false;
    SteadyTime next_read_{}, next_direct_{};
    Backoff again_;
    Bell was_read_;
    TaskGroup tasks_;
};

}  // namespace weir::fc2
