#pragma once
#include <cstdint>

#include "core/source.h"
#include "io/url.h"
#include "runtime/clock.h"
#include "runtime/deadline.h"

namespace weir {

/// Patience between the tries for a stream that has not begun: as long as the user wants to wait, 1 to 5 s apart; what
/// may have had bad luck is tried three times more in any case. Our own refusals, what is unsupported and what is no
/// media are final.
/// threads  the clock's shard
class StartWaiter {
public:
    /// The seeds are those of the jitter, of short and of patient tries; 0: from the system.
    StartWaiter(Clock& clock, Millis patience, std::uint64_t short_seed, std::uint64_t patient_seed);

    /// After a try of `url` that ended with `why`: waits until the next one is due. errors: `why` when there is to be
    /// none, cancelled when demand.stop was asked. All three outlive the wait.
    Task<Result<>> wait(const Error& why, const Url& url, const Demand& demand);

private:
    Clock& clock_;
    SteadyTime until_;
    Backoff passing_, waiting_;
    bool said_ = false;
};

/// A refusal that no server made: by the guard of addresses.
[[nodiscard]] bool is_guard(const Error& e) noexcept;

}  // namespace weir
