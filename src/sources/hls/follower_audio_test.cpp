#include <gtest/gtest.h>

#include "hls_rig.h"

namespace weir::hls {
namespace {

using test::expect_bytes;
using test::expect_end;
using test::expect_one_clock;
using test::FakeLive;
using test::HlsRig;
using test::numbers;
using test::Reply;
using namespace std::chrono_literals;
using Form = FakeLive::Form;

/// A picture and two sounds, each with a playlist of its own.
struct AudioRig : HlsRig {
    FakeLive& picture = add("v", 1);
    FakeLive& japanese = add("ja", 2);
    FakeLive& english = add("en", 3);

    explicit AudioRig(Form form = Form::ts) {
        use_master(
            "#EXTM3U\n"
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",NAME=\"Main\",LANGUAGE=\"ja\",DEFAULT=YES,URI=\"ja/live.m3u8\"\n"
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",NAME=\"English\",LANGUAGE=\"en\",URI=\"en/live.m3u8\"\n"
            "#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1280x720,AUDIO=\"s\"\nv/live.m3u8\n");
        japanese.sound = english.sound = true;
        for (auto* each : all()) each->form = form;
    }
    [[nodiscard]] std::array<FakeLive*, 3> all() { return {&picture, &japanese, &english}; }
    void end_after(std::uint64_t n) {
        for (auto* each : all()) each->ends_after = n + static_cast<std::uint64_t>(each->numbers);
    }
};

struct FormsCase {
    const char* name;
    Form picture, sound;
};
class HlsAudioForms : public testing::TestWithParam<FormsCase> {};
TEST_P(HlsAudioForms, AreALaneOfTheirOwnOnTheSameClock) {
    AudioRig rig(GetParam().picture);
    rig.japanese.form = GetParam().sound;
    rig.japanese.phase = 31'000;  // the encoder's delay
    rig.end_after(115);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 115));
    ASSERT_EQ(rig.sink.beside.size(), 1u);
    EXPECT_EQ(rig.sink.lane(1).text(), numbers(102, 115)) << "the first one reaches into the picture's beginning";
    expect_bytes(rig.sink, rig.picture);
    expect_bytes(rig.sink.lane(1), rig.japanese);
    expect_one_clock(rig.sink);
    EXPECT_EQ(rig.sink.times.front(), 0s);
    const auto stats = rig.source->stats();
    EXPECT_EQ(stats.got, 13u + 14u);
    EXPECT_EQ(stats.asked, stats.got);
    EXPECT_EQ(stats.audio, std::vector<std::string>{"Main"});
}
INSTANTIATE_TEST_SUITE_P(Cases, HlsAudioForms,
                         testing::Values(FormsCase{"TsAndTs", Form::ts, Form::ts},
                                         FormsCase{"Fmp4AndFmp4", Form::fmp4, Form::fmp4},
                                         FormsCase{"Fmp4AndPacked", Form::fmp4, Form::packed},
                                         FormsCase{"TsAndPacked", Form::ts, Form::packed}),
                         [](const auto& c) { return c.param.name; });

struct AudioWish {
    const char* name;
    const char* wish;
    std::size_t lanes;
};
class HlsAudioWish : public testing::TestWithParam<AudioWish> {};
TEST_P(HlsAudioWish, DecidesWhichLanesThereAre) {
    AudioRig rig;
    rig.settings.audio = GetParam().wish;
    rig.end_after(108);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 108));
    EXPECT_EQ(rig.sink.beside.size(), GetParam().lanes);
    for (auto& [number, lane] : rig.sink.beside)
        expect_bytes(lane, GetParam().lanes == 2 && number == 1 ? rig.japanese : rig.english);
}
INSTANTIATE_TEST_SUITE_P(Cases, HlsAudioWish,
                         testing::Values(AudioWish{"All", "all", 2}, AudioWish{"None", "none", 0},
                                         AudioWish{"Name", "English", 1}, AudioWish{"Language", "en", 1}),
                         [](const auto& c) { return c.param.name; });

