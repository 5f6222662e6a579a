#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace weir::http_detail {

/// One request of an HttpClient that is over: each hop of a redirect is one.
struct RequestNumbers {
    std::string_view method, scheme, host;
    std::uint16_t port = 0;
    int status = 0;                 ///< 0: no answer came
    std::string_view version = {};  ///< "1.1", "2"; empty: no answer came
    std::string_view error = {};    ///< what kind of failure; empty: none
    std::uint64_t sent = 0;         ///< bytes of the request's body
    std::uint64_t received = 0;     ///< bytes of the response's body, as they came
    Micros took{0};                 ///< until the last byte of the body, or the failure
};

/// Counts it under the names of the present OpenTelemetry and under the older ones that dashboards ask for (telemetry.md 1.3):
/// http_client_request_duration_seconds, http_client_request_body_size_bytes; http_client_duration_milliseconds,
/// http_client_request_size_bytes_total, http_client_response_size_bytes_total. Addresses are hosts and ports, never paths.
/// limits   1000 series a family (base/metrics.h); unknown methods are "_OTHER"
/// threads  any
void count_request(const RequestNumbers& request);

}  // namespace weir::http_detail
