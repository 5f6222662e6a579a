#include "io/tls_stream.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <random>

#include "io/tls_context.h"
#include "temp_folder.h"
#include "test_certificate.h"

namespace weir::net {
namespace {

/// Both ends of a connection, handshake done.
class Pair {
public:
    Pair() {
        certificate_.write(folder_ / "cert.pem");
        certificate_.write_key(folder_ / "key.pem");
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds_.data()), 0);
        ServerCertificate files(folder_ / "cert.pem", folder_ / "key.pem");
        EXPECT_TRUE(files.load().has_value());
        server = TlsStream::create(files.current(SteadyTime{}), fds_[0]).value();
        client = TlsStream::create(client_context(folder_ / "cert.pem").value(), fds_[1], "localhost").value();
        for (bool done = false; !done;) {
            const auto ours = client->handshake().value();
            const auto theirs = server->handshake().value();
            done = ours == Ready::nothing && theirs == Ready::nothing;
        }
        std::array<std::byte, 1> none;
        EXPECT_FALSE(client->try_read(none).value().has_value());  // takes the ticket in
    }
    ~Pair() {
        for (const int fd : fds_) ::close(fd);
    }
    Pair(const Pair&) = delete;

    [[nodiscard]] int client_fd() const { return fds_[1]; }
    [[nodiscard]] int server_fd() const { return fds_[0]; }
    void cut() const { ::shutdown(fds_[0], SHUT_RDWR); }
    void small_buffer() const {
        const int bytes = 4096;
        ::setsockopt(fds_[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
    /// What has come to the client, as text.
    std::string read_all() const {
        std::string out;
        std::array<std::byte, 50'000> part;
        for (;;) {
            auto got = client->try_read(part).value();
            if (!got || *got == 0) return out;
            out.append(reinterpret_cast<const char*>(part.data()), *got);
        }
    }
    std::unique_ptr<TlsStream> server, client;

private:
    test::TempFolder folder_;
    test::TestCertificate certificate_;
    std::array<int, 2> fds_{};
};

std::string random_text(std::mt19937& random, std::size_t size) {
    std::string out(size, '\0');
    for (char& c : out) c = static_cast<char>(random());
    return out;
}

TEST(TlsStream, SmallPiecesShareRecords) {
    Pair pair;
    std::vector<Bytes> parts;
    std::string text;
    for (int i = 0; i < 500; ++i) {
        text += std::string(188, static_cast<char>(i));
        parts.push_back(Bytes::copy_of(std::string_view(text).substr(text.size() - 188)));
    }
    EXPECT_EQ(pair.server->try_write(parts, 0).value(), text.size());
    std::vector<unsigned char> wire(text.size() * 2);
    const auto size = ::recv(pair.client_fd(), wire.data(), wire.size(), MSG_PEEK);
    std::size_t records = 0, at = 0;
    for (; at + 5 <= static_cast<std::size_t>(size); ++records) at += 5u + (wire[at + 3] * 256u + wire[at + 4]);
    EXPECT_EQ(at, static_cast<std::size_t>(size));
    EXPECT_EQ(records, (text.size() + (16u << 10) - 1) / (16u << 10));
    EXPECT_EQ(pair.read_all(), text);
}

/// Offers items as a fan-out does: some at once, and those that have not begun may be thrown away.
class Offerer {
public:
    explicit Offerer(TlsStream& to) : to_(to) {}

    void add(std::mt19937& random) {
        Item item;
        const std::size_t most = random() % 7 == 0 ? 40'000 : 900;
        for (std::size_t i = 0, n = 1 + random() % 5; i < n; ++i) {
            const auto piece = random_text(random, 2 + random() % most);
            item.text += piece;
            item.parts.push_back(Bytes::copy_of(std::string_view(piece)));
        }
        items_.push_back(std::move(item));
    }
    /// True when everything was taken.
    bool offer() {
        std::vector<Bytes> parts;
        for (const auto& item : items_) parts.insert(parts.end(), item.parts.begin(), item.parts.end());
        auto took = to_.try_write(parts, done_);
        EXPECT_TRUE(took.has_value()) << took.error().text();
        done_ += *took;
        while (!items_.empty() && done_ >= items_.front().text.size()) {
            done_ -= items_.front().text.size();
            sent += items_.front().text;
            items_.pop_front();
        }
        return items_.empty();
    }
    void drop_what_has_not_begun() { items_.resize(done_ > 0 ? 1 : 0); }

    std::string sent;

private:
    struct Item {
        std::vector<Bytes> parts;
        std::string text;
    };
    TlsStream& to_;
    std::deque<Item> items_;
    std::size_t done_ = 0;  ///< of the first item
};

TEST(TlsStream, WhatHasNotBegunMayBeReplacedAfterAShortWrite) {
    std::mt19937 random(5);
    Pair pair;
    pair.small_buffer();
    Offerer offerer(*pair.server);
    std::string received;
    int dropped = 0;
    for (int round = 0; round < 2000; ++round) {
        for (std::size_t n = 1 + random() % 6; n > 0; --n) offerer.add(random);
        if (offerer.offer()) continue;
        if (random() % 2 == 0) {
            offerer.drop_what_has_not_begun();
            ++dropped;
        }
        if (random() % 3 == 0) received += pair.read_all();
    }
    while (!offerer.offer()) received += pair.read_all();
    received += pair.read_all();
    EXPECT_GT(dropped, 100);
    EXPECT_TRUE(received == offerer.sent) << received.size() << " of " << offerer.sent.size();
}

TEST(TlsStream, AWriteThatIsNotGoneOnWithIsAnErrorAndNoGarbage) {
    Pair pair;
    pair.small_buffer();
    const auto first = Bytes::copy_of(std::string(1 << 20, 'a')), other = Bytes::copy_of(std::string(100, 'b'));
    EXPECT_LT(pair.server->try_write(std::span(&first, 1), 0).value(), first.size());
    Result<std::size_t> wrote = std::size_t{0};
    for (int i = 0; i < 1000 && wrote && *wrote == 0; ++i) {
        EXPECT_EQ(pair.read_all().find('b'), std::string::npos);
        wrote = pair.server->try_write(std::span(&other, 1), 0);
    }
    ASSERT_FALSE(wrote.has_value());
    EXPECT_EQ(wrote.error().code, Errc::internal);
}

TEST(TlsStream, AGoodbyeIsAnEndAndACutAfterTheHandshakeTooAndStaysOne) {
    for (const bool polite : {true, false}) {
        Pair pair;
        if (polite) pair.server->say_goodbye();
        if (!polite) pair.cut();
        std::array<std::byte, 10> some;
        for (int i = 0; i < 3; ++i) {
            auto got = pair.client->try_read(some);
            ASSERT_TRUE(got.has_value()) << got.error().text();
            EXPECT_EQ(got.value(), std::optional<std::size_t>(0));
            EXPECT_TRUE(pair.client->readable());
        }
    }
}

TEST(TlsStream, BytesThatAreNoTlsEndIt) {
    Pair pair;
    const std::string garbage(100, 'x');
    EXPECT_EQ(::send(pair.server_fd(), garbage.data(), garbage.size(), MSG_NOSIGNAL), 100);
    std::array<std::byte, 10> some;
    for (int i = 0; i < 2; ++i) EXPECT_EQ(pair.client->try_read(some).error().code, Errc::lost_peer);
    const auto part = Bytes::copy_of(std::string_view("abc"));
    (void)pair.client->try_write(std::span(&part, 1), 0);
}

TEST(ServerCertificate, SaysWhichFileIsWrongAndWhy) {
    const test::TempFolder folder;
    const test::TestCertificate one, two;
    one.write(folder / "cert.pem");
    one.write_key(folder / "key.pem");
    two.write_key(folder / "other.pem");
    test::write_file(folder / "empty.pem", "");
    test::write_file(folder / "text.pem", "hello\n");
    test::write_file(folder / "locked.pem",
                     "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    struct Case {
        std::string certificate, key, named, says;
    };
    const Case cases[] = {{"none.pem", "key.pem", "none.pem", "no such file"},
                          {"cert.pem", "none.pem", "none.pem", "no such file"},
                          {"empty.pem", "key.pem", "empty.pem", "no usable PEM certificate"},
                          {"text.pem", "key.pem", "text.pem", "no usable PEM certificate"},
                          {"key.pem", "key.pem", "key.pem", "no usable PEM certificate"},
                          {"cert.pem", "cert.pem", "cert.pem", "no usable PEM key"},
                          {"cert.pem", "locked.pem", "locked.pem", "no usable PEM key without passphrase"},
                          {"cert.pem", "other.pem", "other.pem", "does not belong to the certificate"},
                          {".", "key.pem", ".", "is a folder"}};
    for (const auto& c : cases) {
        ServerCertificate files(folder / c.certificate, folder / c.key);
        auto r = files.load();
        ASSERT_FALSE(r.has_value()) << c.certificate << c.key;
        EXPECT_NE(r.error().what.find((folder / c.named).string()), std::string::npos) << r.error().what;
        EXPECT_NE(r.error().what.find(c.says), std::string::npos) << r.error().what;
    }
    EXPECT_EQ(ServerCertificate(folder / "cert.pem", "").load().error().code, Errc::bad_input);
}

TEST(ServerCertificate, IsLookedAtOnceASecondAndKeptWhenTheNewOneIsWrong) {
    const test::TempFolder folder;
    const test::TestCertificate one, two;
    one.write(folder / "cert.pem");
    one.write_key(folder / "key.pem");
    ServerCertificate files(folder / "cert.pem", folder / "key.pem");
    ASSERT_TRUE(files.load().has_value());
    SteadyTime now{};
    const auto old = files.current(now);
    two.write(folder / "cert.pem");  // the key is still the old one's
    EXPECT_EQ(files.current(now + Millis(999)), old);
    EXPECT_EQ(files.current(now + Millis(1000)), old);
    two.write_key(folder / "key.pem");
    EXPECT_EQ(files.current(now + Millis(1500)), old);
    const auto fresh = files.current(now + Millis(2000));
    EXPECT_NE(fresh, old);
    EXPECT_EQ(files.current(now + Millis(9000)), fresh);
    std::filesystem::remove(folder / "key.pem");
    EXPECT_EQ(files.current(now + Millis(10000)), fresh);
}

}  // namespace
}  // namespace weir::net
