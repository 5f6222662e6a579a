#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "fake_live.h"

namespace weir::hls {
namespace {

using test::FakeLive;
using test::HlsRig;
using test::Reply;
using namespace std::chrono_literals;

std::string numbers(std::uint64_t from, std::uint64_t to) {
    std::string out;
    for (; from <= to; ++from) out += fmt::format("{}{}", out.empty() ? "" : " ", from);
    return out;
}

void expect_bytes(HlsRig& rig) {
    for (const auto& g : rig.sink.got) {
        const auto& sent = rig.live.plain(g.gen, g.first);
        if (!g.gap) {
            EXPECT_EQ(g.bytes, sent) << g.first;
        } else if (g.partial) {
            EXPECT_EQ(g.bytes, sent.substr(0, g.bytes.size())) << g.first;
        }
    }
}

void expect_end(const Result<End>& ended, EndReason reason) {
    ASSERT_TRUE(ended.has_value()) << ended.error().text();
    EXPECT_EQ(ended->reason, reason) << ended->why;
}

TEST(HlsFollower, FromTheLiveEdgeToTheEnd) {
    HlsRig rig;
    rig.live.ends_after = 130;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 130));
    expect_bytes(rig);
    const auto stats = rig.source->stats();
    EXPECT_EQ(stats.asked, 28u);
    EXPECT_EQ(stats.got, 28u);
    EXPECT_EQ(stats.missing, 0u);
    EXPECT_EQ(rig.http.count("live.m3u8"), static_cast<int>(stats.playlists));
    EXPECT_LE(stats.playlists, 40u) << "one a second or so";
    for (std::uint64_t n = 103; n <= 130; ++n) EXPECT_EQ(rig.live.asked(n), 1) << n;
    EXPECT_TRUE(rig.sink.breaks.empty());
    EXPECT_EQ(rig.sink.inits.size(), 1u);
    EXPECT_EQ(rig.sink.times.front(), 0s);
}

TEST(HlsFollower, FromTheStartOfTheWindow) {
    HlsRig rig;
    rig.settings.from_start = true;
    rig.live.ends_after = 110;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(100, 110));
}

TEST(HlsFollower, DecryptsAes128) {
    HlsRig rig;
    rig.live.key = aes::Block{std::byte{1}, std::byte{2}, std::byte{3}};
    rig.live.ends_after = 125;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 125));
    expect_bytes(rig);
    EXPECT_EQ(rig.http.count("/key"), 3) << "once a key";
}

TEST(HlsFollower, KeysAreRetried) {
    HlsRig rig;
    rig.live.key = aes::Block{std::byte{9}};
    rig.live.ends_after = 112;
    int refused = 0;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.find("/key11") != std::string::npos && refused++ < 3) return Reply{503, "busy"};
        return std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 112));
}

TEST(HlsFollower, DurationEndsOnAUnit) {
    HlsRig rig;
    rig.settings.duration = 5s;
    expect_end(rig.run(), EndReason::duration);
    EXPECT_EQ(rig.sink.text(), numbers(103, 107));
}

TEST(HlsFollower, RawTimeIsKeptAndStreamTimeIsContinuous) {
    HlsRig rig;
    rig.live.ends_after = 112;
    rig.live.discontinuities = {108};
    expect_end(rig.run(), EndReason::endlist);
    ASSERT_EQ(rig.sink.breaks.size(), 1u);
    EXPECT_EQ(rig.sink.breaks[0].unit, 108u);
    EXPECT_EQ(rig.sink.breaks[0].why, "ext-x-discontinuity");
    EXPECT_LT(rig.sink.times.back(), 11s);
}

TEST(HlsFollower, GapTagIsAGap) {
    HlsRig rig;
    rig.live.ends_after = 110;
    rig.live.gaps = {106, 107};
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), "103 104 105 [106 gap in the playlist] [107 gap in the playlist] 108 109 110");
    EXPECT_EQ(rig.live.asked(106), 0);
    EXPECT_EQ(rig.source->stats().missing, 2u);
}

