#include "media/timeline.h"

#include <gtest/gtest.h>

namespace weir::media {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t picture = 0, sound = 1;

struct UnwrapCase {
    const char* name;
    std::int64_t ts, near, expected;
};
class Unwrap : public testing::TestWithParam<UnwrapCase> {};
constexpr std::int64_t full = std::int64_t{1} << 33;

TEST_P(Unwrap, TakesTheNearest) {
    EXPECT_EQ(unwrap(GetParam().ts, GetParam().near, 33), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(Cases, Unwrap,
                         testing::Values(UnwrapCase{"Same", 5, 5, 5}, UnwrapCase{"Later", 90'000, 5, 90'000},
                                         UnwrapCase{"OverTheEnd", 10, full - 10, full + 10},
                                         UnwrapCase{"BackOverTheEnd", full - 10, 10, -10},
                                         UnwrapCase{"SecondRound", 7, 2 * full + 3, 2 * full + 7},
                                         UnwrapCase{"AlreadyUnwrapped", full + 7, full, full + 7}),
                         [](const auto& c) { return c.param.name; });

TEST(Timeline, AddsTheShiftOfTheStretchToAllTracks_FC2_82) {
    Timeline t;
    t.begin_stretch(-10s);
    EXPECT_EQ(t.offset_for(picture, 10s, 40ms), -10s);
    EXPECT_EQ(t.offset_for(sound, 10s + 5ms, 20ms), -10s);
    t.begin_stretch(-99s);
    EXPECT_EQ(t.offset_for(sound, 100s, 20ms), -99s);
    EXPECT_EQ(t.offset_for(picture, 100s + 3ms, 40ms), -99s);
    EXPECT_EQ(t.mended(), 0u);
}

TEST(Timeline, KeepsAnnouncedGaps_FC2_82) {
    Timeline t;
    t.begin_stretch(0s);
    EXPECT_EQ(t.offset_for(picture, 1s, 40ms), 0s);
    t.begin_stretch(0s);
    EXPECT_EQ(t.offset_for(picture, 2h, 40ms), 0s);
    EXPECT_EQ(t.mended(), 0u);
}

TEST(Timeline, UnannouncedBreakMovesAllTracksByOneOffset_FC2_83) {
    Timeline t;
    t.begin_stretch(0s);
    (void)t.offset_for(picture, 100s, 40ms);
    (void)t.offset_for(sound, 100s + 100ms, 20ms);
    const auto by = t.offset_for(picture, 5s, 40ms);  // the origin's clock starts anew
    EXPECT_EQ(by, 100s + 120ms - 5s);                 // behind everything placed so far
    EXPECT_EQ(t.offset_for(sound, 100s + 120ms, 20ms), 0s) << "the sound has not met the break yet";
    EXPECT_EQ(t.offset_for(picture, 5s + 40ms, 40ms), by);
    EXPECT_EQ(t.offset_for(sound, 5s + 30ms, 20ms), by);
    EXPECT_EQ(t.mended(), 1u);
}

TEST(Timeline, OneWildTimestampDoesNotMoveTheTrackForGood) {
    Timeline t;
    t.begin_stretch(0s);
    (void)t.offset_for(picture, 10s, 40ms);
    (void)t.offset_for(picture, 20h, 40ms);
    EXPECT_EQ(t.offset_for(picture, 10s + 80ms, 40ms), 0s);
}

TEST(Timeline, SmallStepsBackAreLeftToTheMuxer) {
    Timeline t;
    t.begin_stretch(0s);
    (void)t.offset_for(picture, 10s, 40ms);
    EXPECT_EQ(t.offset_for(picture, 10s - 100ms, 40ms), 0s);
    EXPECT_EQ(t.mended(), 0u);
}

}  // namespace
}  // namespace weir::media
