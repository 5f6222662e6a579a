// bark, ifttt, join, ntfy, pushbullet, pushover: messages to one's own devices.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "gunzip.h"
#include "proto/notify/notify_test_calls.h"
#include "proto/notify/sealed_message.h"
#include "proto/notify/service_url.h"

namespace weir::notify {
namespace {

TEST(NotifyBark, KeepsOneSlashAroundItsPath) {
    for (const std::string path : {"", "/", "/a", "/a/", "/a/b"}) {
        const auto url = try_url("bark://:k@h" + path, {.text = "m"}).http().url;
        EXPECT_EQ(url.find("//", 8), std::string::npos) << url;
        EXPECT_TRUE(url.ends_with("/push")) << url;
    }
    EXPECT_EQ(try_url("bark://:k@h:1/a", {.text = "m"}).http().url, "https://h:1/a/push");
    EXPECT_EQ(refusal("bark://k@h"), "bark: no device key; it stands as bark://:KEY@host");
    EXPECT_EQ(refusal("bark://:k@"), "bark: no host");
    EXPECT_EQ(refusal("bark://:k@h?scheme=ftp"), "bark: option scheme: accepted values are [https http]");
}

TEST(NotifyBark, ReadsTheCodeOfTheAnswer) {
    const std::string url = "bark://:k@h";
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(200, R"({"code":200})")).error(), "");
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(400, R"({"code":400,"message":"no device"})")).error(),
              "bark: no device");
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(502, "x")).error(), "bark: http 502 Bad Gateway");
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(200, "x")).error(),
              "bark: the answer does not say that it was taken");
}

TEST(NotifyIfttt, ChecksWhereItsValuesGo) {
    const std::string clash = "ifttt: options messagevalue and titlevalue cannot be the same number";
    EXPECT_EQ(refusal("ifttt://id/?events=e&titlevalue=2"), clash);
    EXPECT_EQ(refusal("ifttt://id/?events=e&messagevalue=0"),
              "ifttt: option messagevalue: a number from 1 to 3 is accepted");
    EXPECT_EQ(refusal("ifttt://id/"), "ifttt: option events is missing");
    EXPECT_EQ(try_url("ifttt://id/?events=e", {.text = "m", .params = {{"titlevalue", "2"}}}).error(), clash);
    EXPECT_EQ(try_url("ifttt://id/?events=e&titlevalue=3&title=U", {.text = "m"}).http().body,
              R"({"value1":"","value2":"m","value3":"U"})");
}

TEST(NotifyIfttt, TriesEveryEvent) {
    const auto tried = try_url("ifttt://id/?events=e%2F1,e2", {.text = "m"}, answer_of(401));
    ASSERT_EQ(tried.calls.size(), 2u);
    EXPECT_EQ(tried.http(0).url, "https://maker.ifttt.com/trigger/e%2F1/with/key/id");
    EXPECT_EQ(tried.error(), "ifttt: http 401 Unauthorized");
}

TEST(NotifyJoin, TellsWhatTheServerRefused) {
    const std::string url = "join://shoutrrr:key@join/?devices=d&icon=i";
    EXPECT_EQ(try_url(url, {.text = "m"}).http().url,
              "https://joinjoaomgcd.appspot.com/_ah/api/messaging/v1/sendPush?apikey=key&deviceIds=d&text=m");
    EXPECT_EQ(
        try_url(url, {.text = "m"}, answer_of(200, R"({"success":false,"errorMessage":"no such device"})")).error(),
        "join: no such device");
    EXPECT_EQ(try_url(url, {.text = "m"}, answer_of(201)).error(), "join: http 201");
    EXPECT_NE(refusal("join://shoutrrr:key@join/"), "");
    EXPECT_NE(refusal("join://shoutrrr@join/?devices=d"), "");
}

TEST(NotifyNtfy, MapsThePriorityUnlessItsUrlHasOne) {  // notify.md 11
    const char* names[] = {"Min",     "Low",     "Low",  "Low",  "Default", "Default",
                           "Default", "Default", "High", "High", "Max"};
    for (int priority = 0; priority <= 10; ++priority) {
        const Message message{.text = "m", .priority = priority};
        EXPECT_EQ(header(try_url("ntfy://h/t", message).http(), "Priority"), names[priority]) << priority;
        EXPECT_EQ(header(try_url("ntfy://h/t?priority=default", message).http(), "Priority"), "Default");
        EXPECT_EQ(header(try_url("ntfy://h/t?PRIORITY=urgent", message).http(), "Priority"), "Max");
    }
    EXPECT_EQ(header(try_url("ntfy://h/t", {.text = "m"}).http(), "Priority"), "Default");
    EXPECT_EQ(refusal("ntfy://h/t?priority=7"),
              "ntfy: option priority: accepted values are [Min Low Default High Max]");
}