TEST(HlsFollower, FetchesAheadAndHandsOnInOrder) {
    HlsRig rig;
    rig.live.ends_after = 103;
    rig.settings.from_start = true;
    rig.live.segment_faults = [](std::uint64_t n, int, const std::string& body) -> std::optional<Reply> {
        return Reply{200, body, {}, Reply::How::whole, 0, 16384, n == 100 ? Micros(3s) : Micros(10ms)};
    };
    rig.live.window = 4;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(100, 103));
}

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

TEST(HlsFollower, ShortBodyWithItsLengthAnnouncedIsRetried) {
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

TEST(HlsFollower, ALostFragmentIsOneGap_FC2_65) {
    HlsRig rig;
    rig.live.ends_after = 125;
    rig.live.segment_faults = [](std::uint64_t n, int, const std::string&) -> std::optional<Reply> {
        return n == 110 ? std::optional(Reply{404, "never"}) : std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 109) + " [110 http 404] " + numbers(111, 125));
    const auto& gap = rig.sink.got.at(7);
    EXPECT_GE(gap.tries, 3);
    EXPECT_EQ(gap.to - gap.from, 1s);
    EXPECT_EQ(rig.source->stats().missing, 1u);
    EXPECT_TRUE(rig.sink.breaks.empty()) << "its timestamps go on";
}

TEST(HlsFollower, SeveralLostFragmentsDoNotHoldUpTheRest) {
    HlsRig rig;
    rig.live.ends_after = 150;
    rig.live.segment_faults = [](std::uint64_t n, int, const std::string&) -> std::optional<Reply> {
        return n >= 110 && n < 116 ? std::optional(Reply{500, "never"}) : std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.source->stats().missing, 6u);
    EXPECT_EQ(rig.source->stats().got, 42u);
}

TEST(HlsFollower, AFinishedPlaylistGivesEachSegmentABoundedNumberOfTries) {
    HlsRig rig;
    rig.live.window = 10;
    rig.live.first_sequence = 0;
    rig.live.ends_after = 9;
    rig.live.keep_old = true;
    rig.live.segment_faults = [](std::uint64_t n, int, const std::string&) -> std::optional<Reply> {
        return n == 4 ? std::optional(Reply{503, "never"}) : std::nullopt;
    };
    const auto since = rig.clock.now();
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), "0 1 2 3 [4 http 503] 5 6 7 8 9");
    EXPECT_GE(rig.live.asked(4), 10);
    EXPECT_LE(rig.live.asked(4), 13);
    EXPECT_LT(rig.clock.now() - since, 2min);
    EXPECT_EQ(rig.source->pace(), Pace::demand);
}

