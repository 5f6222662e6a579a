#include "io/standard_routes.h"

#include <algorithm>

#include "base/gzip.h"
#include "base/metrics.h"
#include "base/text.h"

namespace weir {
namespace {

Task<void> health(Exchange& exchange) {
    const auto* accept = exchange.request().find("accept");
    const bool json = accept && accept->find("application/json") != std::string::npos;
    (void)co_await exchange.respond(200, json ? "application/json" : "text/plain; charset=utf-8",
                                    Bytes::copy_of(std::string_view(json ? "{\"status\":\"ok\"}\n" : "ok\n")));
}

/// Whether an Accept-Encoding allows gzip (RFC 9110 12.5.3), in the forms that clients send.
bool takes_gzip(const ServerRequest& request) {
    const auto* accept = request.find("accept-encoding");
    std::string_view rest = accept ? std::string_view(*accept) : std::string_view();
    while (!rest.empty()) {
        const auto item = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(item.size() + 1, rest.size()));
        const auto coding = ascii_lowered(stripped(item.substr(0, item.find(';'))));
        if (coding != "gzip") continue;
        const auto weight = item.find("q=");
        return weight == item.npos || item.substr(weight + 2).find_first_of("123456789") != item.npos;
    }
    return false;
}

metrics::Counter scrapes(int code) {
    return metrics::counter("promhttp_metric_handler_requests_total", "Total number of scrapes by HTTP status code.",
                            {{"code", std::to_string(code)}});
}

}  // namespace

Task<void> answer_metrics(Exchange& exchange) {
    static auto in_flight =
        metrics::gauge("promhttp_metric_handler_requests_in_flight", "Current number of scrapes being served.");
    static auto good = scrapes(200);
    for (const int code : {500, 503}) (void)scrapes(code);
    in_flight.add(1);
    auto text = metrics::metrics_text();
    std::vector<std::pair<std::string, std::string>> headers{{"Vary", "Accept-Encoding"}};
    if (takes_gzip(exchange.request())) {
        text = gzipped(text);
        headers.emplace_back("Content-Encoding", "gzip");
    }
    auto body = Bytes::copy_of(text);
    (void)co_await exchange.respond(200, metrics::text_type, std::move(body), std::move(headers));
    in_flight.add(-1);
    good.add();
}

void add_health_route(HttpServer& server) {
    server.route("GET HEAD", "/health", health);
}

void add_standard_routes(HttpServer& server) {
    add_health_route(server);
    server.route("GET HEAD", "/metrics", answer_metrics);
}

}  // namespace weir