TEST(NotifyNtfy, SplitsNoHeader) {
    const auto call = try_url("ntfy://h/t?click=a%0d%0aX:+1", {.title = "a\r\nAuthorization: x", .text = "m"}).http();
    EXPECT_EQ(header(call, "Title"), "a  Authorization: x");
    EXPECT_EQ(header(call, "Click"), "a  X: 1");
}

TEST(NotifyNtfy, DoesAsItsSwitchesSay) {
    const auto call = try_url(
                          "ntfy://h/a/b?disabletls=yes&disabletlsverification=yes&delay=1h&icon=i&email=e&attach=f"
                          "&filename=n&cache=no",
                          {.text = "m"})
                          .http();
    EXPECT_EQ(call.url, "http://h/a/b");
    EXPECT_FALSE(call.verify_tls);
    EXPECT_EQ(header(call, "Delay"), "1h");
    EXPECT_EQ(header(call, "X-Icon"), "i");
    EXPECT_EQ(header(call, "Email"), "e");
    EXPECT_EQ(header(call, "Attach"), "f");
    EXPECT_EQ(header(call, "Filename"), "n");
    EXPECT_EQ(header(call, "Cache"), "no");
    EXPECT_EQ(header(call, "Firebase"), "none");
    EXPECT_EQ(header(call, "Title"), "none");
    EXPECT_EQ(header(try_url("ntfy://:token@h/t", {.text = "m"}).http(), "Authorization"), "Basic OnRva2Vu");
    EXPECT_EQ(try_url("ntfy:///t", {.text = "m"}).http().url, "https://ntfy.sh/t");
    EXPECT_EQ(refusal("ntfy://h/"), "ntfy: no topic; it stands as ntfy://host/TOPIC");
}