/// The 33 bits of the clock run over between the first timestamps of picture and sound, or a little later.
TEST(HlsAudio, TheWrapOfTheClockMovesNoLane) {
    for (int quarter = 0; quarter < 24; ++quarter) {
        SCOPED_TRACE(fmt::format("{} quarters after 101 s", quarter));
        AudioRig rig;
        rig.japanese.phase = 40'000;
        for (auto* live : rig.all()) live->ticks = (std::int64_t{1} << 33) - 101 * 90'000 - quarter * 22'500;
        rig.end_after(112);
        expect_end(rig.run(), EndReason::endlist);
        EXPECT_EQ(rig.sink.text(), numbers(103, 112));
        EXPECT_EQ(rig.sink.lane(1).text(), numbers(102, 112));
        EXPECT_TRUE(rig.sink.breaks.empty());
        EXPECT_TRUE(rig.sink.lane(1).breaks.empty());
        // One of the clocks may count on past the wrap while the other begins after it: stream time is what counts.
        const auto expected = 40'000 * 100 / 9 - 1'000'000;
        EXPECT_NEAR(static_cast<double>(rig.sink.lane(1).times.front().count()), static_cast<double>(expected), 25);
    }
}

struct BreakCase {
    const char* name;
    bool counted;
    std::int64_t numbers;
    int slow;  ///< whose segments take long: 0 none, 1 picture, 2 sound
};
class HlsAudioBreaks : public testing::TestWithParam<BreakCase> {};
TEST_P(HlsAudioBreaks, KeepTheirDistanceOverDiscontinuities) {
    AudioRig rig(Form::fmp4);
    const auto& param = GetParam();
    rig.japanese.phase = 20'000;
    rig.japanese.numbers = param.numbers;
    rig.japanese.first_sequence += static_cast<std::uint64_t>(param.numbers);
    const auto slowly = [](std::uint64_t, int, const std::string& body) -> std::optional<Reply> {
        Reply r{200, body};
        r.before_head = 1500ms;
        return r;
    };
    if (param.slow == 1) rig.picture.segment_faults = slowly;
    if (param.slow == 2) rig.japanese.segment_faults = slowly;
    for (auto* live : rig.all()) {
        live->counts_breaks = param.counted;
        live->window = 10;
        live->first_sequence -= 4;
        for (const std::uint64_t n : {108, 113, 114})
            live->discontinuities.insert(n + static_cast<std::uint64_t>(live->numbers));
    }
    rig.end_after(120);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 120));
    EXPECT_EQ(rig.sink.breaks.size(), 3u);
    EXPECT_EQ(rig.sink.lane(1).breaks.size(), 3u);
    EXPECT_EQ(rig.sink.offsets.size(), 4u);
    expect_one_clock(rig.sink);
    EXPECT_LT(rig.sink.times.back(), 19s);
}
INSTANTIATE_TEST_SUITE_P(Cases, HlsAudioBreaks,
                         testing::Values(BreakCase{"Counted", true, 0, 0}, BreakCase{"NotCounted", false, 0, 0},
                                         BreakCase{"OtherNumbers", true, 50, 0}, BreakCase{"SlowPicture", true, 0, 1},
                                         BreakCase{"SlowSound", true, 0, 2}),
                         [](const auto& c) { return c.param.name; });

TEST(HlsAudio, AnOriginRestartKeepsTheLanesTogether_FC2_66) {
    for (unsigned seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        AudioRig rig(Form::fmp4);
        rig.settings.seed = seed;
        rig.japanese.phase = 20'000;
        rig.at(8500ms, [&] {
            for (auto* live : rig.all()) live->restart(0, "new");
        });
        rig.at(18s, [&] { rig.end_after(rig.picture.newest()); });
        expect_end(rig.run(), EndReason::endlist);
        EXPECT_EQ(rig.sink.reasons(), "0 origin restart");
        EXPECT_EQ(rig.sink.lane(1).reasons(), "0 origin restart");
        expect_one_clock(rig.sink);
        EXPECT_EQ(rig.sink.got.back().gen, 1u);
        EXPECT_EQ(rig.sink.lane(1).got.back().gen, 1u);
        if (HasFailure()) {
            ADD_FAILURE() << rig.sink.text() << "\n" << rig.sink.lane(1).text();
            for (auto o : rig.sink.offsets) ADD_FAILURE() << o.count();
            for (auto o : rig.sink.lane(1).offsets) ADD_FAILURE() << "lane 1 " << o.count();
            return;
        }
    }
}

