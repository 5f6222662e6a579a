#include <gtest/gtest.h>

#include "proto/notify/deliveries.h"
#include "proto/notify/mail_text.h"
#include "proto/notify/notify_test_calls.h"

namespace weir::notify {
namespace {

MailText plain_mail() {
    return {.from = "me@example.org",
            .from_name = {},
            .to = "you@example.org",
            .subject = "Subject",
            .text = "one\ntwo",
            .html = false,
            .date = from_unix_millis(1'795'264'244'000),
            .message_id = "id@example.org",
            .boundary = "0123456789abcdef"};
}

MailCall mail_of(std::string_view url, const Message& message = {.title = "T", .text = "m"}, std::size_t at = 0) {
    const auto tried = try_url(url, message);
    EXPECT_EQ(tried.error(), "");
    return at < tried.calls.size() ? std::get<MailCall>(tried.calls[at]) : MailCall{};
}

TEST(NotifyMailText, HasItsHeaderInOneOrder) {
    EXPECT_EQ(mail_message(plain_mail()),
              "Date: Sat, 21 Nov 2026 12:30:44 +0000\r\n"
              "From: me@example.org\r\n"
              "To: you@example.org\r\n"
              "Subject: Subject\r\n"
              "Message-ID: <id@example.org>\r\n"
              "MIME-Version: 1.0\r\n"
              "Content-Type: text/plain; charset=\"UTF-8\"\r\n"
              "Content-Transfer-Encoding: 7bit\r\n"
              "\r\n"
              "one\r\ntwo\r\n");
}

TEST(NotifyMailText, GuardsHeaderValuesAgainstLineEnds) {
    auto mail = plain_mail();
    mail.subject = "a\r\nBcc: x@y.z";
    mail.from_name = "n\nX: y";
    const auto text = mail_message(mail);
    EXPECT_NE(text.find("Subject: a  Bcc: x@y.z\r\n"), std::string::npos);
    EXPECT_NE(text.find("From: \"n X: y\" <me@example.org>\r\n"), std::string::npos);
}

TEST(NotifyMailText, EncodesWordsOutsideAscii) {
    EXPECT_EQ(mail_words("plain, as it is"), "plain, as it is");
    EXPECT_EQ(mail_words("é"), "=?UTF-8?B?w6k=?=");
    EXPECT_EQ(mail_words("=?x"), "=?UTF-8?B?PT94?=");
    std::string text;
    for (int i = 0; i < 40; ++i) text += "配";
    const auto words = mail_words(text);
    for (std::string_view rest = words; !rest.empty();) {
        const auto end = std::min(rest.find("\r\n "), rest.size());
        EXPECT_LE(end, 75u);
        EXPECT_TRUE(rest.substr(0, end).starts_with("=?UTF-8?B?") && rest.substr(0, end).ends_with("?="));
        rest.remove_prefix(std::min(end + 3, rest.size()));
    }
    EXPECT_LT(mail_words(std::string(1024, 'x')).find("\r\n "), 76u);
}

TEST(NotifyMailText, QuotesAName) {
    auto mail = plain_mail();
    for (const auto& [name, written] :
         {std::pair{"Weir 2", "Weir 2"}, std::pair{"W. \"x\" \\", "\"W. \\\"x\\\" \\\\\""},
          std::pair{"Wéir", "=?UTF-8?B?V8OpaXI=?="}}) {
        mail.from_name = name;
        EXPECT_NE(mail_message(mail).find(fmt::format("From: {} <me@example.org>\r\n", written)), std::string::npos)
            << name;
    }
}

TEST(NotifyMailText, EncodesATextThatNeedsIt) {
    auto mail = plain_mail();
    for (const auto& text : {std::string("é"), std::string(1000, 'x'), std::string("a\0b", 3)}) {
        mail.text = text;
        const auto written = mail_message(mail);
        const auto body = written.substr(written.find("\r\n\r\n") + 4);
        EXPECT_NE(written.find("Content-Transfer-Encoding: base64\r\n"), std::string::npos);
        auto one_line = body;
        replace_all(one_line, "\r\n", "");
        EXPECT_EQ(one_line, base64(text + "\r\n"));
        EXPECT_LE(body.find("\r\n"), 76u);
    }
}

TEST(NotifyMailText, TakesAnyLineEnds) {
    auto mail = plain_mail();
    mail.text = "a\r\nb\nc\rd\r\n";
    EXPECT_TRUE(mail_message(mail).ends_with("\r\n\r\na\r\nb\r\nc\r\nd\r\n"));
    mail.text.clear();
    EXPECT_TRUE(mail_message(mail).ends_with("7bit\r\n\r\n\r\n"));
}

TEST(NotifyMailText, EscapesTheHtmlPart) {
    auto mail = plain_mail();
    mail.html = true;
    mail.text = "<i> & \"q\"";
    const auto text = mail_message(mail);
    EXPECT_NE(
        text.find("Content-Type: multipart/alternative; boundary=\"0123456789abcdef\"\r\n\r\n--0123456789abcdef\r\n"),
        std::string::npos);
    EXPECT_NE(text.find("\r\n\r\n<i> & \"q\"\r\n--0123456789abcdef\r\n"), std::string::npos);
    EXPECT_NE(text.find("\r\n\r\n<pre>&lt;i&gt; &amp; &#34;q&#34;</pre>\r\n--0123456789abcdef--\r\n"),
              std::string::npos);
}

TEST(NotifySmtp, MakesOneMailForEachRecipientAndTriesAll) {
    const auto service = make_service("smtp://u:CANARY-password@h:2525/?from=a+tag@b.c&to=d@e.f,g+h@i.j&fromname=N");
    ASSERT_TRUE(service);
    const auto delivery = (*service)->deliver({.title = "T", .text = "m"}, test_surroundings());
    ASSERT_TRUE(delivery);
    const auto first = std::get<MailCall>(*(*delivery)->next());
    EXPECT_EQ(first.from, "a+tag@b.c");
    EXPECT_EQ(first.to, "d@e.f");
    EXPECT_NE(first.message.find("From: N <a+tag@b.c>\r\nTo: d@e.f\r\nSubject: T\r\n"), std::string::npos);
    EXPECT_NE(first.message.find("Message-ID: <72727272727272727272727272727272@b.c>\r\n"), std::string::npos);
    (*delivery)->take(Error{Errc::denied, "h said 550 no"});
    const auto second = std::get<MailCall>(*(*delivery)->next());
    EXPECT_EQ(second.to, "g+h@i.j");
    (*delivery)->take(answer_of(200));
    EXPECT_FALSE((*delivery)->next());
    EXPECT_EQ((*delivery)->outcome().error().text(), "smtp: h said 550 no");
}

TEST(NotifySmtp, ChoosesTlsAsTheOptionsSay) {
    using Tls = MailCall::Tls;
    struct Case {
        std::string url;
        Tls tls;
    };
    const std::string rest = "/?from=a@b.c&to=d@e.f";
    const Case cases[] = {
        {"smtp://h" + rest, Tls::if_offered},
        {"smtp://h:465" + rest, Tls::implicit},
        {"smtp://h:465" + rest + "&encryption=None", Tls::if_offered},
        {"smtp://h" + rest + "&encryption=ImplicitTLS", Tls::implicit},
        {"smtp://h" + rest + "&starttls=no", Tls::never},
        {"smtp://h" + rest + "&requirestarttls=yes", Tls::required},
        {"smtp://h" + rest + "&requirestarttls=yes&usestarttls=no", Tls::required},
    };
    for (const auto& one : cases) EXPECT_EQ(mail_of(one.url).tls, one.tls) << one.url;
    EXPECT_TRUE(mail_of("smtp://h" + rest).verify_tls);
    EXPECT_FALSE(mail_of("smtp://h" + rest + "&skiptlsverify=yes").verify_tls);
}

TEST(NotifySmtp, LogsInAsTheOptionsSay) {
    using Auth = MailCall::Auth;
    const std::string rest = "@h/?from=a@b.c&to=d@e.f";
    const std::pair<std::string, Auth> cases[] = {{"", Auth::plain},
                                                  {"&auth=None", Auth::none},
                                                  {"&auth=plain", Auth::plain},
                                                  {"&auth=CRAMMD5", Auth::cram_md5},
                                                  {"&auth=OAuth2", Auth::oauth2},
                                                  {"&auth=Login", Auth::login}};
    for (const auto& [options, auth] : cases) {
        const auto call = mail_of("smtp://u:p" + rest + options);
        EXPECT_EQ(call.auth, auth) << options;
        EXPECT_EQ(call.user, "u");
        EXPECT_EQ(call.password.reveal(), "p");
    }
    EXPECT_EQ(mail_of("smtp://h/?from=a@b.c&to=d@e.f").auth, Auth::none);
    EXPECT_EQ(refusal("smtp://h/?from=a@b.c&to=d@e.f&auth=plain"),
              "smtp: option auth needs a user: smtp://user:password@host");
}

TEST(NotifySmtp, SaysWhoItIs) {
    const std::string url = "smtp://h/?from=a@b.c&to=d@e.f&clienthost=";
    EXPECT_EQ(mail_of(url).client_host, "localhost");
    EXPECT_EQ(mail_of(url + "auto").client_host, "host");
    EXPECT_EQ(mail_of(url + "me.example.org").client_host, "me.example.org");
    EXPECT_EQ(mail_of(url + "a%20b").client_host, "localhost");
}

TEST(NotifySmtp, TakesItsSubjectFromTheTitle) {
    const std::string url = "smtp://h/?from=a@b.c&to=d@e.f";
    EXPECT_NE(mail_of(url, {.text = "m"}).message.find("Subject: Shoutrrr Notification\r\n"), std::string::npos);
    EXPECT_NE(mail_of(url + "&subject=S", {.text = "m"}).message.find("Subject: S\r\n"), std::string::npos);
    EXPECT_NE(mail_of(url + "&title=S", {.title = "T", .text = "m"}).message.find("Subject: T\r\n"), std::string::npos);
}

TEST(NotifySmtp, RefusesWhatItCannotSend) {
    EXPECT_EQ(refusal("smtp://h/?to=a@b.c"), "smtp: the from address is missing");
    EXPECT_EQ(refusal("smtp://h/?from=a@b.c"), "smtp: the to address is missing");
    EXPECT_EQ(refusal("smtp://h/?from=a@b.c&to=,"), "smtp: the to address is missing");
    EXPECT_EQ(refusal("smtp://h/?from=a@b.c&to=%3Cd@e.f%3E"),
              "smtp: the to address has a character that none may have");
    EXPECT_EQ(refusal("smtp://h/?from=a%0D%0ARCPT@b.c&to=d@e.f"),
              "smtp: the from address has a character that none may have");
    EXPECT_NE(refusal("smtp://h/?from=a@b.c&to=d@e.f&timeout=soon"), "");
    EXPECT_EQ(mail_of("smtp://h/?from=a@b.c&to=d@e.f&timeout=1m30s").timeout, Millis(90'000));
    EXPECT_EQ(mail_of("smtp://h/?from=a@b.c&to=d@e.f&timeout=24h").timeout, Millis(300'000));
}

TEST(NotifyMqtt, PublishesAsTheOptionsSay) {
    const auto tried =
        try_url("mqtts://u:CANARY-password@h/a/b%20c?qos=ExactlyOnce&retained=yes&cleansession=no&clientid=me",
                {.title = "T", .text = "m"});
    ASSERT_EQ(tried.calls.size(), 1u);
    const auto call = std::get<MqttCall>(tried.calls[0]);
    EXPECT_EQ(
        fmt::format("{}:{} {} {} {} {}", call.host, call.port, call.topic, call.qos, call.client_id, call.payload),
        "h:8883 a/b c 2 me T\n\nm");
    EXPECT_TRUE(call.tls && call.verify_tls && call.retain && !call.clean);
    EXPECT_EQ(call.password.reveal(), "CANARY-password");
}

TEST(NotifyMqtt, HasTlsOnlyWhereTheSchemeAndTheOptionsSay) {
    const auto call = [](std::string_view url) { return std::get<MqttCall>(try_url(url, {.text = "m"}).calls.at(0)); };
    EXPECT_FALSE(call("mqtt://h/t").tls);
    EXPECT_EQ(call("mqtt://h/t").port, 1883);
    EXPECT_FALSE(call("mqtts://h:1/t?disabletls=yes").tls);
    EXPECT_FALSE(call("mqtts://h/t?disabletlsverification=yes").verify_tls);
    EXPECT_TRUE(call("mqtt://:CANARY-password@h/t").password.empty());
}

TEST(NotifyMqtt, HasANameOfItsOwnUnlessTheSessionIsKept) {
    const auto name = [](std::string_view url) {
        return std::get<MqttCall>(try_url(url, {.text = "m"}).calls.at(0)).client_id;
    };
    EXPECT_EQ(name("mqtt://h/t"), "weir-7272727272727272");
    EXPECT_EQ(name("mqtt://h/t?cleansession=no"), "shoutrrr");
}

TEST(NotifyMqtt, RefusesATopicOfSubscribers) {
    EXPECT_EQ(refusal("mqtt://h/"), "mqtt: topic is required");
    EXPECT_EQ(refusal("mqtt://h/a/%23"), "mqtt: a topic to publish to has no + and no #");
    EXPECT_EQ(refusal("mqtts://h/a/+/b"), "mqtts: a topic to publish to has no + and no #");
    EXPECT_EQ(refusal("mqtt://h/t?qos=3"), "mqtt: option qos: accepted values are [0 1 2]");
}

}  // namespace
}  // namespace weir::notify
