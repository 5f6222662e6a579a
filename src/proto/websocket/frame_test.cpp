#include "proto/websocket/frame.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace weir::ws {
namespace {

using namespace std::string_literals;
using Key = std::array<std::byte, 4>;

constexpr Key key{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};

std::span<const std::byte> bytes(std::string_view s) {
    return std::as_bytes(std::span(s));
}

/// What a decoder made of some bytes.
struct Got {
    std::vector<Event> events;
    std::string error;
    std::uint16_t code = 0;

    [[nodiscard]] std::string text() const {
        std::string out;
        for (const auto& e : events) {
            constexpr std::array kinds{"message", "ping", "pong", "close"};
            out += fmt::format("{} {} {} {}:{}\n", kinds[static_cast<std::size_t>(e.kind)], e.text, e.code,
                               e.payload.size(), e.payload.text());
        }
        return out + fmt::format("{} {}", code, error);
    }
};

template <class NextSize>
Got decode(Role role, Limits limits, std::string_view in, NextSize next) {
    Decoder decoder(role, limits);
    Got got;
    while (!in.empty()) {
        const auto part = in.substr(0, next());
        in.remove_prefix(part.size());
        if (auto fed = decoder.feed(bytes(part), got.events); !fed) {
            got.error = fed.error().what;
            EXPECT_EQ(fed.error().code, Errc::bad_input);
            break;
        }
    }
    got.code = decoder.close_code();
    return got;
}

/// Whole, byte by byte and in random pieces: always the same.
Got decode(Role role, std::string_view in, Limits limits = {}) {
    const auto whole = decode(role, limits, in, [&] { return in.size(); });
    EXPECT_EQ(decode(role, limits, in, [] { return std::size_t{1}; }).text(), whole.text());
    std::mt19937 random(7);
    for (int i = 0; i < 20; ++i) {
        std::uniform_int_distribution<std::size_t> size(1, i < 10 ? 9 : 3000);
        EXPECT_EQ(decode(role, limits, in, [&] { return size(random); }).text(), whole.text());
    }
    return whole;
}

std::string masked(Opcode opcode, std::string_view payload, bool fin = true) {
    std::string out(make_frame(opcode, bytes(payload), key).text());
    if (!fin) out[0] = static_cast<char>(out[0] & 0x7f);
    return out;
}
std::string plain(Opcode opcode, std::string_view payload) {
    return std::string(make_frame(opcode, bytes(payload)).text());
}

TEST(WebsocketFrame, TheExamplesOfRfc6455Section57) {
    EXPECT_EQ(decode(Role::client, "\x81\x05Hello").text(), "message true 1005 5:Hello\n0 ");
    EXPECT_EQ(decode(Role::server, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").text(),
              "message true 1005 5:Hello\n0 ");
    EXPECT_EQ(decode(Role::client, "\x01\x03Hel\x80\x02lo").text(), "message true 1005 5:Hello\n0 ");
    EXPECT_EQ(decode(Role::client, "\x89\x05Hello").text(), "ping false 1005 5:Hello\n0 ");
    EXPECT_EQ(decode(Role::server, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").text(),
              "pong false 1005 5:Hello\n0 ");
    const std::string a(256, 'a'), b(65536, 'b');
    EXPECT_EQ(decode(Role::client, "\x82\x7e\x01\x00"s + a).text(), "message false 1005 256:" + a + "\n0 ");
    EXPECT_EQ(decode(Role::client, "\x82\x7f\0\0\0\0\0\1\0\0"s + b).text(), "message false 1005 65536:" + b + "\n0 ");
}

TEST(WebsocketFrame, WhatIsWrittenIsTheExamplesAgain) {
    EXPECT_EQ(make_frame(Opcode::text, bytes("Hello")).text(), "\x81\x05Hello");
    EXPECT_EQ(make_frame(Opcode::text, bytes("Hello"), key).text(), "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    EXPECT_EQ(make_frame(Opcode::ping, {}).text(), "\x89\0"s);
    EXPECT_EQ(make_frame(Opcode::binary, bytes(std::string(256, 'a'))).text(),
              "\x82\x7e\x01\x00"s + std::string(256, 'a'));
    std::array<std::byte, 14> head;
    EXPECT_EQ(write_head(head, Opcode::binary, 65536, key, false), 14u);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(head.data()), 14),
              "\x02\xff\0\0\0\0\0\1\0\0\x37\xfa\x21\x3d"s);
}

TEST(WebsocketFrame, EveryLengthAroundTheBordersComesBack) {
    for (const std::size_t size :
         {0u, 1u, 7u, 8u, 63u, 64u, 65u, 124u, 125u, 126u, 127u, 128u, 65534u, 65535u, 65536u, 65537u}) {
        std::string payload(size, '\0');
        for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 31 + i / 251);
        for (const auto role : {Role::server, Role::client}) {
            const auto frame = role == Role::server ? masked(Opcode::binary, payload) : plain(Opcode::binary, payload);
            const auto got = decode(role, {}, frame + frame, [&] { return frame.size() - 1; });
            ASSERT_EQ(got.events.size(), 2u) << size;
            EXPECT_TRUE(got.events[0].payload.text() == payload && got.events[1].payload.text() == payload) << size;
        }
    }
}

TEST(WebsocketFrame, MaskingFromAnyPlaceIsMaskingByteByByte) {
    std::vector<std::byte> from(300);
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 7);
    for (std::size_t at = 0; at < 9; ++at)
        for (std::size_t start = 0; start < 5; ++start)
            for (const std::size_t size : {0u, 1u, 3u, 8u, 17u, 64u, 131u, 290u}) {
                auto got = from, wanted = from;
                apply_mask(std::span(got).subspan(start, size), key, at);
                for (std::size_t i = 0; i < size; ++i) wanted[start + i] ^= key[(at + i) % 4];
                EXPECT_EQ(got, wanted) << at << ' ' << start << ' ' << size;
            }
}

