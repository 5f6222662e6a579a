#include <algorithm>
#include <array>
#include <map>

#include "base/numbers.h"
#include "base/text.h"
#include "proto/otlp/endpoint.h"
#include "proto/otlp/environment.h"
#include "proto/otlp/otlp.h"

namespace weir::otlp {
namespace {

constexpr std::int64_t most_spans = 1'000'000;

/// The variable of that signal, and the general one.
struct Names {
    std::string own, general;
};
Names names_of(Signal signal, std::string_view end) {
    return {fmt::format("OTEL_EXPORTER_OTLP_{}_{}", signal == Signal::traces ? "TRACES" : "METRICS", end),
            fmt::format("OTEL_EXPORTER_OTLP_{}", end)};
}

std::string read_url(Environment& from, Signal signal, Endpoint::Protocol protocol) {
    const auto names = names_of(signal, "ENDPOINT");
    const auto insecure = names_of(signal, "INSECURE");
    const bool grpc = protocol == Endpoint::Protocol::grpc;
    const auto found = from.first({names.own, names.general});
    const std::string endpoint = found ? found->value : grpc ? "http://localhost:4317" : "http://localhost:4318";
    const auto url = grpc ? grpc_url(endpoint, signal, from.truth({insecure.own, insecure.general}))
                          : http_url(endpoint, signal, !found || found->name == names.general);
    if (url) return *url;
    from.complain(found ? found->name : names.general, url.error().what);
    return {};
}

void read_files(Environment& from, Signal signal, Endpoint& into) {
    const auto text = [&](std::string_view end) {
        const auto names = names_of(signal, end);
        auto found = from.first({names.own, names.general});
        return found ? std::move(found->value) : std::string();
    };
    into.ca_file = text("CERTIFICATE");
    into.client_certificate = text("CLIENT_CERTIFICATE");
    into.client_key = text("CLIENT_KEY");
    if (into.client_certificate.empty() && !into.client_key.empty())
        from.complain(names_of(signal, "CLIENT_CERTIFICATE").general,
                      "a file, as the client key is given; both are needed");
    if (into.client_key.empty() && !into.client_certificate.empty())
        from.complain(names_of(signal, "CLIENT_KEY").general,
                      "a file, as the client certificate is given; both are needed");
}

Endpoint read_endpoint(Environment& from, Signal signal) {
    const auto named = [&](std::string_view end) { return names_of(signal, end); };
    Endpoint out;
    const auto protocol = named("PROTOCOL"), headers = named("HEADERS"), compression = named("COMPRESSION"),
               timeout = named("TIMEOUT");
    constexpr std::array protocols{Endpoint::Protocol::grpc, Endpoint::Protocol::http_protobuf,
                                   Endpoint::Protocol::http_json};
    out.protocol = protocols[from.choice({protocol.own, protocol.general}, 0, {"grpc", "http/protobuf", "http/json"})];
    out.url = read_url(from, signal, out.protocol);
    out.headers = from.pairs({headers.own, headers.general}, true);
    if (out.protocol == Endpoint::Protocol::grpc)
        for (auto& [name, value] : out.headers) name = ascii_lowered(name);
    out.gzip = from.choice({compression.own, compression.general}, 0, {"none", "gzip"}) == 1;
    out.timeout = from.millis({timeout.own, timeout.general}, out.timeout);
    read_files(from, signal, out);
    return out;
}

Resource read_resource(Environment& from, std::string_view program, std::string_view version) {
    std::map<std::string, std::string> held{{"service.name", std::string(program)}};
    for (auto& [key, value] : from.pairs({"OTEL_RESOURCE_ATTRIBUTES"}, false)) held[key] = std::move(value);
    if (const auto name = from.first({"OTEL_SERVICE_NAME"})) held["service.name"] = name->value;
    held["telemetry.sdk.language"] = "cpp";
    held["telemetry.sdk.name"] = "opentelemetry";
    held["telemetry.sdk.version"] = version;
    Resource out;
    for (auto& [key, value] : held) out.emplace_back(key, std::move(value));
    return out;
}

void read_sampler(Environment& from, Settings& into) {
    using Sampler = Settings::Sampler;
    constexpr std::array samplers{Sampler::always_on, Sampler::always_off, Sampler::ratio};
    const auto at = from.choice({"OTEL_TRACES_SAMPLER"}, 3,
                                {"always_on", "always_off", "traceidratio", "parentbased_always_on",
                                 "parentbased_always_off", "parentbased_traceidratio"});
    into.parent_based = at >= samplers.size();
    into.sampler = samplers[at % samplers.size()];
    const auto ratio = from.first({"OTEL_TRACES_SAMPLER_ARG"});
    if (into.sampler != Sampler::ratio || !ratio) return;
    const auto number = parse_number(ratio->value);
    if (number && *number >= 0 && *number <= 1)
        into.ratio = *number;
    else
        from.complain(ratio->name, "a number from 0 to 1");
}

void read_limits(Environment& from, trace::Sink::Limits& into) {
    into.attributes = from.limit({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"}, into.attributes);
    into.value_length =
        from.limit({"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"}, into.value_length);
    into.events = from.limit({"OTEL_SPAN_EVENT_COUNT_LIMIT"}, into.events);
    into.event_attributes = from.limit({"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"}, into.event_attributes);
    // Our spans have no links; a mistake is told all the same.
    for (const char* name : {"OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"})
        static_cast<void>(from.limit({name}, 0));
}

void read_pace(Environment& from, Settings& into) {
    into.metric_interval = from.millis({"OTEL_METRIC_EXPORT_INTERVAL"}, into.metric_interval);
    into.metric_timeout = from.millis({"OTEL_METRIC_EXPORT_TIMEOUT"}, into.metric_timeout);
    into.batch_delay = from.millis({"OTEL_BSP_SCHEDULE_DELAY"}, into.batch_delay);
    into.batch_timeout = from.millis({"OTEL_BSP_EXPORT_TIMEOUT"}, into.batch_timeout);
    const auto spans = [&](const char* name, std::size_t otherwise) {
        const auto number =
            from.number({name}, static_cast<std::int64_t>(otherwise), 1, most_spans, "a number of spans");
        return static_cast<std::size_t>(number);
    };
    into.queue = spans("OTEL_BSP_MAX_QUEUE_SIZE", into.queue);
    into.batch = std::min(spans("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", into.batch), into.queue);
}

}  // namespace

Result<Settings> read_settings(const std::function<std::optional<std::string>(const char*)>& get,
                               std::string_view program, std::string_view version) {
    Environment from(get);
    Settings out;
    out.disabled = from.truth({"OTEL_SDK_DISABLED"});
    if (out.disabled) return out;
    out.traces = read_endpoint(from, Signal::traces);
    out.metrics = read_endpoint(from, Signal::metrics);
    out.resource = read_resource(from, program, version);
    const auto temporality =
        from.choice({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"}, 0, {"cumulative", "delta", "lowmemory"});
    // Low memory is delta for what is counted as it happens, and so is all of ours.
    out.temporality = temporality == 0 ? Temporality::cumulative : Temporality::delta;
    out.exponential = from.choice({"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"}, 0,
                                  {"explicit_bucket_histogram", "base2_exponential_bucket_histogram"}) == 1;
    read_sampler(from, out);
    read_limits(from, out.limits);
    read_pace(from, out);
    if (from.complaint()) return *from.complaint();
    return out;
}

}  // namespace weir::otlp
