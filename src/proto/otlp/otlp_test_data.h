#pragma once
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

/// The fixtures, and binary messages as the JSON form shows them, read by a table of their own.
namespace weir::otlp::test {

inline WallTime at(std::int64_t nanos) {
    return WallTime(std::chrono::nanoseconds(nanos));
}

namespace json = boost::json;

inline std::string sample(const std::string& name) {
    std::ifstream in(std::string(WEIR_SOURCE_DIR "/tests/data/otlp/") + name, std::ios::binary);
    EXPECT_TRUE(in.good()) << name;
    return {std::istreambuf_iterator<char>(in), {}};
}

/// "u" varint, "z" zigzag, "w" wide varint as text, "b" bool, "F" fixed64 and "S" sfixed64 as text, "f" fixed32, "d" double, "s" text,
/// "h" bytes in hex, else a message; '*' repeated, '+' packed.
using Table = std::map<std::uint32_t, std::pair<const char*, std::string>>;
inline const std::map<std::string, Table>& tables() {
    static const std::map<std::string, Table> all{
        {"Traces", {{1, {"resourceSpans", "*ResourceSpans"}}}},
        {"Metrics", {{1, {"resourceMetrics", "*ResourceMetrics"}}}},
        {"ResourceSpans", {{1, {"resource", "Resource"}}, {2, {"scopeSpans", "*ScopeSpans"}}, {3, {"schemaUrl", "s"}}}},
        {"ScopeSpans", {{1, {"scope", "Scope"}}, {2, {"spans", "*Span"}}}},
        {"ResourceMetrics",
         {{1, {"resource", "Resource"}}, {2, {"scopeMetrics", "*ScopeMetrics"}}, {3, {"schemaUrl", "s"}}}},
        {"ScopeMetrics", {{1, {"scope", "Scope"}}, {2, {"metrics", "*Metric"}}}},
        {"Resource", {{1, {"attributes", "*KeyValue"}}}},
        {"Scope", {{1, {"name", "s"}}}},
        {"KeyValue", {{1, {"key", "s"}}, {2, {"value", "AnyValue"}}}},
        {"AnyValue",
         {{1, {"stringValue", "s"}}, {2, {"boolValue", "b"}}, {3, {"intValue", "w"}}, {4, {"doubleValue", "d"}}}},
        {"Span",
         {{1, {"traceId", "h"}},
          {2, {"spanId", "h"}},
          {4, {"parentSpanId", "h"}},
          {5, {"name", "s"}},
          {6, {"kind", "u"}},
          {7, {"startTimeUnixNano", "F"}},
          {8, {"endTimeUnixNano", "F"}},
          {9, {"attributes", "*KeyValue"}},
          {10, {"droppedAttributesCount", "u"}},
          {11, {"events", "*Event"}},
          {12, {"droppedEventsCount", "u"}},
          {15, {"status", "Status"}},
          {16, {"flags", "f"}}}},
        {"Event",
         {{1, {"timeUnixNano", "F"}},
          {2, {"name", "s"}},
          {3, {"attributes", "*KeyValue"}},
          {4, {"droppedAttributesCount", "u"}}}},
        {"Status", {{2, {"message", "s"}}, {3, {"code", "u"}}}},
        {"Metric",
         {{1, {"name", "s"}},
          {2, {"description", "s"}},
          {3, {"unit", "s"}},
          {5, {"gauge", "Sum"}},
          {7, {"sum", "Sum"}},
          {9, {"histogram", "Histogram"}},
          {10, {"exponentialHistogram", "Exponential"}}}},
        {"Sum", {{1, {"dataPoints", "*Number"}}, {2, {"aggregationTemporality", "u"}}, {3, {"isMonotonic", "b"}}}},
        {"Histogram", {{1, {"dataPoints", "*HistogramPoint"}}, {2, {"aggregationTemporality", "u"}}}},
        {"Exponential", {{1, {"dataPoints", "*ExponentialPoint"}}, {2, {"aggregationTemporality", "u"}}}},
        {"Number",
         {{2, {"startTimeUnixNano", "F"}},
          {3, {"timeUnixNano", "F"}},
          {4, {"asDouble", "d"}},
          {6, {"asInt", "S"}},
          {7, {"attributes", "*KeyValue"}}}},
        {"HistogramPoint",
         {{2, {"startTimeUnixNano", "F"}},
          {3, {"timeUnixNano", "F"}},
          {4, {"count", "F"}},
          {5, {"sum", "d"}},
          {6, {"bucketCounts", "+F"}},
          {7, {"explicitBounds", "+d"}},
          {9, {"attributes", "*KeyValue"}},
          {11, {"min", "d"}},
          {12, {"max", "d"}}}},
        {"ExponentialPoint",
         {{1, {"attributes", "*KeyValue"}},
          {2, {"startTimeUnixNano", "F"}},
          {3, {"timeUnixNano", "F"}},
          {4, {"count", "F"}},
          {5, {"sum", "d"}},
          {6, {"scale", "z"}},
          {7, {"zeroCount", "F"}},
          {8, {"positive", "Buckets"}}}},
        {"Buckets", {{1, {"offset", "z"}}, {2, {"bucketCounts", "+w"}}}},
    };
    return all;
}

/// A whole number is the same however it was written.
inline json::value real(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<std::int64_t>(value);
    return value;
}

json::object decoded(const std::string& message, protozero::data_view bytes);

inline json::value value_of(const std::string& kind, protozero::pbf_reader& from) {
    if (kind == "u") return static_cast<std::int64_t>(from.get_uint32());
    if (kind == "z") return static_cast<std::int64_t>(from.get_sint32());
    if (kind == "w") return json::string(std::to_string(from.get_int64()));
    if (kind == "b") return from.get_bool();
    if (kind == "F") return json::string(std::to_string(from.get_fixed64()));
    if (kind == "S") return json::string(std::to_string(from.get_sfixed64()));
    if (kind == "f") return static_cast<std::int64_t>(from.get_fixed32());
    if (kind == "d") return real(from.get_double());
    if (kind == "s") return json::string(from.get_string());
    if (kind != "h") return decoded(kind, from.get_view());
    std::string hex;
    for (const char c : from.get_string()) {
        constexpr std::string_view digits = "0123456789abcdef";
        hex += digits[static_cast<unsigned char>(c) >> 4];
        hex += digits[static_cast<unsigned char>(c) & 15];
    }
    return json::string(hex);
}

inline json::array packed(const std::string& kind, protozero::pbf_reader& from) {
    json::array out;
    if (kind == "F")
        for (const auto one : from.get_packed_fixed64()) out.emplace_back(std::to_string(one));
    if (kind == "w")
        for (const auto one : from.get_packed_uint64()) out.emplace_back(std::to_string(one));
    if (kind == "d")
        for (const auto one : from.get_packed_double()) out.emplace_back(real(one));
    return out;
}

inline json::object decoded(const std::string& message, protozero::data_view bytes) {
    const auto& table = tables().at(message);
    json::object out;
    protozero::pbf_reader from(bytes);
    while (from.next()) {
        const auto& [name, kind] = table.at(from.tag());
        if (kind.front() == '+') {
            out[name] = packed(kind.substr(1), from);
        } else if (kind.front() == '*') {
            auto& list = out[name];
            if (list.is_null()) list = json::array();
            list.get_array().push_back(value_of(kind.substr(1), from));
        } else {
            EXPECT_FALSE(out.contains(name)) << name << " twice";
            out[name] = value_of(kind, from);
        }
    }
    return out;
}
inline json::object decoded(const std::string& message, const std::string& bytes) {
    return decoded(message, protozero::data_view(bytes));
}

inline void even_numbers(json::value& in) {
    if (in.is_double() || in.is_uint64()) in = real(in.to_number<double>());
    if (in.is_array())
        for (auto& one : in.get_array()) even_numbers(one);
    if (in.is_object())
        for (auto& one : in.get_object()) even_numbers(one.value());
}
/// JSON as a tree that compares with decoded().
inline json::object parsed(std::string_view text) {
    auto out = json::parse(json::string_view(text.data(), text.size()));
    even_numbers(out);
    return out.as_object();
}

}  // namespace weir::otlp::test
