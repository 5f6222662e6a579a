// opsgenie, pagerduty, rocketchat, signal, slack, teams, twilio, wecom.
#include <gtest/gtest.h>

#include "proto/notify/notify_test_calls.h"
#include "proto/notify/service_url.h"

namespace weir::notify {
namespace {

constexpr auto hook_tokens = "T00000000-B00000000-XXXXXXXXXXXXXXXXXXXXXXXX";
const std::string workflow = "teams://?host=https%3A%2F%2Fprod-1.westus.logic.azure.com%2Fworkflows%2Fabc";

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST(NotifyOpsgenie, MapsThePriorityUnlessTheUrlHasOne) {
    const std::pair<int, std::string> steps[] = {{0, "P5"}, {1, "P4"}, {3, "P4"}, {4, "P3"},
                                                 {7, "P3"}, {8, "P2"}, {9, "P2"}, {10, "P1"}};
    for (const auto& [priority, name] : steps)
        EXPECT_TRUE(has(try_url("opsgenie://api.opsgenie.com/key", {.text = "m", .priority = priority}).http().body,
                        R"("priority":")" + name + '"'))
            << priority;
    EXPECT_TRUE(
        has(try_url("opsgenie://h/key?priority=p2", {.text = "m", .priority = 0}).http().body, R"("priority":"P2")"));
    EXPECT_FALSE(has(try_url("opsgenie://h/key", {.text = "m"}).http().body, "priority"));
}

TEST(NotifyOpsgenie, PutsBelowWhatTheHeadlineCannotHold) {
    const std::string text(200, 'x');
    EXPECT_EQ(try_url("opsgenie://h/key", {.text = text}).http().body,
              fmt::format(R"({{"message":"{}","description":"{}"}})", text.substr(0, 130), text));
    EXPECT_EQ(try_url("opsgenie://h/key?description=d", {.text = "m"}).http().body,
              R"({"message":"m","description":"d"})");
    EXPECT_EQ(try_url("opsgenie://h/key?description=d", {.title = "T", .text = "m"}).http().body,
              R"({"message":"T","description":"m\nd"})");
}

TEST(NotifyOpsgenie, KnowsWhoItIsFor) {
    const auto body =
        try_url("opsgenie://h/key?responders=team:4513b7ea-3b91-438f-b7e4-e3e54af9147c,user:a@b.c&visibleTo=team:t",
                {.text = "m"})
            .http()
            .body;
    EXPECT_TRUE(has(
        body,
        R"("responders":[{"type":"team","id":"4513b7ea-3b91-438f-b7e4-e3e54af9147c"},{"type":"user","username":"a@b.c"}])"));
    EXPECT_TRUE(has(body, R"("visibleTo":[{"type":"team","name":"t"}])"));
    EXPECT_EQ(refusal("opsgenie://h/key?responders=schedule:s"),
              "opsgenie: option responders: of other types than team and user the id (a UUID) is needed");
    EXPECT_NE(refusal("opsgenie://h/"), "");
}

TEST(NotifyOpsgenie, TellsWhatTheServerSaid) {
    EXPECT_EQ(try_url("opsgenie://h/CANARY-key", {.text = "m"},
                      answer_of(422, R"({"message":"Key format of CANARY-key is not valid!"})"))
                  .error(),
              "opsgenie: Key format of *** is not valid!");
    EXPECT_EQ(try_url("opsgenie://h/key", {.text = "m"}, answer_of(202, "{}")).error(), "");
}

TEST(NotifyPagerduty, MapsThePriorityUnlessTheUrlHasASeverity) {
    const std::string url = "pagerduty:///0123456789abcdef0123456789abcdef";
    const std::pair<int, std::string> steps[] = {{0, "info"},  {3, "info"},  {4, "warning"},  {7, "warning"},
                                                 {8, "error"}, {9, "error"}, {10, "critical"}};
    for (const auto& [priority, name] : steps)
        EXPECT_TRUE(has(try_url(url, {.text = "m", .priority = priority}).http().body, R"("severity":")" + name + '"'))
            << priority;
    EXPECT_TRUE(has(try_url(url, {.text = "m"}).http().body, R"("severity":"error")"));
    EXPECT_TRUE(
        has(try_url(url + "?severity=info", {.text = "m", .priority = 10}).http().body, R"("severity":"info")"));
    EXPECT_EQ(try_url(url, {.text = "m"}).http().url, "https://events.pagerduty.com:443/v2/enqueue");
}

TEST(NotifyPagerduty, CutsTheSummary) {
    std::string text;
    for (int i = 0; i < 2000; ++i) text += "é";
    const auto body =
        try_url("pagerduty:///0123456789abcdef0123456789abcdef", {.title = "T", .text = text}).http().body;
    EXPECT_TRUE(has(body, fmt::format(R"("summary":"T: {}","severity")", text.substr(0, std::size_t{2} * 1021))));
}

TEST(NotifyPagerduty, TakesContextsAsJsonOrAsAList) {
    const std::string url = "pagerduty:///0123456789abcdef0123456789abcdef?contexts=";
    EXPECT_TRUE(has(try_url(url + "link:https://x,image:https://y", {.text = "m"}).http().body,
                    R"("contexts":[{"type":"link","href":"https://x"},{"type":"image","src":"https://y"}])"));
    EXPECT_TRUE(has(try_url(url + "[%7B%22a%22:1%7D]", {.text = "m"}).http().body, R"("contexts":[{"a":1}])"));
    EXPECT_EQ(refusal(url + "x"), "pagerduty: option contexts: accepted is JSON, or link:URL,image:URL");
    EXPECT_EQ(refusal("pagerduty:///0123456789abcdef0123456789abcdef?details=x"), "pagerduty: option details: no JSON");
    EXPECT_NE(refusal("pagerduty:///short"), "");
}

TEST(NotifyRocketchat, WritesToTheChannelOfTheUrl) {
    const auto body = [](std::string_view url) { return try_url(url, {.text = "m"}).http().body; };
    EXPECT_EQ(body("rocketchat://h/A/B"), R"({"text":"m"})");
    EXPECT_EQ(body("rocketchat://h/A/B/%23c"), R"({"text":"m","channel":"#c"})");
    EXPECT_NE(refusal("rocketchat://h/A"), "");
    EXPECT_NE(refusal("rocketchat://h/A/B/c/d"), "");
    EXPECT_EQ(try_url("rocketchat://h/CANARY-A/B", {.text = "m"}, answer_of(404, "no /hooks/CANARY-A")).error(),
              "rocketchat: notification failed: 404 no /hooks/***");
}

TEST(NotifySignal, KeepsASlashWithinAGroup) {
    EXPECT_TRUE(has(try_url("signal://h/+4912345/group.ab/cd=/+49 1/group.x%2Fy=", {.text = "m"}).http().body,
                    R"("recipients":["group.ab/cd=","+49 1","group.x/y="])"));
    EXPECT_EQ(refusal("signal://h/+4912345/someone"), "signal: recipient 1 is neither a phone number nor group.ID");
    EXPECT_EQ(refusal("signal://h/me/+49123"), "signal: the source is no phone number");
    EXPECT_NE(refusal("signal://h/+4912345"), "");
}

TEST(NotifySignal, TellsWhatTheServerSaid) {
    EXPECT_EQ(try_url("signal://h/+4912345678/+4967", {.text = "m"},
                      answer_of(400, R"({"error":"User +4912345678 is not registered."})"))
                  .error(),
              "signal: User *** is not registered.");
}

TEST(NotifySlack, ReadsItsTokens) {
    const std::string tokens = hook_tokens,
                      hook = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX";
    const auto ok = answer_of(200, "ok");
    EXPECT_EQ(try_url("slack://hook-" + tokens + "@webhook", {.text = "m"}, ok).http().url, hook);
    EXPECT_EQ(
        try_url("slack://hook:T00000000,B00000000,XXXXXXXXXXXXXXXXXXXXXXXX@webhook", {.text = "m"}, ok).http().url,
        hook);
    EXPECT_EQ(try_url("slack://T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", {.text = "m"}, ok).http().url, hook);
    const std::string refused =
        "slack: no token of slack's; it stands as slack://hook:T-B-X@webhook or slack://xoxb:A-B-C@CHANNEL";
    for (const std::string bad :
         {"slack://hook:T00000000,B00000000-XXXXXXXXXXXXXXXXXXXXXXXX@webhook", "slack://hook:T-B-X@webhook",
          "slack://T00000000/B00000000", "slack://xoxb@C", "slack://hook@C", "slack://h"})
        EXPECT_EQ(refusal(bad), refused) << bad;
    EXPECT_EQ(refusal("slack://xoxb:" + tokens + "@"), "slack: no channel");
}

TEST(NotifySlack, AppendsLinesBeyondAHundredToTheLast) {
    std::string text;
    for (int i = 0; i < 103; ++i) text += fmt::format("{}\n", i);
    const auto body =
        try_url(fmt::format("slack://hook:{}@webhook", hook_tokens), {.text = text}, answer_of(200, "ok")).http().body;
    EXPECT_TRUE(has(body, R"({"text":"98"},{"text":"99\n100\n101\n102"}])"));
}

TEST(NotifySlack, TellsWhatTheHookSaid) {
    const auto url = fmt::format("slack://hook:{}@webhook", hook_tokens);
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(404, "no_team")).error(), "slack: no_team");
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(200, "invalid_payload")).error(), "slack: invalid_payload");
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(500)).error(), "slack: http 500 Internal Server Error");
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(200)).error(), "");
}

