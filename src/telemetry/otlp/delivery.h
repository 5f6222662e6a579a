#pragma once
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "base/metrics.h"
#include "runtime/deadline.h"
#include "runtime/shard.h"
#include "telemetry/otlp/exchange.h"

namespace weir::telemetry {

/// Exports of one signal, one after the other, each tried until it is taken, refused for good or too old (telemetry.md 3.5).
/// logs     a collector that does not take them, once a streak; one that leaves some out, once a streak
/// threads  one shard
class Delivery {
public:
    struct Settings {
        std::string signal;  ///< "traces", "metrics"
        Millis timeout{10'000};
        std::uint64_t seed = 0;  ///< of the jitter; 0: from the system
    };
    Delivery(Shard& shard, std::unique_ptr<HttpClient> http, Exchange exchange, Settings settings);

    [[nodiscard]] otlp::Form form() const noexcept { return exchange_.form(); }
    /// True: the collector has it.
    Task<bool> send(std::string message);
    /// From now on nothing is tried after `until`, and what waits to be tried again is tried at once.
    void hurry(SteadyTime until);

private:
    Task<Verdict> attempt(std::string message);
    /// Until the next try; nothing: there is none.
    [[nodiscard]] std::optional<Millis> pause_after(const Verdict& verdict, SteadyTime begun, int tries);
    [[nodiscard]] Millis own_pause(int tries);
    /// False: cancelled.
    Task<bool> pause(Millis length);
    void tell(const Verdict& verdict);
    void tell_partial(const otlp::Accepted& accepted);

    Clock& clock_;
    std::unique_ptr<HttpClient> http_;
    Exchange exchange_;
    const Settings settings_;
    metrics::Counter delivered_, failed_;
    Bell hurried_;
    std::optional<SteadyTime> until_;
    bool failing_ = false, partial_told_ = false;
    std::minstd_rand random_;
};

}  // namespace weir::telemetry
