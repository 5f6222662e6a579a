#include "apps/sites/rate_limiter.h"

#include <algorithm>
#include <list>
#include <random>

namespace weir::sites {

/// Held by every call that waits, too: the limiter may go meanwhile.
struct RateLimiter::Inner {
    /// One that waits for its turn; the first of them waits for the time, the others for being the first.
    struct Place {
        Place(const asio::any_io_executor& ex, bool hurries) : turn(ex), urgent(hurries) {}
        Bell turn;
        const bool urgent;
    };
    struct State {
        State(asio::any_io_executor e, Clock& c, Settings s, std::uint64_t seed)
            : ex(std::move(e)), clock(c), settings(s), random(seed != 0 ? seed : std::random_device{}()) {
            settings.interval = std::max(settings.interval, Millis(0));
            settings.burst = std::max(settings.burst, 1);
        }

        /// What a whole burst owes: with so much ahead of now, one more has to wait.
        [[nodiscard]] Micros slack() const { return Micros(settings.interval) * (settings.burst - 1); }
        [[nodiscard]] SteadyTime opens() const {
            return std::max<SteadyTime>(closed_until, paid_until - slack() + wobble);
        }
        void take() {
            const auto now = clock.now();
            paid_until = std::max(paid_until, now) + settings.interval;
            // Around its grid, so that two that follow each other are 80 to 120 % apart and the rate stays.
            const auto tenth = Micros(settings.interval).count() / 10;
            std::uniform_int_distribution<Micros::rep> around(-tenth, tenth);
            wobble = paid_until - slack() > now ? Micros(around(random)) : Micros(0);
        }
        void leave(std::list<std::shared_ptr<Place>>::iterator place) {
            const bool was_first = place == queue.begin();
            queue.erase(place);
            if (was_first && !queue.empty()) queue.front()->turn.notify();
        }

        asio::any_io_executor ex;
        Clock& clock;
        Settings settings;
        std::mt19937_64 random;
        SteadyTime paid_until{}, closed_until{};
        Micros wobble{0};
        std::list<std::shared_ptr<Place>> queue;
        bool gone = false;
    };
    static Task<bool> pass(std::shared_ptr<State> state, bool urgent);

    std::shared_ptr<State> state;
};

Task<bool> RateLimiter::Inner::pass(std::shared_ptr<State> state, bool urgent) {
    auto& s = *state;
    const auto mine = std::make_shared<Place>(s.ex, urgent);
    const auto before =
        std::find_if(s.queue.begin(), s.queue.end(), [urgent](const auto& other) { return urgent && !other->urgent; });
    const auto place = s.queue.insert(before, mine);
    bool on = true;
    while (on && !s.gone) {
        // A penalty, or somebody urgent, may come while it sleeps.
        const bool first = s.queue.front() == mine;
        if (first && s.clock.now() >= s.opens()) break;
        if (first)
            on = co_await s.clock.sleep_until(s.opens());
        else
            on = co_await mine->turn.wait();
    }
    on = on && !s.gone;
    if (on) s.take();
    s.leave(place);
    co_return on;
}

RateLimiter::RateLimiter(asio::any_io_executor ex, Clock& clock, Settings settings, std::uint64_t seed)
    : inner_(std::make_unique<Inner>()) {
    inner_->state = std::make_shared<Inner::State>(std::move(ex), clock, settings, seed);
}

RateLimiter::~RateLimiter() {
    inner_->state->gone = true;
    for (const auto& place : inner_->state->queue) place->turn.notify();
}

Task<bool> RateLimiter::pass(bool urgent) {
    return Inner::pass(inner_->state, urgent);
}

void RateLimiter::penalise(Millis pause) {
    auto& s = *inner_->state;
    s.closed_until = std::max<SteadyTime>(s.closed_until, s.clock.now() + pause);
    // Afterwards one by one: a burst would be the next offence.
    s.paid_until = std::max<SteadyTime>(s.paid_until, s.closed_until + s.slack());
}

std::size_t RateLimiter::waiting() const noexcept {
    return inner_->state->queue.size();
}

Millis RateLimiter::interval() const noexcept {
    return inner_->state->settings.interval;
}

Millis RateLimiter::closed_for() const {
    const auto& s = *inner_->state;
    return std::max(std::chrono::ceil<Millis>(s.closed_until - s.clock.now()), Millis(0));
}

}  // namespace weir::sites
