#include "io/standard_routes.h"

#include <gtest/gtest.h>

#include "base/metrics.h"
#include "gunzip.h"
#include "http_server_fixture.h"

namespace weir {
namespace {

using test::request;
using test::talk;
using test::with_server;

TEST(StandardRoutes, MetricsComeGzippedToWhoTakesThat) {
    const struct {
        const char* accept;
        bool gzip;
    } cases[] = {{"gzip", true},      {"deflate, GZIP;q=0.5", true}, {"gzip;q=1.0, identity", true},
                 {"gzip;q=0", false}, {"gzip;q=0.0, br", false},     {"x-gzip", false},
                 {"", false}};
    with_server({}, add_standard_routes, [&](HttpServer& server, Shards& shards) -> Task<void> {
        for (const auto& c : cases) {
            const std::string field = *c.accept
                                          ? std::string("Accept-Encoding: ") + c.accept + "\r\nConnection: close\r\n"
                                          : "Connection: close\r\n";
            const auto answer = co_await talk(shards, server, request("GET /metrics", field));
            const auto body = answer.substr(answer.find("\r\n\r\n") + 4);
            EXPECT_EQ(answer.find("Content-Encoding: gzip\r\n") != answer.npos, c.gzip) << c.accept;
            const auto text = c.gzip ? test::gunzipped(body).value_or("") : body;
            EXPECT_NE(text.find("# TYPE promhttp_metric_handler_requests_total counter\n"), text.npos) << c.accept;
            EXPECT_TRUE(text.ends_with("\n")) << c.accept;
        }
    });
}

TEST(StandardRoutes, ScrapesAreCounted) {
    with_server({}, add_standard_routes, [](HttpServer& server, Shards& shards) -> Task<void> {
        const auto count = [] {
            return metrics::counter("promhttp_metric_handler_requests_total",
                                    "Total number of scrapes by HTTP status code.", {{"code", "200"}})
                .value();
        };
        const auto first = co_await talk(shards, server, request("GET /metrics"));
        EXPECT_NE(first.find("\npromhttp_metric_handler_requests_in_flight 1\n"), first.npos);
        EXPECT_NE(first.find("\npromhttp_metric_handler_requests_total{code=\"503\"} 0\n"), first.npos);
        const auto before = count();
        (void)co_await talk(shards, server, request("GET /metrics"));
        (void)co_await talk(shards, server, request("GET /metrics"));
        EXPECT_GE(count(), before + 1) << "the first of them is over when the second was answered";
    });
}

}  // namespace
}  // namespace weir
