#include <gtest/gtest.h>

#include <sstream>

#include "media/libav.h"
#include "media/test_media.h"
#include "media/tool_work.h"

namespace weir::media {
namespace {

using namespace test;

/// Frame numbers from the bars, decoded by ffmpeg: three sample columns per cell, the middle one is read.
std::vector<unsigned> shown_numbers(const std::string& path, int width, int height) {
    const int strip = std::max(16, height / 10 / 2 * 2);
    const auto raw = shell(
        fmt::format("ffmpeg -v error -nostdin -i {} -map 0:v -fps_mode passthrough -vf crop={}:{}:0:{},format=gray "
                    "-f rawvideo -",
                    path, width, 2, height - strip / 2));
    std::vector<unsigned> all;
    const auto picture = static_cast<std::size_t>(width) * 2;
    for (std::size_t at = 0; at + picture <= raw.size(); at += picture) {
        unsigned n = 0;
        for (int i = 0; i < 24; ++i)
            n = n << 1 |
                (static_cast<unsigned char>(raw[at + static_cast<std::size_t>((2 * i + 1) * width / 48)]) > 128 ? 1u
                                                                                                                : 0u);
        all.push_back(n);
    }
    return all;
}

class Pattern : public testing::Test {
protected:
    void SetUp() override {
        capture_av_log();
        plan_ = {.output = folder_ / "pattern.ts", .width = 320, .height = 180, .fps = 25, .seconds = 3, .gop = 25};
        const auto made = make_pattern_here(plan_);
        ASSERT_TRUE(made) << made.error().text();
    }
    TempFolder folder_;
    PatternPlan plan_;
};

TEST_F(Pattern, EveryFrameShowsItsNumber) {
    const auto numbers = shown_numbers(plan_.output, 320, 180);
    ASSERT_EQ(numbers.size(), 75u);
    for (unsigned i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], i);
}

TEST_F(Pattern, BeepsBeginWithEachSecondOfPicture) {
    const auto silences =
        shell("ffmpeg -nostdin -copyts -i " + plan_.output + " -map 0:a -af silencedetect=noise=-30dB:d=0.3 -f null -");
    std::vector<double> beeps;
    for (std::size_t at = 0; (at = silences.find("silence_end: ", at)) != std::string::npos; ++at)
        beeps.push_back(std::stod(silences.substr(at + 13)));
    ASSERT_GE(beeps.size(), 2u);
    EXPECT_NEAR(beeps[0], 2.0, 0.03);  // the first beep begins the stream, at 1 s
    EXPECT_NEAR(beeps[1], 3.0, 0.03);
}

TEST_F(Pattern, GroupsAreClosedAndEven) {
    std::istringstream flags(probe("-select_streams v -show_entries packet=flags -of csv=p=0 " + plan_.output));
    int frames = 0;
    for (std::string line; std::getline(flags, line);) {
        if (line.empty()) continue;
        EXPECT_EQ(line[0] == 'K', frames % 25 == 0) << frames;
        ++frames;
    }
    EXPECT_EQ(frames, 75);
    const auto about = probe(
        "-select_streams v -show_entries stream=has_b_frames,pix_fmt,color_space -of default=nw=1 " + plan_.output);
    for (const auto* expected : {"has_b_frames=0", "pix_fmt=yuv420p", "color_space=bt709"})
        EXPECT_NE(about.find(expected), std::string::npos) << about;
}

TEST_F(Pattern, MayBeCutBeforeEachKeyframe) {
    const auto bytes = bytes_of(plan_.output);
    std::size_t cuts = 0, at = 0;
    for (std::size_t p = 188 * 4; p + 188 <= bytes.size(); p += 188) {
        const bool pat = bytes[p] == 0x47 && (bytes[p + 1] & 0x1f) == 0 && bytes[p + 2] == 0;
        const bool key_follows =
            pat && static_cast<unsigned char>(bytes[p + 188 * 2 + 3] & 0x20) && (bytes[p + 188 * 2 + 5] & 0x40);
        if (!key_follows) continue;
        write_bytes(folder_ / "part.ts", std::string_view(bytes).substr(at, p - at));
        const auto part = summarise_here(folder_ / "part.ts");
        ASSERT_TRUE(part) << part.error().text();
        ASSERT_EQ(part->tracks.size(), 2u);
        EXPECT_EQ(part->tracks[0].packets, 25u);
        at = p;
        ++cuts;
    }
    EXPECT_EQ(cuts, 2u);
}

TEST_F(Pattern, RefusesWhatCannotBeMade) {
    for (const auto& [width, height, fps, seconds] :
         {std::array{0, 0, 30, 1}, std::array{641, 360, 30, 1}, std::array{640, 360, 0, 1}, std::array{640, 360, 30, 0},
          std::array{99999, 360, 30, 1}}) {
        const PatternPlan bad{
            .output = folder_ / "bad.ts", .width = width, .height = height, .fps = fps, .seconds = seconds};
        const auto made = make_pattern_here(bad);
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().code, Errc::bad_input);
        EXPECT_FALSE(fs::exists(bad.output));
    }
}

}  // namespace
}  // namespace weir::media
