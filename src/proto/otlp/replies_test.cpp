#include <gtest/gtest.h>

#include <protozero/pbf_writer.hpp>

#include "proto/otlp/otlp.h"

namespace weir::otlp {
namespace {

using namespace std::string_literals;

std::string partial_success(std::int64_t rejected, const std::string& message) {
    std::string inside, out;
    protozero::pbf_writer partial(inside);
    partial.add_int64(1, rejected);
    partial.add_string(2, message);
    protozero::pbf_writer(out).add_message(1, inside);
    return out;
}

std::string status_bytes(std::int32_t code, const std::string& message, const std::string& type, std::int64_t seconds,
                         std::int32_t nanos) {
    std::string duration, info, any, out;
    protozero::pbf_writer d(duration);
    d.add_int64(1, seconds);
    d.add_int32(2, nanos);
    protozero::pbf_writer(info).add_message(1, duration);
    protozero::pbf_writer a(any);
    a.add_string(1, type);
    a.add_bytes(2, info);
    protozero::pbf_writer s(out);
    s.add_int32(1, code);
    s.add_string(2, message);
    s.add_message(3, any);
    return out;
}
constexpr const char* retry_info = "type.googleapis.com/google.rpc.RetryInfo";

struct ResponseCase {
    const char* name;
    std::string body;
    Form form;
    std::int64_t rejected;
    std::string message;
};
class OtlpResponse : public testing::TestWithParam<ResponseCase> {};
TEST_P(OtlpResponse, SaysWhatWasRejected) {
    const auto got = read_response(GetParam().body, GetParam().form);
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_EQ(got->rejected, GetParam().rejected);
    EXPECT_EQ(got->message, GetParam().message);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, OtlpResponse,
    testing::Values(
        ResponseCase{"EmptyBinary", "", Form::protobuf, 0, ""}, ResponseCase{"EmptyText", "", Form::json, 0, ""},
        ResponseCase{"EmptyObject", "{}", Form::json, 0, ""},
        ResponseCase{"EmptyPartial", "\x0a\x00"s, Form::protobuf, 0, ""},
        ResponseCase{"NullPartial", R"({"partialSuccess":null})", Form::json, 0, ""},
        ResponseCase{"Binary", partial_success(3, "too old"), Form::protobuf, 3, "too old"},
        ResponseCase{"Warning", partial_success(0, "deprecated"), Form::protobuf, 0, "deprecated"},
        ResponseCase{"UnknownFields", partial_success(3, "x") + "\x10\x01\x1a\x02hi"s, Form::protobuf, 3, "x"},
        ResponseCase{"BrokenUtf8", partial_success(1, "\xff!"), Form::protobuf, 1, "\xef\xbf\xbd!"},
        ResponseCase{"LongText", partial_success(1, std::string(3000, 'x')), Form::protobuf, 1,
                     std::string(1024, 'x') + "…"},
        ResponseCase{"SpansAsText", R"({"partialSuccess":{"rejectedSpans":"12","errorMessage":"e"}})", Form::json, 12,
                     "e"},
        ResponseCase{"PointsAsNumber", R"({"partialSuccess":{"rejectedDataPoints":7},"more":[{}]})", Form::json, 7, ""},
        ResponseCase{"OddTypes", R"({"partialSuccess":{"rejectedSpans":"x","errorMessage":5}})", Form::json, 0, ""}),
    [](const auto& one) { return one.param.name; });

struct BrokenCase {
    const char* name;
    std::string body;
    Form form;
};
class OtlpBrokenReply : public testing::TestWithParam<BrokenCase> {};
TEST_P(OtlpBrokenReply, IsAnError) {
    const auto response = read_response(GetParam().body, GetParam().form);
    const auto status = read_status(GetParam().body, GetParam().form);
    ASSERT_FALSE(response);
    ASSERT_FALSE(status);
    EXPECT_EQ(response.error().code, Errc::bad_input);
    EXPECT_FALSE(response.error().what.empty());
}
INSTANTIATE_TEST_SUITE_P(Cases, OtlpBrokenReply,
                         testing::Values(BrokenCase{"CutOff", "\x0a\x05\x08"s, Form::protobuf},
                                         BrokenCase{"Endless", "\x08" + std::string(11, '\xff'), Form::protobuf},
                                         BrokenCase{"GroupTag", "\x0b\x08"s, Form::protobuf},
                                         BrokenCase{"TooLong", std::string((4u << 20) + 1, '\0'), Form::protobuf},
                                         BrokenCase{"Page", "<html>", Form::json}, BrokenCase{"List", "[]", Form::json},
                                         BrokenCase{"Deep", std::string(100, '['), Form::json},
                                         BrokenCase{"TooLongText", std::string((4u << 20) + 1, ' '), Form::json}),
                         [](const auto& one) { return one.param.name; });

struct StatusCase {
    const char* name;
    std::string body;
    Form form;
    int code;
    std::string message;
    std::optional<std::int64_t> delay;
};
class OtlpStatus : public testing::TestWithParam<StatusCase> {};
TEST_P(OtlpStatus, IsReadWithItsDelay) {
    const auto got = read_status(GetParam().body, GetParam().form);
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_EQ(got->code, GetParam().code);
    EXPECT_EQ(got->message, GetParam().message);
    ASSERT_EQ(got->retry_delay.has_value(), GetParam().delay.has_value());
    if (got->retry_delay) {
        EXPECT_EQ(got->retry_delay->count(), *GetParam().delay);
    }
}
std::string json_delay(const char* delay) {
    return R"({"code":8,"message":"m","details":[1,{"@type":"x"},{"@type":"type.googleapis.com/google.rpc.RetryInfo",)"s +
           delay + "}]}";
}
INSTANTIATE_TEST_SUITE_P(
    Cases, OtlpStatus,
    testing::Values(
        StatusCase{"Empty", "", Form::protobuf, 0, "", {}},
        StatusCase{"Plain", "\x08\x0e\x12\x01m"s, Form::protobuf, 14, "m", {}},
        StatusCase{"Delay", status_bytes(14, "m", retry_info, 1, 500'000'000), Form::protobuf, 14, "m", 1'500'000},
        StatusCase{"OtherDetail", status_bytes(14, "m", "a/google.rpc.Help", 1, 0), Form::protobuf, 14, "m", {}},
        StatusCase{"TypeWithoutPlace", status_bytes(8, "", "google.rpc.RetryInfo", 2, 0), Form::protobuf, 8, "",
                   2'000'000},
        StatusCase{"NoTime", "\x1a\x2a\x0a\x28"s + retry_info, Form::protobuf, 0, "", 0},
        StatusCase{"BackInTime", status_bytes(8, "", retry_info, -5, 0), Form::protobuf, 8, "", 0},
        StatusCase{"Ages", status_bytes(8, "", retry_info, INT64_MAX, INT32_MAX), Form::protobuf, 8, "",
                   86'400'999'999},
        StatusCase{"Text", json_delay(R"("retryDelay":"1.5s")"), Form::json, 8, "m", 1'500'000},
        StatusCase{"TextNoTime", json_delay(R"("other":1)"), Form::json, 8, "m", 0},
        StatusCase{"TextBackInTime", json_delay(R"("retryDelay":"-1s")"), Form::json, 8, "m", 0},
        StatusCase{"TextAges", json_delay(R"("retryDelay":"1e300s")"), Form::json, 8, "m", 86'400'000'000},
        StatusCase{"TextNoDetails", R"({"code":3,"message":"bad","details":{}})", Form::json, 3, "bad", {}},
        StatusCase{"TextOddCode", R"({"code":-4})", Form::json, 2, "", {}}),
    [](const auto& one) { return one.param.name; });

TEST(OtlpGrpc, AFrameIsFlagLengthMessage) {
    EXPECT_EQ(grpc_frame("abc", false), "\0\0\0\0\3abc"s);
    EXPECT_EQ(grpc_frame(std::string(0x10203, 'x'), true).substr(0, 6), "\1\0\1\2\3x"s);
    EXPECT_EQ(*grpc_message(grpc_frame("abc", false)), "abc");
    EXPECT_EQ(*grpc_message(grpc_frame("", false)), "");
}

TEST(OtlpGrpc, WhatIsNotOneMessageIsAnError) {
    EXPECT_EQ(grpc_message("").error().code, Errc::bad_input);
    EXPECT_EQ(grpc_message("\0\0\0\0"s).error().code, Errc::bad_input);
    EXPECT_EQ(grpc_message("\0\0\0\0\2a"s).error().code, Errc::bad_input);
    EXPECT_EQ(grpc_message("\0\0\0\0\1ab"s).error().code, Errc::bad_input);
    EXPECT_EQ(grpc_message("\2\0\0\0\1a"s).error().code, Errc::bad_input);
    EXPECT_EQ(grpc_message("\1\0\0\0\1a"s).error().code, Errc::unsupported);
    EXPECT_EQ(grpc_message("\0\xff\xff\xff\xff"s).error().code, Errc::bad_input);
}

}  // namespace
}  // namespace weir::otlp
