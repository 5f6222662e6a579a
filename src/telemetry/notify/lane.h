#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/metrics.h"
#include "runtime/deadline.h"
#include "telemetry/notify/caller.h"

namespace weir::telemetry {

/// The messages for one service: one after the other, in order, with their tries and at their pace.
/// limits  those of Sender
/// threads one shard
class Lane {
public:
    struct Settings {
        int number = 1;  ///< in the list of URLs: for logs
        Millis first_wait{1'000};
    };
    Lane(Shard& shard, HttpClient& http, std::unique_ptr<notify::Service> service, Scrubber scrubber,
         Settings settings);
    Lane(const Lane&) = delete;

    void add(notify::Message message);
    /// Sends until it is cancelled, or after finish() nothing is left. Once.
    Task<void> run();
    /// What is queued goes out without regard to the pace, then run() ends.
    void finish();
    /// What will not be sent any more is counted and told; after run().
    void drop_rest();
    /// One message past the queue, each call tried once; the error has no secrets.
    Task<Result<>> try_once(notify::Message message);

    [[nodiscard]] std::string scheme() const { return std::string(service_->scheme()); }
    [[nodiscard]] std::size_t waiting() const noexcept { return queue_.size() + (sending_ ? 1 : 0); }

private:
    /// What one message may still cost.
    struct Budget {
        int retries = 0;
        SteadyTime until{};
        Millis wait{0};
    };
    Task<bool> keep_pace();
    Task<Result<>> send(notify::Message message, Budget budget);
    Task<Result<notify::Reply>> persist(notify::Call call, Budget& budget);
    [[nodiscard]] notify::Surroundings surroundings() const;
    void tell_failure(const Error& why) const;

    Shard& shard_;
    Clock& clock_;
    std::unique_ptr<notify::Service> service_;
    const Scrubber scrubber_;
    const Settings settings_;
    Caller caller_;
    Bell bell_;
    std::deque<notify::Message> queue_;
    SteadyTime booked_{};  ///< the pace: when the messages so far would be out at one a second
    bool sending_ = false, finishing_ = false, overflow_told_ = false;
    metrics::Counter sent_, failed_, dropped_;
};

}  // namespace weir::telemetry
