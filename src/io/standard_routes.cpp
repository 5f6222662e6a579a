#include "io/standard_routes.h"

#include "base/metrics.h"

namespace weir {
namespace {

Task<void> health(Exchange& exchange) {
    const auto* accept = exchange.request().find("accept");
    const bool json = accept && accept->find("application/json") != std::string::npos;
    (void)co_await exchange.respond(200, json ? "application/json" : "text/plain; charset=utf-8",
                                    Bytes::copy_of(std::string_view(json ? "{\"status\":\"ok\"}\n" : "ok\n")));
}

Task<void> numbers(Exchange& exchange) {
    (void)co_await exchange.respond(200, "text/plain; version=0.0.4", Bytes::copy_of(metrics::metrics_text()));
}

}  // namespace

void add_health_route(HttpServer& server) {
    server.route("GET HEAD", "/health", health);
}

void add_standard_routes(HttpServer& server) {
    add_health_route(server);
    server.route("GET HEAD", "/metrics", numbers);
}

}  // namespace weir
