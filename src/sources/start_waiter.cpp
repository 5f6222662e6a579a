#include "sources/start_waiter.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/secret.h"

namespace weir {
namespace {

constexpr int short_tries = 3;

/// Is it the way to the thing that is disturbed? Then it is worth another try even when nobody wants to wait.
bool is_passing(const Error& e) {
    return e.code == Errc::timed_out || e.code == Errc::lost_peer || e.code == Errc::busy || e.status >= 500;
}

bool is_final(const Error& e) {
    return is_guard(e) || e.code == Errc::cancelled || e.code == Errc::unsupported;
}

}  // namespace

bool is_guard(const Error& e) noexcept {
    return e.code == Errc::denied && e.status == 0;
}

StartWaiter::StartWaiter(Clock& clock, Millis patience, std::uint64_t short_seed, std::uint64_t patient_seed)
    : clock_(clock),
      until_(clock.now() + patience),
      passing_({Millis{500}, Millis{4'000}, 2.0}, short_seed),
      waiting_({Millis{1'000}, Millis{5'000}, 1.5}, patient_seed) {}

Task<Result<>> StartWaiter::wait(const Error& why, const Url& url, const Demand& demand) {
    if (demand.stop.asked()) co_return Error{Errc::cancelled, demand.stop.reason()};
    if (is_final(why)) co_return why;
    const bool patient = clock_.now() < until_ && why.code != Errc::bad_input;
    if (!patient && !(is_passing(why) && passing_.attempts() < short_tries)) co_return why;
    if (patient && !std::exchange(said_, true))
        WEIR_LOG(info, "waiting for the stream to begin", {"url", masked_url(url.text())}, {"why", why.text()});
    const auto pause = (patient ? waiting_ : passing_).next(why.retry_after);
    const auto wake = patient ? std::min(clock_.now() + pause, until_) : clock_.now() + pause;
    const bool slept = co_await clock_.sleep_until(wake);
    if (!slept) co_return Error{Errc::cancelled, demand.stop.reason()};
    co_return Result<>();
}

}  // namespace weir
