#include "io/http_client_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <vector>

#include "base/metrics.h"

namespace weir::http_detail {
namespace {

const std::vector<double> duration_bounds{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};
constexpr std::size_t most_kept = 512;

std::string_view known_method(std::string_view method) {
    constexpr std::array<std::string_view, 9> known{"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                    "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    return std::find(known.begin(), known.end(), method) == known.end() ? "_OTHER" : method;
}

struct Handles {
    metrics::Histogram seconds, request_body, milliseconds;
    metrics::Counter sent, received;
};

Handles handles_of(const RequestNumbers& r) {
    const std::string method(known_method(r.method)), host(r.host), port = std::to_string(r.port);
    metrics::Labels now{{"http_request_method", method},
                        {"network_protocol_name", "http"},
                        {"server_address", host},
                        {"server_port", port},
                        {"url_scheme", std::string(r.scheme)}};
    metrics::Labels then{{"http_method", method}, {"net_peer_name", host}, {"net_peer_port", port}};
    if (!r.version.empty()) now["network_protocol_version"] = r.version;
    if (r.status != 0) then["http_status_code"] = now["http_response_status_code"] = std::to_string(r.status);
    if (!r.error.empty()) now["error_type"] = r.error;
    return {
        metrics::histogram("http_client_request_duration_seconds", "Duration of HTTP client requests.", duration_bounds,
                           now),
        metrics::histogram("http_client_request_body_size_bytes", "Size of HTTP client request bodies.",
                           metrics::default_bounds(), now),
        metrics::histogram("http_client_duration_milliseconds", "Measures the duration of outbound HTTP requests.",
                           metrics::default_bounds(), then),
        metrics::counter("http_client_request_size_bytes_total", "Measures the size of HTTP request messages.", then),
        metrics::counter("http_client_response_size_bytes_total", "Measures the size of HTTP response messages.",
                         then)};
}

}  // namespace

void count_request(const RequestNumbers& r) {
    thread_local std::map<std::string, Handles, std::less<>> kept;
    thread_local std::string key;
    key.clear();
    fmt::format_to(std::back_inserter(key), "{} {} {} {} {} {} {}", r.status, r.port, r.scheme, r.version, r.error,
                   r.method, r.host);
    auto found = kept.find(key);
    if (found == kept.end()) {
        if (kept.size() >= most_kept) kept.clear();
        found = kept.emplace(key, handles_of(r)).first;
    }
    auto& to = found->second;
    to.seconds.observe(std::chrono::duration<double>(r.took).count());
    to.request_body.observe(static_cast<double>(r.sent));
    to.milliseconds.observe(std::chrono::duration<double, std::milli>(r.took).count());
    to.sent.add(static_cast<double>(r.sent));
    to.received.add(static_cast<double>(r.received));
}

}  // namespace weir::http_detail
