#include <gtest/gtest.h>

#include "hls_rig.h"

namespace weir::hls {
namespace {

using test::expect_end;
using test::HlsRig;
using test::numbers;
using test::Reply;
using namespace std::chrono_literals;

/// Whether a first answer is worth waiting for.
TEST(HlsPrepare, WaitsForTheStreamWhenAsked) {
    HlsRig rig;
    rig.live.ends_after = 120;
    const auto begins = rig.clock.now() + 40s;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.ends_with(".m3u8") && rig.clock.now() < begins) return Reply{404, "not yet"};
        return std::nullopt;
    };
    ASSERT_FALSE(rig.prepare().has_value());
    rig.settings.wait_for_start = Millis{60'000};
    rig.make();
    EXPECT_TRUE(rig.prepare().has_value());
    EXPECT_GE(rig.clock.now(), begins);
}

TEST(HlsPrepare, OneBadGatewayAtTheStartIsBadLuck_FC2_62) {
    HlsRig rig;
    int asked = 0;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        return r.url.path.ends_with(".m3u8") && asked++ < 2 ? std::optional(Reply{502, ""}) : std::nullopt;
    };
    EXPECT_TRUE(rig.prepare().has_value());
}

struct RefusedCase {
    const char* name;
    std::string playlist;
    Errc code;
    const char* complaint;
};
class HlsRefused : public testing::TestWithParam<RefusedCase> {};
TEST_P(HlsRefused, InOneClearLineBeforeAnyFileExists) {
    HlsRig rig;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.ends_with("live.m3u8")) return Reply{200, GetParam().playlist};
        if (r.url.path.ends_with("page.ts")) return Reply{200, "<html>"};
        if (r.url.path.ends_with("mp4.ts"))
            return Reply{200, test::box("ftyp", "isom" + test::zeros(4)) + test::box("mdat", "media")};
        if (r.url.path.ends_with("vtt.ts")) return Reply{200, "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"};
        if (r.url.path.ends_with("cenc.mp4")) {
            test::Mp4Track track{.id = 1, .entry = "encv"};
            return Reply{200, test::mp4_header(std::vector<test::Mp4Track>{track})};
        }
        if (r.url.path.ends_with(".m4s")) return Reply{200, test::fragment(1, test::traf(1, 0, 25, true), 100)};
        return std::nullopt;
    };
    const auto ready = rig.prepare();
    ASSERT_FALSE(ready.has_value());
    EXPECT_EQ(ready.error().code, GetParam().code);
    EXPECT_EQ(ready.error().text(), GetParam().complaint);
    EXPECT_EQ(ready.error().text().find('\n'), std::string::npos);
}
std::string one(std::string uri, std::string before = "") {
    return "#EXTM3U\n#EXT-X-TARGETDURATION:1\n" + before + "#EXTINF:1,\n" + uri + "\n";
}
INSTANTIATE_TEST_SUITE_P(
    Cases, HlsRefused,
    testing::Values(
        RefusedCase{"Html", "<html>", Errc::bad_input,
                    "playlist: not an HLS playlist: the answer is a text or HTML page"},
        RefusedCase{"NoSegments", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n", Errc::not_found,
                    "playlist: the playlist has no segments yet"},
        RefusedCase{"FileSegment_CVE_2016_1897_CVE_2026_44353", one("file:///etc/passwd"), Errc::denied,
                    "segment: scheme 'file' is not allowed here (no host)"},
        RefusedCase{"DataSegment_CVE_2016_1898", one("data:text/plain,x"), Errc::denied,
                    "segment: scheme 'data' is not allowed here (no host)"},
        RefusedCase{"ConcatSegment_CVE_2017_9993", one("concat:http://a/x|file:///etc/passwd"), Errc::denied,
                    "segment: scheme 'concat' is not allowed here (no host)"},
        RefusedCase{"InnerSegment_CVE_2023_6605", one("http://169.254.169.254/latest/x.ts"), Errc::denied,
                    "segment: 169.254.169.254 is an inner address"},
        RefusedCase{"InnerSegmentV6_CVE_2023_6605", one("http://[::1]/x.ts"), Errc::denied,
                    "segment: ::1 is an inner address"},
        RefusedCase{"FileKey_CVE_2016_1897", one("a1.ts", "#EXT-X-KEY:METHOD=AES-128,URI=\"file:///etc/passwd\"\n"),
                    Errc::denied, "key: scheme 'file' is not allowed here (no host)"},
        RefusedCase{"FileVariant_CVE_2016_1897", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile:///etc/passwd\n",
                    Errc::denied, "rendition: scheme 'file' is not allowed here (no host)"},
        RefusedCase{"DisguisedMp4_CVE_2023_6601", one("mp4.ts"), Errc::unsupported,
                    "segment: the segments are MP4, which weir does not record from HLS"},
        RefusedCase{"Subtitles_CVE_2023_6602", one("vtt.ts"), Errc::unsupported,
                    "segment: the segments are WebVTT, which weir does not record from HLS"},
        RefusedCase{"CommonEncryption", one("a.m4s", "#EXT-X-MAP:URI=\"cenc.mp4\"\n"), Errc::unsupported,
                    "the stream is protected by Common Encryption (CENC), which weir does not record"},
        RefusedCase{"FileMap_CVE_2016_1897", one("a.m4s", "#EXT-X-MAP:URI=\"file:///etc/passwd\"\n"), Errc::denied,
                    "map: scheme 'file' is not allowed here (no host)"},
        RefusedCase{"MapKeyOfSampleAes",
                    one("a.m4s", "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXT-X-MAP:URI=\"i.mp4\"\n"),
                    Errc::unsupported, "the stream is protected by SAMPLE-AES, which weir does not record"},
        RefusedCase{"SampleAes", one("a.ts", "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n"), Errc::unsupported,
                    "the stream is protected by SAMPLE-AES, which weir does not record"},
        RefusedCase{"Drm",
                    one("a.ts", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n"),
                    Errc::unsupported,
                    "the stream is protected by DRM (com.apple.streamingkeydelivery), which weir does not record"}),
    [](const auto& c) { return c.param.name; });

TEST(HlsFollower, ALineThatIsNoAddressIsAGapAmongGoodOnes_FC2_58) {
    HlsRig rig;
    rig.live.ends_after = 112;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (!r.url.path.ends_with(".m3u8")) return std::nullopt;
        auto text = rig.live.playlist();
        if (const auto at = text.find("seg108.ts"); at != std::string::npos) text.replace(at, 9, "http://[108.ts");
        return Reply{200, text};
    };
    expect_end(rig.run(), EndReason::endlist);
    const auto got = rig.sink.text();
    EXPECT_TRUE(got.starts_with(numbers(103, 107) + " [108 ")) << got;
    EXPECT_TRUE(got.ends_with("] " + numbers(109, 112))) << got;
}

