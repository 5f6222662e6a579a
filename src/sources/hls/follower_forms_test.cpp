#include <gtest/gtest.h>

#include "hls_rig.h"

namespace weir::hls {
namespace {

using test::expect_bytes;
using test::expect_end;
using test::FakeLive;
using test::HlsRig;
using test::numbers;
using test::Reply;
using namespace std::chrono_literals;
using Form = FakeLive::Form;

/// What comes out of fragmented MP4 is its segments, whole, each with the right header before it.
TEST(HlsForms, FragmentsWithTheirHeader) {
    HlsRig rig;
    rig.live.form = Form::fmp4;
    rig.live.ends_after = 115;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 115));
    expect_bytes(rig);
    ASSERT_EQ(rig.sink.inits.size(), 1u);
    EXPECT_EQ(rig.sink.inits[0]->format.container, Container::fmp4);
    EXPECT_EQ(rig.sink.inits[0]->header.text(), rig.live.header(103));
    EXPECT_EQ(rig.http.count("/init"), 1) << "once, however many segments";
    EXPECT_EQ(rig.sink.offsets.size(), 1u);
    EXPECT_EQ(rig.sink.times.front(), 0s);
    EXPECT_EQ(rig.sink.times.back(), 12s + 520ms);
}

TEST(HlsForms, FragmentsThatBringTheirHeaderThemselves) {
    HlsRig rig;
    rig.live.form = Form::fmp4;
    rig.live.own_header = true;
    rig.live.ends_after = 108;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 108));
    ASSERT_EQ(rig.sink.inits.size(), 1u);
    const auto header = rig.sink.inits[0]->header.text();
    for (const auto& g : rig.sink.got) EXPECT_EQ(std::string(header) + g.bytes, rig.live.plain(g.first));
}

TEST(HlsForms, AHeaderThatChangesWithADiscontinuityIsANewEpoch) {
    HlsRig rig;
    rig.live.form = Form::fmp4;
    rig.live.discontinuities = {108, 112};
    rig.live.new_header = {108, 112};
    rig.live.ends_after = 116;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 116));
    EXPECT_EQ(rig.sink.reasons(), "108 ext-x-discontinuity, 112 ext-x-discontinuity");
    ASSERT_EQ(rig.sink.inits.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(rig.sink.inits[i]->epoch, i + 1);
    EXPECT_EQ(rig.sink.inits[2]->header.text(), rig.live.header(112));
    EXPECT_LT(rig.sink.times.back(), 14s) << "stream time goes on";
    expect_bytes(rig);
}

TEST(HlsForms, AHeaderWithoutADiscontinuityChangesTheEpochAndNotTheTime) {
    HlsRig rig;
    rig.live.form = Form::fmp4;
    rig.live.new_header = {109};
    rig.live.ends_after = 114;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.inits.size(), 2u);
    EXPECT_TRUE(rig.sink.breaks.empty());
    EXPECT_EQ(rig.sink.offsets.size(), 1u);
}

TEST(HlsForms, AHeaderIsTriedAgainWithItsSegment_FC2_65) {
    HlsRig rig;
    rig.live.form = Form::fmp4;
    rig.live.new_header = {109};
    rig.live.ends_after = 118;
    int refused = 0;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.find("/init1") != std::string::npos && refused++ < 2) return Reply{503, ""};
        return std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 118));
    expect_bytes(rig);
}

TEST(HlsForms, AHeaderAboveTheLimitIsRefused) {
    HlsRig rig;
    rig.live.form = Form::fmp4;
    rig.live.ends_after = 106;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.find("/init") == std::string::npos) return std::nullopt;
        return Reply{200, test::box("ftyp", std::string(17u << 20, 'x')), {}, Reply::How::whole, 0, 1u << 20};
    };
    EXPECT_TRUE(rig.run().has_value());
    ASSERT_FALSE(rig.sink.got.empty());
    for (const auto& g : rig.sink.got) EXPECT_EQ(g.why, "EXT-X-MAP is above the limit of 16777216 bytes");
}

