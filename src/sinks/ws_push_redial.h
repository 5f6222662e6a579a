#pragma once
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace weir::ws_push {

/// When to dial again. Failures wait `first`, `factor` times as long each time, at most `longest`, each wait up to `jitter` of
/// it shorter (VW-72). Many who lose one server at once must not come back at once (reliability.md F12): after a lost
/// connection up to two `first` are added, drawn evenly. Only a connection that lived for `proven` sets the waits back (VW-73).
/// threads  one owner; pure
class Redial {
public:
    struct Settings {
        Millis first{1'000}, longest{10'000}, proven{10'000};
        double jitter = 0.3, factor = 2.0;
    };
    Redial(Settings settings, std::uint64_t seed);

    /// What the peer asked for (Retry-After) is never undercut.
    [[nodiscard]] Millis after_failure(std::optional<Millis> asked_for = {});
    [[nodiscard]] Millis after_loss(Millis lived);

private:
    [[nodiscard]] double draw();  ///< [0, 1)
    [[nodiscard]] Millis spread();

    Settings settings_;
    std::uint64_t state_;
    double next_;
};

}  // namespace weir::ws_push
