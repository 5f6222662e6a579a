// discord, googlechat, lark, logger, mattermost, notifiarr: messages to rooms.
#include <gtest/gtest.h>

#include "proto/notify/notify_test_calls.h"

namespace weir::notify {
namespace {

TEST(NotifyDiscord, RefusesWhatItCannotPost) {
    EXPECT_NE(refusal("discord://1"), "");
    EXPECT_NE(refusal("discord://token@"), "");
    EXPECT_EQ(refusal("discord://token@1/other"), "discord: the path may be /raw or nothing");
    EXPECT_EQ(refusal("discord://token@1?color=red"),
              "discord: option color: a hexadecimal number from 0 to ffffff is accepted");
    EXPECT_EQ(try_url("discord://token@1", {.title = "T"}).error(), "discord: the message is empty");
    EXPECT_EQ(try_url("discord://token@1", {.title = "T", .text = "\n\n"}).error(), "discord: the message is empty");
}

TEST(NotifyDiscord, PutsTheTitleOnTheFirstEmbedOnly) {
    std::string text;
    for (int i = 0; i < 21; ++i) text += "x\n";
    const auto tried = try_url("discord://token@1", {.title = "T", .text = text}, answer_of(204));
    ASSERT_EQ(tried.calls.size(), 3u);
    EXPECT_TRUE(tried.http(0).body.starts_with(R"({"embeds":[{"title":"T","description":"x",)"));
    EXPECT_EQ(tried.http(1).body.find("title"), std::string::npos);
    EXPECT_EQ(tried.http(2).body, R"({"embeds":[{"description":"x","color":5298687}]})");
    EXPECT_EQ(tried.error(), "");
}

TEST(NotifyDiscord, CutsATitleToWhatAnEmbedHolds) {
    std::string title;
    for (int i = 0; i < 300; ++i) title += "é";
    const auto body = try_url("discord://token@1", {.title = title, .text = "m"}).http().body;
    EXPECT_NE(body.find("\"" + title.substr(0, 512) + "\""), std::string::npos);
}

TEST(NotifyDiscord, StopsAtARequestThatFails) {
    std::string text;
    for (int i = 0; i < 21; ++i) text += "x\n";
    const auto tried = try_url("discord://token@1", {.text = text}, answer_of(400));
    EXPECT_EQ(tried.calls.size(), 1u);
    EXPECT_EQ(tried.error(), "discord: http 400 Bad Request");
}

TEST(NotifyDiscord, SendsATextThatIsItsOwnJsonAsItIs) {
    EXPECT_EQ(try_url("discord://token@1/raw", {.title = "T", .text = "{\"x\": 1}\n"}).http().body, "{\"x\": 1}\n");
    EXPECT_EQ(try_url("discord://token@1?JSON=1", {.text = "{}"}).http().body, "{}");
}

TEST(NotifyGooglechat, PutsTheTitleBeforeTheText) {
    const std::string url = "googlechat://chat.googleapis.com/v1/x?key=k%2F&token=t&unknown=1";
    EXPECT_EQ(try_url(url, {.title = "T", .text = "m"}).http().body, R"({"text":"T\n\nm"})");
    EXPECT_EQ(try_url(url, {.title = "T", .text = "**T**\n\nm", .title_in_text = true}).http().body,
              R"({"text":"**T**\n\nm"})");
    EXPECT_EQ(try_url(url, {.text = "m"}).http().url, "https://chat.googleapis.com/v1/x?key=k%2F&token=t");
    EXPECT_EQ(refusal("hangouts://h/x?key=k"), "hangouts: option token is missing");
    EXPECT_NE(refusal("googlechat://h?key=k&token=t"), "");
}

TEST(NotifyLark, SignsWithTimeAndSecret) {  // as the reference did in that second
    const auto body = try_url("lark://open.feishu.cn/tok?secret=s3", {.text = "m"}).http().body;
    EXPECT_EQ(body, R"({"msg_type":"text","content":{"text":"m"},"timestamp":"1795264244",)"
                    R"("sign":"IcgWxCLhjmKgqUzTjTwfdusLTcRThgoxYnYJMPtHnRw="})");
}

TEST(NotifyLark, HasTwoHostsAndOneToken) {
    EXPECT_EQ(refusal("lark://example.com/tok"), "lark: the host may be open.larksuite.com or open.feishu.cn");
    EXPECT_NE(refusal("lark://open.feishu.cn:444/tok"), "");
    EXPECT_EQ(refusal("lark://open.feishu.cn/a/b"), "lark: the path is the token and nothing else");
    EXPECT_NE(refusal("lark://open.feishu.cn/"), "");
}

TEST(NotifyLark, HasALimit) {
    const std::string url = "lark://open.feishu.cn/tok";
    EXPECT_EQ(try_url(url, {.text = std::string(4096, 'x')}, answer_of(200, R"({"code":0})")).error(), "");
    EXPECT_EQ(try_url(url, {.text = std::string(4097, 'x')}).error(), "lark: the message is longer than 4096 bytes");
}

TEST(NotifyLark, ReadsTheCodeOfTheAnswer) {
    const std::string url = "lark://open.feishu.cn/tok";
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(200, R"({"code":19001,"msg":"param invalid"})")).error(),
              "lark: param invalid (19001)");
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(500)).error(), "lark: http 500 Internal Server Error");
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(200)).error(), "lark: the answer does not say that it was taken");
}

