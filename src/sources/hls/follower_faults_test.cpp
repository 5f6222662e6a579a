#include <gtest/gtest.h>

#include "hls_rig.h"

namespace weir::hls {
namespace {

using test::expect_bytes;
using test::expect_end;
using test::HlsRig;
using test::numbers;
using test::Reply;
using namespace std::chrono_literals;

/// F1 and F2: one row a fault, at one segment, twice; it must come in the end, and nothing else may suffer.
struct FaultCase {
    const char* name;
    Reply reply;
};
class HlsSegmentFault : public testing::TestWithParam<FaultCase> {};
TEST_P(HlsSegmentFault, IsRiddenOut_F1_F2_FC2_65) {
    HlsRig rig;
    rig.live.window = 20;
    rig.live.ends_after = 135;
    rig.live.picture = 9000;
    rig.live.segment_faults = [](std::uint64_t n, int asked, const std::string& body) -> std::optional<Reply> {
        if (n != 122 || asked >= 2) return std::nullopt;
        auto reply = GetParam().reply;
        reply.between = 5ms;
        if (reply.body.empty()) reply.body = body;
        return reply;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(117, 135));
    expect_bytes(rig);
    EXPECT_EQ(rig.live.asked(122), 3);
    EXPECT_EQ(rig.source->stats().retries, 2u);
    EXPECT_TRUE(rig.sink.breaks.empty());
}
Reply reply_of(int status) {
    return {status, "<html>no</html>"};
}
Reply after(Reply::How how, std::size_t at) {
    Reply r;
    r.how = how;
    r.at = at;
    return r;
}
INSTANTIATE_TEST_SUITE_P(Faults, HlsSegmentFault,
                         testing::Values(FaultCase{"Status403", reply_of(403)}, FaultCase{"Status404", reply_of(404)},
                                         FaultCase{"Status410", reply_of(410)}, FaultCase{"Status429", reply_of(429)},
                                         FaultCase{"Status500", reply_of(500)}, FaultCase{"Status502", reply_of(502)},
                                         FaultCase{"Status503", reply_of(503)}, FaultCase{"Status504", reply_of(504)},
                                         FaultCase{"HtmlWith200", reply_of(200)},
                                         FaultCase{"Refused", after(Reply::How::refuse, 0)},
                                         FaultCase{"Silent", after(Reply::How::silent, 0)},
                                         FaultCase{"CutAtOnce", after(Reply::How::cut, 0)},
                                         FaultCase{"CutInside", after(Reply::How::cut, 20'001)},
                                         FaultCase{"CutAtTheEnd", after(Reply::How::cut, 35'000)},
                                         FaultCase{"StallAtOnce", after(Reply::How::stall, 0)},
                                         FaultCase{"StallInside", after(Reply::How::stall, 17'000)},
                                         FaultCase{"CutInTheFirstPacket", after(Reply::How::cut, 3)}),
                         [](const auto& c) { return c.param.name; });

TEST(HlsFollower, TricklingTransfersAreCut_F1) {
    HlsRig rig;
    rig.live.window = 40;
    rig.live.ends_after = 160;
    rig.live.segment_faults = [](std::uint64_t n, int asked, const std::string& body) -> std::optional<Reply> {
        if (n != 142 || asked > 0) return std::nullopt;
        Reply r{200, body};
        r.piece = 1;
        r.between = 1s;
        return r;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(137, 160));
    expect_bytes(rig);
}

TEST(HlsFollower, ShortBodyWithItsLengthAnnouncedIsRetried_FC2_65) {
    HlsRig rig;
    rig.live.ends_after = 112;
    rig.live.segment_faults = [](std::uint64_t n, int asked, const std::string& body) -> std::optional<Reply> {
        if (n != 108 || asked > 0) return std::nullopt;
        Reply r{200, body.substr(0, 1880)};
        r.content_length = body.size();
        return r;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 112));
    expect_bytes(rig);
}

TEST(HlsFollower, RetryAfterIsHonoured) {
    HlsRig rig;
    rig.live.window = 20;
    rig.live.ends_after = 140;
    std::vector<SteadyTime> asked;
    rig.live.segment_faults = [&](std::uint64_t n, int before, const std::string&) -> std::optional<Reply> {
        if (n != 125) return std::nullopt;
        asked.push_back(rig.clock.now());
        if (before > 0) return std::nullopt;
        return Reply{429, "slow down", {{"retry-after", "7"}}};
    };
    expect_end(rig.run(), EndReason::endlist);
    ASSERT_EQ(asked.size(), 2u);
    EXPECT_GE(asked[1] - asked[0], 7s);
    EXPECT_EQ(rig.sink.text(), numbers(117, 140));
}

TEST(HlsFollower, AnExpiredSignedUrlIsTakenFromTheNewestPlaylist_F2_FC2_66) {
    HlsRig rig;
    rig.live.ends_after = 120;
    rig.live.query = "?token=1";
    rig.at(5s, [&] { rig.live.query = "?token=2"; });
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.ends_with(".ts") && "?" + r.url.query != rig.live.query) return Reply{403, "expired"};
        return std::nullopt;
    };
    // Each segment's first request fails, so that those asked for under the old token must be asked for again under the
    // new one.
    rig.live.segment_faults = [](std::uint64_t, int asked, const std::string&) {
        return asked == 0 ? std::optional(Reply{503, ""}) : std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 120));
}

TEST(HlsFollower, ARefusedMediaPlaylistIsAskedForThroughTheMaster_F2_FC2_67) {
    HlsRig rig;
    rig.live.ends_after = 140;
    rig.settings.url = parse_url("https://live.example/a/master.m3u8").value();
    std::string address = "one";
    rig.at(5s, [&] { address = "two"; });
    int masters = 0;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.ends_with("master.m3u8")) {
            ++masters;
            return Reply{200,
                         "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=2x2\nlow.m3u8\n#EXT-X-STREAM-INF:"
                         "BANDWIDTH=9000,RESOLUTION=4x4\n" +
                             address + ".m3u8\n"};
        }
        if (r.url.path.ends_with(".m3u8") && r.url.path.find(address) == std::string::npos)
            return Reply{403, "expired"};
        return std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(masters, 2);
    EXPECT_EQ(rig.sink.text(), numbers(103, 140));
    EXPECT_EQ(rig.source->stats().rendition, "4p 9k");
}

TEST(HlsFollower, WithTheMasterGoneAPlaylistThatIsBackIsFollowed) {
    HlsRig rig;
    rig.live.ends_after = 140;
    rig.settings.url = parse_url("https://live.example/a/master.m3u8").value();
    const auto from = rig.clock.now() + 5s, to = from + 8s;
    int masters = 0;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.ends_with("master.m3u8")) {
            if (masters++ > 0) return Reply{403, "expired"};
            return Reply{200, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nlive.m3u8\n"};
        }
        if (r.url.path.ends_with(".m3u8") && rig.clock.now() >= from && rig.clock.now() < to)
            return Reply{404, "restarting"};
        return std::nullopt;
    };
    rig.live.window = 20;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_GE(masters, 2);
    EXPECT_EQ(rig.source->stats().missing, 0u) << rig.sink.text();
}

/// FC2-62: whatever the playlist answers, the recording goes on.
class HlsPlaylistFault : public testing::TestWithParam<FaultCase> {};
TEST_P(HlsPlaylistFault, IsRiddenOut_F1_F2_FC2_62_63) {
    HlsRig rig;
    rig.live.window = 15;
    rig.live.ends_after = 150;
    const auto from = rig.clock.now() + 4s, to = from + 8s;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.ends_with(".m3u8") && rig.clock.now() >= from && rig.clock.now() < to) return GetParam().reply;
        return std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(112, 150));
    expect_bytes(rig);
    EXPECT_TRUE(rig.sink.breaks.empty());
}
INSTANTIATE_TEST_SUITE_P(Faults, HlsPlaylistFault,
                         testing::Values(FaultCase{"Status403", reply_of(403)}, FaultCase{"Status404", reply_of(404)},
                                         FaultCase{"Status410", reply_of(410)}, FaultCase{"Status429", reply_of(429)},
                                         FaultCase{"Status500", reply_of(500)}, FaultCase{"Status502", reply_of(502)},
                                         FaultCase{"Status503", reply_of(503)}, FaultCase{"Html", reply_of(200)},
                                         FaultCase{"Empty", Reply{200, ""}},
                                         FaultCase{"HalfAPlaylist",
                                                   Reply{200, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQ"}},
                                         FaultCase{"Refused", after(Reply::How::refuse, 0)},
                                         FaultCase{"Silent", after(Reply::How::silent, 0)}),
                         [](const auto& c) { return c.param.name; });

TEST(HlsFollower, NoNumberOfBrokenPlaylistRequestsOverTheWholeLifeIsAnEnd_FC2_63) {
    HlsRig rig;
    rig.live.window = 15;
    rig.live.ends_after = 200;
    int asked = 0, broken = 0;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (!r.url.path.ends_with(".m3u8") || ++asked % 2 != 0) return std::nullopt;
        ++broken;
        return after(Reply::How::refuse, 0);
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_GT(broken, 20);
    EXPECT_EQ(rig.sink.text(), numbers(112, 200));
    EXPECT_TRUE(rig.sink.breaks.empty());
}

TEST(HlsFollower, AFrozenPlaylistEndsAfterTheIdleTimeout_FC2_64) {
    HlsRig rig;
    const auto since = rig.clock.now();
    std::string frozen;
    rig.at(5s, [&] { frozen = rig.live.playlist(); });
    rig.live.keep_old = true;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.ends_with(".m3u8") && !frozen.empty()) return Reply{200, frozen};
        return std::nullopt;
    };
    expect_end(rig.run(), EndReason::idle);
    EXPECT_EQ(rig.sink.text(), numbers(103, 110));
    EXPECT_GE(rig.clock.now() - since, 34s);
    EXPECT_LE(rig.clock.now() - since, 37s);
}

TEST(HlsFollower, AFrozenPlaylistThatThawsIsNoEnd_FC2_64) {
    HlsRig rig;
    rig.live.window = 40;
    rig.live.ends_after = 200;
    std::string frozen;
    rig.at(5s, [&] { frozen = rig.live.playlist(); });
    rig.at(30s, [&] { frozen.clear(); });
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.ends_with(".m3u8") && !frozen.empty()) return Reply{200, frozen};
        return std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(137, 200));
}

TEST(HlsFollower, AnAbsentPlaylistEndsAfterTheIdleTimeoutWithItsReason_FC2_62_64) {
    HlsRig rig;
    const auto from = rig.clock.now() + 4s;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.ends_with(".m3u8") && rig.clock.now() >= from) return Reply{404, "gone"};
        return std::nullopt;
    };
    const auto ended = rig.run();
    expect_end(ended, EndReason::idle);
    EXPECT_NE(ended->why.find("404"), std::string::npos) << ended->why;
}

}  // namespace
}  // namespace weir::hls
