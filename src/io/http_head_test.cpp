#include "io/http_head.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

std::span<const std::byte> bytes(std::string_view s) {
    return std::as_bytes(std::span(s));
}

Result<std::optional<ParsedHead>> parse(std::string_view text, std::size_t* used = nullptr) {
    HeadParser parser;
    std::size_t consumed = 0;
    auto head = parser.feed(bytes(text), consumed);
    if (used) *used = consumed;
    return head;
}

int status_of(std::string_view text) {
    auto head = parse(text);
    return head.has_value() ? (head->has_value() ? 200 : 0) : head.error().status;
}

TEST(HttpHead, ReadsAPlainRequest) {
    std::size_t used = 0;
    auto head = parse("GET /a%20b/c?x=1%20 HTTP/1.1\r\nHost: h\r\nX-One:  v \r\nAccept: a\r\n\r\nrest", &used);
    ASSERT_TRUE(head.has_value() && head->has_value());
    const auto& request = (**head).request;
    EXPECT_EQ(request.method, "GET");
    EXPECT_EQ(request.target, "/a%20b/c?x=1%20");
    EXPECT_EQ(request.path, "/a b/c");
    EXPECT_EQ(request.query, "x=1%20");
    ASSERT_NE(request.find("x-one"), nullptr);
    EXPECT_EQ(*request.find("x-one"), "v");
    EXPECT_EQ(request.find("missing"), nullptr);
    EXPECT_TRUE((**head).keep_alive);
    EXPECT_FALSE(request.chunked);
    EXPECT_FALSE(request.content_length);
    EXPECT_EQ(used,
              std::string_view("GET /a%20b/c?x=1%20 HTTP/1.1\r\nHost: h\r\nX-One:  v \r\nAccept: a\r\n\r\n").size());
}

TEST(HttpHead, TakesAnyCutOfTheStream) {
    const std::string text =
        "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
        HeadParser parser;
        std::size_t used = 0;
        auto first = parser.feed(bytes(text).first(cut), used);
        ASSERT_TRUE(first.has_value() && !first->has_value()) << cut;
        EXPECT_EQ(used, cut);
        auto second = parser.feed(bytes(text).subspan(cut), used);
        ASSERT_TRUE(second.has_value() && second->has_value()) << cut;
        EXPECT_TRUE((**second).request.chunked);
        EXPECT_TRUE((**second).expect_continue);
    }
}

TEST(HttpHead, OneParserReadsRequestAfterRequest) {
    HeadParser parser;
    std::size_t used = 0;
    const std::string two = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n";
    auto first = parser.feed(bytes(two), used);
    ASSERT_TRUE(first.has_value() && first->has_value());
    EXPECT_EQ((**first).request.path, "/1");
    EXPECT_TRUE(parser.untouched());
    auto second = parser.feed(bytes(two).subspan(used), used);
    ASSERT_TRUE(second.has_value() && second->has_value());
    EXPECT_EQ((**second).request.path, "/2");
}

struct KeepCase {
    const char *version, *field;
    bool keep;
};
void PrintTo(const KeepCase& c, std::ostream* out) {
    *out << c.version << ' ' << c.field;
}
class HttpHeadKeepAlive : public testing::TestWithParam<KeepCase> {};
TEST_P(HttpHeadKeepAlive, FollowsVersionAndField) {
    const auto& c = GetParam();
    auto head = parse(std::string("GET / HTTP/") + c.version + "\r\nHost: h\r\n" + c.field + "\r\n");
    ASSERT_TRUE(head.has_value() && head->has_value());
    EXPECT_EQ((**head).keep_alive, c.keep);
}
INSTANTIATE_TEST_SUITE_P(Cases, HttpHeadKeepAlive,
                         testing::Values(KeepCase{"1.1", "", true}, KeepCase{"1.1", "Connection: close\r\n", false},
                                         KeepCase{"1.1", "Connection: Upgrade, Close\r\n", false},
                                         KeepCase{"1.0", "", false},
                                         KeepCase{"1.0", "Connection: Keep-Alive\r\n", true}));