TEST(HlsFollower, AnExpiredSignedUrlIsTakenFromTheNewestPlaylist_F2) {
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

TEST(HlsFollower, ARefusedMediaPlaylistIsAskedForThroughTheMaster_F2) {
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

/// FC2-62: whatever the playlist answers, the recording goes on.
class HlsPlaylistFault : public testing::TestWithParam<FaultCase> {};
TEST_P(HlsPlaylistFault, IsRiddenOut_F1_F2_FC2_62) {
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

TEST(HlsFollower, AFrozenPlaylistThatThawsIsNoEnd) {
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

TEST(HlsFollower, AnAbsentPlaylistEndsAfterTheIdleTimeoutWithItsReason) {
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

TEST(HlsFollower, UnitsThatLeftTheWindowUnseenAreOneGap) {
    HlsRig rig;
    rig.live.ends_after = 140;
    rig.live.keep_old = true;
    const auto from = rig.clock.now() + 4500ms, to = from + 14s;
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.ends_with(".m3u8") && rig.clock.now() >= from && rig.clock.now() < to) return Reply{502, ""};
        return std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    std::uint64_t missed = 0;
    for (const auto& g : rig.sink.got)
        if (g.gap) {
            missed += g.last - g.first + 1;
            EXPECT_EQ(g.why, "left the window");
            EXPECT_EQ(g.to - g.from, static_cast<std::int64_t>(g.last - g.first + 1) * 1s);
        }
    EXPECT_GE(missed, 8u);
    EXPECT_EQ(rig.source->stats().missing, missed);
    EXPECT_EQ(rig.source->stats().asked, 38u);
    EXPECT_TRUE(rig.sink.breaks.empty());
    expect_bytes(rig);
}

TEST(HlsFollower, AnOriginRestartLosesNothingOfTheNewGeneration_FC2_66) {
    for (const bool same_names : {false, true}) {
        HlsRig rig;
        std::uint64_t newest_old = 0;
        rig.at(10500ms, [&] {
            newest_old = rig.live.newest();
            rig.live.restart(0, same_names ? "" : "new");
        });
        rig.at(20s, [&] { rig.live.ends_after = rig.live.newest(); });
        expect_end(rig.run(), EndReason::endlist);
        ASSERT_EQ(rig.sink.breaks.size(), 1u);
        EXPECT_EQ(rig.sink.breaks[0].why, "origin restart");
        std::vector<std::uint64_t> old, anew;
        for (const auto& g : rig.sink.got) {
            // The newest of the old ones may have been asked for in the moment in which it went.
            EXPECT_FALSE(g.gap && !(g.gen == 0 && g.first == newest_old)) << g.first << " " << g.why;
            (g.gen == 0 ? old : anew).push_back(g.first);
        }
        EXPECT_EQ(old.front(), 103u);
        EXPECT_EQ(anew.front(), 0u);
        EXPECT_EQ(anew.size(), anew.back() + 1);
        expect_bytes(rig);
        for (std::size_t i = 1; i < rig.sink.times.size(); ++i)
            EXPECT_LE(rig.sink.times[i] - rig.sink.times[i - 1], 2s);
    }
}

TEST(HlsFollower, ARetryThatDiffersIsAPartialGapAndABreak) {
    HlsRig rig;
    rig.live.ends_after = 115;
    rig.live.picture = 9000;
    rig.live.segment_faults = [&](std::uint64_t n, int asked, const std::string& body) -> std::optional<Reply> {
        if (n != 110) return std::nullopt;
        if (asked == 0) {
            Reply r{200, body};
            r.how = Reply::How::cut;
            r.at = 30'000;
            r.between = 5ms;
            return r;
        }
        return Reply{200, rig.live.plain(7, n)};
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 109) + " [~110 another try brought other bytes] " + numbers(111, 115));
    ASSERT_EQ(rig.sink.breaks.size(), 1u);
    EXPECT_EQ(rig.sink.breaks[0].why, "retry differs");
    expect_bytes(rig);
}

TEST(HlsFollower, ADamagedEncryptedSegmentIsRetriedThenAGap) {
    HlsRig rig;
    rig.live.key = aes::Block{std::byte{5}};
    rig.live.ends_after = 120;
    rig.live.segment_faults = [&](std::uint64_t n, int asked, const std::string& body) -> std::optional<Reply> {
        auto torn = body;
        torn.resize(torn.size() - 16);
        if (n == 107 && asked == 0) return Reply{200, torn};
        if (n == 110) return Reply{200, torn};
        return std::nullopt;
    };
    expect_end(rig.run(), EndReason::endlist);
    std::string gaps;
    for (const auto& g : rig.sink.got)
        if (g.gap) gaps += fmt::format("{} {}", g.first, g.why);
    EXPECT_EQ(gaps, "110 the padding is wrong: a damaged segment or another key");
    EXPECT_GE(rig.live.asked(107), 2);
    expect_bytes(rig);
}

TEST(HlsFollower, StopEndsWithinASecondAndListsNothingThatWasNotBegun) {
    HlsRig rig;
    rig.make();
    asio::cancellation_signal cancel;
    const auto asked = rig.clock.now() + 10500ms;
    rig.at(10500ms, [&] {
        rig.demand.stop.ask("ctrl-c");
        cancel.emit(asio::cancellation_type::all);
    });
    auto ended =
        test::run_simulated(rig.io, rig.clock, [](HlsRig& r, asio::cancellation_signal& c) -> Task<Result<End>> {
            co_return co_await asio::co_spawn(r.io, r.source->run(r.sink, r.demand),
                                              asio::bind_cancellation_slot(c.slot(), asio::use_awaitable));
        }(rig, cancel));
    expect_end(ended, EndReason::stopped);
    EXPECT_EQ(ended->why, "ctrl-c");
    EXPECT_LE(rig.clock.now() - asked, 1s);
    for (const auto& g : rig.sink.got) EXPECT_FALSE(g.gap);
    EXPECT_GE(rig.sink.got.size(), 10u);
    EXPECT_EQ(rig.http.open_bodies, 0);
    EXPECT_EQ(rig.source->stats().asked, rig.source->stats().got);
}

TEST(HlsFollower, StopInTheMiddleOfASlowSegmentIsAPartialGap) {
    HlsRig rig;
    rig.live.picture = 30'000;
    rig.live.segment_faults = [](std::uint64_t n, int, const std::string& body) -> std::optional<Reply> {
        if (n != 108) return std::nullopt;
        Reply r{200, body};
        r.between = 3s;
        return r;
    };
    rig.at(8500ms, [&] { rig.demand.stop.ask("enough"); });
    expect_end(rig.run(), EndReason::stopped);
    ASSERT_FALSE(rig.sink.got.empty());
    EXPECT_TRUE(rig.sink.got.back().partial) << rig.sink.text();
    EXPECT_EQ(rig.sink.got.back().why, "stopped");
    expect_bytes(rig);
}

TEST(HlsFollower, ASinkThatFailsEndsTheSourceWithItsError) {
    HlsRig rig;
    rig.sink.refuse = Error{Errc::no_space, "disk full"};
    const auto ended = rig.run();
    ASSERT_FALSE(ended.has_value());
    EXPECT_EQ(ended.error().code, Errc::no_space);
}

TEST(HlsFollower, MemoryForWaitingSegmentsIsBounded) {
    HlsRig rig;
    rig.live.window = 30;
    rig.live.picture = 60'000;  // about 360 KB a segment
    rig.live.keep_old = true;
    rig.settings.from_start = true;
    rig.live.ends_after = 129;
    rig.live.segment_faults = [](std::uint64_t n, int asked, const std::string&) -> std::optional<Reply> {
        if (n == 100 && asked < 6) return Reply{503, ""};
        return std::nullopt;
    };
    int begun_before_head = 0;
    rig.sink.on_item = [&](const Item&) -> Task<void> {
        if (begun_before_head == 0) begun_before_head = rig.http.count(".ts");
        co_return;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(100, 129));
    EXPECT_LE(begun_before_head, 7 + 11) << "no more than what fits was asked for";
    expect_bytes(rig);
}

TEST(HlsFollower, ASlowSinkSlowsTheTransfers) {
    HlsRig rig;
    rig.live.window = 12;
    rig.live.picture = 60'000;
    rig.live.keep_old = true;
    rig.settings.from_start = true;
    rig.live.ends_after = 111;
    rig.sink.on_item = [&](const Item&) -> Task<void> { (void)co_await rig.clock.sleep_for(200ms); };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(100, 111));
    expect_bytes(rig);
}

TEST(HlsFollower, ResumeGoesOnRightAfterTheUnit) {
    HlsRig rig;
    rig.live.ends_after = 112;
    rig.settings.resume = HlsSettings::Resume{102, 0, 33s, rig.clock.wall() - 2s};
    ASSERT_TRUE(rig.prepare().has_value());
    EXPECT_TRUE(rig.source->continues());
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 112));
    EXPECT_EQ(rig.sink.times.front(), 33s);
    EXPECT_TRUE(rig.sink.breaks.empty());
}

