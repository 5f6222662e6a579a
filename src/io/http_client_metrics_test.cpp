#include "io/http_client_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/metrics.h"
#include "http_client_fixture.h"

namespace weir {
namespace {

using namespace std::chrono_literals;
using http_detail::count_request;
using http_detail::RequestNumbers;
using test::reply;
using test::ScriptServer;
using test::Talk;
using testing::HasSubstr;
using testing::Not;

const metrics::Family::Series* find_series(const std::vector<metrics::Family>& all, std::string_view name,
                                           const metrics::Labels& wanted) {
    for (const auto& family : all) {
        if (family.name != name) continue;
        for (const auto& series : family.series)
            if (std::includes(series.labels.begin(), series.labels.end(), wanted.begin(), wanted.end())) return &series;
    }
    return nullptr;
}

/// What is counted stays counted, also when a test is repeated.
std::string new_host() {
    static int made = 0;
    return "host-" + std::to_string(++made) + ".example";
}

TEST(HttpClientMetrics, OneRequestIsInBothFamilies) {
    const auto host = new_host();
    RequestNumbers r;
    r.method = "POST";
    r.scheme = "https";
    r.host = host;
    r.port = 8443;
    r.status = 200;
    r.version = "2";
    r.sent = 7;
    r.received = 300;
    r.took = 30ms;
    count_request(r);
    count_request(r);
    const auto all = metrics::snapshot();
    const metrics::Labels new_names{{"http_request_method", "POST"},
                                    {"http_response_status_code", "200"},
                                    {"network_protocol_name", "http"},
                                    {"network_protocol_version", "2"},
                                    {"server_address", host},
                                    {"server_port", "8443"},
                                    {"url_scheme", "https"}};
    const metrics::Labels old_names{
        {"http_method", "POST"}, {"http_status_code", "200"}, {"net_peer_name", host}, {"net_peer_port", "8443"}};
    const auto* seconds = find_series(all, "http_client_request_duration_seconds", new_names);
    const auto* body = find_series(all, "http_client_request_body_size_bytes", new_names);
    const auto* millis = find_series(all, "http_client_duration_milliseconds", old_names);
    const auto* sent = find_series(all, "http_client_request_size_bytes_total", old_names);
    const auto* received = find_series(all, "http_client_response_size_bytes_total", old_names);
    ASSERT_TRUE(seconds && body && millis && sent && received);
    EXPECT_EQ(seconds->labels, new_names);
    EXPECT_EQ(millis->labels, old_names);
    EXPECT_EQ(seconds->count, 2u);
    EXPECT_DOUBLE_EQ(seconds->value, 0.06);
    EXPECT_EQ(seconds->bounds.front(), 0.005);
    EXPECT_DOUBLE_EQ(millis->value, 60);
    EXPECT_DOUBLE_EQ(body->value, 14);
    EXPECT_EQ(sent->value, 14);
    EXPECT_EQ(received->value, 600);
}

TEST(HttpClientMetrics, MethodsThatPeersInventAreOne) {
    const auto host = new_host();
    for (const char* method : {"BREW", "WHEN"}) {
        RequestNumbers r;
        r.method = method;
        r.host = host;
        count_request(r);
    }
    const auto all = metrics::snapshot();
    const auto* other = find_series(all, "http_client_request_duration_seconds",
                                    {{"http_request_method", "_OTHER"}, {"server_address", host}});
    ASSERT_TRUE(other);
    EXPECT_EQ(other->count, 2u);
}

using HttpClientMetricsTest = test::HttpClientFixture;

TEST_F(HttpClientMetricsTest, ARequestIsCountedWithoutItsPath) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send(reply(404, "gone"));
    });
    ASSERT_TRUE(fetch(get(server.url("/secret-path?token=secret-token"))));
    const metrics::Labels labels{{"server_port", std::to_string(server.port())}};
    const auto all = metrics::snapshot();
    const auto* seconds = find_series(all, "http_client_request_duration_seconds", labels);
    ASSERT_TRUE(seconds);
    EXPECT_EQ(seconds->count, 1u);
    EXPECT_EQ(seconds->labels.at("http_response_status_code"), "404");
    EXPECT_EQ(seconds->labels.at("network_protocol_version"), "1.1");
    EXPECT_EQ(seconds->labels.at("url_scheme"), "http");
    EXPECT_FALSE(seconds->labels.contains("error_type"));
    const auto* received =
        find_series(all, "http_client_response_size_bytes_total", {{"net_peer_port", std::to_string(server.port())}});
    ASSERT_TRUE(received);
    EXPECT_EQ(received->value, 4);
    EXPECT_THAT(metrics::metrics_text(), Not(HasSubstr("secret-")));
}

TEST_F(HttpClientMetricsTest, AFailureHasAKindAndNoStatus) {
    ScriptServer server([](Talk& t) { t.read_head(); });  // says nothing and closes
    ASSERT_FALSE(fetch(get(server.url("/"))));
    const auto all = metrics::snapshot();
    const auto* seconds =
        find_series(all, "http_client_request_duration_seconds", {{"server_port", std::to_string(server.port())}});
    ASSERT_TRUE(seconds);
    EXPECT_EQ(seconds->count, 1u);
    EXPECT_EQ(seconds->labels.at("error_type"), name_of(Errc::lost_peer));
    EXPECT_FALSE(seconds->labels.contains("http_response_status_code"));
}

}  // namespace
}  // namespace weir
