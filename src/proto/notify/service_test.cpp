// What holds for every service.
#include "proto/notify/service.h"

#include <gtest/gtest.h>

#include <set>

#include "proto/notify/notify_test_calls.h"

namespace weir::notify {
namespace {

TEST(NotifyService, TellsAnUnknownScheme) {
    EXPECT_EQ(refusal("foo://bar"), "unknown service: \"foo\"");
    EXPECT_EQ(refusal("no url"), "service url: no scheme; it begins with one, as gotify://");
}

TEST(NotifyService, TakesACustomSchemeOnlyWhereThereIsOne) {
    EXPECT_EQ(refusal("ntfy+https://h/t"), "ntfy: takes no scheme after +; generic and notifiarr do");
    EXPECT_EQ(refusal("generic+ftp://h/t"), "generic: after + only http and https are known");
    EXPECT_EQ(refusal("generic+https://h/t"), "");
}

TEST(NotifyService, IsKnownByItsScheme) {
    const auto schemes = service_schemes();
    EXPECT_TRUE(std::is_sorted(schemes.begin(), schemes.end()));
    EXPECT_EQ(std::set(schemes.begin(), schemes.end()).size(), schemes.size());
    const auto service = make_service("HANGOUTS://chat.googleapis.com/v1/x?key=k&token=t");
    ASSERT_TRUE(service);
    EXPECT_EQ((*service)->scheme(), "hangouts");
}

TEST(NotifyService, CutsWhatIsTooLong) {
    const Message message{.title = std::string(2000, 't'), .text = "é" + std::string(70'000, 'x')};
    const auto service = make_service("logger://");
    ASSERT_TRUE(service);
    const auto delivery = (*service)->deliver(message, test_surroundings());
    ASSERT_TRUE(delivery);
    const auto log = std::get<LogCall>(*(*delivery)->next());
    EXPECT_EQ(log.title.size(), 1024u);
    EXPECT_EQ(log.text.size(), 65'536u);
    EXPECT_TRUE(log.title.ends_with("t [...]"));
    EXPECT_TRUE(log.text.ends_with("x [...]"));
}

TEST(NotifyService, MendsBrokenUtf8) {
    const auto tried = try_url("logger://", {.title = "a\xff", .text = "b\xc3"});
    EXPECT_EQ(std::get<LogCall>(tried.calls.at(0)).title, "a\xef\xbf\xbd");
    EXPECT_EQ(std::get<LogCall>(tried.calls.at(0)).text, "b\xef\xbf\xbd");
}

TEST(NotifyService, HidesTheUrlsSecretsInWhatTheServerSays) {
    const std::string url = "gotify://gotify.example.com/sub-CANARY-1/Aabcdefghijklmn?title=CANARY-title";
    const auto tried = try_url(
        url, {.text = "m"},
        answer_of(401, R"({"error":"bad token Aabcdefghijklmn","errorDescription":"at /sub-CANARY-1, CANARY-title"})"));
    EXPECT_EQ(tried.error(), "gotify: bad token *** (0): at /***, ***");
}

TEST(NotifyService, HidesThemInTheErrorsOfTheTransportToo) {
    const auto service = make_service("ifttt://CANARYCANARY/?events=e");
    ASSERT_TRUE(service);
    const auto delivery = (*service)->deliver({.text = "m"}, test_surroundings());
    ASSERT_TRUE(delivery);
    (*delivery)->take(Error{Errc::unreachable, "no way to /with/key/CANARYCANARY"});
    EXPECT_EQ((*delivery)->outcome().error().text(), "ifttt: no way to /with/key/***");
    EXPECT_EQ((*delivery)->outcome().error().code, Errc::unreachable);
}

TEST(NotifyService, HidesTheTokenWithinALongerSecret) {
    const auto service = make_service("generic://h/x?@Authorization=Bearer+CANARYCANARY");
    ASSERT_TRUE(service);
    const auto delivery = (*service)->deliver({.text = "m"}, test_surroundings());
    ASSERT_TRUE(delivery);
    (*delivery)->take(Error{Errc::unreachable, "header CANARYCANARY refused"});
    EXPECT_EQ((*delivery)->outcome().error().text(), "generic: header *** refused");
}

TEST(NotifyService, HidesTheBeginningOfASecretThatWasCut) {
    const auto tried = try_url("ntfy://u:CANARYCANARY@h/t", {.text = "m"},
                               answer_of(400, R"({"error":")" + std::string(290, 'x') + R"(CANARYCANARY"})"));
    EXPECT_EQ(tried.error(), "ntfy: " + std::string(290, 'x') + "***");
}

TEST(NotifyService, EndsADeliveryOfTooManyCalls) {
    std::string url = "ifttt://id/?events=e";
    for (int i = 1; i < 300; ++i) url += ",e";
    const auto tried = try_url(url, {.text = "m"});
    EXPECT_EQ(tried.calls.size(), 200u);
    EXPECT_EQ(tried.error(), "ifttt: more than 200 calls for one message");
}

/// Malformed URLs and messages of one scheme with the word in every place.
std::vector<std::string> spoilt(std::string_view scheme) {
    const auto begin = std::string(scheme) + "://";
    std::vector<std::string> out;
    for (const std::string_view rest : {
             "CANARYCANARY",
             "CANARYCANARY@",
             ":CANARYCANARY@",
             "CANARYCANARY:CANARYCANARY@",
             "CANARYCANARY@h",
             ":CANARYCANARY@h",
             "u:CANARYCANARY@h",
             "u:CANARYCANARY@h/",
             "u:CANARYCANARY@h:99999/",
             "u:CANARYCANARY@h/CANARYCANARY",
             "u:CANARYCANARY@h/CANARYCANARY/x",
             "h/CANARYCANARY",
             "h/CANARYCANARY/CANARYCANARY",
             "h/CANARYCANARY/CANARYCANARY/CANARYCANARY/CANARYCANARY",
             "h/CANARYCANARY%zz",
             "CANARYCANARY%zz/",
             "CANARYCANARY:x/",
             "u:CANARYCANARY@h/x?CANARYCANARY",
             "u:CANARYCANARY@h/x?CANARYCANARY=1",
             "u:CANARYCANARY@h/x?foo=CANARYCANARY",
             "u:CANARYCANARY@h/x?priority=CANARYCANARY",
             "u:CANARYCANARY@h/x?events=e&messagevalue=CANARYCANARY",
             "u:CANARYCANARY@h/x?devices=CANARYCANARY&priority=CANARYCANARY",
             "u:CANARYCANARY@h/x?encryptionkey=CANARYCANARY",
             "u:CANARYCANARY@h/x?extras=CANARYCANARY",
             "u:CANARYCANARY@h/x?details=CANARYCANARY",
             "u:CANARYCANARY@h/x?host=CANARYCANARY",
             "u:CANARYCANARY@h/x?host=https%3A%2F%2FCANARYCANARY",
             "u:CANARYCANARY@h/x?color=CANARYCANARY",
             "u:CANARYCANARY@h/x?channel=CANARYCANARY",
             "u:CANARYCANARY@h/x?scheme=CANARYCANARY",
             "u:CANARYCANARY@h/x?template=CANARYCANARY",
             "u:CANARYCANARY@h/x?method=CANARY%20CANARY",
             "u:CANARYCANARY@h/x?@CANARY%0aCANARY=x",
             "u:CANARYCANARY@h/x?disabletls=CANARYCANARY",
             "u:CANARYCANARY@h/x?from=CANARYCANARY&to=",
             "u:CANARYCANARY@h/x?from=a@b.c&to=d@e.f&timeout=CANARYCANARY",
             "u:CANARYCANARY@h/x?chats=CANARYCANARY&parsemode=CANARYCANARY",
             "u:CANARYCANARY@h/x?responders=CANARYCANARY",
             "u:CANARYCANARY@h/x?qos=CANARYCANARY",
             "u:CANARYCANARY@h/x?to=CANARYCANARY&type=CANARYCANARY",
             "u:CANARYCANARY@h/x?stream=CANARYCANARY&foo=CANARYCANARY",
             "hook:CANARYCANARY@webhook",
             "xoxb:CANARYCANARY@CANARYCANARY",
             "h/#CANARYCANARY%",
         })
        out.push_back(begin + std::string(rest));
    return out;
}

TEST(NotifyService, NeverTellsASecretOfItsUrl) {
    const Message messages[] = {{.title = "t", .text = "m", .priority = 5},
                                {.text = ""},
                                {.text = std::string(70'000, 'x')},
                                {.text = "m", .params = {{"nobody-knows", "x"}}}};
    const Reply replies[] = {
        answer_of(200, "{}"), answer_of(401), answer_of(500, "oops"), answer_of(200, "["),
        answer_of(400, R"({"error":"CANARYCANARY","message":"CANARYCANARY","errors":["CANARYCANARY"]})")};
    for (const auto scheme : service_schemes()) {
        for (const auto& url : spoilt(scheme)) {
            EXPECT_EQ(refusal(url).find("CANARY"), std::string::npos) << url << ": " << refusal(url);
            for (const auto& message : messages)
                for (const auto& reply : replies) {
                    const auto error = try_url(url, message, reply).error();
                    EXPECT_EQ(error.find("CANARY"), std::string::npos) << url << ": " << error;
                }
        }
    }
}

/// One URL of each scheme, good for the tests below.
const std::pair<std::string_view, std::string_view> good_urls[] = {
    {"bark", "bark://:key@h"},
    {"discord", "discord://token@1"},
    {"generic", "generic://h/x"},
    {"googlechat", "googlechat://h/x?key=k&token=t"},
    {"gotify", "gotify://h/Aabcdefghijklmn"},
    {"hangouts", "hangouts://h/x?key=k&token=t"},
    {"ifttt", "ifttt://id/?events=e"},
    {"join", "join://shoutrrr:key@join/?devices=d"},
    {"lark", "lark://open.feishu.cn/tok"},
    {"logger", "logger://"},
    {"matrix", "matrix://:token@h"},
    {"mattermost", "mattermost://h/tok"},
    {"mqtt", "mqtt://h/topic"},
    {"mqtts", "mqtts://h/topic"},
    {"notifiarr", "notifiarr://key"},
    {"ntfy", "ntfy://h/topic"},
    {"opsgenie", "opsgenie://api.opsgenie.com/key"},
    {"pagerduty", "pagerduty:///0123456789abcdef0123456789abcdef"},
    {"pushbullet", "pushbullet://o.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/d"},
    {"pushover", "pushover://shoutrrr:token@user"},
    {"rocketchat", "rocketchat://h/a/b"},
    {"signal", "signal://h/+4912345/+4967890"},
    {"slack", "slack://hook:T00000000-B00000000-XXXXXXXXXXXXXXXXXXXXXXXX@webhook"},
    {"smtp", "smtp://h/?from=a@b.c&to=d@e.f"},
    {"teams",
     "teams://?host=https%3A%2F%2Fprod-1.westus.logic.azure.com%3A443%2Fworkflows%2Fabc%2Ftriggers%2Fmanual%2Fpaths"
     "%2Finvoke%3Fapi-version%3D2016-06-01%26sig%3DX"},
    {"telegram", "telegram://123456789:AAbb-cc_dd@telegram?chats=1"},
    {"twilio", "twilio://ACsid:tok@+15551234567/+15557654321"},
    {"wecom", "wecom://key"},
    {"zulip", "zulip://bot%40x.com:key@zulip.example.com?stream=s&topic=t"},
};

TEST(NotifyService, TakesATitleAndAnyPriorityOfTheEventLayer) {  // notify.md 4
    std::set<std::string_view> untried;
    for (const auto scheme : service_schemes()) untried.insert(scheme);
    for (const auto& [scheme, url] : good_urls) {
        if (untried.erase(scheme) == 0) continue;
        for (const int priority : {-3, 0, 1, 5, 9, 10, 11, 200}) {
            const auto service = make_service(url);
            ASSERT_TRUE(service) << service.error().text();
            const auto made = (*service)->deliver({.title = "fc2-live-dl-go: T", .text = "m", .priority = priority},
                                                  test_surroundings());
            EXPECT_TRUE(made) << made.error().text();
            if (made) {
                EXPECT_TRUE((*made)->next()) << scheme;
            }
        }
    }
    EXPECT_TRUE(untried.empty()) << "no URL for " << *untried.begin();
}

TEST(NotifyService, KeepsNothingOfOneMessageForTheNext) {
    for (const auto& [scheme, url] : good_urls) {
        const auto service = make_service(url);
        if (!service) continue;  // the test before this one tells
        const auto first =
            (*service)->deliver({.title = "TITLE-ONE", .text = "ONE", .priority = 9}, test_surroundings());
        const auto second = (*service)->deliver({.text = "two"}, test_surroundings());
        ASSERT_TRUE(first && second) << scheme;
        const auto call = (*second)->next();
        if (!call || !std::holds_alternative<HttpCall>(*call)) continue;
        const auto& http = std::get<HttpCall>(*call);
        std::string all = http.url + http.body;
        for (const auto& [name, value] : http.headers) all += value;
        EXPECT_EQ(all.find("ONE"), std::string::npos) << scheme;
    }
}

}  // namespace
}  // namespace weir::notify