TEST(WebsocketFrame, ControlFramesMayComeBetweenFragments) {
    const auto in = masked(Opcode::text, "eins, ", false) + masked(Opcode::ping, "da?") +
                    masked(Opcode::continuation, "", false) + masked(Opcode::continuation, "zwei");
    EXPECT_EQ(decode(Role::server, in).text(), "ping false 1005 3:da?\nmessage true 1005 10:eins, zwei\n0 ");
}

TEST(WebsocketFrame, NothingAfterACloseIsLookedAt) {
    const auto in = masked(Opcode::close,
                           "\x03\xe8"
                           "bye") +
                    "\xff\xff\xff nonsense";
    EXPECT_EQ(decode(Role::server, in).text(), "close false 1000 3:bye\n0 ");
    EXPECT_EQ(decode(Role::server, masked(Opcode::close, "")).text(), "close false 1005 0:\n0 ");
}

TEST(WebsocketFrame, EachBreachHasItsCodeAndText) {
    struct Case {
        Role role;
        std::string in, what;
        std::uint16_t code;
    };
    const auto s = Role::server, c = Role::client;
    const std::vector<Case> cases{
        {s, "\x81\x05Hello", "incorrect mask flag", 1002},  // VW-45
        {c, masked(Opcode::text, "Hello"), "incorrect mask flag", 1002},
        {c, "\x80\x01x", "continuation without a message", 1002},
        {c, "\x01\x01x\x81\x01y", "a new message inside a fragmented one", 1002},
        {c, "\x09\x01x", "fragmented control frame", 1002},
        {c, "\x83\x01x", "unknown opcode 3", 1002},
        {c, "\x8f\x01x", "unknown opcode 15", 1002},
        {c, "\x82\x7e\x00\x7dx"s, "frame length not in its shortest form", 1002},
        {c, "\x82\x7f\0\0\0\0\0\0\xff\xff"s, "frame length not in its shortest form", 1002},
        {c, "\x88\x01\x03", "close frame with half a code", 1002},
        {c, "\x88\x02\x03\xed", "close code 1005", 1002},
        {c, "\x88\x02\x03\xe7", "close code 999", 1002},
        {c, "\x88\x02\x13\x88", "close code 5000", 1002},
        {c, "\x88\x03\x03\xe8\xff", "close reason is no UTF-8", 1007},
        {c, "\x81\x02\xc3\x28", "text message is no UTF-8", 1007},
        {c, "\x81\x03\xed\xa0\x80", "text message is no UTF-8", 1007},
    };
    for (const auto& one : cases) {
        const auto got = decode(one.role, one.in);
        EXPECT_EQ(got.error, one.what);
        EXPECT_EQ(got.code, one.code) << one.what;
        EXPECT_TRUE(got.events.empty()) << one.what;
    }
}

