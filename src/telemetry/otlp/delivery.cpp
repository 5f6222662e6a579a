#include "telemetry/otlp/delivery.h"

#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "runtime/task_group.h"

namespace weir::telemetry {
namespace {

using namespace std::chrono_literals;
using What = Verdict::What;

constexpr Millis first_pause = 5s, longest_pause = 30s, given_up_after = 60s;
constexpr double growth = 1.5;
constexpr Millis hurried_pause = 300ms;

metrics::Counter exports(const std::string& signal, const char* result) {
    return metrics::counter("weir_otlp_exports_total", "Exports to the OTLP collector, by how they ended",
                            {{"signal", signal}, {"result", result}});
}

}  // namespace

Delivery::Delivery(Shard& shard, std::unique_ptr<HttpClient> http, Exchange exchange, Settings settings)
    : clock_(shard.clock()),
      http_(std::move(http)),
      exchange_(std::move(exchange)),
      settings_(std::move(settings)),
      delivered_(exports(settings_.signal, "delivered")),
      failed_(exports(settings_.signal, "failed")),
      hurried_(shard.executor()),
      random_(static_cast<std::uint32_t>(settings_.seed != 0 ? settings_.seed : std::random_device{}())) {}

void Delivery::hurry(SteadyTime until) {
    until_ = until;
    hurried_.notify();
}

Task<Verdict> Delivery::attempt(std::string message) {
    auto request = exchange_.request(message, settings_.timeout);
    request.deadline = clock_.now() + settings_.timeout;
    if (until_) request.deadline = std::min(*request.deadline, *until_);
    auto answer = co_await http_->fetch(std::move(request));
    co_return exchange_.judge(answer);
}

Task<bool> Delivery::send(std::string message) {
    const auto begun = clock_.now();
    if (message.size() > most_request) {
        WEIR_LOG(warn, "an export is too large and is dropped", {"signal", settings_.signal},
                 {"bytes", message.size()});
        failed_.add();
        co_return false;
    }
    for (int tries = 1;; ++tries) {
        const auto verdict = co_await attempt(message);
        const bool on = co_await clock_.sleep_for(Micros{0});
        if (on) tell(verdict);
        if (verdict.what == What::delivered) {
            delivered_.add();
            co_return true;
        }
        const auto wait = on ? pause_after(verdict, begun, tries) : std::nullopt;
        bool again = wait.has_value();
        if (again) again = co_await pause(*wait);
        if (!again) {
            failed_.add();
            co_return false;
        }
    }
}

std::optional<Millis> Delivery::pause_after(const Verdict& verdict, SteadyTime begun, int tries) {
    if (verdict.what != What::again) return {};
    if (until_ && verdict.nobody) return {};
    auto wait = until_ ? hurried_pause : own_pause(tries);
    if (verdict.pause && *verdict.pause > Millis{0}) wait = *verdict.pause;
    const auto limit = until_ ? *until_ : begun + given_up_after;
    if (clock_.now() + wait >= limit) return {};
    return wait;
}

Millis Delivery::own_pause(int tries) {
    const double grown = static_cast<double>(first_pause.count()) * std::pow(growth, std::min(tries, 20) - 1);
    const double length = std::min(grown, static_cast<double>(longest_pause.count()) / 1.5);
    std::uniform_real_distribution<double> jitter(0.5, 1.5);
    return Millis{static_cast<Millis::rep>(length * jitter(random_))};
}

Task<bool> Delivery::pause(Millis length) {
    const bool hurried_before = until_.has_value();
    const auto until = clock_.now() + length;
    while (clock_.now() < until) {
        auto ring = hurried_.wait();
        const bool rung = co_await with_deadline(clock_, until, std::move(ring));
        if (rung && until_ && !hurried_before) co_return true;
        if (!rung && clock_.now() < until) co_return false;
    }
    co_return true;
}

void Delivery::tell(const Verdict& verdict) {
    if (verdict.what == What::delivered) {
        if (std::exchange(failing_, false))
            WEIR_LOG(info, "the OTLP collector takes what we send again", {"signal", settings_.signal});
        tell_partial(verdict.accepted);
        return;
    }
    if (std::exchange(failing_, true)) return;
    WEIR_LOG(warn, "the OTLP collector does not take what we send", {"signal", settings_.signal}, {"why", verdict.why},
             {"again", verdict.what == What::again ? "tried again" : "dropped"});
}

/// Never sent twice: what was left out would be left out again.
void Delivery::tell_partial(const otlp::Accepted& accepted) {
    if (accepted.rejected == 0 && accepted.message.empty()) {
        partial_told_ = false;
        return;
    }
    if (std::exchange(partial_told_, true)) return;
    if (accepted.rejected == 0)
        WEIR_LOG(warn, "the OTLP collector has a remark", {"signal", settings_.signal}, {"says", accepted.message});
    else
        WEIR_LOG(warn, "the OTLP collector left out some of what we sent", {"signal", settings_.signal},
                 {"left out", accepted.rejected}, {"says", accepted.message});
}

}  // namespace weir::telemetry