TEST(HlsFollower, ResumeAfterTheWindowListsWhatLiesBetween) {
    HlsRig rig;
    rig.live.ends_after = 112;
    rig.settings.resume = HlsSettings::Resume{80, 3, 33s, rig.clock.wall() - 25s};
    ASSERT_TRUE(rig.prepare().has_value());
    EXPECT_TRUE(rig.source->continues());
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), "[81-99 left the window] " + numbers(100, 112));
    EXPECT_EQ(rig.sink.got[0].gen, 3u);
    EXPECT_EQ(rig.sink.got[0].from, 33s);
}

TEST(HlsFollower, AnotherLiveIsNotContinued) {
    HlsRig rig;
    rig.live.ends_after = 112;
    rig.settings.resume = HlsSettings::Resume{80'000, 3, 33s, rig.clock.wall() - 25s};
    ASSERT_TRUE(rig.prepare().has_value());
    EXPECT_FALSE(rig.source->continues());
    rig.source->drop_resume();
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 112));
    EXPECT_EQ(rig.sink.got[0].gen, 0u);
    EXPECT_EQ(rig.sink.times.front(), 0s);
}

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
            return Reply{200, std::string("\0\0\0\x18"
                                          "ftypiso6\0\0\0\0",
                                          16)};
        if (r.url.path.ends_with("aac.ts")) return Reply{200, "ID3\x04\0\0\0\0\0\x3f"};
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
                    "segment: the segments are fragmented MP4, which weir cannot record yet"},
        RefusedCase{"PackedAudio_CVE_2023_6602", one("aac.ts"), Errc::unsupported,
                    "segment: the segments are packed audio, which weir cannot record yet"},
        RefusedCase{"Map", one("a.mp4", "#EXT-X-MAP:URI=\"i.mp4\"\n"), Errc::unsupported,
                    "the segments are fragmented MP4 (EXT-X-MAP), which weir cannot record yet"},
        RefusedCase{"SampleAes", one("a.ts", "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n"), Errc::unsupported,
                    "the stream is protected by SAMPLE-AES, which weir does not record"},
        RefusedCase{"Drm",
                    one("a.ts", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n"),
                    Errc::unsupported,
                    "the stream is protected by DRM (com.apple.streamingkeydelivery), which weir does not record"}),
    [](const auto& c) { return c.param.name; });

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

