#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "proto/otlp/otlp.h"

namespace weir::otlp {
namespace {

using Variables = std::map<std::string, std::string>;
using Protocol = Endpoint::Protocol;
using Headers = std::vector<std::pair<std::string, std::string>>;

Result<Settings> read(const Variables& variables) {
    return read_settings(
        [&](const char* name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
        },
        "weir", "1.2.3");
}
Settings good(const Variables& variables) {
    auto got = read(variables);
    EXPECT_TRUE(got) << got.error().text();
    return got ? *got : Settings{};
}

constexpr const char* trace_method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
constexpr const char* metric_method = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

TEST(OtlpSettings, Defaults) {
    const auto got = good({});
    EXPECT_FALSE(got.disabled);
    EXPECT_EQ(got.traces.protocol, Protocol::grpc);
    EXPECT_EQ(got.traces.url, std::string("http://localhost:4317") + trace_method);
    EXPECT_EQ(got.metrics.url, std::string("http://localhost:4317") + metric_method);
    for (const auto& one : {got.traces, got.metrics}) {
        EXPECT_TRUE(one.headers.empty());
        EXPECT_FALSE(one.gzip);
        EXPECT_EQ(one.timeout, Millis(10'000));
        EXPECT_EQ(one.ca_file + one.client_certificate + one.client_key, "");
    }
    EXPECT_EQ(got.resource, (Resource{{"service.name", std::string("weir")},
                                      {"telemetry.sdk.language", std::string("cpp")},
                                      {"telemetry.sdk.name", std::string("opentelemetry")},
                                      {"telemetry.sdk.version", std::string("1.2.3")}}));
    EXPECT_EQ(got.temporality, Temporality::cumulative);
    EXPECT_FALSE(got.exponential);
    EXPECT_EQ(got.metric_interval, Millis(60'000));
    EXPECT_EQ(got.metric_timeout, Millis(30'000));
    EXPECT_EQ(got.batch_delay, Millis(5'000));
    EXPECT_EQ(got.batch_timeout, Millis(30'000));
    EXPECT_EQ(got.queue, 2048u);
    EXPECT_EQ(got.batch, 512u);
    EXPECT_EQ(got.sampler, Settings::Sampler::always_on);
    EXPECT_TRUE(got.parent_based);
    EXPECT_EQ(got.ratio, 1.0);
    EXPECT_EQ(got.limits.attributes, 128u);
    EXPECT_EQ(got.limits.events, 128u);
    EXPECT_EQ(got.limits.event_attributes, 128u);
    EXPECT_EQ(got.limits.value_length, std::numeric_limits<std::size_t>::max());
}

TEST(OtlpSettings, WhatIsEmptyIsUnset) {
    const auto got = good({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "  "},
                           {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:1"},
                           {"OTEL_EXPORTER_OTLP_TIMEOUT", ""},
                           {"OTEL_SERVICE_NAME", " "},
                           {"OTEL_TRACES_SAMPLER", ""}});
    EXPECT_EQ(got.traces.url, std::string("http://all:1") + trace_method);
    EXPECT_EQ(got.traces.timeout, Millis(10'000));
    EXPECT_EQ(got.resource[0].second, trace::Value(std::string("weir")));
}

struct UrlCase {
    const char* name;
    Variables variables;
    std::string traces, metrics;
};
class OtlpUrl : public testing::TestWithParam<UrlCase> {};
TEST_P(OtlpUrl, IsBuiltByTheRules) {
    const auto got = good(GetParam().variables);
    EXPECT_EQ(got.traces.url, GetParam().traces);
    EXPECT_EQ(got.metrics.url, GetParam().metrics);
}
UrlCase grpc_case(const char* name, const char* endpoint, const std::string& base, const char* insecure = "") {
    return {name,
            {{"OTEL_EXPORTER_OTLP_ENDPOINT", endpoint}, {"OTEL_EXPORTER_OTLP_INSECURE", insecure}},
            base + trace_method,
            base + metric_method};
}
UrlCase http_case(const char* name, Variables more, const char* traces, const char* metrics) {
    more["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf";
    return {name, std::move(more), traces, metrics};
}
INSTANTIATE_TEST_SUITE_P(Grpc, OtlpUrl,
                         testing::Values(grpc_case("Http", "http://c:4317", "http://c:4317"),
                                         grpc_case("Https", "https://c:4317", "https://c:4317"),
                                         grpc_case("UpperCase", "HTTPS://C:4317", "https://C:4317"),
                                         grpc_case("PathIgnored", "https://c:4317/base/?q=1#f", "https://c:4317"),
                                         grpc_case("NoPort", "https://c", "https://c"),
                                         grpc_case("HostPort", "c:4317", "https://c:4317"),
                                         grpc_case("HostPortInsecure", "c:4317", "http://c:4317", "True"),
                                         grpc_case("SchemeBeatsInsecure", "https://c:4317", "https://c:4317", "true"),
                                         grpc_case("OneIsNotTrue", "c:4317", "https://c:4317", "1"),
                                         grpc_case("Six", "http://[::1]:4317", "http://[::1]:4317"),
                                         grpc_case("SixWithoutPort", "[::1]", "https://[::1]"),
                                         UrlCase{"PerSignal",
                                                 {{"OTEL_EXPORTER_OTLP_ENDPOINT", "all:1"},
                                                  {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:2/x"},
                                                  {"OTEL_EXPORTER_OTLP_METRICS_INSECURE", "true"}},
                                                 std::string("http://t:2") + trace_method,
                                                 std::string("http://all:1") + metric_method},
                                         UrlCase{"SecureDespiteGeneral",
                                                 {{"OTEL_EXPORTER_OTLP_ENDPOINT", "all:1"},
                                                  {"OTEL_EXPORTER_OTLP_INSECURE", "true"},
                                                  {"OTEL_EXPORTER_OTLP_TRACES_INSECURE", "false"}},
                                                 std::string("https://all:1") + trace_method,
                                                 std::string("http://all:1") + metric_method}),
                         [](const auto& one) { return one.param.name; });
INSTANTIATE_TEST_SUITE_P(
    Http, OtlpUrl,
    testing::Values(
        http_case("Default", {}, "http://localhost:4318/v1/traces", "http://localhost:4318/v1/metrics"),
        http_case("General", {{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://c"}}, "https://c/v1/traces",
                  "https://c/v1/metrics"),
        http_case("OneSlash", {{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/"}}, "https://c/v1/traces",
                  "https://c/v1/metrics"),
        http_case("BasePath", {{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:8/base/otlp//"}},
                  "https://c:8/base/otlp/v1/traces", "https://c:8/base/otlp/v1/metrics"),
        http_case("Query", {{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/b?k=v/w"}}, "https://c/b/v1/traces?k=v/w",
                  "https://c/b/v1/metrics?k=v/w"),
        http_case("PerSignalAsItIs",
                  {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/own/?a=b"},
                   {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m:9"}},
                  "https://t/own/?a=b", "http://m:9/"),
        http_case("OnePerSignal",
                  {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/x"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"}},
                  "https://t/x", "http://a/v1/metrics"),
        UrlCase{"ProtocolPerSignal",
                {{"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1/b"}},
                std::string("http://a:1") + trace_method,
                "http://a:1/b/v1/metrics"}),
    [](const auto& one) { return one.param.name; });

TEST(OtlpSettings, EachSignalsVariableWins) {
    const auto got = good({{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"},
                           {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json"},
                           {"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"},
                           {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"},
                           {"OTEL_EXPORTER_OTLP_TIMEOUT", "2000"},
                           {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "50"},
                           {"OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=2"},
                           {"OTEL_EXPORTER_OTLP_METRICS_HEADERS", "c=3"},
                           {"OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"},
                           {"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "other.pem"},
                           {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "c.pem"},
                           {"OTEL_EXPORTER_OTLP_CLIENT_KEY", "k.pem"},
                           {"OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "mk.pem"}});
    EXPECT_EQ(got.traces.protocol, Protocol::http_protobuf);
    EXPECT_EQ(got.metrics.protocol, Protocol::http_json);
    EXPECT_FALSE(got.traces.gzip);
    EXPECT_TRUE(got.metrics.gzip);
    EXPECT_EQ(got.traces.timeout, Millis(50));
    EXPECT_EQ(got.metrics.timeout, Millis(2000));
    EXPECT_EQ(got.traces.headers, (Headers{{"a", "1"}, {"b", "2"}}));
    EXPECT_EQ(got.metrics.headers, (Headers{{"c", "3"}})) << "replaced, not joined";
    EXPECT_EQ(got.traces.ca_file, "other.pem");
    EXPECT_EQ(got.metrics.ca_file, "ca.pem");
    EXPECT_EQ(got.traces.client_certificate + got.traces.client_key, "c.pemk.pem");
    EXPECT_EQ(got.metrics.client_certificate + got.metrics.client_key, "c.pemmk.pem");
}

struct HeaderCase {
    const char *name, *given;
    Headers grpc, http;
};
class OtlpHeaders : public testing::TestWithParam<HeaderCase> {};
TEST_P(OtlpHeaders, AreDecoded) {
    const auto& [name, given, grpc, http] = GetParam();
    EXPECT_EQ(good({{"OTEL_EXPORTER_OTLP_HEADERS", given}}).traces.headers, grpc);
    EXPECT_EQ(
        good({{"OTEL_EXPORTER_OTLP_HEADERS", given}, {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"}}).traces.headers,
        http);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, OtlpHeaders,
    testing::Values(HeaderCase{"Spaces", " A = b c , ,d=", {{"a", "b c"}, {"d", ""}}, {{"A", "b c"}, {"d", ""}}},
                    HeaderCase{"Percent",
                               "Authorization=Basic%20dTpw%3D%3D,x%2Dy=%2c",
                               {{"authorization", "Basic dTpw=="}, {"x-y", ","}},
                               {{"Authorization", "Basic dTpw=="}, {"x-y", ","}}},
                    HeaderCase{"EqualsInValue", "k=a=b", {{"k", "a=b"}}, {{"k", "a=b"}}},
                    HeaderCase{"TheLastCounts", "k=1,l=2,K=3", {{"l", "2"}, {"k", "3"}}, {{"l", "2"}, {"K", "3"}}}),
    [](const auto& one) { return one.param.name; });

TEST(OtlpSettings, TheResourceIsOfTheEnvironment) {
    const auto got =
        good({{"OTEL_RESOURCE_ATTRIBUTES",
               "service.name=other,deployment.environment=test%2C 1, telemetry.sdk.language=cobol,empty="}});
    EXPECT_EQ(got.resource, (Resource{{"deployment.environment", std::string("test, 1")},
                                      {"empty", std::string()},
                                      {"service.name", std::string("other")},
                                      {"telemetry.sdk.language", std::string("cpp")},
                                      {"telemetry.sdk.name", std::string("opentelemetry")},
                                      {"telemetry.sdk.version", std::string("1.2.3")}}));
    const auto named = good({{"OTEL_RESOURCE_ATTRIBUTES", "service.name=other"}, {"OTEL_SERVICE_NAME", "mine"}});
    EXPECT_EQ(named.resource[0].second, trace::Value(std::string("mine")));
}

struct SamplerCase {
    const char *name, *argument;
    Settings::Sampler sampler;
    bool parent_based;
    double ratio;
};
class OtlpSampler : public testing::TestWithParam<SamplerCase> {};
TEST_P(OtlpSampler, IsNamed) {
    const auto got = good({{"OTEL_TRACES_SAMPLER", GetParam().name}, {"OTEL_TRACES_SAMPLER_ARG", GetParam().argument}});
    EXPECT_EQ(got.sampler, GetParam().sampler);
    EXPECT_EQ(got.parent_based, GetParam().parent_based);
    EXPECT_EQ(got.ratio, GetParam().ratio);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, OtlpSampler,
    testing::Values(SamplerCase{"always_on", "", Settings::Sampler::always_on, false, 1},
                    SamplerCase{"always_off", "7", Settings::Sampler::always_off, false, 1},
                    SamplerCase{"traceidratio", "", Settings::Sampler::ratio, false, 1},
                    SamplerCase{"parentbased_always_on", "", Settings::Sampler::always_on, true, 1},
                    SamplerCase{"parentbased_always_off", "", Settings::Sampler::always_off, true, 1},
                    SamplerCase{"ParentBased_TraceIdRatio", "0.25", Settings::Sampler::ratio, true, 0.25}),
    [](const auto& one) { return one.param.name; });

TEST(OtlpSettings, PaceAndLimits) {
    const auto got = good({{"OTEL_METRIC_EXPORT_INTERVAL", "1"},
                           {"OTEL_METRIC_EXPORT_TIMEOUT", "2"},
                           {"OTEL_BSP_SCHEDULE_DELAY", "3"},
                           {"OTEL_BSP_EXPORT_TIMEOUT", "4"},
                           {"OTEL_BSP_MAX_QUEUE_SIZE", "5"},
                           {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "6"},
                           {"OTEL_ATTRIBUTE_COUNT_LIMIT", "99"},
                           {"OTEL_SPAN_EVENT_COUNT_LIMIT", "0"},
                           {"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "-1"},
                           {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7"},
                           {"OTEL_SPAN_LINK_COUNT_LIMIT", "8"}});
    EXPECT_EQ(got.metric_interval, Millis(1));
    EXPECT_EQ(got.metric_timeout, Millis(2));
    EXPECT_EQ(got.batch_delay, Millis(3));
    EXPECT_EQ(got.batch_timeout, Millis(4));
    EXPECT_EQ(got.queue, 5u);
    EXPECT_EQ(got.batch, 5u) << "no batch is larger than the queue";
    EXPECT_EQ(got.limits.attributes, 6u);
    EXPECT_EQ(got.limits.events, 0u);
    EXPECT_EQ(got.limits.event_attributes, std::numeric_limits<std::size_t>::max());
    EXPECT_EQ(got.limits.value_length, 7u);
}

TEST(OtlpSettings, MetricPreferences) {
    const std::string temporality = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    EXPECT_EQ(good({{temporality, "Delta"}}).temporality, Temporality::delta);
    EXPECT_EQ(good({{temporality, "lowmemory"}}).temporality, Temporality::delta);
    EXPECT_EQ(good({{temporality, "CUMULATIVE"}}).temporality, Temporality::cumulative);
    const std::string aggregation = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    EXPECT_TRUE(good({{aggregation, "base2_exponential_bucket_histogram"}}).exponential);
    EXPECT_FALSE(good({{aggregation, "explicit_bucket_histogram"}}).exponential);
}

TEST(OtlpSettings, DisabledSaysNothingElse) {
    EXPECT_TRUE(good({{"OTEL_SDK_DISABLED", "TRUE"}, {"OTEL_EXPORTER_OTLP_PROTOCOL", "smoke signals"}}).disabled);
    EXPECT_FALSE(good({{"OTEL_SDK_DISABLED", "yes"}}).disabled);
}

struct WrongCase {
    const char *variable, *value, *takes;
    Variables with = {};
};
class OtlpWrongSetting : public testing::TestWithParam<WrongCase> {};
TEST_P(OtlpWrongSetting, IsNamedWithWhatItTakes) {
    auto variables = GetParam().with;
    variables[GetParam().variable] = GetParam().value;
    const auto got = read(variables);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::bad_input);
    EXPECT_TRUE(got.error().what.starts_with(std::string(GetParam().variable) + " takes ")) << got.error().what;
    EXPECT_NE(got.error().what.find(GetParam().takes), std::string::npos) << got.error().what;
    EXPECT_EQ(got.error().what.find("canary"), std::string::npos) << got.error().what;
}
const Variables over_http{{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"}};
INSTANTIATE_TEST_SUITE_P(
    Numbers, OtlpWrongSetting,
    testing::Values(
        WrongCase{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds from 1 to 86400000"},
        WrongCase{"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "0", "milliseconds"},
        WrongCase{"OTEL_METRIC_EXPORT_INTERVAL", "-5", "milliseconds"},
        WrongCase{"OTEL_METRIC_EXPORT_TIMEOUT", "canary", "milliseconds"},
        WrongCase{"OTEL_BSP_SCHEDULE_DELAY", "1.5", "milliseconds"},
        WrongCase{"OTEL_BSP_EXPORT_TIMEOUT", "x", "milliseconds"},
        WrongCase{"OTEL_BSP_MAX_QUEUE_SIZE", "0", "a number of spans from 1 to 1000000"},
        WrongCase{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99999999", "a number of spans"},
        WrongCase{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many", "a whole number"},
        WrongCase{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1k", "a whole number"},
        WrongCase{"OTEL_SPAN_EVENT_COUNT_LIMIT", "x", "a whole number"},
        WrongCase{"OTEL_SPAN_LINK_COUNT_LIMIT", "x", "a whole number"},
        WrongCase{"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "x", "a whole number"},
        WrongCase{"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "x", "a whole number"},
        WrongCase{"OTEL_TRACES_SAMPLER_ARG", "1.5", "from 0 to 1", {{"OTEL_TRACES_SAMPLER", "traceidratio"}}},
        WrongCase{
            "OTEL_TRACES_SAMPLER_ARG", "half", "from 0 to 1", {{"OTEL_TRACES_SAMPLER", "parentbased_traceidratio"}}}));
INSTANTIATE_TEST_SUITE_P(
    Words, OtlpWrongSetting,
    testing::Values(
        WrongCase{"OTEL_EXPORTER_OTLP_PROTOCOL", "http", "grpc, http/protobuf, http/json"},
        WrongCase{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "canary", "grpc, http/protobuf, http/json"},
        WrongCase{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "none, gzip"},
        WrongCase{"OTEL_TRACES_SAMPLER", "jaeger_remote", "always_on, always_off, traceidratio"},
        WrongCase{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both", "cumulative, delta, lowmemory"},
        WrongCase{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "linear",
                  "base2_exponential_bucket_histogram"},
        WrongCase{
            "OTEL_EXPORTER_OTLP_CLIENT_KEY", "", "both are needed", {{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "c"}}},
        WrongCase{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
                  "",
                  "both are needed",
                  {{"OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "k"}}}));
INSTANTIATE_TEST_SUITE_P(
    Pairs, OtlpWrongSetting,
    testing::Values(WrongCase{"OTEL_EXPORTER_OTLP_HEADERS", "canary", "the 1. is none"},
                    WrongCase{"OTEL_EXPORTER_OTLP_HEADERS", "a=1,=canary", "the 2. is none"},
                    WrongCase{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=canary%2", "percent-encoded"},
                    WrongCase{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=canary%zz", "percent-encoded"},
                    WrongCase{"OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=canary%0d%0aX: y", "a header can hold"},
                    WrongCase{"OTEL_EXPORTER_OTLP_HEADERS", "a b=canary", "a header can hold"},
                    WrongCase{"OTEL_EXPORTER_OTLP_HEADERS", "a=canary\xc3\xa9", "a header can hold"},
                    WrongCase{"OTEL_RESOURCE_ATTRIBUTES", "a=1,canary", "the 2. is none"},
                    WrongCase{"OTEL_RESOURCE_ATTRIBUTES", "a=canary%", "percent-encoded"}));
INSTANTIATE_TEST_SUITE_P(
    Endpoints, OtlpWrongSetting,
    testing::Values(WrongCase{"OTEL_EXPORTER_OTLP_ENDPOINT", "unix:///canary", "https://host:port"},
                    WrongCase{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://", "host:port"},
                    WrongCase{"OTEL_EXPORTER_OTLP_ENDPOINT", "://canary", "host:port"},
                    WrongCase{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://canary:0", "host:port"},
                    WrongCase{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://canary:99999", "host:port"},
                    WrongCase{"OTEL_EXPORTER_OTLP_ENDPOINT", "canary:", "host:port"},
                    WrongCase{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:canary@host:1", "host:port"},
                    WrongCase{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://canary host", "host:port"},
                    WrongCase{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://canary\nhost", "host:port"},
                    WrongCase{"OTEL_EXPORTER_OTLP_ENDPOINT", "::1", "host:port"},
                    WrongCase{"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "a URL such as", over_http},
                    WrongCase{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "ftp://canary/x", "a URL such as", over_http}));

}  // namespace
}  // namespace weir::otlp