struct RefusalCase {
    const char* name;
    std::string text;
    int status;  ///< 200: accepted
};
void PrintTo(const RefusalCase& c, std::ostream* out) {
    *out << c.name;
}
class HttpHeadRefusal : public testing::TestWithParam<RefusalCase> {};
TEST_P(HttpHeadRefusal, AnswersWithTheRightStatus) {
    EXPECT_EQ(status_of(GetParam().text), GetParam().status);
}

std::string with(std::string fields, std::string line = "GET / HTTP/1.1") {
    return line + "\r\nHost: h\r\n" + fields + "\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    Cases, HttpHeadRefusal,
    testing::Values(
        RefusalCase{"BareLf", "GET / HTTP/1.1\nHost: h\n\n", 400}, RefusalCase{"BareCr", with("A: b\rc\r\n"), 400},
        RefusalCase{"Nul", with(std::string("A: b\0c\r\n", 8)), 400},
        RefusalCase{"FoldedLine", with("A: b\r\n c\r\n"), 400}, RefusalCase{"SpaceBeforeColon", with("A : b\r\n"), 400},
        RefusalCase{"NoColon", with("Abc\r\n"), 400}, RefusalCase{"EmptyName", with(": b\r\n"), 400},
        RefusalCase{"ControlInValue", with("A: b\x01\r\n"), 400}, RefusalCase{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        RefusalCase{"NoHostIn10", "GET / HTTP/1.0\r\n\r\n", 200}, RefusalCase{"TwoHosts", with("Host: i\r\n"), 400},
        RefusalCase{"LengthAndChunked", with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), 400},
        RefusalCase{"ChunkedAndLength", with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), 400},
        RefusalCase{"TwoLengths", with("Content-Length: 3\r\nContent-Length: 3\r\n"), 400},
        RefusalCase{"LengthList", with("Content-Length: 3, 3\r\n"), 400},
        RefusalCase{"LengthSign", with("Content-Length: +3\r\n"), 400},
        RefusalCase{"LengthEmpty", with("Content-Length: \r\n"), 400},
        RefusalCase{"LengthHex", with("Content-Length: 0x3\r\n"), 400},
        RefusalCase{"Gzip", with("Transfer-Encoding: gzip, chunked\r\n"), 501},
        RefusalCase{"ChunkedTwice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
        RefusalCase{"ChunkedIn10", with("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0"), 400},
        RefusalCase{"Version2", with("", "GET / HTTP/2.0"), 505}, RefusalCase{"NoVersion", "GET /\r\n\r\n", 400},
        RefusalCase{"Connect", with("", "CONNECT h:443 HTTP/1.1"), 501},
        RefusalCase{"Relative", with("", "GET a HTTP/1.1"), 400},
        RefusalCase{"Absolute", with("", "GET http://h/a HTTP/1.1"), 200},
        RefusalCase{"StarForGet", with("", "GET * HTTP/1.1"), 400},
        RefusalCase{"StarForOptions", with("", "OPTIONS * HTTP/1.1"), 200},
        RefusalCase{"BadEscape", with("", "GET /%4 HTTP/1.1"), 400},
        RefusalCase{"EscapedNul", with("", "GET /a%00b HTTP/1.1"), 400},
        RefusalCase{"Climb", with("", "GET /a/../../b HTTP/1.1"), 400},
        RefusalCase{"EscapedClimb", with("", "GET /%2e%2e/b HTTP/1.1"), 400},
        RefusalCase{"Expect", with("Expect: tea\r\n"), 417},
        RefusalCase{"TlsHello", std::string("\x16\x03\x01\x02\x00\x01", 6), 400},
        RefusalCase{"LineFeeds", "\n\n\n\n\n\n\n", 400}),
    [](const auto& c) { return c.param.name; });

TEST(HttpHead, AbsoluteTargetsLoseTheirHost) {
    auto head = parse(with("", "GET http://other:80/a/./b/../c?q HTTP/1.1"));
    ASSERT_TRUE(head.has_value() && head->has_value());
    EXPECT_EQ((**head).request.path, "/a/c");
    EXPECT_EQ((**head).request.query, "q");
}

