// What happens to time where stretches meet: order, joints, repeated units, tracks that come and go.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "media/libav.h"
#include "media/test_media.h"
#include "media/tool_work.h"

namespace weir::media {
namespace {

using namespace std::chrono_literals;
using namespace test;

class JoinTime : public testing::Test {
protected:
    void SetUp() override { capture_av_log(); }

    Summary make(std::vector<Stretch> input, OutputFormat format = OutputFormat::mp4) {
        fs::remove(out_);
        const auto raw = join_here({.input = std::move(input), .output = out_, .metadata = {}, .format = format});
        if (!raw) {
            ADD_FAILURE() << raw.error().text();
            return {};
        }
        const auto back = summarise_here(out_);
        if (!back) {
            ADD_FAILURE() << back.error().text();
            return *raw;
        }
        const auto same = same_content(*raw, *back);
        EXPECT_TRUE(same) << same.error().text();
        return *raw;
    }
    /// `from` cut at its keyframes into pieces whose timestamps go on.
    std::vector<std::string> cut(const std::string& from, const std::string& name, const std::string& seconds) {
        ffmpeg("-i " + from + " -map 0 -c copy -f segment -segment_time " + seconds + " -copyts " +
               (folder_ / (name + "%02d.ts")));
        std::vector<std::string> parts;
        for (int i = 0;; ++i) {
            auto part = folder_ / fmt::format("{}{:02}.ts", name, i);
            if (!fs::exists(part)) break;
            parts.push_back(std::move(part));
        }
        return parts;
    }
    /// Twelve seconds of pictures and sound in two renditions, cut alike.
    std::string rendition(const std::string& name, const std::string& size) {
        auto made = folder_ / (name + "-all.ts");
        ffmpeg("-f lavfi -i testsrc2=size=" + size +
               ":rate=25:duration=12 -f lavfi -i sine=sample_rate=48000:duration=12 -c:v libx264 -preset ultrafast "
               "-crf 40 "
               "-bf 2 -g 25 -threads 1 -c:a aac -b:a 24k -f mpegts " +
               made);
        return made;
    }
    static std::vector<Stretch> all_of(const std::vector<std::string>& parts, bool follow = false) {
        std::vector<Stretch> input;
        for (const auto& p : parts) {
            input.push_back(whole(p));
            input.back().follows = follow;
        }
        return input;
    }
    static std::string notes(const Summary& s) {
        return std::accumulate(s.notes.begin(), s.notes.end(), std::string{});
    }