TEST(WebsocketFrame, AFailedDecoderStaysFailedAndWhatCameBeforeIsKept) {
    Decoder decoder(Role::client);
    std::vector<Event> events;
    EXPECT_FALSE(decoder.feed(bytes("\x81\x02ok\x83\x01x"), events));
    ASSERT_EQ(events.size(), 1u);
    const auto again = decoder.feed(bytes("\x81\x02ok"), events);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().what, "unknown opcode 3");
    EXPECT_EQ(events.size(), 1u);
}

TEST(WebsocketFrame, ACharacterMayBeCutByFragments) {
    EXPECT_EQ(decode(Role::client, "\x01\x01\xc3\x80\x01\xa9").text(), "message true 1005 2:\xc3\xa9\n0 ");
}

TEST(WebsocketFrame, CVE_2020_27813_Lesson25_LengthsNearTheEndOfTheirType) {
    for (const auto& [length, what] : std::vector<std::pair<std::string, std::string>>{
             {"\xff\xff\xff\xff\xff\xff\xff\xff", "frame length with its top bit set"},
             {"\x80\0\0\0\0\0\0\0"s, "frame length with its top bit set"},
             {"\x7f\xff\xff\xff\xff\xff\xff\xff", "message above the limit of 10485760 bytes"},
             {"\x00\x00\x00\x00\x00\xa0\x00\x01"s, "message above the limit of 10485760 bytes"}}) {
        EXPECT_EQ(decode(Role::client, "\x82\x7f" + length + "x").error, what);
        // The sum with what is there already must not wrap either.
        EXPECT_EQ(decode(Role::client, "\x02\x02xy\x80\x7f" + length + "x").error, what);
    }
}

TEST(WebsocketFrame, VW45_TenMebibytesAreAMessageAndOneMoreIsNot) {
    const std::string ten(10u << 20, 'x');
    EXPECT_EQ(decode(Role::client, {}, plain(Opcode::binary, ten), [] { return std::size_t{16384}; }).events.size(),
              1u);
    const auto in_two = "\x02\x01x\x80\x7f\0\0\0\0\0\xa0\0\0"s;
    const auto got = decode(Role::client, in_two);
    EXPECT_EQ(got.code, 1009);
    EXPECT_EQ(got.error, "message above the limit of 10485760 bytes");
}

TEST(WebsocketFrame, CVE_2020_13935_Lesson26_ControlFramesAboveOneHundredAndTwentyFive) {
    EXPECT_EQ(decode(Role::client, plain(Opcode::ping, std::string(125, 'p'))).events.size(), 1u);
    for (const auto* head : {"\x89\x7e", "\x8a\x7e", "\x88\x7e", "\x89\x7f", "\x88\x7f", "\x8a\x7f"}) {
        const auto got = decode(Role::client, head);  // known from two bytes
        EXPECT_EQ(got.error, "control frame above 125 bytes");
        EXPECT_EQ(got.code, 1002);
    }
}

