#include <gtest/gtest.h>

#include "proto/notify/notify_test_calls.h"

namespace weir::notify {
namespace {

constexpr auto stream_url = "zulip://bot%40x.com:CANARY-key@zulip.example.com?stream=general";

/// The fields of the message that is sent once the server told these limits; what went wrong instead.
std::string posted(std::string_view url, const Message& message, std::string limits = "{}") {
    const auto service = make_service(url);
    if (!service) return service.error().text();
    const auto delivery = (*service)->deliver(message, test_surroundings());
    if (!delivery) return delivery.error().text();
    EXPECT_TRUE(std::get<HttpCall>(*(*delivery)->next()).url.ends_with("/api/v1/register"));
    (*delivery)->take(answer_of(200, std::move(limits)));
    const auto call = (*delivery)->next();
    if (!call) return (*delivery)->outcome().error().text();
    return std::get<HttpCall>(*call).body;
}

TEST(NotifyZulip, AsksForTheLimitsUntilTheyAreTold) {
    const auto service = make_service(stream_url);
    ASSERT_TRUE(service);
    EXPECT_EQ(try_message(**service, {.text = "m"}, answer_of(500)).calls.size(), 2u);
    EXPECT_EQ(try_message(**service, {.text = "m"}, answer_of(200, "{}")).calls.size(), 2u);
    EXPECT_EQ(try_message(**service, {.text = "m"}, answer_of(200, "{}")).calls.size(), 1u);
}

TEST(NotifyZulip, SendsThoughTheLimitsAreNotTold) {
    const auto service = make_service(stream_url);
    ASSERT_TRUE(service);
    const auto delivery = (*service)->deliver({.text = "m"}, test_surroundings());
    ASSERT_TRUE(delivery);
    ASSERT_TRUE((*delivery)->next());
    (*delivery)->take(Error{Errc::timed_out, "took too long"});
    ASSERT_TRUE((*delivery)->next());
    (*delivery)->take(answer_of(200));
    EXPECT_FALSE((*delivery)->next());
    EXPECT_TRUE((*delivery)->outcome());
}

TEST(NotifyZulip, KeepsTheServersLimits) {
    const std::string limits = R"({"max_message_length":5,"max_topic_length":4})";
    EXPECT_EQ(posted(stream_url, {.text = "éééééé"}, limits),
              "zulip: the message exceeds the 5 characters of the server");
    EXPECT_EQ(posted(stream_url, {.text = "ééééé"}, limits),
              "content=%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9&to=general&type=channel");
    EXPECT_EQ(posted(std::string(stream_url) + "&topic=topic", {.text = "m"}, limits),
              "zulip: the topic exceeds the 4 characters of the server");
    for (const auto* const odd :
         {R"({"max_message_length":0})", R"({"max_message_length":-1})", R"({"max_message_length":"x"})"})
        EXPECT_EQ(posted(stream_url, {.text = "mm"}, odd), "content=mm&to=general&type=channel");
}

TEST(NotifyZulip, CutsATitleThatIsTheTopicAndKeepsItInTheText) {
    EXPECT_EQ(posted(stream_url, {.title = "ab cd", .text = "m"}, R"({"max_topic_length":4})"),
              "content=ab+cd%0A%0Am&to=general&topic=ab+c&type=channel");
    EXPECT_EQ(posted(stream_url, {.title = "ab", .text = "m"}, R"({"max_topic_length":4})"),
              "content=m&to=general&topic=ab&type=channel");
}

TEST(NotifyZulip, TellsWhetherTheSenderHasReadIt) {
    EXPECT_EQ(posted(std::string(stream_url) + "&read_by_sender=true&unknown=x", {.text = "m"}),
              "content=m&read_by_sender=true&to=general&type=channel");
}

TEST(NotifyZulip, RefusesWhatHasNoAim) {
    EXPECT_EQ(refusal("zulip://bot:key@h"), "zulip: option stream is missing");
    EXPECT_EQ(refusal("zulip://bot:key@h?type=direct"), "zulip: option to is missing: who gets the direct message");
    EXPECT_EQ(refusal("zulip://h?stream=s"),
              "zulip: the bot's mail and key are needed: zulip://BOT%40MAIL:KEY@host?stream=S");
    EXPECT_EQ(refusal("zulip://bot:key@localhost:8080?stream=s"), "");
    EXPECT_EQ(refusal("zulip://bot:key@[::1]?stream=s"), "");
}

TEST(NotifyZulip, TellsWhatTheServerSaid) {
    EXPECT_EQ(try_url(stream_url, {.text = "m"},
                      answer_of(400, R"({"result":"error","msg":"Stream 'general' does not exist, CANARY-key"})"))
                  .error(),
              "zulip: Stream 'general' does not exist, ***");
    EXPECT_EQ(try_url(stream_url, {.text = "m"}, answer_of(201)).error(), "zulip: http 201");
}

}  // namespace
}  // namespace weir::notify