TEST(HlsFollower, AnEndlessSegmentIsCutAtTheLimit) {
    HlsRig rig;
    rig.live.ends_after = 108;
    rig.settings.max_segment = 100'000;
    rig.live.segment_faults = [](std::uint64_t n, int, const std::string& body) -> std::optional<Reply> {
        if (n != 105) return std::nullopt;
        std::string endless;
        while (endless.size() < 300'000) endless += body;
        Reply r{200, endless};
        r.between = 5ms;
        return r;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), "103 104 [~105 the segment is above the limit of 100000 bytes] 106 107 108");
    EXPECT_EQ(rig.live.asked(105), 1);
}

TEST(HlsFollower, ManyRecordingsSpreadTheirRequests) {
    asio::io_context io;
    SimulatedClock clock(io.get_executor());
    FakeLive live(clock);
    live.ends_after = 160;
    test::FakeHttp http(clock, [&](const HttpRequest& r) { return live.serve(r); });
    std::vector<std::unique_ptr<HlsSource>> sources;
    std::vector<std::unique_ptr<test::Collector>> sinks;
    Demand demand;
    int running = 20;
    for (int i = 0; i < 20; ++i) {
        HlsSettings settings;
        settings.url = parse_url(fmt::format("https://live.example/{}/live.m3u8", i)).value();
        sources.push_back(HlsSource::create(io.get_executor(), clock, http, nullptr, settings));
        sinks.push_back(std::make_unique<test::Collector>());
        asio::co_spawn(io, sources.back()->run(*sinks.back(), demand),
                       [&](std::exception_ptr, Result<End>) { --running; });
    }
    std::map<std::int64_t, int> in_50ms;
    std::size_t seen = 0;
    while (running > 0) {
        io.restart();
        io.poll();
        for (; seen < http.requests.size(); ++seen)
            if (http.requests[seen].url.path.ends_with(".m3u8") && live.newest() > 150)
                ++in_50ms[clock.now().time_since_epoch() / 50ms];
        if (running == 0) break;
        ASSERT_GT(clock.waiting(), 0u);
        clock.advance(std::max<Micros>(Micros{0}, std::chrono::ceil<Micros>(clock.next() - clock.now())));
    }
    int most = 0;
    for (const auto& [when, count] : in_50ms) most = std::max(most, count);
    EXPECT_LE(most, 8) << "of 20";
}

}  // namespace
}  // namespace weir::hls
