#pragma once
#include "io/http_server.h"

namespace weir {

/// Answers with the numbers of this process in Prometheus' text format 0.0.4, gzipped when the client takes that. Counts itself:
/// promhttp_metric_handler_requests_total{code}, promhttp_metric_handler_requests_in_flight.
Task<void> answer_metrics(Exchange& exchange);

/// GET and HEAD /health: 200 "ok", or {"status":"ok"} when the client accepts JSON. GET and HEAD /metrics: the numbers
/// of this process in Prometheus' text format 0.0.4. Before start().
void add_standard_routes(HttpServer& server);
/// /health alone, where the numbers are not for everybody.
void add_health_route(HttpServer& server);

}  // namespace weir
