#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/metrics.h"
#include "base/time.h"
#include "base/trace.h"

/// The OpenTelemetry protocol's messages, binary and as JSON. Pure. Facts: protocols/telemetry.md 3.
namespace weir::otlp {

enum class Form : std::uint8_t { protobuf, json };

using Resource = std::vector<trace::Attribute>;

/// ExportTraceServiceRequest: spans grouped by tracer.
[[nodiscard]] std::string trace_request(const Resource& resource, std::span<const trace::SpanData> spans, Form form);

enum class Temporality : std::uint8_t { cumulative, delta };
struct MetricsOptions {
    Temporality temporality = Temporality::cumulative;  ///< of counters and histograms; gauges have none
    WallTime start, now;                                ///< start: of the process, or of the last export when delta
    bool exponential = false;                           ///< histograms as base2 exponential ones (made from the bounds)
};
/// ExportMetricsServiceRequest. Families of the reference bear its OpenTelemetry names, units and scope (telemetry.md 1.1:
/// "downloads_runs_total" is "downloads.runs"), our own theirs with the unit taken off ("…_seconds" has unit "s").
/// `before`: the last snapshot when delta (nothing: since the start).
[[nodiscard]] std::string metrics_request(const Resource& resource, const std::vector<metrics::Family>& families,
                                          const std::vector<metrics::Family>& before, const MetricsOptions& options,
                                          Form form);

/// What a collector answered with 200 / grpc-status 0.
struct Accepted {
    std::int64_t rejected = 0;
    std::string message = {};
};
[[nodiscard]] Result<Accepted> read_response(std::string_view body, Form form);

/// google.rpc.Status (of an error's body or grpc-status-details-bin after base64): its text, and RetryInfo's delay when it holds one.
struct RpcStatus {
    int code = 0;
    std::string message = {};
    std::optional<Micros> retry_delay = {};
};
[[nodiscard]] Result<RpcStatus> read_status(std::string_view body, Form form);

/// One gRPC message frame, and back (limit 4 MiB).
[[nodiscard]] std::string grpc_frame(std::string_view message, bool compressed);
[[nodiscard]] Result<std::string> grpc_message(std::string_view body);

/// Everything that the environment says (telemetry.md 3.2).
struct Endpoint {
    enum class Protocol : std::uint8_t { grpc, http_protobuf, http_json };
    Protocol protocol = Protocol::grpc;
    std::string url;  ///< the whole one to POST to; for gRPC with the method's path
    std::vector<std::pair<std::string, std::string>> headers = {};
    bool gzip = false;
    Millis timeout{10'000};
    std::string ca_file = {}, client_certificate = {}, client_key = {};
};
struct Settings {
    bool disabled = false;  ///< OTEL_SDK_DISABLED
    Endpoint traces = {}, metrics = {};
    Resource resource = {};
    Temporality temporality = Temporality::cumulative;
    bool exponential = false;
    Millis metric_interval{60'000}, metric_timeout{30'000};
    Millis batch_delay{5'000}, batch_timeout{30'000};
    std::size_t queue = 2048, batch = 512;
    enum class Sampler : std::uint8_t { always_on, always_off, ratio } sampler = Sampler::always_on;
    bool parent_based = true;
    double ratio = 1.0;
    trace::Sink::Limits limits = {};
};
/// `get`: a variable, none when it is not set. `program`: for service.name, "weir".
/// Without OTEL_EXPORTER_OTLP_PROTOCOL it is gRPC, as the reference's only one; then the default endpoint is localhost:4317 without
/// TLS, and an endpoint without a scheme has TLS unless …_INSECURE.
/// Errors: bad_input naming the variable and what it takes; never a header's value.
[[nodiscard]] Result<Settings> read_settings(const std::function<std::optional<std::string>(const char*)>& get,
                                             std::string_view program, std::string_view version);

}  // namespace weir::otlp
