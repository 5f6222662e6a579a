#include "proto/websocket/handshake.h"

#include <gtest/gtest.h>

#include <random>

namespace weir::ws {
namespace {

const std::string sample_key = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 1.3: "the sample nonce"

std::array<std::byte, 16> nonce() {
    std::array<std::byte, 16> out;
    std::copy_n(std::as_bytes(std::span(std::string_view("the sample nonce"))).begin(), 16, out.begin());
    return out;
}

Headers upgrade() {
    return {{"host", "server.example.com"},    {"upgrade", "websocket"},        {"connection", "Upgrade"},
            {"sec-websocket-key", sample_key}, {"sec-websocket-version", "13"}, {"origin", "http://example.com"}};
}
Headers with(std::string_view name, std::string_view value) {
    auto headers = upgrade();
    std::erase_if(headers, [name](const auto& h) { return h.first == name; });
    headers.emplace_back(name, value);
    return headers;
}
Headers without(std::string_view name) {
    auto headers = with(name, "");
    headers.pop_back();
    return headers;
}
int refusal(const Headers& headers, std::string_view method = "GET") {
    const auto got = read_upgrade(method, headers);
    if (got) return 0;
    EXPECT_EQ(got.error().code, Errc::bad_input);
    EXPECT_FALSE(got.error().what.empty());
    return got.error().status;
}

TEST(WebsocketUpgrade, TheExampleOfRfc6455Section13) {
    EXPECT_EQ(accept_key(sample_key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    auto headers = upgrade();
    headers.emplace_back("sec-websocket-protocol", "chat, superchat");
    const auto offer = read_upgrade("GET", headers);
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->key, sample_key);
    EXPECT_EQ(offer->protocols, (std::vector<std::string>{"chat", "superchat"}));
    EXPECT_EQ(offer->origin, "http://example.com");
    EXPECT_EQ(offer->host, "server.example.com");
    EXPECT_EQ(accept_answer(*offer, "chat"),
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n");
}

TEST(WebsocketUpgrade, WhatRealPeersSendIsUnderstood) {
    EXPECT_EQ(refusal(with("connection", "keep-alive, Upgrade")), 0);  // Firefox
    EXPECT_EQ(refusal(with("upgrade", "WebSocket")), 0);
    EXPECT_EQ(refusal(with("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")), 0);
    EXPECT_EQ(refusal(without("origin")), 0);
    auto two = upgrade();
    two.emplace_back("sec-websocket-protocol", "a");
    two.emplace_back("sec-websocket-protocol", ", b ,");
    EXPECT_EQ(read_upgrade("GET", two)->protocols, (std::vector<std::string>{"a", "b"}));
}

TEST(WebsocketUpgrade, CVE_2016_10544_Lesson28_CompressionIsNeverAgreedTo) {
    const auto offer = read_upgrade("GET", with("sec-websocket-extensions", "permessage-deflate"));
    ASSERT_TRUE(offer);
    EXPECT_EQ(accept_answer(*offer).find("xtension"), std::string::npos);
}

TEST(WebsocketUpgrade, VW41_TheSubProtocolIsTheCallersAndAbsentWhenNoneIsChosen) {
    const auto offer = read_upgrade("GET", with("sec-websocket-protocol", "null"));
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->protocols, std::vector<std::string>{"null"});
    EXPECT_NE(accept_answer(*offer, "null").find("\r\nSec-WebSocket-Protocol: null\r\n"), std::string::npos);
    EXPECT_EQ(accept_answer(*offer).find("Protocol:"), std::string::npos);
}

TEST(WebsocketUpgrade, EveryRefusalHasItsStatus) {
    EXPECT_EQ(refusal(upgrade(), "POST"), 405);
    EXPECT_EQ(refusal(upgrade(), "get"), 405);
    EXPECT_EQ(refusal(without("upgrade")), 400);
    EXPECT_EQ(refusal(with("upgrade", "h2c")), 400);
    EXPECT_EQ(refusal(without("connection")), 400);
    EXPECT_EQ(refusal(with("connection", "keep-alive")), 400);
    EXPECT_EQ(refusal(with("connection", "upgrades")), 400);
    EXPECT_EQ(refusal(without("sec-websocket-version")), 400);
    EXPECT_EQ(refusal(with("sec-websocket-version", "8")), 426);
    EXPECT_EQ(refusal(without("sec-websocket-key")), 400);
    EXPECT_EQ(refusal(with("sec-websocket-key", "c2hvcnQ=")), 400);
    EXPECT_EQ(refusal(with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=A")), 400);
    EXPECT_EQ(refusal(with("sec-websocket-key", "dGhl\r\nNhbXBsZSBub25jZQ==")), 400);
    EXPECT_EQ(refusal(with("sec-websocket-protocol", "two words")), 400);
    auto twice = upgrade();
    twice.emplace_back("sec-websocket-key", sample_key);
    EXPECT_EQ(refusal(twice), 400);
    auto origins = upgrade();
    origins.emplace_back("origin", "http://evil.example");
    EXPECT_EQ(refusal(origins), 400);
}

TEST(WebsocketUpgrade, CVE_2023_43669_Lesson29_HeadersAboveEightKibibytesAreRefused) {
    std::size_t used = 0;
    for (const auto& [name, value] : upgrade()) used += name.size() + value.size();
    EXPECT_EQ(refusal(with("x", std::string(8192 - used - 1, 'y'))), 0);
    EXPECT_EQ(refusal(with("x", std::string(8192 - used, 'y'))), 431);
    EXPECT_EQ(refusal(with("sec-websocket-protocol", std::string(9000, ','))), 431);
}

TEST(WebsocketUpgrade, CVE_2024_37890_Lesson30_TooManyFieldsAreAClearErrorAndNoCrash) {
    auto headers = upgrade();
    while (headers.size() < 100) headers.emplace_back("a", "b");
    EXPECT_EQ(refusal(headers), 0);
    headers.emplace_back("a", "b");
    EXPECT_EQ(refusal(headers), 431);
    EXPECT_EQ(read_upgrade("GET", headers).error().what, "more than 100 header fields");
    std::string protocols = "p";
    for (int i = 1; i < 32; ++i) protocols += ",p";
    EXPECT_EQ(refusal(with("sec-websocket-protocol", protocols)), 0);
    EXPECT_EQ(refusal(with("sec-websocket-protocol", protocols + ",p")), 431);
}

const std::string accepted =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

struct Heard {
    std::optional<ClientHandshake::Answer> answer;
    std::string error;
    std::size_t consumed = 0;
};

Heard hear(const ClientHandshake::Request& request, std::string_view in, auto next) {
    ClientHandshake client(request, nonce());
    Heard heard;
    while (!in.empty() && !heard.answer && heard.error.empty()) {
        const auto part = in.substr(0, next());
        std::size_t consumed = 0;
        auto got = client.feed(std::as_bytes(std::span(part)), consumed);
        heard.consumed += consumed;
        in.remove_prefix(part.size());
        if (!got)
            heard.error = got.error().what;
        else
            heard.answer = std::move(*got);
    }
    return heard;
}

/// Whole and in pieces: always the same.
Heard hear(std::string_view in, const ClientHandshake::Request& request = {"h", "/", {}, {}}) {
    auto whole = hear(request, in, [&] { return in.size(); });
    std::mt19937 random(3);
    for (int i = 0; i < 10; ++i) {
        std::uniform_int_distribution<std::size_t> size(1, i == 0 ? 1 : 50);
        const auto cut = hear(request, in, [&] { return size(random); });
        EXPECT_EQ(cut.error, whole.error);
        EXPECT_EQ(cut.consumed, whole.consumed);
        EXPECT_EQ(cut.answer.has_value(), whole.answer.has_value());
        if (cut.answer && whole.answer) {
            EXPECT_EQ(cut.answer->headers, whole.answer->headers);
        }
    }
    return whole;
}

TEST(WebsocketClientHandshake, TheRequestIsThatOfRfc6455) {
    const ClientHandshake client({"server.example.com", "/chat?x=1", {{"Authorization", "t"}}, {"chat", "superchat"}},
                                 nonce());
    EXPECT_EQ(client.text(),
              "GET /chat?x=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Protocol: chat, superchat\r\nAuthorization: t\r\n\r\n");
}

TEST(WebsocketClientHandshake, NothingInARequestAddsALineOfItsOwn) {
    const ClientHandshake client(
        {"a\r\nX: 1", "/b c\r\nX: 2", {{"d\r\nX", "3"}, {"E", "f\r\nX: 4"}}, {"g\r\nX: 5", "h"}}, nonce());
    EXPECT_EQ(client.text(),
              "GET /bcX:2 HTTP/1.1\r\nHost: aX: 1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Protocol: h\r\nE: f  X: 4\r\n\r\n");
}

TEST(WebsocketClientHandshake, AnAnswerIsTakenAndNotAByteMore) {
    const auto heard = hear(accepted + "\r\n\x81\x05Hello");
    ASSERT_TRUE(heard.answer) << heard.error;
    EXPECT_EQ(heard.answer->status, 101);
    EXPECT_EQ(heard.answer->protocol, "");
    EXPECT_EQ(heard.answer->headers.at(0), (std::pair<std::string, std::string>("upgrade", "websocket")));
    EXPECT_EQ(heard.consumed, accepted.size() + 2);
}

TEST(WebsocketClientHandshake, TheServersChoiceOfProtocolIsTold) {
    const auto heard = hear(accepted + "Sec-WebSocket-Protocol: b\r\n\r\n", {"h", "/", {}, {"a", "b"}});
    ASSERT_TRUE(heard.answer) << heard.error;
    EXPECT_EQ(heard.answer->protocol, "b");
}

TEST(WebsocketClientHandshake, AnotherStatusIsAnAnswerToo) {
    const auto heard = hear("HTTP/1.1 503 Later\r\nRetry-After: 7\r\n\r\nbody");
    ASSERT_TRUE(heard.answer) << heard.error;
    EXPECT_EQ(heard.answer->status, 503);
    EXPECT_EQ(heard.answer->headers, (Headers{{"retry-after", "7"}}));
    EXPECT_TRUE(hear("HTTP/1.1 403\r\n\r\n").answer);
}

TEST(WebsocketClientHandshake, NewsBeforeTheAnswerIsSkipped) {
    const auto heard = hear("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + accepted + "\r\n");
    ASSERT_TRUE(heard.answer) << heard.error;
    EXPECT_EQ(heard.answer->status, 101);
}

TEST(WebsocketClientHandshake, A101ThatBreaksTheRulesIsRefused) {
    const auto changed = [](std::string_view from, std::string_view to) {
        std::string text = accepted + "\r\n";
        const auto at = text.find(from);
        EXPECT_NE(at, std::string::npos);
        return text.replace(at, from.size(), to);
    };
    const std::vector<std::pair<std::string, std::string>> cases{
        {changed("s3pP", "S3pP"), "wrong Sec-WebSocket-Accept"},
        {changed("Sec-WebSocket-Accept", "X"), "wrong Sec-WebSocket-Accept"},
        {changed("Upgrade: websocket", "Upgrade: h2c"), "101 without Upgrade: websocket"},
        {changed("Connection: Upgrade", "Connection: close"), "101 without Connection: Upgrade"},
        {accepted + "Sec-WebSocket-Protocol: x\r\n\r\n", "the server chose a sub-protocol that was not offered"},
        {accepted + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",  // lesson 28
         "the server chose an extension that was not offered"},
        {changed("HTTP/1.1", "HTTP/2.0"), "the answer is not HTTP/1.1"},
        {changed("101", "10x"), "the answer is not HTTP/1.1"},
        {"SSH-2.0-OpenSSH\r\n\r\n", "the answer is not HTTP/1.1"},
        {accepted + "no field\r\n\r\n", "a line in the answer that is no header field"},
        {accepted + " folded: x\r\n\r\n", "a line in the answer that is no header field"},
        {accepted + "a: b\nc: d\r\n\r\n", "control characters in the answer"},
    };
    for (const auto& [in, what] : cases) EXPECT_EQ(hear(in).error, what);
}

TEST(WebsocketClientHandshake, CVE_2023_43669_Lesson29_AHeadAboveEightKibibytesEndsWhileItArrives) {
    const auto one_line = accepted + "X: " + std::string(1u << 20, 'y');
    const auto heard = hear(one_line);
    EXPECT_EQ(heard.error, "answer's head above 8192 bytes");
    EXPECT_EQ(heard.consumed, 8193u);
    EXPECT_TRUE(hear(accepted + "X: " + std::string(8192 - accepted.size() - 7, 'y') + "\r\n\r\n").answer);
    EXPECT_EQ(hear(accepted + "X: " + std::string(8192 - accepted.size() - 6, 'y') + "\r\n\r\n").error,
              "answer's head above 8192 bytes");
}

TEST(WebsocketClientHandshake, CVE_2024_37890_Lesson30_TooManyFieldsEndWhileTheyArrive) {
    std::string in = accepted;
    for (int i = 3; i < 100; ++i) in += "a: b\r\n";
    EXPECT_TRUE(hear(in + "\r\n").answer);
    EXPECT_EQ(hear(in + "a: b\r\na: b\r\n").error, "more than 100 header fields");
}

TEST(WebsocketClientHandshake, NewsWithoutEndIsBoundedToo) {
    std::string in;
    while (in.size() < 9000) in += "HTTP/1.1 100 Continue\r\n\r\n";
    EXPECT_EQ(hear(in).error, "answer's head above 8192 bytes");
}

}  // namespace
}  // namespace weir::ws