TEST(HttpHead, Cve2018_4013_HeadLengthAndFieldCountAreBounded) {
    std::string hundred, tiny;
    for (int i = 0; i < 99; ++i) hundred += "A: b\r\n";
    for (int i = 0; i < 101; ++i) tiny += "A: b\r\n";
    EXPECT_EQ(status_of(with(hundred)), 200);
    EXPECT_EQ(status_of(with(tiny)), 431);
    EXPECT_EQ(status_of(with("A: " + std::string(HeadParser::max_head, 'x') + "\r\n")), 431);
    EXPECT_EQ(status_of("GET /" + std::string(HeadParser::max_target + 100, 'x')), 414);
}

TEST(HttpHead, Cve2018_18820_LongFieldsKeepTheirLength) {
    const std::string user(6000, 'u');
    auto head = parse(with("Authorization: Basic " + user + "%n%s\r\n"));
    ASSERT_TRUE(head.has_value() && head->has_value());
    EXPECT_EQ(*(**head).request.find("authorization"), "Basic " + user + "%n%s");
}

TEST(HttpHead, Cve2023_43669_AnOverlongHandshakeEndsAtTheLimitNotAtItsEnd) {
    HeadParser parser;
    std::size_t used = 0, total = 0;
    const std::string start = "GET / HTTP/1.1\r\nX: ";
    ASSERT_TRUE(parser.feed(bytes(start), used).has_value());
    const std::string drop = "y";
    for (int i = 0; i < 1'000'000; ++i) {
        auto r = parser.feed(bytes(drop), used);
        total += used;
        if (!r) break;
    }
    EXPECT_LE(total + start.size(), HeadParser::max_head);
    EXPECT_EQ(parser.feed(bytes(drop), used).error().status, 431);
}