TEST(HlsAudio, ALaneThatCannotBeReadIsAGapAndNotTheEnd) {
    AudioRig rig;
    rig.japanese.faults = [](const HttpRequest&) -> std::optional<Reply> { return Reply{404, ""}; };
    rig.end_after(115);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 115));
    ASSERT_EQ(rig.sink.lane(1).got.size(), 1u);
    const auto& gap = rig.sink.lane(1).got[0];
    EXPECT_TRUE(gap.gap);
    EXPECT_NE(gap.why.find("404"), std::string::npos) << gap.why;
    EXPECT_EQ(gap.from, 0s);
    EXPECT_EQ(gap.to, 13s);
}

TEST(HlsAudio, ProtectedSoundIsAGapWithItsReason) {
    AudioRig rig;
    rig.japanese.tags = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n";
    rig.end_after(110);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.lane(1).text(), "[0 the stream is protected by SAMPLE-AES, which weir does not record]");
}

TEST(HlsAudio, ALaneThatStopsIsListedToTheEnd) {
    AudioRig rig;
    const auto dies = rig.clock.now() + 6s;
    rig.japanese.faults = [&, dies](const HttpRequest&) -> std::optional<Reply> {
        return rig.clock.now() >= dies ? std::optional(Reply{503, ""}) : std::nullopt;
    };
    rig.end_after(125);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 125));
    auto& lane = rig.sink.lane(1);
    const auto& gap = lane.got.back();
    EXPECT_TRUE(gap.gap);
    EXPECT_EQ(gap.to, 23s);
    EXPECT_LT(gap.from, 10s);
    EXPECT_FALSE(gap.why.empty());
}

TEST(HlsAudio, ALaneThatComesBackListsWhatItMissed) {
    AudioRig rig;
    const auto dies = rig.clock.now() + 6s, back = rig.clock.now() + 20s;
    rig.japanese.faults = [&, dies, back](const HttpRequest&) -> std::optional<Reply> {
        return rig.clock.now() >= dies && rig.clock.now() < back ? std::optional(Reply{503, ""}) : std::nullopt;
    };
    rig.end_after(135);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 135));
    auto& lane = rig.sink.lane(1);
    EXPECT_EQ(lane.got.front().first, 103u);
    EXPECT_EQ(lane.got.back().first, 135u);
    std::uint64_t next = 103;
    for (const auto& g : lane.got) {
        EXPECT_EQ(g.first, next);
        next = g.last + 1;
    }
    EXPECT_EQ(next, 136u);
    expect_one_clock(rig.sink);
}

TEST(HlsAudio, FirstSegmentsThatFailAreListed) {
    AudioRig rig;
    rig.japanese.segment_faults = [](std::uint64_t n, int, const std::string&) -> std::optional<Reply> {
        return n == 103 || n == 104 ? std::optional(Reply{404, ""}) : std::nullopt;
    };
    rig.end_after(115);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.lane(1).text(), "[103-104 http 404] " + numbers(105, 115));
    EXPECT_EQ(rig.sink.lane(1).got[0].from, 0s);
    EXPECT_EQ(rig.sink.lane(1).got[0].to, 2s);
}

