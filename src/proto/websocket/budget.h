#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weir::ws {

/// How much memory the unfinished incoming messages of many connections may take together: each of them stays below its own limit
/// and a crowd of them would not (reliability.md lesson 27).
/// threads  any
class Budget {
public:
    explicit Budget(std::uint64_t most) noexcept : most_(most) {}
    Budget(const Budget&) = delete;
    [[nodiscard]] std::uint64_t held() const noexcept { return held_.load(std::memory_order_relaxed); }
    void set_limit(std::uint64_t most) noexcept { most_.store(most, std::memory_order_relaxed); }

private:
    friend class BudgetShare;
    std::atomic<std::uint64_t> most_, held_{0};
};

/// What one connection takes of a Budget; given back at the end.
/// threads  one owner
class BudgetShare {
public:
    explicit BudgetShare(Budget* of) noexcept : of_(of) {}
    BudgetShare(const BudgetShare&) = delete;
    ~BudgetShare() { (void)hold(0); }

    /// From now on `bytes` in all. False: that is too much for the Budget, and nothing has changed. Less is always granted.
    bool hold(std::size_t bytes) noexcept {
        if (!of_ || bytes == mine_) return true;
        auto& held = of_->held_;
        if (bytes < mine_) {
            held.fetch_sub(mine_ - bytes, std::memory_order_relaxed);
        } else {
            const auto more = bytes - mine_;
            const auto before = held.fetch_add(more, std::memory_order_relaxed);
            if (before + more > of_->most_.load(std::memory_order_relaxed)) {
                held.fetch_sub(more, std::memory_order_relaxed);
                return false;
            }
        }
        mine_ = bytes;
        return true;
    }

private:
    Budget* of_;
    std::size_t mine_ = 0;
};

/// That of the process, for all peers that are not trusted: 64 MiB unless another limit is set.
[[nodiscard]] Budget& incoming_budget() noexcept;

}  // namespace weir::ws
