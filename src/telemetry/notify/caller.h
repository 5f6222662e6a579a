#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/http_client.h"
#include "proto/notify/service.h"
#include "runtime/shard.h"

namespace weir {
class Resolver;
class WorkerPool;
}  // namespace weir

namespace weir::telemetry {

/// Takes what is secret in a service's URL out of texts: errors and what a server said may repeat it.
class Scrubber {
public:
    explicit Scrubber(std::string_view service_url);
    /// One line of at most 300 bytes; of addresses in it only scheme and host stay.
    [[nodiscard]] std::string clean(std::string_view text) const;

private:
    std::vector<std::string> secrets_;  ///< longest first
};

/// Makes the calls of one service, each once: HTTP through the client; mail and MQTT, which block, on a thread of their own, made
/// when first needed; a LogCall is one log line. Names are looked up before that thread is asked: a name server that hangs holds up
/// no stop.
/// limits  10 s a call (mail: its own timeout), 1 MiB of answer
/// threads one shard; one call at a time on that thread, others wait
class Caller {
public:
    /// `resolver` is for mail and MQTT; none: one of its own, made when first needed.
    Caller(Shard& shard, HttpClient& http, std::shared_ptr<Resolver> resolver = nullptr);
    ~Caller();
    /// Errors: no answer. An answer of any status is a Reply, and `retry_after` what it asks for.
    Task<Result<notify::Reply>> make(notify::Call call, std::optional<Millis>* retry_after = nullptr);

private:
    Task<Result<notify::Reply>> http_call(notify::HttpCall call, std::optional<Millis>* retry_after);
    Task<Result<notify::Reply>> mail_call(notify::MailCall call);
    Task<Result<notify::Reply>> mqtt_call(notify::MqttCall call);
    Task<Result<std::vector<std::string>>> addresses_of(std::string host, Millis& patience);
    Task<Result<notify::Reply>> blocking(std::function<Result<>(const std::atomic<bool>&)> job);

    Shard& shard_;
    HttpClient& http_;
    std::shared_ptr<Resolver> resolver_;
    std::unique_ptr<WorkerPool> thread_;
};

}  // namespace weir::telemetry
