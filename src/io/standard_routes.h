#pragma once
#include "io/http_server.h"

namespace weir {

/// GET and HEAD /health: 200 "ok", or {"status":"ok"} when the client accepts JSON. GET and HEAD /metrics: the numbers
/// of this process in Prometheus' text format 0.0.4. Before start().
void add_standard_routes(HttpServer& server);
/// /health alone, where the numbers are not for everybody.
void add_health_route(HttpServer& server);

}  // namespace weir