TEST(HttpHead, Cve2024_37890_AfterAnErrorEveryCallFailsAlike) {
    HeadParser parser;
    std::string many = "GET / HTTP/1.1\r\n";
    for (int i = 0; i < 200; ++i) many += "A: b\r\n";
    std::size_t used = 0;
    const auto first = parser.feed(bytes(many), used).error();
    const auto second = parser.feed(bytes("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), used).error();
    EXPECT_EQ(first.status, 431);
    EXPECT_EQ(second.what, first.what);
    EXPECT_EQ(used, 0U);
}

struct DecodeOutcome {
    std::string data, rest, why;
    bool done = false;
};
DecodeOutcome decode(std::string_view text, std::size_t piece) {
    ChunkDecoder decoder;
    DecodeOutcome out;
    for (std::size_t at = 0; at < text.size() && !out.done;) {
        auto step = decoder.feed(bytes(text.substr(at, piece)));
        if (!step) {
            out.why = step.error().what;
            return out;
        }
        if (step->consumed == 0 && !step->done) {
            out.why = "stuck";
            return out;
        }
        for (auto b : step->data) out.data.push_back(static_cast<char>(b));
        at += step->consumed;
        out.done = step->done;
        out.rest = text.substr(at);
    }
    return out;
}

TEST(ChunkDecoder, TakesTheFramingOffInAnyCut) {
    const std::string text = "4;ext=\"v\"\r\nabcd\r\n0A\r\n0123456789\r\n000\r\nTrailer: x\r\n\r\nNEXT";
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
        const auto out = decode(text, piece);
        EXPECT_EQ(out.why, "");
        EXPECT_EQ(out.data, "abcd0123456789");
        EXPECT_TRUE(out.done);
        EXPECT_EQ(out.rest, "NEXT");
    }
}

TEST(ChunkDecoder, DataIsASliceOfTheInput) {
    ChunkDecoder decoder;
    const std::string text = "5\r\nhello\r\n";
    auto step = decoder.feed(bytes(text));
    ASSERT_TRUE(step.has_value());
    EXPECT_EQ(static_cast<const void*>(step->data.data()), text.data() + 3);
    EXPECT_EQ(step->consumed, 8U);
}

class ChunkRefusal : public testing::TestWithParam<std::pair<const char*, std::string>> {};
TEST_P(ChunkRefusal, IsAnErrorInEveryCut) {
    for (std::size_t piece : {std::size_t{1}, std::size_t{3}, GetParam().second.size()}) {
        const auto out = decode(GetParam().second, piece);
        EXPECT_NE(out.why, "");
        EXPECT_NE(out.why, "stuck");
    }
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ChunkRefusal,
    testing::Values(std::pair{"Cve2016_10190_SizeAboveTheLimit", std::string("ffffffffffffffff\r\nx")},
                    std::pair{"Cve2016_10190_NegativeSize", std::string("-1\r\nx")},
                    std::pair{"Cve2016_10190_SizeOverflowsSixtyFourBits", std::string("10000000000000001\r\nx")},
                    std::pair{"ManyZeros", std::string(17, '0') + "1\r\nx"},
                    std::pair{"NoSize", std::string("\r\nx\r\n")}, std::pair{"Prefix", std::string("0x4\r\nabcd\r\n")},
                    std::pair{"BareLf", std::string("4\nabcd\r\n")},
                    std::pair{"LfInExtension", std::string("4;a\nabcd\r\n")},
                    std::pair{"DataTooLong", std::string("4\r\nabcde\r\n")},
                    std::pair{"DataWithoutCrLf", std::string("4\r\nabcd4\r\n")},
                    std::pair{"LongExtension", "4;" + std::string(2000, 'x') + "\r\n"},
                    std::pair{"LongTrailers", "0\r\n" + std::string(9000, 'x') + "\r\n\r\n"},
                    std::pair{"ManyTrailers",
                              [] {
                                  std::string s = "0\r\n";
                                  for (int i = 0; i < 5000; ++i) s += "a:\r\n";
                                  return s;
                              }()}),
    [](const auto& c) { return c.param.first; });

/// The framing taken off in place, the text coming in two parts.
struct InPlace {
    std::string data, rest;
    std::vector<std::uint32_t> borders;
    bool done = false, failed = false;
};

InPlace strip(std::string text, std::size_t cut) {
    ChunkDecoder decoder;
    InPlace out;
    std::string parts[] = {text.substr(0, cut), text.substr(cut)};
    for (auto& part : parts) {
        if (out.done || out.failed) {
            out.rest += part;
            continue;
        }
        const auto step = decoder.strip(std::as_writable_bytes(std::span(part)), out.data.size(), out.borders);
        out.data += part.substr(0, step.data);
        out.rest = part.substr(step.consumed);
        out.done = step.done;
        out.failed = step.failed;
        EXPECT_EQ(step.failed, !decoder.feed({}).has_value());
    }
    return out;
}

TEST(ChunkDecoder, InPlaceTellsTheBordersInAnyCut) {
    const std::string text =
        "4;ext=\"v\"\r\nabcd\r\n0A\r\n0123456789\r\n00000001\r\nx\r\n000\r\nTrailer: x\r\n\r\nNEXT";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        const auto out = strip(text, cut);
        EXPECT_EQ(out.data, "abcd0123456789x") << cut;
        EXPECT_EQ(out.borders, (std::vector<std::uint32_t>{4, 14, 15})) << cut;
        EXPECT_TRUE(out.done);
        EXPECT_EQ(out.rest, "NEXT") << cut;
    }
}

TEST_P(ChunkRefusal, IsAnErrorInPlaceToo) {
    const auto& text = GetParam().second;
    for (std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{3}, text.size() - 1})
        EXPECT_TRUE(strip(text, cut).failed) << cut;
}

TEST(NormalPath, ResolvesDotsAndEscapes) {
    const std::pair<const char*, const char*> cases[] = {{"", "/"},
                                                         {"/", "/"},
                                                         {"/a", "/a"},
                                                         {"/a/", "/a/"},
                                                         {"/a/.", "/a/"},
                                                         {"/a/..", "/"},
                                                         {"/a/./b", "/a/b"},
                                                         {"/./a", "/a"},
                                                         {"/a/b/../c", "/a/c"},
                                                         {"/a%2F..%2fb", "/b"},
                                                         {"/%e2%82%ac", "/€"},
                                                         {"/a/...", "/a/..."},
                                                         {"/..a/b", "/..a/b"}};
    for (const auto& [raw, path] : cases) {
        auto got = normal_path(raw);
        ASSERT_TRUE(got.has_value()) << raw;
        EXPECT_EQ(*got, path) << raw;
    }
    for (const char* raw : {"/..", "/a/../..", "/%2e%2E", "/a/%2e%2e/%2e%2e/etc", "/%", "/%zz", "/a%00"})
        EXPECT_FALSE(normal_path(raw).has_value()) << raw;
}

}  // namespace
}  // namespace weir