TEST(NotifyTeams, TakesOnlyAddressesOfWorkflows) {
    const auto host = [](std::string_view text) { return refusal("teams://?host=" + percent_encoded(text)); };
    EXPECT_EQ(host("https://x.logic.azure.com/workflows/a"), "");
    EXPECT_EQ(host("https://x.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/a"), "");
    for (const auto* const bad :
         {"http://x.logic.azure.com/workflows/a", "https://evil.example/workflows/a", "https://x.logic.azure.com/",
          "https://x.logic.azure.com@evil.example/workflows/a", "https://evil.example?.logic.azure.com/workflows/a",
          "https://x.logic.azure.com/workflows/a b", "x.logic.azure.com/workflows/a"})
        EXPECT_TRUE(host(bad).starts_with("teams: invalid webhook URL format")) << bad;
    EXPECT_TRUE(refusal("teams://?title=x").starts_with("teams: option host is missing"));
    EXPECT_EQ(refusal(workflow + "&unknown=x"), "");
}

TEST(NotifyTeams, KnowsColoursByTheirNames) {
    for (const auto& [name, is] :
         {std::pair{"Danger", "attention"}, std::pair{"yellow", "warning"}, std::pair{"success", "good"},
          std::pair{"blue", "accent"}, std::pair{"dark", "dark"}, std::pair{"%23ff0000", "default"}})
        EXPECT_TRUE(has(try_url(workflow + "&color=" + name, {.title = "T", .text = "m"}).http().body,
                        fmt::format(R"("color":"{}")", is)))
            << name;
}

