#include "telemetry/otlp/exchange.h"

#include <gmock/gmock.h>

#include "gunzip.h"
#include "telemetry/otlp/codings.h"

namespace weir::telemetry {
namespace {

using namespace std::string_literals;
using otlp::Endpoint;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using What = Verdict::What;
using Fields = std::vector<std::pair<std::string, std::string>>;

Endpoint endpoint(Endpoint::Protocol protocol) {
    Endpoint e;
    e.protocol = protocol;
    e.url = "http://collector.example:4318/base/v1/traces";
    e.headers = {{"x-key", "CANARY secret"}};
    return e;
}

Exchange exchange(Endpoint e) {
    return Exchange::create(std::move(e)).value();
}

HttpResponse answer(int status, Fields headers = {}, std::string body = {}, Fields trailers = {}) {
    HttpResponse r;
    r.head.status = status;
    r.head.url = parse_url("http://collector.example:4318/base/v1/traces").value();
    r.head.headers = std::move(headers);
    r.head.trailers = std::move(trailers);
    r.body = std::move(body);
    return r;
}

TEST(Exchange, PostsProtobufOrJsonToTheWholeUrl) {
    for (const auto& [protocol, type] : {std::pair(Endpoint::Protocol::http_protobuf, "application/x-protobuf"),
                                         std::pair(Endpoint::Protocol::http_json, "application/json")}) {
        const auto r = exchange(endpoint(protocol)).request("message", Millis{4'000});
        EXPECT_EQ(r.method, "POST");
        EXPECT_EQ(r.url.text(), "http://collector.example:4318/base/v1/traces");
        EXPECT_EQ(r.body.text(), "message");
        EXPECT_EQ(r.max_redirects, 0);
        EXPECT_FALSE(r.http2_only);
        EXPECT_THAT(r.headers, Contains(Pair("content-type", type)));
        EXPECT_THAT(r.headers, Contains(Pair("x-key", "CANARY secret")));
        EXPECT_THAT(r.headers, Not(Contains(Pair("content-encoding", testing::_))));
    }
}

TEST(Exchange, GrpcIsOneFrameOverHttp2) {
    auto e = endpoint(Endpoint::Protocol::grpc);
    const auto plain = exchange(e).request("message", Millis{4'000});
    EXPECT_TRUE(plain.http2_only);
    EXPECT_EQ(plain.body.text(), "\0\0\0\0\7message"s);
    EXPECT_THAT(plain.headers, Contains(Pair("content-type", "application/grpc")));
    EXPECT_THAT(plain.headers, Contains(Pair("te", "trailers")));
    EXPECT_THAT(plain.headers, Contains(Pair("grpc-timeout", "4000m")));
    EXPECT_THAT(plain.headers, Not(Contains(Pair("grpc-encoding", testing::_))));
    e.gzip = true;
    const auto packed = exchange(e).request("message", Millis{999'999'999});
    EXPECT_THAT(packed.headers, Contains(Pair("grpc-encoding", "gzip")));
    EXPECT_THAT(packed.headers, Contains(Pair("grpc-timeout", "99999999m")));
    EXPECT_EQ(packed.body.text()[0], '\1');
    EXPECT_EQ(test::gunzipped(std::string(packed.body.text().substr(5))), "message");
}

TEST(Exchange, GzipIsWhatItSaysItIs) {
    auto e = endpoint(Endpoint::Protocol::http_protobuf);
    e.gzip = true;
    const std::string message(100'000, 'a');
    const auto r = exchange(e).request(message, Millis{4'000});
    EXPECT_THAT(r.headers, Contains(Pair("content-encoding", "gzip")));
    EXPECT_LT(r.body.size(), 2'000u);
    EXPECT_THAT(std::string(r.body.text()), testing::StartsWith("\x1f\x8b"));
}

TEST(Exchange, AnEndpointThatIsNoneIsRefusedWithoutRepeatingIt) {
    auto e = endpoint(Endpoint::Protocol::http_json);
    e.url = "ftp://user:CANARY@host/";
    const auto made = Exchange::create(e);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::bad_input);
    EXPECT_THAT(made.error().text(), Not(HasSubstr("CANARY")));
}

struct HttpCase {
    int status;
    Fields headers;
    What what;
    std::optional<Millis> pause;
};

TEST(Exchange, HttpStatusesAreTakenAsTheSpecificationSays) {
    const std::vector<HttpCase> cases{
        {200, {}, What::delivered, {}},
        {204, {}, What::delivered, {}},
        {301, {{"location", "http://elsewhere/"}}, What::dropped, {}},
        {400, {}, What::dropped, {}},
        {401, {}, What::dropped, {}},
        {404, {}, What::dropped, {}},
        {413, {}, What::dropped, {}},
        {429, {{"retry-after", "9"}}, What::again, Millis{9'000}},
        {500, {{"retry-after", "9"}}, What::dropped, {}},
        {501, {}, What::dropped, {}},
        {502, {}, What::again, {}},
        {503, {{"retry-after", "2"}}, What::again, Millis{2'000}},
        {504, {}, What::again, {}},
    };
    const auto http = exchange(endpoint(Endpoint::Protocol::http_protobuf));
    for (const auto& c : cases) {
        const auto v = http.judge(answer(c.status, c.headers));
        EXPECT_EQ(v.what, c.what) << c.status;
        EXPECT_EQ(v.pause, c.pause) << c.status;
        EXPECT_EQ(v.why, c.what == What::delivered ? "" : fmt::format("http {}", c.status));
    }
}

/// google.rpc.Status {code, message "late", RetryInfo of 2.5 s}, base64 as gRPC sends it.
std::string details(bool with_retry_info) {
    const std::string delay = "\x08\x02\x10\x80\xca\xb5\xee\x01", info = "\x0a\x08" + delay;
    const std::string type = "type.googleapis.com/google.rpc.RetryInfo";
    const std::string any = "\x0a" + std::string(1, static_cast<char>(type.size())) + type + "\x12\x0a" + info;
    std::string status = "\x08\x08\x12\x04late";
    if (with_retry_info) status += "\x1a" + std::string(1, static_cast<char>(any.size())) + any;
    static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    unsigned bits = 0, have = 0;
    for (const char c : status) {
        bits = bits << 8 | static_cast<unsigned char>(c);
        for (have += 8; have >= 6;) out += letters[bits >> (have -= 6) & 63];
    }
    if (have > 0) out += letters[bits << (6 - have) & 63];
    return out;
}

struct GrpcCase {
    const char* name;
    int http;
    Fields headers, trailers;
    What what;
    std::optional<Millis> pause;
    const char* why;
};

TEST(Exchange, GrpcStatusesAreTakenAsTheSpecificationSays) {
    const auto code = [](const char* number) { return Fields{{"grpc-status", number}}; };
    const std::vector<GrpcCase> cases{
        {"cancelled", 200, {}, code("1"), What::again, {}, "grpc status 1 (CANCELLED)"},
        {"unknown", 200, {}, code("2"), What::dropped, {}, "grpc status 2 (UNKNOWN)"},
        {"invalid", 200, {}, code("3"), What::dropped, {}, "grpc status 3 (INVALID_ARGUMENT)"},
        {"late", 200, {}, code("4"), What::again, {}, "grpc status 4 (DEADLINE_EXCEEDED)"},
        {"denied", 200, {}, code("7"), What::dropped, {}, "grpc status 7 (PERMISSION_DENIED)"},
        {"exhausted", 200, {}, code("8"), What::dropped, {}, "grpc status 8 (RESOURCE_EXHAUSTED)"},
        {"exhausted, no delay",
         200,
         {},
         {{"grpc-status", "8"}, {"grpc-status-details-bin", details(false)}},
         What::dropped,
         {},
         "RESOURCE_EXHAUSTED"},
        {"exhausted, delay",
         200,
         {},
         {{"grpc-status", "8"}, {"grpc-status-details-bin", details(true)}},
         What::again,
         Millis{2'500},
         "RESOURCE_EXHAUSTED"},
        {"aborted", 200, {}, code("10"), What::again, {}, "grpc status 10 (ABORTED)"},
        {"out of range", 200, {}, code("11"), What::again, {}, "grpc status 11 (OUT_OF_RANGE)"},
        {"unimplemented", 200, {}, code("12"), What::dropped, {}, "grpc status 12 (UNIMPLEMENTED)"},
        {"unavailable",
         200,
         {},
         {{"grpc-status", "14"}, {"grpc-message", "later%2C 100%"}},
         What::again,
         {},
         "grpc status 14 (UNAVAILABLE): later, 100%"},
        {"data loss", 200, {}, code("15"), What::again, {}, "grpc status 15 (DATA_LOSS)"},
        {"unauthenticated", 200, {}, code("16"), What::dropped, {}, "grpc status 16 (UNAUTHENTICATED)"},
        {"headers alone", 200, code("14"), {}, What::again, {}, "grpc status 14 (UNAVAILABLE)"},
        {"a proxy's 503", 503, {}, {}, What::again, {}, "http 503 without a grpc status"},
        {"a proxy's 401", 401, {}, {}, What::dropped, {}, "http 401 without a grpc status"},
        {"a web server", 200, {}, {}, What::dropped, {}, "http 200 without a grpc status"},
        {"no number", 200, {}, code("soon"), What::dropped, {}, "http 200 without a grpc status"},
    };
    const auto grpc = exchange(endpoint(Endpoint::Protocol::grpc));
    for (const auto& c : cases) {
        const auto v = grpc.judge(answer(c.http, c.headers, {}, c.trailers));
        EXPECT_EQ(v.what, c.what) << c.name;
        EXPECT_EQ(v.pause, c.pause) << c.name;
        EXPECT_THAT(v.why, HasSubstr(c.why)) << c.name;
    }
}

TEST(Exchange, APartialSuccessIsDeliveredAndTold) {
    const auto body = "\x0a\x0b\x08\x03\x12\x07too old"s;
    const auto http = exchange(endpoint(Endpoint::Protocol::http_protobuf)).judge(answer(200, {}, body));
    EXPECT_EQ(http.what, What::delivered);
    EXPECT_EQ(http.accepted.rejected, 3);
    EXPECT_EQ(http.accepted.message, "too old");
    const auto grpc = exchange(endpoint(Endpoint::Protocol::grpc))
                          .judge(answer(200, {}, otlp::grpc_frame(body, false), {{"grpc-status", "0"}}));
    EXPECT_EQ(grpc.what, What::delivered);
    EXPECT_EQ(grpc.accepted.rejected, 3);
    const auto json =
        exchange(endpoint(Endpoint::Protocol::http_json))
            .judge(answer(200, {}, R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}})"));
    EXPECT_EQ(json.accepted.rejected, 3);
}

TEST(Exchange, ErrorsOfTheNetworkAreTriedAgainAndOursAreNot) {
    const auto http = exchange(endpoint(Endpoint::Protocol::http_protobuf));
    for (const auto code : {Errc::unreachable, Errc::timed_out, Errc::lost_peer, Errc::denied}) {
        const auto v = http.judge(Error{code, "of some kind"});
        EXPECT_EQ(v.what, What::again);
        EXPECT_EQ(v.nobody, code == Errc::unreachable);
        EXPECT_EQ(v.why, "of some kind");
    }
    for (const auto code : {Errc::bad_input, Errc::cancelled})
        EXPECT_EQ(http.judge(Error{code, "no"}).what, What::dropped);
}

TEST(Exchange, AHeaderThatAnAnswerRepeatsIsNotInItsWords) {
    const auto json = exchange(endpoint(Endpoint::Protocol::http_json));
    const Fields type{{"content-type", "application/json"}};
    const auto refused = json.judge(answer(401, type, R"({"code":16,"message":"bad key CANARY secret"})"));
    EXPECT_EQ(refused.why, "http 401: bad key ***");
    const auto partial =
        json.judge(answer(200, type, R"({"partialSuccess":{"errorMessage":"deprecated key CANARY secret"}})"));
    EXPECT_EQ(partial.accepted.message, "deprecated key ***");
}

TEST(Exchange, APageOfAProxyIsNoMessage) {
    const auto json = exchange(endpoint(Endpoint::Protocol::http_json));
    EXPECT_EQ(json.judge(answer(400, {{"content-type", "text/html"}}, R"({"message":"x"})")).why, "http 400");
}

TEST(Codings, Base64OfBothAlphabets) {
    EXPECT_EQ(from_base64(""), "");
    EXPECT_EQ(from_base64("aGk="), "hi");
    EXPECT_EQ(from_base64("aGk"), "hi");
    EXPECT_EQ(from_base64("-_8"), "\xfb\xff");
    EXPECT_EQ(from_base64("+/8="), "\xfb\xff");
    EXPECT_EQ(from_base64("a"), std::nullopt);
    EXPECT_EQ(from_base64("a b="), std::nullopt);
}

TEST(Codings, WhatIsNoPercentPairStays) {
    EXPECT_EQ(percent_decoded("a%20b%c3%A4%zz%4"), "a b\xc3\xa4%zz%4");
}

}  // namespace
}  // namespace weir::telemetry
