#include "sources/hls/window.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace weir::hls {
namespace {

using namespace std::chrono_literals;

MediaPlaylist fixture(const std::string& name) {
    std::ifstream in(std::string(WEIR_SOURCE_DIR) + "/tests/data/hls/" + name);
    std::ostringstream text;
    text << in.rdbuf();
    auto p = parse(text.str());
    EXPECT_TRUE(p.has_value());
    return p ? std::get<MediaPlaylist>(p.value()) : MediaPlaylist{};
}

struct Make {
    std::uint64_t first = 0;
    std::size_t count = 6;
    std::string prefix = "seg";
    std::optional<std::int64_t> pdt = {};
    Micros duration = 1s;
    bool end = false;
};

MediaPlaylist make(const Make& m) {
    MediaPlaylist p;
    p.target_duration = m.duration;
    p.media_sequence = m.first;
    p.endlist = m.end;
    for (std::size_t i = 0; i < m.count; ++i) {
        Segment s;
        s.sequence = m.first + i;
        s.duration = m.duration;
        s.uri = m.prefix + std::to_string(s.sequence) + ".ts";
        if (m.pdt) s.pdt = *m.pdt + static_cast<std::int64_t>(i) * m.duration.count() / 1000;
        p.segments.push_back(s);
    }
    return p;
}

std::string text_of(const Window::Update& u) {
    std::string out;
    for (const auto& f : u.fresh) {
        if (const auto* l = std::get_if<Listed>(&f))
            out += fmt::format("{}{}{} ", l->restart ? "!" : "", l->gen ? fmt::format("{}:", l->gen) : "",
                               l->segment.sequence);
        if (const auto* m = std::get_if<Missed>(&f)) out += fmt::format("[{}-{} {}] ", m->first, m->last, m->why);
    }
    if (!out.empty()) out.pop_back();
    return out;
}

SteadyTime at(Micros t) {
    return SteadyTime{} + 1h + t;
}

WindowSettings whole() {
    WindowSettings s;
    s.from_start = true;
    return s;
}

TEST(HlsWindow, AfterTheSecondPlaylistOnly118618IsNewDespiteTheHost_FC2_60_T11) {
    Window w(whole());
    EXPECT_EQ(w.take(fixture("fc2_playlist.m3u8"), at(0s)).fresh.size(), 12u);
    for (int i = 1; i < 5; ++i) {
        const auto u = w.take(fixture("fc2_playlist2.m3u8"), at(i * 1s));
        EXPECT_EQ(text_of(u), i == 1 ? "118618" : "");
        EXPECT_FALSE(u.restarted);
    }
    EXPECT_EQ(w.last(), 118618u);
}

TEST(HlsWindow, FromAPositionOnlyWhatFollows_FC2_60_T12) {
    WindowSettings s;
    s.resume = WindowSettings::Resume{118617, 0, Micros{1s}};
    Window w(s);
    EXPECT_EQ(text_of(w.take(fixture("fc2_playlist.m3u8"), at(0s))), "");
    EXPECT_EQ(text_of(w.take(fixture("fc2_playlist2.m3u8"), at(1s))), "118618");
}

TEST(HlsWindow, TheSameWithoutQueries_FC2_60_T13) {
    Window w(whole());
    EXPECT_EQ(w.take(fixture("fc2_playlist_no_ts.m3u8"), at(0s)).fresh.size(), 12u);
    EXPECT_EQ(text_of(w.take(fixture("fc2_playlist2_no_ts.m3u8"), at(1s))), "118618");
    EXPECT_EQ(text_of(w.take(fixture("fc2_playlist2_no_ts.m3u8"), at(2s))), "");
}

TEST(HlsWindow, NumbersAreComparedAsNumbers_FC2_61) {
    Window w(whole());
    w.take(make({99'996, 4}), at(0s));
    EXPECT_EQ(text_of(w.take(make({99'998, 4}), at(2s))), "100000 100001");
}

struct StartCase {
    const char* name;
    Make playlist;
    bool from_start;
    const char* expected;
};
class HlsWindowStart : public testing::TestWithParam<StartCase> {};
TEST_P(HlsWindowStart, TakesTheRightEnd_FC2_59) {
    WindowSettings s;
    s.from_start = GetParam().from_start;
    Window w(s);
    EXPECT_EQ(text_of(w.take(make(GetParam().playlist), at(0s))), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(Cases, HlsWindowStart,
                         testing::Values(StartCase{"LiveEdge", {10, 6}, false, "13 14 15"},
                                         StartCase{"FromStart", {10, 6}, true, "10 11 12 13 14 15"},
                                         StartCase{"ShortWindow", {10, 2}, false, "10 11"},
                                         StartCase{"Finished", {0, 4, "seg", {}, 1s, true}, false, "0 1 2 3"}),
                         [](const auto& c) { return c.param.name; });

struct Step {
    Make playlist;
    Micros when;
    const char* expected;
    bool restarted = false;
};
struct Story {
    const char* name;
    std::vector<Step> steps;
};
class HlsWindowStory : public testing::TestWithParam<Story> {};
TEST_P(HlsWindowStory, Unfolds) {
    Window w(whole());
    for (std::size_t i = 0; i < GetParam().steps.size(); ++i) {
        const auto& step = GetParam().steps[i];
        const auto u = w.take(make(step.playlist), at(step.when));
        EXPECT_EQ(text_of(u), step.expected) << "step " << i;
        EXPECT_EQ(u.restarted, step.restarted) << "step " << i;
    }
}
constexpr std::int64_t noon = 1'700'000'000'000;
INSTANTIATE_TEST_SUITE_P(
    Cases, HlsWindowStory,
    testing::Values(
        Story{"Slides", {{{10, 3}, 0s, "10 11 12"}, {{11, 3}, 1s, "13"}, {{11, 3}, 2s, ""}, {{13, 3}, 3s, "14 15"}}},
        Story{"LostWindowIsListed", {{{10, 3}, 0s, "10 11 12"}, {{20, 3}, 10s, "[13-19 left the window] 20 21 22"}}},
        Story{"OriginSkips", {{{10, 3}, 0s, "10 11 12"}, {{20, 3}, 1s, "[13-19 skipped by the origin] 20 21 22"}}},
        Story{"FallsBack", {{{500, 3}, 0s, "500 501 502"}, {{0, 2}, 5s, "!1:0 1:1", true}, {{0, 3}, 6s, "1:2"}}},
        Story{"FallsBackWithinTheWindow", {{{3, 6}, 0s, "3 4 5 6 7 8"}, {{0, 4}, 5s, "!1:0 1:1 1:2 1:3", true}}},
        Story{"SameNumbersOtherNames", {{{10, 3, "a"}, 0s, "10 11 12"}, {{10, 3, "b"}, 1s, "!1:10 1:11 1:12", true}}},
        Story{"SameNumbersOtherDates",
              {{{10, 3, "a", noon}, 0s, "10 11 12"}, {{11, 3, "a", noon + 60'000}, 1s, "!1:11 1:12 1:13", true}}},
        Story{"SameDatesOtherNamesIsNoRestart",
              {{{10, 3, "a", noon}, 0s, "10 11 12"}, {{11, 3, "b", noon + 1'000}, 1s, "13"}}},
        Story{"OtherFoldersAreNoRestart", {{{10, 3, "x/"}, 0s, "10 11 12"}, {{10, 4, "https://y/z/"}, 1s, "13"}}},
        Story{"LaggingEdge",
              {{{10, 6}, 0s, "10 11 12 13 14 15"}, {{9, 6}, 1s, ""}, {{11, 6}, 2s, "16"}, {{10, 6}, 3s, ""}}},
        Story{"NewNumbering",
              {{{10, 3}, 0s, "10 11 12"}, {{1'700'000'000, 3}, 1s, "!1:1700000000 1:1700000001 1:1700000002", true}}},
        Story{"TwiceAnew",
              {{{100, 2}, 0s, "100 101"},
               {{0, 1}, 1s, "!1:0", true},
               {{50, 2, "z"}, 200s, "[1-49 left the window] 1:50 1:51"}}}),
    [](const auto& c) { return c.param.name; });

TEST(HlsWindow, TheLengthOfALossComesFromDatesWhereThereAreSome) {
    Window w(whole());
    w.take(make({10, 3, "a", noon}), at(0s));
    const auto u = w.take(make({20, 3, "a", noon + 11'500}), at(12s));
    EXPECT_EQ(std::get<Missed>(u.fresh.at(0)).duration, 8'500ms);
    Window undated(whole());
    undated.take(make({10, 3}), at(0s));
    EXPECT_EQ(std::get<Missed>(undated.take(make({20, 3}), at(12s)).fresh.at(0)).duration, 7s);
}

struct ContinuesCase {
    const char* name;
    Make playlist;
    WindowSettings::Resume resume;
    bool expected;
};
class HlsWindowContinues : public testing::TestWithParam<ContinuesCase> {};
TEST_P(HlsWindowContinues, Judges) {
    EXPECT_EQ(Window::continues(make(GetParam().playlist), GetParam().resume), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, HlsWindowContinues,
    testing::Values(ContinuesCase{"InTheWindow", {100, 10}, {104, 0, Micros{5s}}, true},
                    ContinuesCase{"JustBefore", {100, 10}, {99, 0, Micros{9s}}, true},
                    ContinuesCase{"AheadAsTimeExplains", {4000, 10}, {400, 0, Micros{1h}}, true},
                    ContinuesCase{"AheadTooFar", {90'000, 10}, {400, 0, Micros{60s}}, false},
                    ContinuesCase{"Behind", {3, 10}, {400, 0, Micros{60s}}, false},
                    ContinuesCase{"SameNumbersADayLater", {3, 10}, {8, 0, Micros{24h}}, false},
                    ContinuesCase{"FinishedListAnyTimeLater", {0, 100, "s", {}, 1s, true}, {40, 0, Micros{24h}}, true},
                    ContinuesCase{"NoTimeKnown", {100, 10}, {104, 0, std::nullopt}, true},
                    ContinuesCase{"Empty", {0, 0}, {4, 0, Micros{1s}}, false}),
    [](const auto& c) { return c.param.name; });

TEST(HlsWindow, ResumeFarAheadListsWhatLiesBetween) {
    WindowSettings s;
    s.resume = WindowSettings::Resume{100, 2, Micros{30s}};
    Window w(s);
    const auto u = w.take(make({120, 3}), at(0s));
    EXPECT_EQ(text_of(u), "[101-119 left the window] 2:120 2:121 2:122");
    EXPECT_EQ(std::get<Missed>(u.fresh[0]).gen, 2u);
}

}  // namespace
}  // namespace weir::hls