TEST(HlsFollower, AForbiddenSegmentAmongGoodOnesIsAGapWithoutARequest_CVE_2023_6605) {
    HlsRig rig;
    rig.live.ends_after = 112;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (!r.url.path.ends_with(".m3u8")) return std::nullopt;
        auto text = rig.live.playlist();
        if (const auto at = text.find("seg108.ts"); at != std::string::npos)
            text.replace(at, 9, "http://127.0.0.1:22/seg108.ts");
        return Reply{200, text};
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 107) + " [108 127.0.0.1 is an inner address] " + numbers(109, 112));
    EXPECT_EQ(rig.live.asked(108), 0);
}

TEST(HlsFollower, HeadersThatCarryRightsStayWithTheUsersHost_CVE_2023_35934) {
    HlsRig rig;
    rig.live.ends_after = 105;
    rig.settings.headers = {{"Authorization", "Bearer x"}, {"Referer", "https://page.example/"}};
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (!r.url.path.ends_with(".m3u8")) return std::nullopt;
        auto text = rig.live.playlist();
        for (std::size_t at = 0; (at = text.find("\nseg", at)) != std::string::npos;)
            text.replace(at, 1, "\nhttps://cdn.example/");
        return Reply{200, text};
    };
    expect_end(rig.run(), EndReason::endlist);
    for (const auto& r : rig.http.requests)
        EXPECT_EQ(r.headers.size(), r.url.host == "cdn.example" ? 1u : 2u) << r.url.text();
}

}  // namespace
}  // namespace weir::hls