TEST(WebsocketFrame, CVE_2026_48779_Lesson27_FragmentsAreCountedAndCostNothingBesideTheirBytes) {
    const Limits limits{1000, 50, 20};
    std::string in = masked(Opcode::binary, "", false);
    for (int i = 0; i < 48; ++i) in += masked(Opcode::continuation, i % 2 ? "" : "x", false);
    EXPECT_EQ(decode(Role::server, in + masked(Opcode::continuation, "y"), limits).text(),
              "message false 1005 25:" + std::string(24, 'x') + "y\n0 ");
    in += masked(Opcode::continuation, "", false) + masked(Opcode::continuation, "", false);
    const auto got = decode(Role::server, in, limits);
    EXPECT_EQ(got.error, "message of more than 50 fragments");
    EXPECT_EQ(got.code, 1009);
    EXPECT_TRUE(got.events.empty());
}

TEST(WebsocketFrame, Lesson31_FramesWithoutEndHoldNoMoreThanTwiceTheirBytes) {
    Decoder decoder(Role::server, Limits{10u << 20, 1u << 20, 1024});
    std::vector<Event> events;
    std::size_t fed = 0;
    for (int i = 0; i < 20'000; ++i) {
        const auto frame = masked(i ? Opcode::continuation : Opcode::binary, "abc", false);
        ASSERT_TRUE(decoder.feed(bytes(frame), events));
        fed += frame.size();
        ASSERT_LE(decoder.held_bytes(), 2 * fed);
    }
    EXPECT_TRUE(events.empty());
}

TEST(WebsocketFrame, Lesson31_ControlFramesInsideAMessageThatNeverEnds) {
    const Limits limits{1000, 50, 20};
    std::string in = masked(Opcode::text, "a", false);
    for (int i = 0; i < 21; ++i) in += masked(Opcode::ping, "");
    const auto got = decode(Role::server, in, limits);
    EXPECT_EQ(got.events.size(), 20u);
    EXPECT_EQ(got.code, 1008);
    EXPECT_EQ(got.error, "more than 20 control frames inside a message");
}

TEST(WebsocketFrame, AViewerThatOnlyAnswersPingsStaysWelcome) {
    std::string in;
    for (int i = 0; i < 200; ++i) in += masked(Opcode::pong, "");
    EXPECT_EQ(decode(Role::server, in, Limits{1000, 50, 20}).events.size(), 200u);
}

TEST(WebsocketFrame, APromisedLengthTakesNoMemory) {
    Decoder decoder(Role::server);
    std::vector<Event> events;
    const auto start = masked(Opcode::binary, std::string(9u << 20, 'x')).substr(0, 14 + 100);
    ASSERT_TRUE(decoder.feed(bytes(start), events));
    EXPECT_GE(decoder.held_bytes(), 100u);
    EXPECT_LE(decoder.held_bytes(), 200u);
}

