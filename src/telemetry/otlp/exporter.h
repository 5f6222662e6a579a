#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "io/http_client.h"
#include "proto/otlp/otlp.h"
#include "runtime/shard.h"

namespace weir::telemetry {

/// Sends spans in batches and metrics in an interval to an OTLP collector, by gRPC or HTTP. It can never delay or stop a recording:
/// a full queue drops spans (counted), a collector that is away costs retries in the background and a warning once a streak.
///
/// start    installs the sink of base/trace.h when traces are wanted
/// retry    telemetry.md 3.5: 5 s, x 1.5, ±50 %, at most 30 s between, given up after 60 s; Retry-After and RetryInfo are kept
/// stop     what is queued is sent with a fresh deadline of `drain`, one last metric export included
/// metrics  weir_otlp_spans_dropped_total, weir_otlp_exports_total{signal,result}
/// secrets  headers and URLs are never logged
/// threads  one shard; the sink any
class OtlpExporter {
public:
    struct What {
        bool traces = false, metrics = false;
        Millis drain{4'000};
    };
    /// Errors: bad_input: a CA or client certificate file that cannot be read (named).
    static Result<std::unique_ptr<OtlpExporter>> create(Shard& shard, std::shared_ptr<Resolver> resolver,
                                                        otlp::Settings settings, What what);
    virtual ~OtlpExporter() = default;  ///< stop() was awaited
    virtual void start() = 0;
    virtual Task<void> stop() = 0;
};

}  // namespace weir::telemetry
