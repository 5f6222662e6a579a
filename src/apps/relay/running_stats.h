#pragma once
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"

namespace weir::relay {

/// Count, mean, extremes and spread of numbers that come one by one (Welford; VW-80, SC-14): no list is kept.
/// threads  one owner; copying is a snapshot
class RunningStats {
public:
    void add(double x) noexcept {
        ++count_;
        const double from_old = x - mean_;
        mean_ += from_old / static_cast<double>(count_);
        squares_ += from_old * (x - mean_);
        min_ = count_ == 1 || x < min_ ? x : min_;
        max_ = count_ == 1 || x > max_ ? x : max_;
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] double mean() const noexcept { return mean_; }
    [[nodiscard]] double min() const noexcept { return min_; }
    [[nodiscard]] double max() const noexcept { return max_; }
    /// Of the sample (n - 1); 0 for fewer than two.
    [[nodiscard]] double variance() const noexcept {
        return count_ < 2 ? 0 : squares_ / static_cast<double>(count_ - 1);
    }
    [[nodiscard]] double stddev() const noexcept { return std::sqrt(variance()); }
    /// {"count":…,"min":…,"max":…,"mean":…,"stddev":…,"variance":…}
    [[nodiscard]] std::string json() const;

private:
    std::uint64_t count_ = 0;
    double mean_ = 0, squares_ = 0, min_ = 0, max_ = 0;
};

/// Size of messages in bytes, and the time between two in milliseconds. The first has none before it, and what comes after
/// more than a day is a first one again (VW-80).
class MessageStats {
public:
    void add(std::size_t bytes, SteadyTime arrival) noexcept;
    [[nodiscard]] const RunningStats& bytes() const noexcept { return bytes_; }
    [[nodiscard]] const RunningStats& gap_ms() const noexcept { return gap_; }

private:
    RunningStats bytes_, gap_;
    std::optional<SteadyTime> last_;
};

}  // namespace weir::relay
