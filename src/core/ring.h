#pragma once
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/item.h"

namespace weir::hub {

/// What one item costs beside its payload: counted against the limit, so that a flood of tiny items is bounded too.
inline constexpr std::uint64_t item_overhead = 256;

/// Of an Init, what it takes beside that: its publisher chooses how much that is.
[[nodiscard]] inline std::uint64_t cost_beside(const Item& item) noexcept {
    const auto* init = std::get_if<InitPtr>(&item);
    if (!init) return 0;
    std::uint64_t cost = (*init)->header.size();
    for (const auto& track : (*init)->tracks) cost += sizeof(Track) + track.extradata.size();
    return cost;
}

struct Entry {
    std::shared_ptr<const Item> item;
    std::uint64_t before = 0;  ///< payload bytes published before this item
    SteadyTime arrival = {};
    std::size_t size = 0;
};

/// The items of a Stream by position: 1, 2, 3 … without holes. A power-of-two circle that grows to what the limits ask
/// for.
/// threads  one owner
class Ring {
public:
    [[nodiscard]] std::uint64_t first() const noexcept { return first_; }
    [[nodiscard]] std::uint64_t next() const noexcept { return next_; }  ///< the position the next item will get
    [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
    [[nodiscard]] std::size_t items() const noexcept { return static_cast<std::size_t>(next_ - first_); }
    [[nodiscard]] bool holds(std::uint64_t pos) const noexcept { return pos >= first_ && pos < next_; }
    [[nodiscard]] const Entry& at(std::uint64_t pos) const noexcept { return slots_[pos & (slots_.size() - 1)]; }
    [[nodiscard]] std::uint64_t payload() const noexcept { return total_ - before(first_); }
    [[nodiscard]] std::uint64_t cost() const noexcept { return payload() + beside_ + items() * item_overhead; }
    [[nodiscard]] std::uint64_t beside() const noexcept { return beside_; }  ///< headers and tracks of Inits
    /// Payload bytes published before `pos`, which is in the ring or the next position.
    [[nodiscard]] std::uint64_t before(std::uint64_t pos) const noexcept {
        return pos < next_ ? at(pos).before : total_;
    }

    void push(std::shared_ptr<const Item> item, std::size_t size, SteadyTime arrival) {
        if (items() == slots_.size()) grow();
        beside_ += cost_beside(*item);
        slots_[next_ & (slots_.size() - 1)] = Entry{std::move(item), total_, arrival, size};
        total_ += size;
        ++next_;
    }
    void pop() {
        auto& item = slots_[first_ & (slots_.size() - 1)].item;
        beside_ -= cost_beside(*item);
        item.reset();
        ++first_;
    }

private:
    void grow() {
        std::vector<Entry> bigger(slots_.size() * 2);
        for (auto pos = first_; pos != next_; ++pos)
            bigger[pos & (bigger.size() - 1)] = std::move(slots_[pos & (slots_.size() - 1)]);
        slots_ = std::move(bigger);
    }

    std::vector<Entry> slots_ = std::vector<Entry>(64);
    std::uint64_t first_ = 1, next_ = 1, total_ = 0, beside_ = 0;
};

}  // namespace weir::hub
