#include "proto/notify/deliveries.h"

#include <gtest/gtest.h>

namespace weir::notify {
namespace {

Reply answer(int status, std::string body = {}) {
    return {.status = status, .headers = {}, .body = std::move(body)};
}

std::string url_of(const std::optional<Call>& call) {
    return call ? std::get<HttpCall>(*call).url : "none";
}

std::vector<Call> three_calls() {
    return {json_call("1", ""), json_call("2", ""), json_call("3", "")};
}

TEST(NotifyDeliveries, MakeEachCallOnce) {
    const auto delivery = known_calls("x", three_calls(), status_between(200, 300));
    EXPECT_EQ(url_of(delivery->next()), "1");
    EXPECT_EQ(url_of(delivery->next()), "1") << "not yet answered";
    delivery->take(answer(200));
    EXPECT_EQ(url_of(delivery->next()), "2");
    delivery->take(answer(204));
    delivery->take(answer(299));
    EXPECT_FALSE(delivery->next());
    delivery->take(answer(500));
    EXPECT_TRUE(delivery->outcome()) << "an answer to no call says nothing";
}

TEST(NotifyDeliveries, StopAtAFailure) {
    const auto delivery = known_calls("x", three_calls(), status_between(200, 300));
    delivery->take(answer(503));
    EXPECT_FALSE(delivery->next());
    EXPECT_EQ(delivery->outcome().error().text(), "x: http 503 Service Unavailable");
    EXPECT_EQ(delivery->outcome().error().status, 503);
    EXPECT_EQ(delivery->outcome().error().code, Errc::busy);
}

TEST(NotifyDeliveries, GoOnAfterAFailureAndKeepTheFirst) {
    const auto delivery = known_calls("x", three_calls(), status_between(200, 300), AfterFailure::go_on);
    delivery->take(Error{Errc::unreachable, "no route"});
    EXPECT_EQ(url_of(delivery->next()), "2");
    delivery->take(answer(404));
    EXPECT_EQ(url_of(delivery->next()), "3");
    delivery->take(answer(200));
    EXPECT_FALSE(delivery->next());
    EXPECT_EQ(delivery->outcome().error().text(), "x: no route");
    EXPECT_EQ(delivery->outcome().error().code, Errc::unreachable);
}

TEST(NotifyDeliveries, SayWhenToComeAgain) {
    const Reply reply{.status = 429, .headers = {{"retry-after", "1.5"}}, .body = {}};
    const auto error = bad_status(reply);
    EXPECT_EQ(error.code, Errc::busy);
    EXPECT_EQ(error.what, "http 429 Too Many Requests");
    EXPECT_EQ(error.retry_after, Millis(1500));
    for (const std::string odd : {"-1", "soon", "1e99", "nan"})
        EXPECT_FALSE(bad_status({.status = 429, .headers = {{"retry-after", odd}}, .body = {}}).retry_after) << odd;
}

TEST(NotifyDeliveries, CleanTheWordsOfAServer) {
    EXPECT_EQ(service_said(answer(403), "no\n\x1b[31m way").what, "no\\n\\x1b[31m way");
    EXPECT_EQ(service_said(answer(403), "no").code, Errc::denied);
    EXPECT_LE(service_said(answer(400), std::string(5000, 'x')).what.size(), 300u);
}

TEST(NotifyDeliveries, PutATitleBeforeATextThatHasNone) {
    EXPECT_EQ(titled({.title = "T", .text = "m"}), "T\n\nm");
    EXPECT_EQ(titled({.title = "T", .text = "m"}, "\n"), "T\nm");
    EXPECT_EQ(titled({.title = "T", .text = "**T**\n\nm", .title_in_text = true}), "**T**\n\nm");
    EXPECT_EQ(titled({.title = "", .text = "m"}), "m");
    EXPECT_EQ(titled({.title = "T", .text = ""}), "T");
}

TEST(NotifyDeliveries, StepPriorities) {  // notify.md 11
    const int steps[] = {0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4};
    for (int priority = 0; priority <= 10; ++priority) EXPECT_EQ(priority_step(priority), steps[priority]) << priority;
    EXPECT_EQ(priority_step(-5), 0);
    EXPECT_EQ(priority_step(200), 4);
}

TEST(NotifyDeliveries, FindAFieldOfAnAnswer) {
    const std::string body = R"({"a":{"b":["x",7,true,null,{}]}})";
    EXPECT_EQ(json_field(body, "/a/b/0"), "x");
    EXPECT_EQ(json_field(body, "/a/b/1"), "7");
    EXPECT_EQ(json_field(body, "/a/b/2"), "true");
    for (const std::string none : {"/a/b/3", "/a/b/4", "/a/b/5", "/a/b/-", "/c", "/a/b/x", "a", "/a/b/0/c"})
        EXPECT_FALSE(json_field(body, none)) << none;
    EXPECT_FALSE(json_field("oops", "/a"));
    EXPECT_FALSE(json_field(std::string(100, '[') + std::string(100, ']'), "/0"));
    EXPECT_TRUE(is_json("{}"));
    EXPECT_FALSE(is_json(""));
}

TEST(NotifyDeliveries, EncodeForHeadersAndPaths) {
    EXPECT_EQ(base64(""), "");
    EXPECT_EQ(base64("f"), "Zg==");
    EXPECT_EQ(base64("fo"), "Zm8=");
    EXPECT_EQ(base64("foo"), "Zm9v");
    EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
    EXPECT_EQ(basic_authorization("u", "p"), "Basic dTpw");
    EXPECT_EQ(header_value("a\r\nb\x7f"), "a  b ");
    EXPECT_EQ(safe_path("/a%20b/\"c d\"/é?"), "/a%20b/%22c%20d%22/%C3%A9%3F");
    EXPECT_EQ(form_call("u", {{"b", "1 2"}, {"a", ""}}).body, "a=&b=1+2");
}

TEST(NotifyDeliveries, CutAtTheBorderOfACharacter) {
    EXPECT_EQ(cut_bytes("aé", 3), "aé");
    EXPECT_EQ(cut_bytes("aé", 2), "a");
    EXPECT_EQ(cut_bytes("日本", 5), "日");
    EXPECT_EQ(cut_bytes("日", 2), "");
    EXPECT_EQ(cut_bytes("", 0), "");
}

}  // namespace
}  // namespace weir::notify
