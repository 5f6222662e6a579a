#include "proto/notify/service_url.h"

#include <gtest/gtest.h>

namespace weir::notify {
namespace {

ServiceUrl url_of(std::string_view text) {
    auto got = read_service_url(text);
    EXPECT_TRUE(got) << text << ": " << got.error().text();
    return got ? *got : ServiceUrl{};
}

TEST(ServiceUrl, ReadsEveryPart) {
    const auto url = url_of("Ntfy://us%40er:p%3Aw:x@Host.example:8080/a%2Fb//c+d?x=1+2&Y=%26&x=3#fr%20ag");
    EXPECT_EQ(url.scheme, "ntfy");
    EXPECT_EQ(url.custom, "");
    EXPECT_TRUE(url.has_user);
    EXPECT_TRUE(url.has_password);
    EXPECT_EQ(url.user, "us@er");
    EXPECT_EQ(url.password, "p:w:x");
    EXPECT_EQ(url.host, "Host.example");
    EXPECT_EQ(url.port, 8080);
    EXPECT_EQ(url.authority(), "Host.example:8080");
    EXPECT_EQ(url.path, "/a/b//c+d");
    EXPECT_EQ(url.raw_path, "/a%2Fb//c+d");
    EXPECT_EQ(url.segments(), (std::vector<std::string>{"a/b", "c+d"}));
    EXPECT_EQ(url.fragment, "fr ag");
    ASSERT_EQ(url.query.size(), 3u);
    EXPECT_EQ(*url.find("x"), "1 2");
    EXPECT_EQ(*url.find("Y"), "&");
    EXPECT_EQ(url.find("y"), nullptr);
}

TEST(ServiceUrl, TakesWhatIsMissingAsEmpty) {
    const auto url = url_of("logger://");
    EXPECT_EQ(url.host, "");
    EXPECT_FALSE(url.has_user);
    EXPECT_FALSE(url.port);
    EXPECT_TRUE(url.segments().empty());
    EXPECT_EQ(url_of("teams://?host=a").find("host")->size(), 1u);
    EXPECT_EQ(url_of("ntfy:///topic").path, "/topic");
    const auto key_only = url_of("bark://:key@h:/");
    EXPECT_TRUE(key_only.has_user && key_only.user.empty());
    EXPECT_EQ(key_only.password, "key");
    EXPECT_FALSE(key_only.port);
}

TEST(ServiceUrl, SplitsACustomScheme) {
    const auto url = url_of("GENERIC+https://example.com/x");
    EXPECT_EQ(url.scheme, "generic");
    EXPECT_EQ(url.custom, "https");
}

TEST(ServiceUrl, TakesTheLastAtAsTheBorderOfTheUser) {
    const auto url = url_of("discord://a@b@host");
    EXPECT_EQ(url.user, "a@b");
    EXPECT_EQ(url.host, "host");
}

TEST(ServiceUrl, LetsASemicolonStandInTheQuery) {
    EXPECT_EQ(*url_of("ntfy://h/t?actions=view,A,https://a;view,B,https://b").find("actions"),
              "view,A,https://a;view,B,https://b");
}

TEST(ServiceUrl, ReadsIpv6) {
    const auto url = url_of("gotify://[::1]:8080/T");
    EXPECT_EQ(url.host, "::1");
    EXPECT_EQ(url.authority(), "[::1]:8080");
    EXPECT_EQ(url_of("gotify://[2001:db8::2]/T").authority(), "[2001:db8::2]");
}

TEST(ServiceUrl, RefusesWithoutRepeatingIt) {
    const std::string bad[] = {
        "",
        "CANARY",
        "://CANARY",
        "CANARY:gotify",
        "1x://CANARY",
        "+https://CANARY",
        "generic+://CANARY",
        "ntfy://CANARY:99999/t",
        "ntfy://CANARY:x/t",
        "ntfy://CANARY:-1/t",
        "ntfy://CANARY:+1/t",
        "ntfy://h:0/CANARY",
        "ntfy://[::1/CANARY",
        "ntfy://[CANARY]/",
        "ntfy://[::1]CANARY/",
        "ntfy://CANARY h/t",
        "ntfy://CANARY%41/t",
        "ntfy://CANARY%/t",
        "ntfy://CANARY%2/t",
        "ntfy://h/CANARY%zz",
        "ntfy://h/CANARY%4",
        "ntfy://u%:CANARY@h/t",
        "ntfy://u:CANARY%ff@h/t",
        "ntfy://h/t?CANARY=%",
        "ntfy://h/t?a=CANARY%f0%28",
        "ntfy://h/t#CANARY%1",
        "ntfy://h/CANARY\n",
        std::string("ntfy://h/CANARY\0", 16),
        "ntfy://h/CANARY" + std::string(8192, 'x'),
        std::string(40, 'a') + "CANARY://h",
    };
    for (const auto& text : bad) {
        const auto got = read_service_url(text);
        ASSERT_FALSE(got) << text;
        EXPECT_EQ(got.error().code, Errc::bad_input) << text;
        EXPECT_FALSE(got.error().what.empty());
        EXPECT_EQ(got.error().text().find("CANARY"), std::string::npos) << got.error().text();
    }
    EXPECT_EQ(read_service_url("ntfy://h:x/t").error().text(), "ntfy: the port is not a number between 1 and 65535");
}

TEST(ServiceUrl, BoundsTheQuery) {
    std::string text = "generic://h/?a=1";
    for (int i = 1; i < 100; ++i) text += "&a=1";
    EXPECT_EQ(url_of(text).query.size(), 100u);
    EXPECT_FALSE(read_service_url(text + "&a=1"));
}

TEST(ServiceUrl, EncodesAsGoDoes) {
    EXPECT_EQ(percent_encoded("a-_.~ /+é"), "a-_.~%20%2F%2B%C3%A9");
    EXPECT_EQ(form_encoded({{"b", "x y"}, {"a", "1&=2"}, {"b", "\"é"}}), "a=1%26%3D2&b=x+y&b=%22%C3%A9");
    EXPECT_EQ(form_encoded({}), "");
}

}  // namespace
}  // namespace weir::notify