TEST(HlsAudio, AFinishedLaneWithoutOneGoodSegmentIsListed) {
    AudioRig rig;
    for (auto* live : rig.all()) live->window = 16;
    rig.japanese.segment_faults = [](std::uint64_t, int, const std::string&) -> std::optional<Reply> {
        return Reply{404, ""};
    };
    rig.end_after(115);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(100, 115));
    ASSERT_EQ(rig.sink.lane(1).text(), "[100-115 http 404]");
    EXPECT_EQ(rig.sink.lane(1).got[0].to, 16s);
}

TEST(HlsAudio, DurationEndsEveryLane) {
    AudioRig rig;
    rig.settings.duration = 5s;
    expect_end(rig.run(), EndReason::duration);
    EXPECT_EQ(rig.sink.text(), numbers(103, 107));
    EXPECT_EQ(rig.sink.lane(1).text(), numbers(103, 107));
}

TEST(HlsAudio, AFinishedPlaylistIsReadToTheEndInEveryLane) {
    AudioRig rig;
    for (auto* live : rig.all()) {
        live->first_sequence = 0;
        live->window = 60;
        live->keep_old = true;
    }
    rig.japanese.segment_faults = [](std::uint64_t, int, const std::string& body) -> std::optional<Reply> {
        Reply r{200, body};
        r.before_head = 3s;  // far slower than the picture
        return r;
    };
    rig.end_after(59);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(0, 59));
    EXPECT_EQ(rig.sink.lane(1).text(), numbers(0, 59));
}

TEST(HlsAudio, StopEndsAllLanesSoon) {
    AudioRig rig;
    const auto asked = rig.clock.now() + 10500ms;
    auto ended = rig.run_and_stop(10500ms);
    expect_end(ended, EndReason::stopped);
    EXPECT_LE(rig.clock.now() - asked, 4s);
    EXPECT_GE(rig.sink.got.size(), 9u);
    EXPECT_GE(rig.sink.lane(1).got.size(), 9u);
    for (const auto& g : rig.sink.lane(1).got) EXPECT_FALSE(g.gap) << g.why;
    EXPECT_EQ(rig.http.open_bodies, 0);
}

TEST(HlsAudio, AStopIsHeardWhileOnlyTheSoundIsLeft) {
    AudioRig rig;
    for (auto* live : rig.all()) {
        live->first_sequence = 0;
        live->window = 60;
        live->keep_old = true;
    }
    rig.japanese.segment_faults = [](std::uint64_t, int, const std::string& body) -> std::optional<Reply> {
        Reply r{200, body};
        r.before_head = 10s;
        return r;
    };
    rig.end_after(59);
    const auto asked = rig.clock.now() + 30s;
    auto ended = rig.run_and_stop(30s);
    ASSERT_TRUE(ended);
    EXPECT_LE(rig.clock.now() - asked, 5s);
    EXPECT_EQ(rig.sink.text(), numbers(0, 59));
    EXPECT_TRUE(rig.sink.lane(1).got.back().gap) << "what was not waited for is listed";
    EXPECT_EQ(rig.http.open_bodies, 0);
}

TEST(HlsAudio, ASinkThatFailsEndsAllLanes) {
    AudioRig rig;
    rig.at(5s, [&] { rig.sink.refuse = Error{Errc::no_space, "disk full"}; });
    const auto ended = rig.run();
    ASSERT_FALSE(ended.has_value());
    EXPECT_EQ(ended.error().code, Errc::no_space);
}

TEST(HlsAudio, ResumeGoesOnInEveryLane) {
    AudioRig rig(Form::fmp4);
    rig.end_after(112);
    rig.settings.resume = HlsSettings::Resume{102, 0, 33s, rig.clock.wall() - 2s, {{1, 101, 0, 32s}}};
    ASSERT_TRUE(rig.prepare().has_value());
    EXPECT_TRUE(rig.source->continues());
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 112));
    EXPECT_EQ(rig.sink.lane(1).text(), numbers(102, 112));
    EXPECT_EQ(rig.sink.times.front(), 33s);
    EXPECT_EQ(rig.sink.lane(1).times.front(), 32s);
    expect_one_clock(rig.sink);
}

}  // namespace
}  // namespace weir::hls
