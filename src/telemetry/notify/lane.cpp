#include "telemetry/notify/lane.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/log.h"
#include "base/random.h"
#include "runtime/task_group.h"

namespace weir::telemetry {
namespace {

constexpr std::size_t longest_queue = 100;
constexpr int most_retries = 5, burst = 5;
constexpr Millis apart{1'000}, longest_wait{64'000}, longest_asked{60'000}, message_limit{300'000};

metrics::Counter counter_of(std::string_view service, const char* result) {
    return metrics::counter("weir_notifications_total", "Notifications by service and what became of them",
                            {{"service", std::string(service)}, {"result", result}});
}

bool worth_another_try(const Result<notify::Reply>& reply) {
    if (reply) return reply->status == 429 || reply->status >= 500;
    const auto code = reply.error().code;
    return code == Errc::unreachable || code == Errc::timed_out || code == Errc::lost_peer || code == Errc::busy;
}

std::string random_bytes(std::size_t count) {
    std::string out(count, '\0');
    fill_random(std::as_writable_bytes(std::span(out)));
    return out;
}

std::string host_name() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
    return name.data();
}

}  // namespace

Lane::Lane(Shard& shard, HttpClient& http, std::unique_ptr<notify::Service> service, Scrubber scrubber,
           Settings settings)
    : shard_(shard),
      clock_(shard.clock()),
      service_(std::move(service)),
      scrubber_(std::move(scrubber)),
      settings_(settings),
      caller_(shard, http),
      bell_(shard.executor()),
      booked_(clock_.now()),
      sent_(counter_of(service_->scheme(), "sent")),
      failed_(counter_of(service_->scheme(), "failed")),
      dropped_(counter_of(service_->scheme(), "dropped")) {}

void Lane::add(notify::Message message) {
    if (finishing_) return dropped_.add();
    if (queue_.size() >= longest_queue) {
        queue_.pop_front();
        dropped_.add();
        if (!std::exchange(overflow_told_, true))
            WEIR_LOG(warn, "too many notifications wait: the oldest are dropped", {"service", service_->scheme()},
                     {"url", settings_.number});
    }
    queue_.push_back(std::move(message));
    bell_.notify();
}

void Lane::finish() {
    finishing_ = true;
    bell_.notify();
}

void Lane::drop_rest() {
    const auto rest = waiting();
    if (rest == 0) return;
    dropped_.add(static_cast<double>(rest));
    WEIR_LOG(warn, "notifications were not sent in time", {"service", service_->scheme()}, {"url", settings_.number},
             {"count", rest});
    queue_.clear();
    sending_ = false;
}

Task<void> Lane::run() {
    co_await errors_not_throws();
    bool go_on = true;
    while (go_on) {
        if (queue_.empty()) {
            overflow_told_ = false;
            if (finishing_) break;
            go_on = co_await bell_.wait();
            continue;
        }
        go_on = co_await keep_pace();
        if (!go_on) break;
        notify::Message message = std::move(queue_.front());
        queue_.pop_front();
        sending_ = true;
        const Budget budget{most_retries, clock_.now() + message_limit, settings_.first_wait};
        auto done = co_await send(std::move(message), budget);
        if (!done && done.error().code == Errc::cancelled) break;
        sending_ = false;
        (done ? sent_ : failed_).add();
        if (!done) tell_failure(done.error());
        if (done) WEIR_LOG(debug, "notification sent", {"service", service_->scheme()}, {"url", settings_.number});
    }
}

/// False when cancelled.
Task<bool> Lane::keep_pace() {
    const auto slack = apart * (burst - 1);
    while (!finishing_ && clock_.now() < booked_ - slack) {
        const auto until = booked_ - slack;
        Task<bool> ring = bell_.wait();
        const bool rung = co_await with_deadline(clock_, until, std::move(ring));
        if (!rung && clock_.now() < until) co_return false;
    }
    booked_ = std::max(booked_, clock_.now()) + apart;
    co_return true;
}

Task<Result<>> Lane::send(notify::Message message, Budget budget) {
    auto delivery = service_->deliver(message, surroundings());
    if (!delivery) co_return delivery.error();
    while (auto call = (*delivery)->next()) {
        auto reply = co_await persist(std::move(*call), budget);
        if (!reply && reply.error().code == Errc::cancelled) co_return reply.error();
        (*delivery)->take(reply);
    }
    co_return (*delivery)->outcome();
}

Task<Result<notify::Reply>> Lane::persist(notify::Call call, Budget& budget) {
    while (true) {
        std::optional<Millis> asked;
        notify::Call one = call;
        auto reply = co_await caller_.make(std::move(one), &asked);
        if (!worth_another_try(reply) || budget.retries <= 0) co_return reply;
        const auto wait = std::max(budget.wait, std::min(asked.value_or(Millis{0}), longest_asked));
        if (clock_.now() + wait > budget.until) co_return reply;
        --budget.retries;
        budget.wait = std::min(budget.wait * 2, longest_wait);
        WEIR_LOG(debug, "notification is tried again", {"service", service_->scheme()}, {"url", settings_.number},
                 {"in", fmt::format("{} ms", wait.count())},
                 {"why", reply ? fmt::format("http {}", reply->status) : scrubber_.clean(reply.error().text())});
        const bool slept = co_await clock_.sleep_for(wait);
        if (!slept) co_return Error{Errc::cancelled, "stopped while waiting for the next try"};
    }
}

Task<Result<>> Lane::try_once(notify::Message message) {
    co_await errors_not_throws();
    Budget none;
    auto done = co_await send(std::move(message), none);
    if (done) co_return done;
    Error clean = done.error();
    clean.what = scrubber_.clean(clean.text());
    clean.trail.clear();
    co_return clean;
}

notify::Surroundings Lane::surroundings() const {
    return {clock_.wall(), random_bytes, host_name()};
}

void Lane::tell_failure(const Error& why) const {
    WEIR_LOG(error, "notify failed", {"service", service_->scheme()}, {"url", settings_.number},
             {"why", scrubber_.clean(why.text())});
}

}  // namespace weir::telemetry