struct EncryptedCase {
    const char* name;
    bool keyed_header;
};
class HlsEncryptedForms : public testing::TestWithParam<EncryptedCase> {};
TEST_P(HlsEncryptedForms, HeadersAreDecryptedWhereTheKeyStandsBeforeThem) {
    HlsRig rig;
    rig.live.form = Form::fmp4;
    rig.live.key = aes::Block{std::byte{4}};
    rig.live.keyed_header = GetParam().keyed_header;
    rig.live.ends_after = 112;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 112));
    expect_bytes(rig);
}
INSTANTIATE_TEST_SUITE_P(Cases, HlsEncryptedForms,
                         testing::Values(EncryptedCase{"HeaderInTheClear", false}, EncryptedCase{"HeaderToo", true}),
                         [](const auto& c) { return c.param.name; });

struct RangeCase {
    const char* name;
    bool ignores;
    Form form;
};
class HlsRanges : public testing::TestWithParam<RangeCase> {};
TEST_P(HlsRanges, GiveEachSegmentItsOwnBytes) {
    HlsRig rig;
    rig.live.ranges = true;
    rig.live.range_header = true;
    rig.live.ignores_ranges = GetParam().ignores;
    rig.live.form = GetParam().form;
    rig.live.ends_after = 125;
    rig.live.keep_old = true;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 125));
    expect_bytes(rig);
    for (std::uint64_t n = 103; n <= 125; ++n) EXPECT_EQ(rig.live.asked(n), 1) << n;
}
INSTANTIATE_TEST_SUITE_P(Cases, HlsRanges,
                         testing::Values(RangeCase{"Ts", false, Form::ts}, RangeCase{"Fmp4", false, Form::fmp4},
                                         RangeCase{"TsFromAServerThatIgnoresThem", true, Form::ts},
                                         RangeCase{"Fmp4FromAServerThatIgnoresThem", true, Form::fmp4}),
                         [](const auto& c) { return c.param.name; });

TEST(HlsForms, ARangeTheServerRefusesIsAGap) {
    HlsRig rig;
    rig.live.ranges = true;
    rig.live.keep_old = true;
    rig.live.ends_after = 120;
    rig.live.segment_faults = [](std::uint64_t n, int, const std::string&) -> std::optional<Reply> {
        return n == 106 ? std::optional(Reply{416, ""}) : std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 105) + " [106 http 416] " + numbers(107, 120));
}

TEST(HlsForms, ARangeBeyondTheEndOfTheFileIsNotTakenForWhole) {
    HlsRig rig;
    rig.live.ranges = true;
    rig.live.keep_old = true;
    rig.live.ends_after = 120;
    rig.live.segment_faults = [](std::uint64_t n, int asked, const std::string& body) -> std::optional<Reply> {
        return n == 109 && asked < 2 ? std::optional(Reply{206, body.substr(0, 188)}) : std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 120));
    expect_bytes(rig);
}

TEST(HlsForms, PackedAudio) {
    HlsRig rig;
    rig.live.form = Form::packed;
    rig.live.sound = true;
    rig.live.ends_after = 115;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 115));
    expect_bytes(rig);
    ASSERT_EQ(rig.sink.inits.size(), 1u);
    EXPECT_EQ(rig.sink.inits[0]->format.container, Container::packed_audio);
    EXPECT_LT(rig.sink.times.back(), 13s);
}