TEST(WebsocketFrame, CVE_2026_48779_Lesson27_UnfinishedMessagesOfManyShareABudget) {
    Budget budget(100'000);
    std::vector<Event> events;
    const auto start = masked(Opcode::binary, std::string(50'000, 'x'));
    const auto half = std::string_view(start).substr(0, 30'000);
    Decoder first(Role::server, {}, &budget), third(Role::server, {}, &budget);
    ASSERT_TRUE(first.feed(bytes(half), events));
    {
        Decoder second(Role::server, {}, &budget);
        ASSERT_TRUE(second.feed(bytes(half), events));
        EXPECT_EQ(budget.held(), first.held_bytes() + second.held_bytes());
        EXPECT_FALSE(third.feed(bytes(half), events));
        EXPECT_EQ(third.close_code(), 1013);
        EXPECT_FALSE(third.feed(bytes(half), events));
        EXPECT_EQ(third.held_bytes(), 0u);
    }
    EXPECT_EQ(budget.held(), first.held_bytes()) << "who goes gives it back";
    Decoder fourth(Role::server, {}, &budget), whole(Role::server, {}, &budget);
    EXPECT_TRUE(fourth.feed(bytes(half), events));
    budget.set_limit(10);
    EXPECT_TRUE(whole.feed(bytes(start), events)) << "what lies whole in one piece was never unfinished";
    ASSERT_TRUE(first.feed(bytes(std::string_view(start).substr(half.size())), events));
    EXPECT_EQ(events.size(), 2u);
    EXPECT_EQ(budget.held(), fourth.held_bytes()) << "nor is what has come to its end";
    EXPECT_TRUE(fourth.feed(bytes(start.substr(half.size()) + masked(Opcode::close, "")), events));
    EXPECT_EQ(budget.held(), 0u);
}

TEST(WebsocketFrame, NothingIsHeldOnceAMessageIsOutOrTheDecoderHasFailed) {
    const auto big = masked(Opcode::binary, std::string(100'000, 'x'));
    std::string fragments = masked(Opcode::binary, std::string(999, 'x'), false);
    for (int i = 0; i < 10; ++i) fragments += masked(Opcode::continuation, "y", false);
    for (const auto& in : {big, fragments + masked(Opcode::continuation, "z"), fragments + masked(Opcode::close, ""),
                           fragments + masked(Opcode::text, "z")}) {
        Decoder decoder(Role::server);
        std::vector<Event> events;
        Result<> fed;
        for (std::size_t at = 0; at < in.size() && fed; at += 500)
            fed = decoder.feed(bytes(std::string_view(in).substr(at, 500)), events);
        EXPECT_EQ(events.size(), fed ? 1u : 0u);
        EXPECT_EQ(decoder.held_bytes(), 0u);
    }
}

TEST(WebsocketFrame, CVE_2016_10544_Lesson28_NothingIsEverUnpacked) {
    for (const char first : {'\xc1', '\xa1', '\x91', '\xc2', '\xf9'}) {
        const auto got = decode(Role::client, std::string(1, first) + "\x01x");
        EXPECT_EQ(got.error, "reserved bits set, but no extension was negotiated");
        EXPECT_EQ(got.code, 1002);
    }
}

TEST(WebsocketFrame, VW75_PiecesOfFourKibibytesAreOneMessage) {
    std::string sent(20'000, '\0'), in;
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 13);
    for (std::size_t at = 0; at < sent.size(); at += 4096)
        in += masked(at ? Opcode::continuation : Opcode::binary, std::string_view(sent).substr(at, 4096),
                     at + 4096 >= sent.size());
    const auto got = decode(Role::server, in);
    ASSERT_EQ(got.events.size(), 1u);
    EXPECT_TRUE(got.events[0].payload.text() == sent);
}

TEST(WebsocketFrame, TwoFramesOfVw47AreOneMessage) {
    EXPECT_EQ(decode(Role::client,
                     "\x02\x03"
                     "abc\x80\0"s)
                  .text(),
              "message false 1005 3:abc\n0 ");
}

TEST(WebsocketFrame, ACloseReasonIsCutBetweenCharacters) {
    std::string long_reason = "a";
    for (int i = 0; i < 100; ++i) long_reason += "\xc3\xa9";
    const auto frame = make_close(1011, long_reason);
    EXPECT_EQ(frame.size(), 2u + 2 + 123);
    EXPECT_EQ(decode(Role::client, frame.text()).text(), "close false 1011 123:" + long_reason.substr(0, 123) + "\n0 ");
    const auto odd = make_close(1008, "a\xff" + long_reason.substr(1));
    EXPECT_EQ(odd.size(), 2u + 2 + 122);
    EXPECT_TRUE(is_utf8(odd.view().subspan(4)));
    EXPECT_EQ(make_close(1005, "x").text(), "\x88\0"s);
    EXPECT_EQ(make_close(1000, "").text(), "\x88\x02\x03\xe8");
}

}  // namespace
}  // namespace weir::ws