TEST(NotifyNtfy, TellsWhatTheServerRefused) {
    EXPECT_EQ(try_url("ntfy://h/t", {.text = "m"},
                      answer_of(403, R"({"code":40301,"error":"forbidden","link":"https://ntfy.sh/docs"})"))
                  .error(),
              "ntfy: forbidden (40301), see: https://ntfy.sh/docs");
}

const std::string pushbullet = "pushbullet://o.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

TEST(NotifyPushbullet, SendsToAllDevicesWithoutATarget) {
    const auto tried = try_url(pushbullet, {.text = "m"});
    ASSERT_EQ(tried.calls.size(), 1u);
    EXPECT_NE(tried.http().body.find(R"("device_iden":"")"), std::string::npos);
    EXPECT_EQ(header(tried.http(), "Access-Token"), pushbullet.substr(13));
    EXPECT_EQ(refusal("pushbullet://short/d"), "pushbullet: the token has to be 34 characters long");
}

TEST(NotifyPushbullet, WantsItsMessageBack) {
    const Message message{.title = "T", .text = "m"};
    EXPECT_EQ(
        try_url(pushbullet + "/d", message, answer_of(200, R"({"type":"note","title":"T","body":"m","active":true})"))
            .error(),
        "");
    for (const std::string other : {R"({"type":"link","title":"T","body":"m","active":true})",
                                    R"({"type":"note","title":"U","body":"m","active":true})",
                                    R"({"type":"note","title":"T","body":"n","active":true})",
                                    R"({"type":"note","title":"T","body":"m","active":false})", "{}", ""})
        EXPECT_EQ(try_url(pushbullet + "/d", message, answer_of(200, other)).error(),
                  "pushbullet: the answer is not the message that was sent")
            << other;
    EXPECT_EQ(
        try_url(pushbullet + "/d/e", message, answer_of(401, R"({"error":{"message":"Access token is missing"}})"))
            .error(),
        "pushbullet: Access token is missing");
}

std::string field(const HttpCall& call, std::string_view name) {
    const auto url = read_service_url("x://h/?" + call.body);
    const auto* at = url ? url->find(name) : nullptr;
    return at ? *at : "none";
}

TEST(NotifyPushover, MapsThePriorityUnlessItsUrlHasOne) {  // notify.md 11
    const char* own[] = {"-2", "-1", "-1", "-1", "0", "0", "0", "0", "1", "1", "1"};
    for (int priority = 0; priority <= 10; ++priority) {
        const Message message{.text = "m", .priority = priority};
        EXPECT_EQ(field(try_url("pushover://x:tok@user", message).http(), "priority"), own[priority]) << priority;
        EXPECT_EQ(field(try_url("pushover://x:tok@user?priority=-1", message).http(), "priority"), "-1");
    }
    EXPECT_EQ(field(try_url("pushover://x:tok@user?priority=2", {.text = "m"}).http(), "priority"), "none");
    EXPECT_NE(refusal("pushover://x:tok@user?priority=200"), "");
    EXPECT_EQ(field(try_url("pushover://x:tok@user", {.text = "m", .params = {{"priority", "1"}}}).http(), "priority"),
              "1");
}

TEST(NotifyPushover, TellsWhatTheServerRefused) {
    EXPECT_EQ(try_url("pushover://x:tok@user", {.text = "m"},
                      answer_of(400, R"({"errors":["user identifier is invalid"],"status":0})"))
                  .error(),
              "pushover: user identifier is invalid");
    EXPECT_EQ(try_url("pushover://x:tok@user", {.text = "m"}, answer_of(201)).error(), "pushover: http 201");
}

/// What a client does with a sealed text; "" when anything is wrong.
std::string opened(const std::string& sealed, const std::string& key) {
    std::string bytes(sealed.size(), '\0');
    const int size =
        EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                        reinterpret_cast<const unsigned char*>(sealed.data()), static_cast<int>(sealed.size()));
    if (size < 0) return "";
    bytes.resize(static_cast<std::size_t>(size) - (sealed.ends_with("==") ? 2u : sealed.ends_with("=") ? 1u : 0u));
    if (bytes.size() < 64) return "";
    const auto signed_part = bytes.substr(0, bytes.size() - 32);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(signed_part.data()), signed_part.size(), mac, &mac_size);
    if (bytes.substr(bytes.size() - 32) != std::string(reinterpret_cast<const char*>(mac), mac_size)) return "";
    std::string packed(bytes.size(), '\0');
    int first = 0, last = 0;
    auto* context = EVP_CIPHER_CTX_new();
    EVP_DecryptInit_ex(context, EVP_aes_256_cbc(), nullptr, reinterpret_cast<const unsigned char*>(key.data()),
                       reinterpret_cast<const unsigned char*>(signed_part.data()));
    EVP_DecryptUpdate(context, reinterpret_cast<unsigned char*>(packed.data()), &first,
                      reinterpret_cast<const unsigned char*>(signed_part.data()) + 16,
                      static_cast<int>(signed_part.size()) - 16);
    const int good = EVP_DecryptFinal_ex(context, reinterpret_cast<unsigned char*>(packed.data()) + first, &last);
    EVP_CIPHER_CTX_free(context);
    if (good != 1) return "";
    packed.resize(static_cast<std::size_t>(first + last));
    return test::gunzipped(packed).value_or("");
}

TEST(NotifyPushover, SealsTextAndTitleUnderItsKey) {
    const std::string hex = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
    std::string key;
    for (char c = 0; c < 32; ++c) key += c;
    const auto call = try_url("pushover://x:tok@user?key=" + hex, {.title = "T", .text = "a text"}).http();
    EXPECT_EQ(field(call, "encrypted"), "1");
    EXPECT_EQ(opened(field(call, "message"), key), "a text");
    EXPECT_EQ(opened(field(call, "title"), key), "T");
    EXPECT_EQ(opened(field(call, "title"), std::string(32, 'x')), "");
    for (const std::string& bad : {hex.substr(1), hex + "00", std::string(64, 'g')})
        EXPECT_EQ(refusal("pushover://x:tok@user?encryptionkey=" + bad),
                  "pushover: option encryptionkey: 64 hexadecimal digits are accepted");
}

TEST(SealedMessage, HoldsAnyText) {
    const std::string key(32, 'k');
    for (const std::string& text : {std::string("x"), std::string(15, 'y'), std::string(65'536, 'z')}) {
        const auto sealed = sealed_message(text, key, std::string(16, 'i'));
        ASSERT_TRUE(sealed);
        EXPECT_EQ(opened(*sealed, key), text);
    }
    EXPECT_FALSE(sealed_message("x", "short", std::string(16, 'i')));
    EXPECT_FALSE(sealed_message("x", key, ""));
}

}  // namespace
}  // namespace weir::notify
