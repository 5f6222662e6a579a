#include <gtest/gtest.h>

#include "proto/notify/gotify_date.h"
#include "proto/notify/notify_test_calls.h"

namespace weir::notify {
namespace {

const std::string plain = "gotify://h/Aabcdefghijklmn";

TEST(NotifyGotify, LetsThePriorityOfItsUrlStand) {  // notify.md 11
    const Message message{.title = "T", .text = "m", .priority = 7};
    EXPECT_NE(try_url(plain, message).http().body.find(R"("priority":7)"), std::string::npos);
    EXPECT_NE(try_url(plain + "?Priority=-2", message).http().body.find(R"("priority":-2)"), std::string::npos);
    EXPECT_EQ(refusal(plain + "?priority=11"), "gotify: option priority: a number from -2 to 10 is accepted");
}

TEST(NotifyGotify, KnowsItsTokens) {
    const std::string of_today = "gtfyA." + std::string(43, 'x');
    for (const std::string& good : {std::string("A.-_bcdefghijkl"), of_today, of_today + "y"})
        EXPECT_EQ(try_url("gotify://h/" + good, {.text = "m"}, answer_of(200, "{}")).error(), "") << good;
    for (const std::string& bad :
         {std::string("token"), std::string("Babcdefghijklmn"), std::string("Aabcdefghijklm!"),
          std::string("gtfy..") + std::string(43, 'x'), of_today.substr(0, 48), "gtfyAB" + std::string(43, 'x')})
        EXPECT_EQ(try_url("gotify://h/" + bad, {.text = "m"}).error(),
                  "gotify: the token is not one that Gotify makes");
    EXPECT_EQ(refusal("gotify://h/"), "gotify: no token; it stands as gotify://host/TOKEN");
}

TEST(NotifyGotify, RefusesExtrasThatAreNoObject) {
    EXPECT_EQ(refusal(plain + "?extras=[1]"), "gotify: option extras: a JSON object is accepted");
    EXPECT_EQ(refusal(plain + "?extras=%7B"), "gotify: option extras: a JSON object is accepted");
}

TEST(NotifyGotify, DoesAsItsSwitchesSay) {
    const auto call = try_url(plain + "?disabletls=y&insecureskipverify=1&date=never", {.text = "m"}).http();
    EXPECT_EQ(call.url, "http://h/message?token=Aabcdefghijklmn");
    EXPECT_FALSE(call.verify_tls);
    EXPECT_EQ(call.body.find("date"), std::string::npos) << "a date that is none is left out";
}

TEST(NotifyGotify, WantsJsonBack) {
    EXPECT_EQ(try_url(plain, {.text = "m"}, answer_of(200, "<html>")).error(), "gotify: the answer is not JSON");
    EXPECT_EQ(try_url(plain, {.text = "m"}, answer_of(500, "oops")).error(), "gotify: http 500 Internal Server Error");
    EXPECT_EQ(try_url(plain, {.text = "m"},
                      answer_of(401, R"({"error":"Unauthorized","errorCode":401,"errorDescription":"a token"})"))
                  .error(),
              "gotify: Unauthorized (401): a token");
}

TEST(GotifyDate, ReadsWhatTheReferenceReads) {
    const std::pair<const char*, const char*> dates[] = {
        {"1700000000", "2023-11-14T22:13:20Z"},
        {"0", "1970-01-01T00:00:00Z"},
        {"2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"},
        {"2024-01-01T00:30:00+09:00", "2023-12-31T15:30:00Z"},
        {"2024-01-01T00:30:00 09:00", "2023-12-31T15:30:00Z"},
        {"2024-01-01T00:30:00.25-01:30", "2024-01-01T02:00:00Z"},
        {"2024-01-01T00:30:00", "2024-01-01T00:30:00Z"},
        {"2024-01-01 00:30:00", "2024-01-01T00:30:00Z"},
    };
    for (const auto& [text, expected] : dates) EXPECT_EQ(gotify_date(text), expected) << text;
}

TEST(GotifyDate, IsNothingOfAnythingElse) {
    for (const char* text :
         {"", "today", "2024-02-30T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01", "2024-01-01T25:00:00Z",
          "2024-01-01T00:00:00+9", "2024-01-01T00:00:00Zx", "-5", "99999999999999999", "2024-01-01T00:00",
          "0000-01-01T00:00:00+23:00", "9999-12-31T23:59:59-01:00"})
        EXPECT_FALSE(gotify_date(text)) << text;
}

}  // namespace
}  // namespace weir::notify