/// The container may change in mid-stream: an advertisement, another encoder.
TEST(HlsForms, AnotherContainerAfterADiscontinuityIsTheNextEpoch) {
    HlsRig rig;
    auto& other = rig.add("ad", 3);
    other.form = Form::fmp4;
    other.own_header = true;
    rig.live.discontinuities = {108, 111};
    rig.live.ends_after = 115;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        const auto n = FakeLive::number_of(r.url.path);
        if (!n || !r.url.path.ends_with(".ts") || *n < 108 || *n > 110) return std::nullopt;
        return Reply{200, other.plain(*n)};
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 115));
    ASSERT_EQ(rig.sink.inits.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(rig.sink.inits[i]->epoch, i + 1);
    EXPECT_EQ(rig.sink.inits[1]->format.container, Container::fmp4);
    EXPECT_EQ(rig.sink.inits[2]->format.container, Container::ts);
    EXPECT_EQ(rig.sink.reasons(), "108 ext-x-discontinuity, 111 ext-x-discontinuity");
    EXPECT_NEAR(static_cast<double>(rig.sink.times.back().count()), 12e6, 1e6);
}

/// WN-53: the next fragment is named before it is there, under the address it will have.
TEST(HlsForms, PrefetchedSegmentsAreRecordedOnce_WN_53) {
    HlsRig rig;
    rig.live.prefetch = 2;
    rig.live.dates = true;
    rig.live.ends_after = 120;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 120));
    for (std::uint64_t n = 103; n <= 120; ++n) EXPECT_EQ(rig.live.asked(n), 1) << n;
}

TEST(HlsForms, PartsAndHintsDoNotDisturbWholeSegments) {
    HlsRig rig;
    rig.live.parts = true;
    rig.live.tags =
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6,PART-HOLD-BACK=1.5\n"
        "#EXT-X-PART-INF:PART-TARGET=0.5\n";
    rig.live.ends_after = 115;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 115));
    EXPECT_EQ(rig.http.count("part"), 0);
    for (const auto& r : rig.http.requests)
        EXPECT_EQ(r.url.query.find("_HLS"), std::string::npos) << "no delta updates are asked for";
}

/// WN-54: tags that say nothing of segments, and a broadcaster who comes back with other timestamps.
TEST(HlsForms, TagsOfTheServiceAndAJumpOfTimestamps_WN_54) {
    HlsRig rig;
    rig.live.dates = true;
    rig.live.tags =
        "#EXT-X-NET-LIVE-VIDEO-LIVE-SEQUENCE:7\n#EXT-X-NET-LIVE-VIDEO-ELAPSED-SECS:14.2\n"
        "#EXT-X-DATERANGE:ID=\"source-1\",CLASS=\"live-video-net-stream-source\","
        "START-DATE=\"2026-11-21T00:00:00.000Z\",END-ON-NEXT=YES,X-NET-LIVE-VIDEO-STREAM-SOURCE=\"live\"\n";
    rig.live.ends_after = 116;
    rig.at(3500ms, [&] { rig.live.ticks = 5'000 * 90'000ll; });
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 116));
    ASSERT_EQ(rig.sink.breaks.size(), 1u);
    EXPECT_EQ(rig.sink.breaks[0].why, "timestamps jump");
    EXPECT_LT(rig.sink.times.back(), 15s);
}

struct StartTagCase {
    const char* name;
    const char* offset;
    bool from_start;
    std::uint64_t first;
};
class HlsStart : public testing::TestWithParam<StartTagCase> {};
TEST_P(HlsStart, IsWhereThePlaylistSays) {
    HlsRig rig;
    rig.live.window = 10;
    rig.live.tags = fmt::format("#EXT-X-START:TIME-OFFSET={}\n", GetParam().offset);
    rig.settings.from_start = GetParam().from_start;
    rig.live.ends_after = 115;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(GetParam().first, 115));
}
INSTANTIATE_TEST_SUITE_P(Cases, HlsStart,
                         testing::Values(StartTagCase{"FromTheFront", "2.5", false, 102},
                                         StartTagCase{"FromTheEnd", "-5", false, 105},
                                         StartTagCase{"BeforeTheFront", "-500", false, 100},
                                         StartTagCase{"AfterTheEnd", "500", false, 109},
                                         StartTagCase{"ButNotWhenAllIsWanted", "2.5", true, 100}),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace weir::hls
