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

TEST(HlsFollower, FromTheStartOfTheWindow_FC2_59) {
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

TEST(HlsFollower, FetchesAheadAndHandsOnInOrder_FC2_56_67) {
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

TEST(HlsFollower, SeveralLostFragmentsDoNotHoldUpTheRest_FC2_65_67) {
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

TEST(HlsFollower, UnitsThatLeftTheWindowUnseenAreOneGap_FC2_57) {
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
    const auto asked = rig.clock.now() + 10500ms;
    auto ended = rig.run_and_stop(10500ms);
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

TEST(HlsFollower, ASlowSinkSlowsTheTransfers_FC2_57) {
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

/// What was lost between is as long as the source's clock says, if it is still the same clock.
TEST(HlsFollower, ResumeKeepsTheOffsetOfTheClock) {
    for (const bool same_clock : {true, false}) {
        HlsRig rig;
        rig.live.ends_after = 112;
        if (!same_clock) rig.live.ticks = 4'000 * 90'000;
        rig.settings.resume =
            HlsSettings::Resume{98, 0, 33s, rig.clock.wall() - 4s, {}, Micros(33s) - Micros(99s) - 40ms};
        expect_end(rig.run(), EndReason::endlist);
        EXPECT_EQ(rig.sink.text(), "[99 left the window] " + numbers(100, 112));
        EXPECT_EQ(rig.sink.times.front(), same_clock ? Micros(34s) - 40ms : Micros(34s));
        EXPECT_EQ(rig.sink.offsets.size(), 1u);
    }
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

TEST(HlsFollower, ManyRecordingsSpreadTheirRequests_FC2_67) {
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
        settings.seed = static_cast<std::uint64_t>(i) * 7919 + 1;  // the same draw of the dice each time
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
