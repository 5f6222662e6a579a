#include "proto/hls/playlist.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "proto/hls/attributes.h"

namespace weir::hls {
namespace {

using namespace std::chrono_literals;

std::string fixture(const std::string& name) {
    std::ifstream in(std::string(WEIR_SOURCE_DIR) + "/tests/data/hls/" + name);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

MediaPlaylist media(std::string_view text) {
    auto p = parse(text);
    if (!p) {
        ADD_FAILURE() << p.error().what;
        return {};
    }
    return std::get<MediaPlaylist>(p.value());
}

MasterPlaylist master(std::string_view text) {
    auto p = parse(text);
    if (!p) {
        ADD_FAILURE() << p.error().what;
        return {};
    }
    return std::get<MasterPlaylist>(p.value());
}

struct BadCase {
    const char* name;
    std::string text;
    const char* complaint;
};

class BadPlaylist : public testing::TestWithParam<BadCase> {};

TEST_P(BadPlaylist, SaysWhereAndWhy) {
    const auto p = parse(GetParam().text);
    ASSERT_FALSE(p.has_value());
    EXPECT_EQ(p.error().code, Errc::bad_input);
    EXPECT_EQ(p.error().what, GetParam().complaint);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadPlaylist,
    testing::Values(
        BadCase{"Empty", "", "not an HLS playlist: the answer is empty"},
        BadCase{"Html", "<!DOCTYPE html><html><body>gone</body></html>",
                "not an HLS playlist: the answer is a text or HTML page"},
        BadCase{"Binary", std::string("\x47\x40\x00\x10", 4), "not an HLS playlist: it does not begin with #EXTM3U"},
        BadCase{"Nothing", "#EXTM3U\n# just a comment\n", "the playlist has no segments and no variants"},
        BadCase{"Extinf", "#EXTM3U\n\n#EXTINF:soon,\na.ts\n", "line 3: EXTINF is not a duration in seconds"},
        BadCase{"NegativeExtinf", "#EXTM3U\n#EXTINF:-1,\na.ts\n", "line 2: EXTINF is not a duration in seconds"},
        BadCase{"Target", "#EXTM3U\n#EXT-X-TARGETDURATION:x\n",
                "line 2: EXT-X-TARGETDURATION is not a number of seconds"},
        BadCase{"Sequence", "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:-4\n", "line 2: EXT-X-MEDIA-SEQUENCE is not a number"},
        BadCase{"SequenceOverflow", "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:99999999999999999999\n",
                "line 2: EXT-X-MEDIA-SEQUENCE is not a number"},
        BadCase{"KeyWithoutMethod", "#EXTM3U\n#EXT-X-KEY:URI=\"k\"\n", "line 2: EXT-X-KEY without METHOD"},
        BadCase{"KeyWithoutUri", "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128\n", "line 2: EXT-X-KEY without URI"},
        BadCase{"OpenQuote", "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\n",
                "line 2: attribute URI has no closing quote"},
        BadCase{"BadIv", "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0xZZ\n",
                "line 2: the IV of EXT-X-KEY is not a hexadecimal number of up to 128 bits"},
        BadCase{"Range", "#EXTM3U\n#EXT-X-BYTERANGE:12@-1\n#EXTINF:1,\na.ts\n",
                "line 2: EXT-X-BYTERANGE is not length[@offset]"},
        BadCase{"RangeOverflow", "#EXTM3U\n#EXT-X-BYTERANGE:18446744073709551615@2\n#EXTINF:1,\na.ts\n",
                "line 2: EXT-X-BYTERANGE is not length[@offset]"},
        BadCase{"RangeWithoutStart", "#EXTM3U\n#EXT-X-BYTERANGE:12\n#EXTINF:1,\na.ts\n",
                "line 4: EXT-X-BYTERANGE without an offset does not follow a range of the same resource"},
        BadCase{"Zero", std::string("#EXTM3U\n#EXTINF:1,\na\0b.ts\n", 26), "line 3: contains a zero byte"},
        BadCase{"NoVariants", "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\"\n",
                "the multivariant playlist names no variant"},
        BadCase{"Mixed", "#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-STREAM-INF:BANDWIDTH=1\nb.m3u8\n",
                "the playlist mixes multivariant and media tags"},
        BadCase{"NoAttributeValue", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH\nb.m3u8\n",
                "line 2: attribute 'BANDWIDTH' has no value"}),
    [](const auto& c) { return c.param.name; });

TEST(PlaylistLimits, EachIsNamed) {
    Limits limits;
    limits.bytes = 100;
    EXPECT_EQ(parse("#EXTM3U\n" + std::string(200, '\n'), limits).error().what,
              "the playlist has 208 bytes, above the limit of 100");
    limits = {};
    limits.lines = 3;
    EXPECT_EQ(parse("#EXTM3U\n\n\n\n", limits).error().what, "line 4: more than 3 lines");
    limits = {};
    limits.line_bytes = 20;
    EXPECT_EQ(parse("#EXTM3U\n" + std::string(21, 'a'), limits).error().what, "line 2: longer than 20 bytes");
    limits = {};
    limits.segments = 2;
    EXPECT_EQ(parse("#EXTM3U\na\nb\nc\n", limits).error().what, "line 4: more than 2 segments");
    limits = {};
    limits.attributes = 2;
    EXPECT_EQ(parse("#EXTM3U\n#EXT-X-STREAM-INF:A=1,B=2,C=3\nc\n", limits).error().what,
              "line 2: more than 2 attributes");
    limits = {};
    limits.variants = 1;
    EXPECT_EQ(parse("#EXTM3U\n#EXT-X-STREAM-INF:A=1\nc\n#EXT-X-STREAM-INF:A=1\nc\n", limits).error().what,
              "line 4: more than 1 variants");
}

TEST(Playlist, ToleratesCrlfByteOrderMarkUnknownTagsAndBlankLines_FC2_58) {
    const auto p = media(
        "\xef\xbb\xbf#EXTM3U\r\n\r\n#EXT-X-FUTURE:A=\"b\r\n# note\r\n#EXTINF:2\r\n  a.ts \r\n#EXTINF:1.5,live\r\nb.ts");
    ASSERT_EQ(p.segments.size(), 2u);
    EXPECT_EQ(p.segments[0].uri, "a.ts");
    EXPECT_EQ(p.segments[0].duration, 2s);
    EXPECT_EQ(p.segments[1].title, "live");
    EXPECT_TRUE(p.target_derived);
    EXPECT_EQ(p.target_duration, 2s);
}

TEST(Playlist, BareUrlListIsAPlaylist_FC2_58) {
    const auto p = media("#EXTM3U\nhttps://h/1.ts\nhttps://h/2.ts\n");
    EXPECT_EQ(p.segments.size(), 2u);
}

TEST(Playlist, EmptyLivePlaylistIsValid) {
    const auto p = media("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n");
    EXPECT_TRUE(p.segments.empty());
    EXPECT_EQ(p.media_sequence, 7u);
}

TEST(Playlist, NumbersSegmentsAndDiscontinuities) {
    const auto p = media(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:100\n#EXT-X-DISCONTINUITY-SEQUENCE:9\n#EXTINF:4,\na\n#"
        "EXT-X-DISCONTINUITY\n"
        "#EXTINF:4,\nb\n#EXT-X-GAP\n#EXTINF:3.5,\nc\n#EXT-X-ENDLIST\n");
    ASSERT_EQ(p.segments.size(), 3u);
    EXPECT_EQ(p.segments[0].sequence, 100u);
    EXPECT_EQ(p.segments[0].discontinuity_sequence, 9u);
    EXPECT_TRUE(p.segments[1].discontinuity);
    EXPECT_EQ(p.segments[1].discontinuity_sequence, 10u);
    EXPECT_TRUE(p.segments[2].gap);
    EXPECT_FALSE(p.segments[1].gap);
    EXPECT_TRUE(p.endlist);
}

TEST(Playlist, KeysHoldUntilTheNextOne) {
    const auto p = media(
        "#EXTM3U\n#EXTINF:1,\na\n#EXT-X-KEY:METHOD=AES-128,URI=\"k?a=1,2\",IV=0x0f\n#EXTINF:1,\nb\n#EXTINF:1,\nc\n"
        "#EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\nd\n#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI=\"skd://"
        "x\",KEYFORMAT=\"com.example\"\n#EXTINF:1,\ne\n");
    EXPECT_EQ(p.segments[0].key, nullptr);
    ASSERT_NE(p.segments[1].key, nullptr);
    EXPECT_EQ(p.segments[1].key, p.segments[2].key);
    EXPECT_EQ(p.segments[1].key->uri, "k?a=1,2");
    EXPECT_EQ(p.segments[1].key->iv->back(), std::byte{0x0f});
    EXPECT_EQ(p.segments[1].key->iv->front(), std::byte{0});
    EXPECT_EQ(p.segments[3].key, nullptr);
    EXPECT_EQ(p.segments[4].key->method, KeyMethod::sample_aes);
    EXPECT_EQ(p.segments[4].key->key_format, "com.example");
}

TEST(Playlist, ByteRangesContinueOnTheSameResource) {
    const auto p = media(
        "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"800@16\"\n#EXTINF:1,\n#EXT-X-BYTERANGE:100@20\na\n#EXT-X-"
        "BYTERANGE:50\n#EXTINF:1,\na\n");
    EXPECT_EQ(p.segments[0].range, (ByteRange{100, 20}));
    EXPECT_EQ(p.segments[1].range, (ByteRange{50, 120}));
    EXPECT_EQ(*p.segments[1].map, (Map{"init.mp4", ByteRange{800, 16}}));
}

TEST(Playlist, DatesCountOnFromTheLastTag) {
    const auto p =
        media("#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:2024-08-19T23:23:47.099Z\n#EXTINF:2.5,\na\n#EXTINF:2,\nb\n");
    EXPECT_EQ(p.segments[0].pdt, 1724109827099);
    EXPECT_EQ(p.segments[1].pdt, 1724109829599);
    EXPECT_TRUE(p.segments[0].pdt_written);
    EXPECT_FALSE(p.segments[1].pdt_written);
}

TEST(Playlist, LowLatencyTagsAreKept) {
    const auto p = media(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0,CAN-SKIP-"
        "UNTIL=24\n"
        "#EXT-X-PART-INF:PART-TARGET=0.33\n#EXT-X-MEDIA-SEQUENCE:266\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXTINF:4,\nf269."
        "mp4\n"
        "#EXT-X-PART:DURATION=0.33,URI=\"p.mp4\",BYTERANGE=\"10@0\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.33,URI=\"p."
        "mp4\",BYTERANGE=\"20\",GAP=YES\n"
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p2.mp4\"\n#EXT-X-RENDITION-REPORT:URI=\"../1M/"
        "x.m3u8\",LAST-MSN=273,LAST-PART=1\n"
        "#EXT-X-PREFETCH:https://h/"
        "next.ts\n#EXT-X-DATERANGE:ID=\"ad\",CLASS=\"c\",START-DATE=\"2024-01-01T00:00:00Z\",DURATION=15.0,X-COM="
        "\"1\"\n");
    EXPECT_TRUE(p.server_control->can_block_reload);
    EXPECT_EQ(p.part_target, 330ms);
    EXPECT_EQ(p.segments[0].sequence, 269u);
    ASSERT_EQ(p.parts.size(), 2u);
    EXPECT_EQ(p.parts[0].sequence, 270u);
    EXPECT_TRUE(p.parts[0].independent);
    EXPECT_EQ(p.parts[1].range, (ByteRange{20, 10}));
    EXPECT_TRUE(p.parts[1].gap);
    EXPECT_EQ(p.hints.at(0).uri, "p2.mp4");
    EXPECT_EQ(p.reports.at(0).last_sequence, 273u);
    EXPECT_EQ(p.prefetch.at(0), "https://h/next.ts");
    EXPECT_EQ(p.date_ranges.at(0).duration, 15s);
    EXPECT_EQ(p.date_ranges.at(0).others.at(0).first, "X-COM");
}

TEST(Playlist, MultivariantOfWithny) {
    const auto m = master(fixture("withny_master.m3u8"));
    ASSERT_EQ(m.variants.size(), 5u);
    EXPECT_EQ(m.variants[0].bandwidth, 3002999u);
    EXPECT_EQ(m.variants[0].resolution, (Resolution{1280, 720}));
    EXPECT_EQ(m.variants[0].frame_rate, 60.0);
    EXPECT_EQ(m.variants[0].video, "720p60");
    EXPECT_EQ(m.variants[0].codecs, "avc1.4D401F,mp4a.40.2");
    EXPECT_FALSE(m.variants[4].resolution.has_value());
    EXPECT_EQ(m.renditions.size(), 5u);
    EXPECT_EQ(m.session_data.at(0).second, "EXAMPLE");
}

TEST(Playlist, AlternateAudioAndNames) {
    const auto m = master(
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"en.m3u8\"\n"
        "#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=9,NAME=\"source\",AUDIO=\"a\"\nv.m3u8\n#EXT-X-I-FRAME-STREAM-INF:"
        "BANDWIDTH=3,URI=\"i.m3u8\"\n");
    EXPECT_EQ(m.renditions.at(0).uri, "en.m3u8");
    EXPECT_TRUE(m.renditions.at(0).is_default);
    EXPECT_EQ(m.variants.at(0).name, "source");
    EXPECT_EQ(m.variants.at(0).audio, "a");
    EXPECT_EQ(m.i_frame_variants.at(0).uri, "i.m3u8");
}

TEST(Playlist, ReadsTwelveInOrder_FC2_58_T10) {
    for (const char* name :
         {"fc2_playlist.m3u8", "fc2_playlist2.m3u8", "fc2_playlist_no_ts.m3u8", "fc2_playlist2_no_ts.m3u8"}) {
        const auto p = media(fixture(name));
        ASSERT_EQ(p.segments.size(), 12u) << name;
        const bool second = std::string_view(name).find('2') != std::string_view::npos &&
                            std::string_view(name).find("playlist2") != std::string_view::npos;
        for (std::size_t i = 0; i < 12; ++i) {
            EXPECT_EQ(p.segments[i].sequence, 118606u + i + (second ? 1 : 0));
            EXPECT_NE(p.segments[i].uri.find(std::to_string(p.segments[i].sequence) + ".ts"), std::string::npos);
        }
        EXPECT_EQ(p.segments[0].discontinuity_sequence, 1u);
    }
}

TEST(Playlist, IvsWindowOfWithny) {
    const auto p = media(fixture("withny_media.m3u8"));
    EXPECT_EQ(p.segments.size(), 15u);
    EXPECT_EQ(p.prefetch.size(), 2u);
    for (const auto& s : p.segments) EXPECT_TRUE(s.pdt_written);
}

struct DateCase {
    const char* text;
    std::optional<std::int64_t> millis;
};

TEST(DateTime, FormsSeenInTheWild) {
    for (const auto& c : {DateCase{"1970-01-01T00:00:00Z", 0}, DateCase{"1970-01-01T09:00:01.5+09:00", 1500},
                          DateCase{"1970-01-01T00:00:00.123456-0100", 3600123}, DateCase{"1970-01-01T00:00:00", 0},
                          DateCase{"1970-13-01T00:00:00Z", std::nullopt}, DateCase{"yesterday", std::nullopt},
                          DateCase{"1970-01-01T00:00:00+0x:00", std::nullopt}, DateCase{"", std::nullopt}})
        EXPECT_EQ(date_time(c.text), c.millis) << c.text;
}

TEST(Sniff, KnowsSegmentsByContent_CVE_2017_9993_CVE_2023_6601) {
    const auto of = [](std::string_view s) { return sniff(std::as_bytes(std::span(s.data(), s.size()))); };
    std::string ts(400, '\0');
    ts[0] = ts[188] = ts[376] = 0x47;
    EXPECT_EQ(of(ts), Content::ts);
    EXPECT_EQ(of("\x01unk" + ts + std::string(400, '\0')), Content::ts);  // a torn packet in front
    EXPECT_EQ(of(std::string(400, '\0')), Content::unknown);
    EXPECT_EQ(of(std::string("\0\0\0\x18"
                             "ftypmp42",
                             12)),
              Content::fmp4);
    EXPECT_EQ(of(std::string("\0\0\0\x18"
                             "styp....",
                             12)),
              Content::fmp4);
    EXPECT_EQ(of(std::string("FLV\x01\x05\0\0\0\x09", 9)), Content::flv);
    EXPECT_EQ(of("\x1a\x45\xdf\xa3\x9f"), Content::matroska);
    const auto ftyp = std::string(
        "\0\0\0\x10"
        "ftypisom\0\0\0\0",
        16);
    EXPECT_EQ(of(ftyp), Content::fmp4);
    EXPECT_EQ(of(ftyp + std::string("\0\0\0\x08"
                                    "free\0\x10\0\0mdat",
                                    16)),
              Content::mp4);
    EXPECT_EQ(of(ftyp + std::string("\0\0\0\x10moov\0\0\0\x08mvex", 16)), Content::fmp4);
    EXPECT_EQ(of(ftyp + std::string("\0\0\0\x10moov\0\0\0\x08trak", 16)), Content::mp4);
    EXPECT_EQ(of(ftyp + std::string("\0\0\x40\0moov\0\0\0\x08trak", 16)), Content::fmp4);  // not seen to its end
    EXPECT_EQ(of("ID3\x04"), Content::packed_audio);
    EXPECT_EQ(of("\xff\xf1\x50\x80"), Content::packed_audio);
    EXPECT_EQ(of("<html>"), Content::text);
    EXPECT_EQ(of("{\"error\":1}"), Content::text);
    EXPECT_EQ(of("AccessDenied"), Content::text);
    EXPECT_EQ(of("#EXTM3U\n"), Content::playlist);
    EXPECT_EQ(of("WEBVTT\n"), Content::webvtt);
}

}  // namespace
}  // namespace weir::hls
