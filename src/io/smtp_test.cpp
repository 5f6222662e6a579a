#include "io/smtp.h"

#include <gtest/gtest.h>

#include "bound_port.h"

namespace weir {
namespace {

Mail mail_to(std::string host, std::uint16_t port) {
    Mail mail;
    mail.host = std::move(host);
    mail.port = port;
    mail.auth = Mail::Auth::plain;
    mail.user = "someone";
    mail.secret = Secret("canary-of-mail");
    mail.from = "from@example.org";
    mail.to = "to@example.org";
    mail.message = "Subject: s\r\n\r\ntext\r\n";
    return mail;
}

Error failure_of(const Mail& mail) {
    const std::atomic<bool> cancelled = false;
    const auto sent = send_mail(mail, cancelled);
    return sent ? Error{Errc::internal, "it was sent"} : sent.error();
}

TEST(Smtp, TellsThatNobodyListens) {
    const test::BoundPort deaf(test::BoundPort::Kind::deaf);
    const auto error = failure_of(mail_to("127.0.0.1", deaf.port));
    EXPECT_EQ(error.code, Errc::unreachable);
    EXPECT_EQ(error.text(), fmt::format("cannot connect to 127.0.0.1 port {}: connection refused", deaf.port));
}

TEST(Smtp, TellsThatAHostHasNoAddress) {
    const auto error = failure_of(mail_to("nowhere.invalid", 25));
    EXPECT_EQ(error.code, Errc::unreachable);
    EXPECT_EQ(error.text(), "cannot resolve nowhere.invalid");
}

TEST(Smtp, TakesAddressesThatAreKnownAlready) {
    const test::BoundPort deaf(test::BoundPort::Kind::deaf);
    auto mail = mail_to("nowhere.invalid", deaf.port);
    mail.addresses = {"127.0.0.1"};
    EXPECT_EQ(failure_of(mail).text(),
              fmt::format("cannot connect to nowhere.invalid port {}: connection refused", deaf.port));
}

TEST(Smtp, SendsNoPasswordInClearToAnotherMachine) {
    auto mail = mail_to("mail.invalid", 25);
    mail.tls = Mail::Tls::never;
    for (const auto auth : {Mail::Auth::plain, Mail::Auth::login, Mail::Auth::oauth2}) {
        mail.auth = auth;
        const auto error = failure_of(mail);
        EXPECT_EQ(error.code, Errc::bad_input);
        EXPECT_EQ(error.text(), "the password is not sent to mail.invalid in clear; let it use TLS");
    }
    mail.auth = Mail::Auth::cram_md5;
    EXPECT_EQ(failure_of(mail).code, Errc::unreachable);
    mail.auth = Mail::Auth::plain;
    mail.host = "127.mail.invalid";  // a name, whatever it begins with
    EXPECT_EQ(failure_of(mail).code, Errc::bad_input);
}

TEST(Smtp, RefusesWhatWouldBecomeACommand) {
    for (const auto* const address : {"a@b.c\r\nRCPT TO:<x@y.z>", "a@b.c> SIZE=1", "", "a b@c.d", "a\t@b.c"}) {
        auto mail = mail_to("mail.invalid", 25);
        mail.to = address;
        EXPECT_EQ(failure_of(mail).code, Errc::bad_input) << address;
        mail = mail_to("mail.invalid", 25);
        mail.from = address;
        EXPECT_EQ(failure_of(mail).code, Errc::bad_input) << address;
    }
    auto mail = mail_to("mail.invalid", 25);
    mail.client_host = "me\r\nQUIT";
    EXPECT_EQ(failure_of(mail).code, Errc::bad_input);
}

TEST(Smtp, HasALimit) {
    auto mail = mail_to("mail.invalid", 25);
    mail.message.assign((1 << 20) + 1, 'x');
    EXPECT_EQ(failure_of(mail).text(), "message above 1048576 bytes");
}

TEST(Smtp, DoesNotBeginWhenCancelled) {
    const std::atomic<bool> cancelled = true;
    const auto sent = send_mail(mail_to("mail.invalid", 25), cancelled);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, Errc::cancelled);
}

}  // namespace
}  // namespace weir
