#include <gtest/gtest.h>

#include <limits>

#include "base/text.h"
#include "proto/otlp/otlp.h"
#include "proto/otlp/otlp_test_data.h"

namespace weir::otlp {
namespace {

using test::at;
using test::decoded;
using test::parsed;
using test::sample;
using trace::SpanData;

template <std::size_t N>
std::array<std::uint8_t, N> id(std::string_view hex) {
    std::array<std::uint8_t, N> out{};
    for (std::size_t i = 0; i < N; ++i)
        out[i] = static_cast<std::uint8_t>(hex_value(hex[2 * i]) * 16 + hex_value(hex[2 * i + 1]));
    return out;
}

Resource sample_resource() {
    return {{"deployment.environment", std::string("test")},
            {"service.name", std::string("withny-dl")},
            {"telemetry.sdk.language", std::string("go")},
            {"telemetry.sdk.name", std::string("opentelemetry")},
            {"telemetry.sdk.version", std::string("1.46.0")}};
}

std::vector<SpanData> sample_spans() {
    const auto trace_id = id<16>("4462babf2c8d4a0e49acf2dfdec1f4b5");
    const auto root = id<8>("4f9f83162063ef3a");
    SpanData child{.tracer = "withny",
                   .name = "withny.downloadStream",
                   .context = {trace_id, id<8>("c6e339600a66b341"), true},
                   .parent = root,
                   .start = at(1795263077451800464),
                   .end = at(1795263077457182283),
                   .attributes = {{"channel_id", std::string("admin")}, {"fname", std::string("a.ts")}},
                   .failed = true,
                   .failure = "boom"};
    child.events.push_back(
        {at(1795263077451816258), "playlist received", {{"url", std::string("u")}, {"format", std::string("f")}}, 0});
    child.events.push_back(
        {at(1795263077451817620),
         "exception",
         {{"exception.type", std::string("*errors.errorString")}, {"exception.message", std::string("boom")}},
         0});
    SpanData parent{.tracer = "withny",
                    .name = "withny.Process",
                    .context = {trace_id, root, true},
                    .start = at(1795263077451790910),
                    .end = at(1795263077457187981),
                    .attributes = {{"channelID", std::string("admin")}}};
    parent.events.push_back({at(1795263077451798351), "preparing files", {}, 0});
    return {child, parent};
}

TEST(OtlpTraceRequest, IsByteForByteWhatTheReferencesSdkSends) {
    EXPECT_EQ(trace_request(sample_resource(), sample_spans(), Form::protobuf), sample("trace_request.pb"));
}

TEST(OtlpTraceRequest, TheJsonFormIsTheSamples) {
    EXPECT_EQ(parsed(trace_request(sample_resource(), sample_spans(), Form::json)),
              parsed(sample("trace_request.otlp.json")));
}

std::vector<SpanData> odd_spans() {
    SpanData one{.tracer = "a",
                 .name = "q\"uote\n\x01",
                 .context = {id<16>("00000000000000000000000000000001"), id<8>("0000000000000002"), false},
                 .kind = 3,
                 .start = at(1),
                 .end = at(std::numeric_limits<std::int64_t>::max())};
    one.attributes = {{"true", true},
                      {"false", false},
                      {"least", std::numeric_limits<std::int64_t>::min()},
                      {"zero", std::int64_t{0}},
                      {"half", 0.5},
                      {"large", 1e300},
                      {"nan", std::nan("")},
                      {"infinite", -std::numeric_limits<double>::infinity()},
                      {"empty", std::string()},
                      {"broken", std::string("\xff 配信")}};
    one.dropped_attributes = 7;
    one.dropped_events = 8;
    one.events.push_back({at(5), "e", {{"k", 2.0}}, 9});
    one.failed = true;
    auto two = one, three = one;
    two.tracer = "b";
    two.failure = "later";
    three.attributes.clear();
    return {one, two, three};
}

TEST(OtlpTraceRequest, BothFormsSayTheSameOfOddSpans) {
    const auto binary = decoded("Traces", trace_request({}, odd_spans(), Form::protobuf));
    EXPECT_EQ(binary, parsed(trace_request({}, odd_spans(), Form::json)));
}

TEST(OtlpTraceRequest, SpansAreGroupedByTracer) {
    const auto got = parsed(trace_request({}, odd_spans(), Form::json));
    const auto& scopes = got.at("resourceSpans").at(0).at("scopeSpans").as_array();
    ASSERT_EQ(scopes.size(), 2u);
    EXPECT_EQ(scopes[0].at("scope").at("name"), "a");
    EXPECT_EQ(scopes[0].at("spans").as_array().size(), 2u);
    EXPECT_EQ(scopes[1].at("scope").at("name"), "b");
    EXPECT_EQ(scopes[1].at("spans").at(0).at("status").at("message"), "later");
}

TEST(OtlpTraceRequest, OddValuesAreWhatJsonAllows) {
    const auto got = parsed(trace_request({}, odd_spans(), Form::json));
    const auto& span = got.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").at(0);
    const auto value = [&](std::size_t i) { return span.at("attributes").at(i).at("value"); };
    EXPECT_EQ(value(1), (boost::json::value{{"boolValue", false}}));
    EXPECT_EQ(value(2), (boost::json::value{{"intValue", "-9223372036854775808"}}));
    EXPECT_EQ(value(3), (boost::json::value{{"intValue", "0"}}));
    EXPECT_EQ(value(6), (boost::json::value{{"doubleValue", "NaN"}}));
    EXPECT_EQ(value(7), (boost::json::value{{"doubleValue", "-Infinity"}}));
    EXPECT_EQ(value(8), (boost::json::value{{"stringValue", ""}}));
    EXPECT_EQ(value(9), (boost::json::value{{"stringValue", "\xef\xbf\xbd 配信"}}));
    EXPECT_EQ(span.at("flags"), 256) << "not sampled";
    EXPECT_EQ(span.at("status"), (boost::json::value{{"code", 2}}));
    EXPECT_FALSE(span.as_object().contains("parentSpanId"));
    EXPECT_EQ(span.at("droppedAttributesCount"), 7);
    EXPECT_EQ(span.at("droppedEventsCount"), 8);
    EXPECT_EQ(span.at("events").at(0).at("droppedAttributesCount"), 9);
}

}  // namespace
}  // namespace weir::otlp
