#include "sinks/ws_push_redial.h"

#include <algorithm>
#include <cmath>

namespace weir::ws_push {

Redial::Redial(Settings settings, std::uint64_t seed)
    : settings_(settings), state_(seed), next_(static_cast<double>(settings.first.count())) {}

/// splitmix64: 53 good bits are plenty for jitter.
double Redial::draw() {
    state_ += 0x9e3779b97f4a7c15u;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return static_cast<double>(z >> 11) * 0x1.0p-53;
}

Millis Redial::spread() {
    return Millis(std::llround(2 * draw() * static_cast<double>(settings_.first.count())));
}

Millis Redial::after_failure(std::optional<Millis> asked_for) {
    const auto longest = static_cast<double>(settings_.longest.count());
    const auto whole = std::min(next_, longest);
    next_ = std::min(next_ * settings_.factor, longest);
    const auto own = Millis(std::llround(whole * (1 - settings_.jitter * draw())));
    return asked_for ? std::max(own, *asked_for + spread()) : own;
}

Millis Redial::after_loss(Millis lived) {
    if (lived < settings_.proven) return after_failure() + spread();
    next_ = static_cast<double>(settings_.first.count());
    return spread();
}

}  // namespace weir::ws_push
