#include <gtest/gtest.h>

#include "proto/notify/notify_test_calls.h"

namespace weir::notify {
namespace {

const Message hello{.title = "T", .text = "m", .priority = 7};

TEST(NotifyGeneric, SendsTheBareMessageWithoutATemplate) {
    const auto call = try_url("generic://h:1/x?contenttype=text/html", hello).http();
    EXPECT_EQ(call.method, "POST");
    EXPECT_EQ(call.url, "https://h:1/x");
    EXPECT_EQ(call.body, "m");
    EXPECT_EQ(header(call, "content-type"), "text/plain");
    EXPECT_EQ(header(call, "accept"), "text/plain");
    EXPECT_EQ(header(call, "authorization"), "none");
}

TEST(NotifyGeneric, WritesMembersInTheirOrder) {
    EXPECT_EQ(try_url("generic://h/x?template=json&$b=2&$a=1", hello).http().body,
              R"({"a":"1","b":"2","message":"m","priority":"7","title":"T"})");
    EXPECT_EQ(try_url("generic://h/x?template=json&title=of+the+url", {.text = "m"}).http().body,
              R"({"message":"m","title":"of the url"})");
    EXPECT_EQ(try_url("generic://h/x?template=json&$priority=low", hello).http().body,
              R"({"message":"m","priority":"low","title":"T"})");
    EXPECT_EQ(try_url("generic://h/x?template=json", {.text = "m", .params = {{"tag", "x"}}}).http().body,
              R"({"message":"m","tag":"x"})");
}

TEST(NotifyGeneric, ForwardsWhatIsNotItsOwn) {
    EXPECT_EQ(try_url("generic://h/a%20b?z=1&a=x+y&Title=2&__title=3&__other=4&@H=5&$m=6", hello).http().url,
              "https://h/a%20b?Title=2&__other=4&a=x+y&title=3&z=1");
    EXPECT_EQ(try_url("generic+http://h?a=1", hello).http().url, "http://h/?a=1");
}

TEST(NotifyGeneric, MakesHeadersOfAtKeys) {
    const auto call =
        try_url("generic://u:p@h/x?@acceptLanguage=en&@X-Key=a%0d%0aEvil:+1&@content-type=x/y", hello).http();
    EXPECT_EQ(header(call, "Accept-Language"), "en");
    EXPECT_EQ(header(call, "X-Key"), "a  Evil: 1");
    EXPECT_EQ(header(call, "Content-Type"), "x/y");
    EXPECT_EQ(std::count_if(call.headers.begin(), call.headers.end(),
                            [](const auto& one) { return ascii_lowered(one.first) == "content-type"; }),
              1);
    EXPECT_EQ(header(call, "Authorization"), "Basic dTpw");
    for (const std::string bad : {"@", "@a%20b", "@a:", "@Content-Length", "@transfer-encoding", "@%C3%A9"})
        EXPECT_NE(refusal("generic://h/x?" + bad + "=1"), "") << bad;
}

TEST(NotifyGeneric, TakesAMethodInAnyCase) {
    EXPECT_EQ(try_url("generic://h/x?method=put", hello).http().method, "PUT");
    EXPECT_EQ(refusal("generic://h/x?method=a%20b"), "generic: option method: a word is accepted, as POST");
    EXPECT_EQ(refusal("generic://h/x?method="), "generic: option method: a word is accepted, as POST");
}

TEST(NotifyGeneric, CannotSendAnUnknownTemplate) {
    const auto tried = try_url("generic://h/x?template=foo", hello);
    EXPECT_TRUE(tried.calls.empty());
    EXPECT_EQ(tried.error(), "generic: option template: json or nothing is accepted; no other template is loaded");
}

TEST(NotifyGeneric, TakesWhatIsBelow400) {
    EXPECT_EQ(try_url("generic://h/x", hello, answer_of(302)).error(), "");
    EXPECT_EQ(try_url("generic://h/x", hello, answer_of(400)).error(), "generic: http 400 Bad Request");
}

}  // namespace
}  // namespace weir::notify