TEST(NotifyLogger, IsOneCall) {
    const auto tried = try_url("logger://any?thing=1", {.title = "T", .text = "m"});
    ASSERT_EQ(tried.calls.size(), 1u);
    EXPECT_EQ(std::get<LogCall>(tried.calls[0]).title, "T");
    EXPECT_EQ(tried.error(), "");
}

TEST(NotifyMattermost, TellsWhatTheServerRefused) {
    EXPECT_EQ(try_url("mattermost://h/tok", {.text = "m"}, answer_of(400, R"({"message":"no channel"})")).error(),
              "mattermost: no channel");
    EXPECT_EQ(try_url("mattermost://h/tok", {.text = "m"}, answer_of(201)).error(), "mattermost: http 201");
    EXPECT_NE(refusal("mattermost://h/"), "");
    EXPECT_NE(refusal("mattermost://h/a/b/c"), "");
}

TEST(NotifyMattermost, DoesNotRepeatATitle) {
    const std::string url = "mattermost://h/tok?title=U";
    EXPECT_EQ(try_url(url, {.text = "m"}).http().body, R"({"text":"U\nm"})");
    EXPECT_EQ(try_url(url, {.title = "T", .text = "m"}).http().body, R"({"text":"T\nm"})");
    EXPECT_EQ(try_url(url, {.title = "T", .text = "T m", .title_in_text = true}).http().body, R"({"text":"T m"})");
}

std::string pinged(const std::string& text) {
    const auto body = try_url("notifiarr://key", {.text = text}).http().body;
    const auto at = body.find("\"ping\":");
    return at == std::string::npos ? "" : body.substr(at + 7, body.find('}', at) - at - 6);
}

TEST(NotifyNotifiarr, PingsTheFirstOfEachKind) {
    EXPECT_EQ(pinged("a <@!12> <@13> <@&9> <@&8>"), R"({"pingUser":12,"pingRole":9})");
    EXPECT_EQ(pinged("<@x> <@5>"), R"({"pingUser":5})");
    EXPECT_EQ(pinged("<@18446744073709551616> <@& 1> <@7"), "");
    EXPECT_EQ(pinged("nobody"), "");
}

TEST(NotifyNotifiarr, TakesItsKeyFromAPathToo) {
    EXPECT_EQ(try_url("notifiarr+https://notifiarr.com/api/v1/notification/passthrough/KEY", {.text = "m"}).http().url,
              "https://notifiarr.com/api/v1/notification/passthrough/KEY");
    EXPECT_NE(refusal("notifiarr+https://notifiarr.com/KEY"), "");
    EXPECT_NE(refusal("notifiarr://"), "");
    EXPECT_EQ(refusal("notifiarr://key?channel=x"), "notifiarr: option channel: a number is accepted");
    EXPECT_EQ(refusal("notifiarr://key?Channel=x&unknown=1"), "") << "keys as written, others ignored";
    EXPECT_EQ(try_url("notifiarr://key", {.title = "T"}).error(), "notifiarr: the message is empty");
}

}  // namespace
}  // namespace weir::notify