    TempFolder folder_;
    std::string out_ = folder_ / "out";
};

TEST_F(JoinTime, TwelvePartsComeInTheirOrder) {
    const auto all = rendition("a", "160x90");
    const auto parts = cut(all, "part", "1");
    ASSERT_EQ(parts.size(), 12u);
    const auto expected = summarise_here(all);
    ASSERT_TRUE(expected);
    for (const bool follow : {false, true}) {
        const auto raw = make(all_of(parts, follow));
        ASSERT_EQ(raw.tracks.size(), 2u);
        for (std::size_t t = 0; t < 2; ++t) {
            EXPECT_EQ(raw.tracks[t].packets, expected->tracks[t].packets);
            EXPECT_EQ(raw.tracks[t].hash, expected->tracks[t].hash) << "the same units in the same order";
        }
        EXPECT_NEAR(static_cast<double>((raw.duration - expected->duration).count()), 0, follow ? 1'000'000 : 1000);
        EXPECT_EQ(notes(raw), "");
        if (follow) continue;
        const auto back = summarise_here(out_);
        ASSERT_TRUE(back);
        const auto same = same_content(*expected, *back);
        EXPECT_TRUE(same) << same.error().text();
    }
}

TEST_F(JoinTime, FollowingPartsKeepTheirOwnOffsetOfSoundAndPicture_FC2_83) {
    const auto late = folder_ / "late.ts";
    ffmpeg("-i " + data("clip.ts") + " -itsoffset 0.38 -i " + data("clip.ts") + " -map 0:v -map 1:a -c copy " + late);
    auto second = whole(data("clip.ts")), third = whole(late);
    second.follows = third.follows = true;
    const auto raw = make({whole(late), second, third});
    const auto video = times_of(out_, "v:0"), audio = times_of(out_, "a:0");
    const auto pictures = times_of(late, "v:0").size(), sounds = times_of(late, "a:0").size();
    ASSERT_EQ(video.size(), 3 * pictures);
    ASSERT_EQ(audio.size(), 3 * sounds);
    const double offsets[] = {frames_offset(late), frames_offset(data("clip.ts")), frames_offset(late)};
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(video[i * pictures] - audio[i * sounds], offsets[i], 0.0015) << i;
    EXPECT_NEAR(video[pictures] - audio[sounds - 1], 1024 / 48'000.0 + offsets[1], 0.003)
        << "right where the first ends";
    EXPECT_EQ(notes(raw), "");
}

TEST_F(JoinTime, ATrackThatVanishesComesBackInItsPlace_FC2_83) {
    const auto silent = folder_ / "silent.ts";
    ffmpeg("-i " + data("clip.ts") + " -an -c copy " + silent);
    auto second = whole(silent), third = whole(data("clip.ts"));
    second.follows = third.follows = true;
    const auto raw = make({whole(data("clip.ts")), second, third});
    ASSERT_EQ(raw.tracks.size(), 2u);
    const auto video = times_of(out_, "v:0"), audio = times_of(out_, "a:0");
    const auto pictures = times_of(silent, "v:0").size(), sounds = times_of(data("clip.ts"), "a:0").size();
    ASSERT_EQ(audio.size(), 2 * sounds);
    EXPECT_NEAR(video[2 * pictures] - audio[sounds], frames_offset(data("clip.ts")), 0.0015);
}

TEST_F(JoinTime, ATrackThatOnlyTheSecondInputHasIsThereInEveryFormat_FC2_81_83) {
    const auto silent = folder_ / "silent.ts";
    ffmpeg("-i " + data("clip.ts") + " -an -c copy " + silent);
    auto second = whole(data("clip.ts"));
    second.follows = true;
    for (const auto format : {OutputFormat::mp4, OutputFormat::matroska, OutputFormat::ts, OutputFormat::flv}) {
        const auto raw = make({whole(silent), second}, format);
        ASSERT_EQ(raw.tracks.size(), 2u);
        const auto pictures = times_of(silent, "v:0").size();
        EXPECT_NEAR(times_of(out_, "v:0")[pictures] - times_of(out_, "a:0").front(), frames_offset(data("clip.ts")),
                    0.0015)
            << ending_of(format);
    }
}

TEST_F(JoinTime, AResumedRecordingDoesNotShowTheSameTwice_FC2_83) {
    const auto all = rendition("a", "160x90");
    const auto parts = cut(all, "part", "1");
    auto input = all_of({parts.begin(), parts.begin() + 6});
    for (std::size_t i = 4; i < parts.size(); ++i) input.push_back(whole(parts[i]));
    const auto raw = make(input);
    const auto expected = summarise_here(all);
    ASSERT_TRUE(expected);
    const auto same = same_content(*expected, raw);
    EXPECT_TRUE(same) << same.error().text();
    EXPECT_NE(notes(raw).find("twice"), std::string::npos) << notes(raw);
}

TEST_F(JoinTime, AResumedRecordingGoesOnWithinAGroupOfPictures) {
    const auto all = rendition("a", "160x90");
    const auto parts = cut(all, "part", "1");
    const auto half = bytes_of(parts[3]);
    const auto torn = folder_ / "torn.ts";
    write_bytes(torn, std::string_view(half).substr(0, half.size() / 2 / 188 * 188));
    auto input = all_of({parts.begin(), parts.begin() + 3});
    input.push_back(whole(torn));
    for (std::size_t i = 3; i < parts.size(); ++i) input.push_back(whole(parts[i]));
    const auto raw = make(input);
    const auto expected = summarise_here(all);
    ASSERT_TRUE(expected);
    ASSERT_EQ(raw.tracks.size(), 2u);
    // The torn part may end with a unit that is cut short: that one is there in place of the whole one.
    EXPECT_NEAR(static_cast<double>(raw.tracks[0].packets), static_cast<double>(expected->tracks[0].packets), 26);
    EXPECT_NEAR(static_cast<double>(raw.tracks[1].packets), static_cast<double>(expected->tracks[1].packets), 2);
    EXPECT_LE(raw.tracks[0].packets, expected->tracks[0].packets);
    const auto times = times_of(out_, "v:0");
    for (std::size_t i = 1; i < times.size(); ++i) ASSERT_GT(times[i] - times[i - 1], 0.03) << "no picture twice";
    EXPECT_NE(notes(raw).find("twice"), std::string::npos) << notes(raw);
}

TEST_F(JoinTime, ASwitchOfQualityRepeatsNoUnit) {
    const auto large = cut(rendition("a", "160x90"), "large", "1"), small = cut(rendition("b", "128x72"), "small", "1");
    ASSERT_EQ(large.size(), 12u);
    ASSERT_EQ(small.size(), 12u);
    auto input = all_of({large.begin(), large.begin() + 6});
    for (std::size_t i = 5; i < small.size(); ++i) input.push_back(whole(small[i]));
    const auto raw = make(input);
    ASSERT_EQ(raw.tracks.size(), 2u);
    EXPECT_EQ(raw.tracks[0].packets, 300u);
    const auto times = times_of(out_, "v:0");
    ASSERT_EQ(times.size(), 300u);
    for (std::size_t i = 1; i < times.size(); ++i) ASSERT_NEAR(times[i] - times[i - 1], 0.04, 0.001) << i;
    const auto audio = times_of(out_, "a:0");
    for (std::size_t i = 1; i < audio.size(); ++i) ASSERT_GT(audio[i] - audio[i - 1], 0.015) << i;
    EXPECT_NE(notes(raw).find("twice"), std::string::npos) << notes(raw);
}

TEST_F(JoinTime, TheSameAgainIsKeptWhenItFollows) {
    auto again = whole(data("clip.ts"));
    again.follows = true;
    const auto raw = make({whole(data("clip.ts")), again});
    EXPECT_EQ(raw.tracks[0].packets, 2 * times_of(data("clip.ts"), "v:0").size());
    EXPECT_EQ(notes(raw), "");
}

TEST_F(JoinTime, TimestampsThatWrapInTheSecondOfTwoLanes) {
    const auto picture = folder_ / "picture.ts", sound = folder_ / "sound.ts";
    for (const auto& [kind, path] : {std::pair{"-an", picture}, std::pair{"-vn", sound}})
        ffmpeg("-copyts -i " + data("clip.ts") + " " + kind +
               " -c copy -muxdelay 0 -muxpreload 0 -output_ts_offset 95441.0 " + path);  // 2^33 / 90000 is 95443.7
    auto second = whole(sound);
    second.lane = 1;
    const auto raw = make({whole(picture), second});
    ASSERT_EQ(raw.tracks.size(), 2u);
    EXPECT_LT(raw.duration, 3500ms);
    EXPECT_NEAR(frames_offset(out_), frames_offset(data("clip.ts")), 0.0015);
    EXPECT_EQ(notes(raw), "");
}

TEST_F(JoinTime, WhatFollowsBeginsWhenAllLanesHaveEnded) {
    const auto silent = folder_ / "silent.ts";
    ffmpeg("-i " + data("small.ts") + " -an -t 1 -c copy " + silent);
    auto sound = whole(data("clip.aac")), second = whole(data("clip.ts"));
    sound.lane = 1;
    sound.shift = 1400ms;
    second.follows = true;
    const auto raw = make({whole(silent), sound, second});
    ASSERT_EQ(raw.tracks.size(), 3u);
    const auto video = times_of(out_, "v:0");
    const auto sounds = times_of(data("clip.aac"), "a:0");
    const auto before = times_of(silent, "v:0").size();
    const auto lane_1 = shell("ffprobe -v error -show_entries stream=index,codec_type,nb_frames -of csv=p=0 " + out_);
    EXPECT_NEAR(video[before] - times_of(out_, "a:0")[sounds.size() - 1],
                1024 / 48'000.0 + frames_offset(data("clip.ts")), 0.005)
        << lane_1;
    EXPECT_EQ(notes(raw), "");
}

/// Seconds at which the pattern's flash and beep begin, as ffmpeg's decoders and filters find them.
std::vector<double> begins(const std::string& command, const std::string& word) {
    std::istringstream lines(shell(command));
    std::vector<double> all;
    for (std::string line; std::getline(lines, line);)
        if (const auto at = line.find(word); at != std::string::npos)
            all.push_back(std::stod(line.substr(at + word.size())));
    return all;
}

TEST_F(JoinTime, FlashAndBeepStayTogetherOverJoints_FC2_83) {
    const auto made = folder_ / "pattern.ts", mp4 = folder_ / "pattern.mp4";
    ASSERT_TRUE(make_pattern_here({.output = made, .width = 320, .height = 180, .fps = 25, .seconds = 4, .gop = 25}));
    ASSERT_TRUE(join_here({.input = {whole(made)}, .output = mp4, .metadata = {}}));
    auto second = whole(mp4), third = whole(made);
    second.follows = third.follows = true;
    (void)make({whole(made), second, third});
    // The flash is a square in the corner: white or black.
    const auto flashes =
        begins("ffmpeg -v info -nostdin -i " + out_ +
                   " -an -vf crop=20:20:iw-30:12,negate,blackdetect=d=0.01:pix_th=0.5 -f null - 2>&1 | tr ' ' '\\n'",
               "black_start:");
    const auto silences = begins(
        "ffmpeg -v info -nostdin -i " + out_ + " -vn -af silencedetect=n=-30dB:d=0.3 -f null - 2>&1 | tr '|' '\\n'",
        "silence_end: ");
    ASSERT_EQ(flashes.size(), 12u);
    ASSERT_GE(silences.size(), 11u);
    // The first beep begins with the file, before any silence; the last silence may end with it.
    for (std::size_t i = 1; i < 12; ++i)
        EXPECT_NEAR(flashes[i], silences[i - 1], 0.04) << "within one frame, beep " << i;
}

}  // namespace
}  // namespace weir::media
