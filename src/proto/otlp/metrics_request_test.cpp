#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "proto/otlp/exponential.h"
#include "proto/otlp/metric_names.h"
#include "proto/otlp/otlp.h"
#include "proto/otlp/otlp_test_data.h"

namespace weir::otlp {
namespace {

using metrics::Family;
using test::at;
using test::decoded;
using test::parsed;
using test::sample;
using Kind = Family::Kind;
namespace json = boost::json;

MetricsOptions options_of(Temporality temporality = Temporality::cumulative, bool exponential = false) {
    return {.temporality = temporality, .start = at(1000), .now = at(2000), .exponential = exponential};
}
Family family(Kind kind, const char* name, const char* help, std::vector<Family::Series> series) {
    return {kind, name, help, std::move(series)};
}

/// The metrics of a request, both of whose forms say the same.
json::array metrics_in(const std::vector<Family>& families, const MetricsOptions& options,
                       const std::vector<Family>& before = {}) {
    const auto got = parsed(metrics_request({}, families, before, options, Form::json));
    EXPECT_EQ(got, decoded("Metrics", metrics_request({}, families, before, options, Form::protobuf)));
    json::array out;
    const auto* scopes = got.at("resourceMetrics").at(0).as_object().if_contains("scopeMetrics");
    if (!scopes) return out;
    for (const auto& scope : scopes->as_array())
        for (const auto& metric : scope.at("metrics").as_array()) out.push_back(metric);
    return out;
}
const json::value& point(const json::value& metric, const char* kind, std::size_t i = 0) {
    return metric.at(kind).at("dataPoints").at(i);
}

const std::vector<double> default_bounds{0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};

std::vector<Family> sample_families() {
    std::vector<Family::Series> states;
    for (const char* state :
         {"POST_PROCESSING", "PREPARING_FILES", "DOWNLOADING", "FINISHED", "CANCELED", "UNSPECIFIED", "IDLE"})
        states.push_back({.labels = {{"channel_id", "admin"}, {"state", state}},
                          .value = std::string_view(state) == "IDLE" ? 1.0 : 0.0});
    std::vector<std::uint64_t> buckets(16);
    buckets[1] = 1;
    return {family(Kind::histogram, "downloads_init_time_seconds", "Time taken to initiate a download",
                   {{.labels = {{"channel_id", "admin"}},
                     .value = 1.5,
                     .count = 1,
                     .bounds = default_bounds,
                     .buckets = buckets}}),
            family(Kind::counter, "downloads_runs_total", "Number of downloads",
                   {{.labels = {{"channel_id", "admin"}}, .value = 1}}),
            family(Kind::gauge, "watcher_state", "Current state of the watcher", states)};
}

/// What of the sample is another's: its scope, its clock, and the smallest and largest value, which we do not know.
json::object neutral(json::object tree) {
    auto& scope = tree.at("resourceMetrics").at(0).at("scopeMetrics").at(0);
    scope.at("scope").as_object()["name"] = "";
    for (auto& metric : scope.at("metrics").as_array())
        for (const char* kind : {"gauge", "sum", "histogram"}) {
            auto* held = metric.as_object().if_contains(kind);
            if (!held) continue;
            for (auto& one : held->at("dataPoints").as_array()) {
                for (const char* key : {"min", "max"}) one.as_object().erase(key);
                EXPECT_TRUE(one.as_object().contains("startTimeUnixNano") && one.as_object().contains("timeUnixNano"));
                for (const char* key : {"startTimeUnixNano", "timeUnixNano"}) one.as_object()[key] = "";
            }
        }
    return tree;
}

TEST(OtlpMetricsRequest, HasTheShapeOfTheReferences) {
    const Resource resource{{"deployment.environment", std::string("test")},
                            {"service.name", std::string("withny-dl")},
                            {"telemetry.sdk.language", std::string("go")},
                            {"telemetry.sdk.name", std::string("opentelemetry")},
                            {"telemetry.sdk.version", std::string("1.46.0")}};
    const auto wanted = neutral(parsed(sample("metrics_request.otlp.json")));
    EXPECT_EQ(wanted, neutral(decoded("Metrics", sample("metrics_request.pb"))));
    const auto options = options_of();
    EXPECT_EQ(neutral(parsed(metrics_request(resource, sample_families(), {}, options, Form::json))), wanted);
    EXPECT_EQ(neutral(decoded("Metrics", metrics_request(resource, sample_families(), {}, options, Form::protobuf))),
              wanted);
}

TEST(OtlpMetricsRequest, FieldsComeInTheReferencesOrder) {
    const auto got = metrics_request({}, sample_families(), {}, options_of(), Form::protobuf);
    // In the sample too a number stands behind its attributes, as the member of a choice.
    const std::string end_of_attributes("\x0a\x05\x61\x64\x6d\x69\x6e\x31", 8);
    EXPECT_NE(got.find(end_of_attributes), std::string::npos);
    EXPECT_NE(sample("metrics_request.pb").find(end_of_attributes), std::string::npos);
}

struct NameCase {
    const char *family, *name, *unit, *scope;
};
class OtlpMetricName : public testing::TestWithParam<NameCase> {};
TEST_P(OtlpMetricName, IsOpenTelemetrys) {
    const auto got = metric_name(GetParam().family, "help");
    EXPECT_EQ(got.name, GetParam().name);
    EXPECT_EQ(got.unit, GetParam().unit);
    EXPECT_EQ(got.scope, GetParam().scope);
}
constexpr const char* recorder = "github.com/darkness4/fc2-live-dl-go";
constexpr const char* client = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp";
INSTANTIATE_TEST_SUITE_P(
    Cases, OtlpMetricName,
    testing::Values(NameCase{"downloads_init_time_seconds", "downloads.init.time", "s", recorder},
                    NameCase{"downloads_time_to_complete_seconds", "downloads.time_to_complete", "s", recorder},
                    NameCase{"downloads_errors_total", "downloads.errors", "", recorder},
                    NameCase{"downloads_runs_total", "downloads.runs", "", recorder},
                    NameCase{"concat_completion_time_seconds", "concat.completion.time", "s", recorder},
                    NameCase{"concat_errors_total", "concat.errors", "", recorder},
                    NameCase{"concat_runs_total", "concat.runs", "", recorder},
                    NameCase{"post_processing_completion_time_seconds", "post_processing.completion.time", "s",
                             recorder},
                    NameCase{"post_processing_errors_total", "post_processing.errors", "", recorder},
                    NameCase{"post_processing_runs_total", "post_processing.runs", "", recorder},
                    NameCase{"watcher_state", "watcher.state", "", recorder},
                    NameCase{"cleaner_files_removed_total", "cleaner.files_removed", "", recorder},
                    NameCase{"cleaner_errors_total", "cleaner.errors", "", recorder},
                    NameCase{"cleaner_runs_total", "cleaner.runs", "", recorder},
                    NameCase{"cleaner_clean_time_milliseconds", "cleaner.clean.time", "ms", recorder},
                    NameCase{"http_client_request_duration_seconds", "http.client.request.duration", "s", client},
                    NameCase{"http_client_request_body_size_bytes", "http.client.request.body.size", "By", client},
                    NameCase{"http_client_duration_milliseconds", "http.client.duration", "ms", client},
                    NameCase{"http_client_request_size_bytes_total", "http.client.request.size", "By", client},
                    NameCase{"http_client_response_size_bytes_total", "http.client.response.size", "By", client},
                    NameCase{"weir_received_bytes_total", "weir_received", "By", "weir"},
                    NameCase{"weir_segments_total", "weir_segments", "", "weir"},
                    NameCase{"weir_sync_interval_seconds", "weir_sync_interval", "s", "weir"},
                    NameCase{"process_cpu_seconds_total", "process_cpu", "s", "weir"},
                    NameCase{"x_milliseconds", "x", "ms", "weir"}, NameCase{"weir_gaps", "weir_gaps", "", "weir"},
                    NameCase{"_total", "_total", "", "weir"}),
    [](const auto& one) { return "n" + std::to_string(one.index); });

TEST(OtlpMetricsRequest, OursKeepTheirHelpAndTheirScope) {
    const auto got = parsed(
        metrics_request({}, {family(Kind::counter, "weir_gaps_total", "Losses", {{.value = 3}}), sample_families()[1]},
                        {}, options_of(), Form::json));
    const auto& scopes = got.at("resourceMetrics").at(0).at("scopeMetrics").as_array();
    ASSERT_EQ(scopes.size(), 2u);
    EXPECT_EQ(scopes[0].at("scope").at("name"), "weir");
    EXPECT_EQ(scopes[0].at("metrics").at(0).at("description"), "Losses");
    EXPECT_EQ(scopes[1].at("scope").at("name"), recorder);
}

TEST(OtlpMetricsRequest, NumbersAreWholeWhereAllOfAMetricAre) {
    const auto got = metrics_in(
        {family(Kind::gauge, "a", "", {{.labels = {{"l", "1"}}, .value = 2}, {.labels = {{"l", "2"}}, .value = 2.5}}),
         family(Kind::gauge, "b", "", {{.value = -3}}), family(Kind::gauge, "c_seconds", "", {{.value = 7}}),
         family(Kind::gauge, "d", "", {{.value = 18446744073709551616.0}}),
         family(Kind::gauge, "e", "", {{.value = std::nan("")}}),
         family(Kind::gauge, "f", "", {{.value = std::numeric_limits<double>::infinity()}}),
         family(Kind::counter, "g", "", {{.value = 0}})},
        options_of());
    EXPECT_EQ(point(got[0], "gauge", 0).at("asDouble"), 2);
    EXPECT_EQ(point(got[0], "gauge", 1).at("asDouble"), 2.5);
    EXPECT_EQ(point(got[1], "gauge").at("asInt"), "-3");
    EXPECT_EQ(point(got[2], "gauge").at("asDouble"), 7);
    EXPECT_EQ(point(got[3], "gauge").at("asDouble"), 18446744073709551616.0);
    EXPECT_EQ(point(got[4], "gauge").at("asDouble"), "NaN");
    EXPECT_EQ(point(got[5], "gauge").at("asDouble"), "Infinity");
    EXPECT_EQ(point(got[6], "sum").at("asInt"), "0");
}

TEST(OtlpMetricsRequest, WhatIsPrometheussAloneStaysOut) {
    const auto got = metrics_in(
        {family(Kind::gauge, "target_info", "Target metadata", {{.value = 1}}), family(Kind::counter, "empty", "", {}),
         family(Kind::counter, "a", "", {{.labels = {{"otel_scope_name", "x"}, {"l", "v"}}}})},
        options_of());
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(point(got[0], "sum").at("attributes").as_array().size(), 1u);
    EXPECT_TRUE(metrics_in({}, options_of()).empty());
}

TEST(OtlpMetricsRequest, HttpClientsLabelsGetTheirDotsBack) {
    const auto got = metrics_in({family(Kind::counter, "http_client_request_size_bytes_total", "",
                                        {{.labels = {{"http_method", "GET"},
                                                     {"http_status_code", "503"},
                                                     {"net_peer_name", "h"},
                                                     {"net_peer_port", "other"}}}})},
                                options_of());
    EXPECT_EQ(point(got[0], "sum").at("attributes"),
              json::parse(R"([{"key":"http.method","value":{"stringValue":"GET"}},
                              {"key":"http.status_code","value":{"intValue":"503"}},
                              {"key":"net.peer.name","value":{"stringValue":"h"}},
                              {"key":"net.peer.port","value":{"stringValue":"other"}}])"));
    EXPECT_EQ(metric_attribute("weir", "http_method", "GET").first, "http_method");
}

std::vector<Family> history(double counter, double gauge, std::vector<std::uint64_t> buckets, double sum) {
    std::uint64_t count = 0;
    for (const auto one : buckets) count += one;
    return {family(Kind::counter, "c_total", "", {{.labels = {{"l", "old"}}, .value = counter}}),
            family(Kind::gauge, "g", "", {{.value = gauge}}),
            family(Kind::histogram, "h", "",
                   {{.value = sum, .count = count, .bounds = {1, 2}, .buckets = std::move(buckets)}})};
}

TEST(OtlpMetricsRequest, DeltaIsWhatCameSince) {
    auto now = history(10, 3, {4, 5, 6}, 30);
    now[0].series.push_back({.labels = {{"l", "new"}}, .value = 7});
    const auto before = history(4, 9, {4, 2, 1}, 11.5);
    const auto got = metrics_in(now, options_of(Temporality::delta), before);
    EXPECT_EQ(got[0].at("sum").at("aggregationTemporality"), 1);
    EXPECT_EQ(point(got[0], "sum", 0).at("asInt"), "6");
    EXPECT_EQ(point(got[0], "sum", 1).at("asInt"), "7");
    EXPECT_EQ(point(got[1], "gauge").at("asInt"), "3");
    EXPECT_EQ(got[2].at("histogram").at("aggregationTemporality"), 1);
    const auto& histogram = point(got[2], "histogram");
    EXPECT_EQ(histogram.at("bucketCounts"), json::value({"0", "3", "5"}));
    EXPECT_EQ(histogram.at("count"), "8");
    EXPECT_EQ(histogram.at("sum"), 18.5);
    EXPECT_EQ(histogram.at("startTimeUnixNano"), "1000");
}

TEST(OtlpMetricsRequest, WhatBeganAnewCountsWhole) {
    const auto got =
        metrics_in(history(2, 0, {1, 0, 3}, 5), options_of(Temporality::delta), history(4, 0, {0, 1, 3}, 9));
    EXPECT_EQ(point(got[0], "sum").at("asInt"), "2");
    EXPECT_EQ(point(got[2], "histogram").at("bucketCounts"), json::value({"1", "0", "3"}));
    EXPECT_EQ(point(got[2], "histogram").at("sum"), 5);
}

TEST(OtlpMetricsRequest, CumulativeDoesNotLookBack) {
    const auto now = history(10, 3, {4, 5, 6}, 30);
    const auto got = metrics_in(now, options_of(), now);
    EXPECT_EQ(got[0].at("sum").at("aggregationTemporality"), 2);
    EXPECT_EQ(got[0].at("sum").at("isMonotonic"), true);
    EXPECT_EQ(point(got[0], "sum").at("asInt"), "10");
    EXPECT_EQ(point(got[2], "histogram").at("count"), "15");
}

TEST(OtlpMetricsRequest, ExponentialHistogramsKeepCountAndSum) {
    const auto got = metrics_in(history(1, 0, {4, 5, 6}, 30), options_of(Temporality::cumulative, true));
    EXPECT_FALSE(got[2].as_object().contains("histogram"));
    const auto& histogram = point(got[2], "exponentialHistogram");
    EXPECT_EQ(histogram.at("count"), "15");
    EXPECT_EQ(histogram.at("sum"), 30);
    EXPECT_EQ(histogram.at("scale"), 3);
    std::int64_t total = 0;
    for (const auto& one : histogram.at("positive").at("bucketCounts").as_array())
        total += std::stoll(std::string(one.as_string()));
    EXPECT_EQ(total, 15);
}

/// The bounds of bucket `i`.
std::pair<double, double> range_of(const Exponential& of, std::size_t i) {
    const auto edge = [&](std::size_t at) {
        return std::exp2(std::ldexp(static_cast<double>(of.offset) + static_cast<double>(at), -of.scale));
    };
    return {edge(i), edge(i + 1)};
}

TEST(OtlpExponential, EachBucketIsWithinTheBoundsItCameFrom) {
    const std::vector<double> bounds{0, 0.005, 0.01, 0.5, 1, 10, 1000};
    for (std::size_t bucket = 1; bucket <= bounds.size(); ++bucket) {
        std::vector<std::uint64_t> counts(bounds.size() + 1);
        counts[bucket] = 9;
        const auto got = exponential_of(bounds, counts);
        ASSERT_EQ(got.buckets, std::vector<std::uint64_t>{9}) << bucket;
        EXPECT_EQ(got.zero, 0u);
        const auto [low, high] = range_of(got, 0);
        EXPECT_GE(low, bounds[bucket - 1]) << bucket;
        if (bucket < bounds.size()) {
            EXPECT_LE(high, bounds[bucket]) << bucket;
        }
    }
}

TEST(OtlpExponential, WhatIsNotAboveZeroIsZero) {
    const auto got = exponential_of({-1, 0, 4}, {1, 2, 3, 0});
    EXPECT_EQ(got.zero, 3u);
    EXPECT_EQ(got.buckets, std::vector<std::uint64_t>{3});
}

TEST(OtlpExponential, AVastRangeIsTakenMoreCoarsely) {
    const auto got = exponential_of({1e-9, 1, 1e9}, {1, 1, 1, 1});
    EXPECT_LT(got.scale, 3);
    EXPECT_LE(got.buckets.size(), 160u);
    EXPECT_EQ(std::count_if(got.buckets.begin(), got.buckets.end(), [](auto n) { return n > 0; }), 4);
}

TEST(OtlpExponential, WithoutBoundsOrCountsNothingBreaks) {
    EXPECT_TRUE(exponential_of({}, {}).buckets.empty());
    EXPECT_TRUE(exponential_of({1, 2}, {0, 0, 0}).buckets.empty());
    EXPECT_EQ(exponential_of({}, {5}).buckets, std::vector<std::uint64_t>{5});
}

}  // namespace
}  // namespace weir::otlp
