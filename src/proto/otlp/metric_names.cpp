#include "proto/otlp/metric_names.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/numbers.h"

namespace weir::otlp {
namespace {

constexpr std::string_view recorder_scope = "github.com/darkness4/fc2-live-dl-go";
constexpr std::string_view client_scope = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp";
constexpr std::string_view own_scope = "weir";

struct Known {
    std::string_view family, name, unit, description, scope = recorder_scope;
};
constexpr Known known_names[]{
    {"downloads_init_time_seconds", "downloads.init.time", "s", "Time taken to initiate a download"},
    {"downloads_time_to_complete_seconds", "downloads.time_to_complete", "s", "Time taken to complete a download"},
    {"downloads_errors_total", "downloads.errors", "", "Number of errors during downloads"},
    {"downloads_runs_total", "downloads.runs", "", "Number of downloads"},
    {"concat_completion_time_seconds", "concat.completion.time", "s", "Time taken to complete a concat"},
    {"concat_errors_total", "concat.errors", "", "Accumulated failed runs of concats"},
    {"concat_runs_total", "concat.runs", "", "Number of concats"},
    {"post_processing_completion_time_seconds", "post_processing.completion.time", "s",
     "Time taken to complete a post process"},
    {"post_processing_errors_total", "post_processing.errors", "", "Accumulated failed runs of post processes"},
    {"post_processing_runs_total", "post_processing.runs", "", "Number of post processes"},
    {"watcher_state", "watcher.state", "", "Current state of the watcher"},
    {"cleaner_files_removed_total", "cleaner.files_removed", "", "Number of files removed"},
    {"cleaner_errors_total", "cleaner.errors", "", "Number of errors during cleaning"},
    {"cleaner_runs_total", "cleaner.runs", "", "Number of cleaning runs"},
    {"cleaner_clean_time_milliseconds", "cleaner.clean.time", "ms", "Time taken to clean"},
    {"http_client_request_duration_seconds", "http.client.request.duration", "s", "Duration of HTTP client requests.",
     client_scope},
    {"http_client_request_body_size_bytes", "http.client.request.body.size", "By",
     "Size of HTTP client request bodies.", client_scope},
    {"http_client_duration_milliseconds", "http.client.duration", "ms",
     "Measures the duration of outbound HTTP requests.", client_scope},
    {"http_client_request_size_bytes_total", "http.client.request.size", "By",
     "Measures the size of HTTP request messages.", client_scope},
    {"http_client_response_size_bytes_total", "http.client.response.size", "By",
     "Measures the size of HTTP response messages.", client_scope},
};

struct ClientLabel {
    std::string_view label, key;
    bool number = false;
};
constexpr ClientLabel client_labels[]{
    {"error_type", "error.type"},
    {"http_method", "http.method"},
    {"http_request_method", "http.request.method"},
    {"http_response_status_code", "http.response.status_code", true},
    {"http_status_code", "http.status_code", true},
    {"net_peer_name", "net.peer.name"},
    {"net_peer_port", "net.peer.port", true},
    {"network_protocol_name", "network.protocol.name"},
    {"network_protocol_version", "network.protocol.version"},
    {"server_address", "server.address"},
    {"server_port", "server.port", true},
    {"url_scheme", "url.scheme"},
};

bool take_off(std::string_view& name, std::string_view end) {
    if (!name.ends_with(end) || name.size() == end.size()) return false;
    name.remove_suffix(end.size());
    return true;
}

}  // namespace

MetricName metric_name(std::string_view family, std::string_view help) {
    const auto found = std::find_if(std::begin(known_names), std::end(known_names),
                                    [&](const Known& k) { return k.family == family; });
    if (found != std::end(known_names))
        return {std::string(found->name), std::string(found->unit), std::string(found->description), found->scope};

    constexpr std::array<std::pair<std::string_view, std::string_view>, 3> units{
        {{"_milliseconds", "ms"}, {"_seconds", "s"}, {"_bytes", "By"}}};
    take_off(family, "_total");
    for (const auto& [end, unit] : units)
        if (take_off(family, end)) return {std::string(family), std::string(unit), std::string(help), own_scope};
    return {std::string(family), "", std::string(help), own_scope};
}

trace::Attribute metric_attribute(std::string_view scope, std::string_view label, std::string_view value) {
    if (scope == client_scope)
        for (const auto& known : client_labels) {
            if (known.label != label) continue;
            if (known.number)
                if (const auto number = parse_int(value)) return {std::string(known.key), *number};
            return {std::string(known.key), std::string(value)};
        }
    return {std::string(label), std::string(value)};
}

bool only_for_prometheus(std::string_view family_or_label) noexcept {
    return family_or_label == "target_info" || family_or_label.starts_with("otel_scope_");
}

}  // namespace weir::otlp
