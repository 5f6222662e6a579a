#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/http_client.h"
#include "proto/notify/service.h"
#include "runtime/shard.h"

namespace weir::telemetry {

/// Sends messages to notification services, each from a queue of its own, in order: none can delay a recording or another service.
///
/// queue    100 messages a service; when full the oldest goes, counted and told in the log once a streak
/// tries    connection trouble, 429 (Retry-After, at most 60 s) and 5xx: 1, 2, 4 … 64 s apart, at most 6 tries and 5 min a message;
///          each try 10 s (SMTP: its URL's timeout). What the service refuses (other 4xx, its own complaint) is not sent again
/// pace     at most one message a second and service once 5 went out at once
/// logs     failures name the scheme and the number of the URL in the list, never the URL
/// metrics  weir_notifications_total{service,result="sent"|"failed"|"dropped"}
/// threads  one shard
class Sender {
public:
    struct Settings {
        std::vector<std::string> urls = {};
        Millis first_wait{1'000};  ///< between tries
    };
    /// Errors: bad_input: the number and the scheme of each URL that is wrong, and why.
    static Result<std::unique_ptr<Sender>> create(Shard& shard, HttpClient& http, Settings settings);
    virtual ~Sender() = default;  ///< stop() was awaited
    virtual void send(notify::Message message) = 0;
    /// Sends what is queued for at most `drain`, drops the rest (told in the log).
    virtual Task<void> stop(Millis drain) = 0;
    /// One message to every service, now, each with one try of its own: for `weir notify test`.
    struct Outcome {
        std::string scheme;
        Result<> result;
        Millis took{0};
    };
    virtual Task<std::vector<Outcome>> try_all(notify::Message message) = 0;
};

}  // namespace weir::telemetry
