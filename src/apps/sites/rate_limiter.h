#pragma once
#include <memory>

#include "runtime/clock.h"
#include "runtime/deadline.h"

namespace weir::sites {

/// One gate for all requests to a site's API: `burst` at once, then one every `interval`, ±20 %; first come, first served. A peer that
/// says "too many" (penalise) closes it for all for a while.
/// threads  one shard
class RateLimiter {
public:
    struct Settings {
        Millis interval{250};
        int burst = 4;
    };
    RateLimiter(asio::any_io_executor ex, Clock& clock, Settings settings, std::uint64_t seed = 0);
    ~RateLimiter();
    /// Waits for its turn; false when cancelled. Who is `urgent` (a recording that reconnects) goes before all who are not.
    Task<bool> pass(bool urgent = false);
    /// Nobody passes before now + `pause`; repeated ones do not add up.
    void penalise(Millis pause);
    [[nodiscard]] std::size_t waiting() const noexcept;
    [[nodiscard]] Millis interval() const noexcept;
    [[nodiscard]] Millis closed_for() const;  ///< by penalise(); 0: it is open

private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace weir::sites
