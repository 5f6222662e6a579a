#pragma once
#include <array>
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
/// blind     a list that cannot be read tells nothing, and is tried again. While only one can be read, who may be in the other is
///           asked directly, all of them with at most 70 % of the limiter's rate; while none can, all are, at a slower pace
/// trust     who is not listed is asked directly about every 5 min in turn, all of them with at most a quarter of the limiter's
///           rate; who was live without being listed, every 30 s
/// threads   one shard
class Directory {
public:
    /// What one watched channel wishes; the Directory's until leave().
    struct Place {
        Millis wish{0};
        SteadyTime asked = {}, ask_at = {};  ///< the last and the next direct question to one that is not listed
        int list = -1;                       ///< that it was seen in last; -1: none yet
        bool unlisted = false;               ///< was live, and in no list
    };

    Directory(Shard& shard, Api& api, std::uint64_t seed);
    std::unique_ptr<Place> join(Millis wish);
    void leave(const Place& place) noexcept;
    /// False: it is not live, and need not be asked now.
    Task<bool> worth_asking(const std::string& channel, Place& place);
    /// memberApi says so.
    void is_live(const std::string& channel, Place& place);
    [[nodiscard]] Millis pace(Millis wished) const;
    Task<void> stop();

private:
    struct List {
        enum class State : std::uint8_t { unknown, good, bad };
        List(bool a, std::uint64_t seed);
        const bool adult;
        State state = State::unknown;
        bool reading = false, told = false;  ///< told: that it cannot be read
        SteadyTime next_read{};
        Backoff again;
        std::unordered_set<std::string> ids;
    };

    /// The share of the limiter's rate that asking for each channel would take.
    [[nodiscard]] double load() const;
    [[nodiscard]] bool crowded() const;
    [[nodiscard]] bool any_good() const;
    [[nodiscard]] bool to_be_read() const;
    [[nodiscard]] bool judge(const std::string& channel, Place& place);
    [[nodiscard]] bool may_ask(Place& place, bool hidden);
    [[nodiscard]] Millis drawn(Millis from, Millis to);
    void begin_reading(List& list);
    Task<void> read(List& list);
    void failed(List& list, const Error& why);

    Shard& shard_;
    Api& api_;
    std::mt19937_64 random_;
    std::multiset<Millis> wishes_;
    double rate_ = 0;  ///< questions a second, as wished
    std::array<List, 2> lists_;
    SteadyTime next_direct_{}, last_join_{}, last_turn_{};
    Bell was_read_;
    TaskGroup tasks_;
};

}  // namespace weir::fc2