TEST(NotifyTeams, TakesTheFormOfBefore) {
    const auto tried =
        try_url("teams://g@t/a/o?host=outlook.office.com&color=ff0000", {.text = "0123456789012345678901234\n\nb"});
    EXPECT_EQ(tried.http().url, "https://outlook.office.com/webhook/g@t/IncomingWebhook/a/o");
    EXPECT_EQ(
        tried.http().body,
        R"({"@type":"MessageCard","@context":"http://schema.org/extensions","markdown":true,"summary":"012345678901234567890",)"
        R"("sections":[{"text":"0123456789012345678901234","startGroup":false},{"text":"","startGroup":false},)"
        R"({"text":"b","startGroup":false}],"themeColor":"ff0000"})");
    EXPECT_EQ(try_url("teams://g@t/a/o?host=x.webhook.office.com", {.text = "m"},
                      answer_of(200, "Webhook message delivery failed"))
                  .error(),
              "teams: Webhook message delivery failed");
    EXPECT_EQ(refusal("teams://g@t/a/o?host=evil.example"), "teams: option host: accepted is ORG.webhook.office.com");
    EXPECT_EQ(refusal("teams://g@t/a/o?host=x/.office.com"), "teams: option host: accepted is ORG.webhook.office.com");
    EXPECT_TRUE(refusal("teams://g@t/a?host=x.office.com").starts_with("teams: the old form is"));
}

TEST(NotifyTwilio, TriesAllRecipients) {
    const auto tried = try_url("twilio://ACsid:CANARY-token@MGservice/+1555000/+1(555)0-1", {.text = "m"},
                               answer_of(400, R"({"code":21211,"message":"The 'To' number is not valid"})"));
    ASSERT_EQ(tried.calls.size(), 2u);
    EXPECT_EQ(tried.http(0).body, "Body=m&MessagingServiceSid=MGservice&To=%2B1555000");
    EXPECT_EQ(tried.http(1).body, "Body=m&MessagingServiceSid=MGservice&To=%2B155501");
    EXPECT_EQ(tried.error(), "twilio: The 'To' number is not valid (code 21211)");
}

TEST(NotifyTwilio, CutsWhatTheServiceWouldRefuse) {
    const auto body = try_url("twilio://ACsid:token@+1555/+1556", {.text = std::string(1601, 'x')}).http().body;
    EXPECT_TRUE(body.starts_with("Body=" + std::string(1594, 'x') + "+%5B...%5D&"));
    EXPECT_TRUE(has(try_url("twilio://ACsid:token@+1555/+1556", {.text = std::string(1600, 'x')}).http().body,
                    std::string(1600, 'x')));
}

TEST(NotifyTwilio, RefusesWhatItCannotUse) {
    EXPECT_EQ(refusal("twilio://ACsid:token@+1555/+1556/me"), "twilio: recipient 2 is no phone number");
    EXPECT_NE(refusal("twilio://ACsid:token@+1555"), "");
    EXPECT_NE(refusal("twilio://ACsid@+1555/+1556"), "");
    EXPECT_NE(refusal("twilio://ACsid:token@me/+1556"), "");
}

TEST(NotifyWecom, HasALimitAndTellsWhatTheServerSaid) {
    EXPECT_EQ(try_url("wecom://CANARY-key", {.text = std::string(4097, 'x')}).error(),
              "wecom: the message exceeds the 4096 bytes wecom takes");
    EXPECT_EQ(try_url("wecom://CANARY-key", {.text = "m"},
                      answer_of(200, R"({"errcode":93000,"errmsg":"invalid webhook url CANARY-key"})"))
                  .error(),
              "wecom: invalid webhook url *** (93000)");
    EXPECT_EQ(refusal("wecom://?mentioned_list=a"), "wecom: no key; it stands as wecom://KEY");
}

}  // namespace
}  // namespace weir::notify
