// From every container into every other, by summaries and as ffprobe sees it.
#include <gtest/gtest.h>

#include <cmath>

#include "media/libav.h"
#include "media/test_media.h"
#include "media/tool_work.h"

namespace weir::media {
namespace {

using namespace std::chrono_literals;
using namespace test;

std::string name_for(OutputFormat f) {
    return f == OutputFormat::fmp4 ? "fragments.mp4" : "out" + std::string(ending_of(f));
}
Stretch following(const std::string& path) {
    auto s = whole(path);
    s.follows = true;
    return s;
}
std::string all_notes(const Summary& s) {
    std::string all;
    for (const auto& n : s.notes) all += n + "\n";
    return all;
}
std::uint64_t packets(const Summary& s, TrackKind kind) {
    for (const auto& t : s.tracks)
        if (t.kind == kind) return t.packets;
    return 0;
}

class Join : public testing::Test {
protected:
    void SetUp() override { capture_av_log(); }

    /// Makes the file and expects that it reads back as what went in.
    Summary make(JoinPlan plan) {
        if (plan.output.empty()) plan.output = folder_ / name_for(plan.format);
        fs::remove(plan.output);
        made_ = plan.output;
        const auto raw = join_here(plan);
        if (!raw) {
            ADD_FAILURE() << raw.error().text();
            return {};
        }
        for (const bool content : {true, false}) {
            plan.content = content;
            auto again = *raw;
            if (!content)
                for (auto& t : again.tracks) t.hash = 0;
            const auto back = content ? summarise_here(plan.output) : summarise_index_here(plan.output);
            if (!back) {
                ADD_FAILURE() << back.error().text();
                continue;
            }
            const auto same = same_content(again, *back);
            EXPECT_TRUE(same) << same.error().text() << (content ? "" : " by the index") << "\n" << all_notes(*raw);
        }
        return *raw;
    }
    [[nodiscard]] std::string decode_complaints() const {
        return shell("ffmpeg -v error -nostdin -i " + made_ + " -f null -");
    }

    TempFolder folder_;
    std::string made_;
};

constexpr std::array formats{OutputFormat::mp4, OutputFormat::m4a, OutputFormat::matroska,
                             OutputFormat::ts,  OutputFormat::flv, OutputFormat::fmp4};

// ---------------------------------------------------------------- containers

class JoinContainers : public Join, public testing::WithParamInterface<const char*> {};

TEST_P(JoinContainers, BecomesEachOther_FC2_80) {
    const auto in = data(GetParam());
    const auto before = bytes_of(in);
    const auto source = summarise_here(in);
    ASSERT_TRUE(source) << source.error().text();
    for (const auto format : formats) {
        SCOPED_TRACE(name_for(format));
        const auto raw = make({.input = {whole(in)}, .output = {}, .metadata = {}, .format = format});
        EXPECT_EQ(raw.notes, std::vector<std::string>{});
        EXPECT_EQ(packets(raw, TrackKind::audio), packets(*source, TrackKind::audio));
        const auto pictures = format == OutputFormat::m4a ? 0 : packets(*source, TrackKind::video);
        EXPECT_EQ(packets(raw, TrackKind::video), pictures);
        for (const auto& t : raw.tracks)
            for (const auto& u : source->tracks) {
                if (t.kind != u.kind) continue;
                EXPECT_EQ(t.hash, u.hash) << t.codec << ": content is independent of the container";
            }
    }
    EXPECT_EQ(bytes_of(in), before);
}
INSTANTIATE_TEST_SUITE_P(Cases, JoinContainers,
                         testing::Values("clip.ts", "clip.mp4", "clip-fragments.mp4", "clip.mkv", "clip.flv",
                                         "clip.aac", "sound.mp3", "h264_aac.flv"),
                         [](const auto& c) {
                             std::string name = c.param;
                             std::replace_if(
                                 name.begin(), name.end(), [](char ch) { return !std::isalnum(ch); }, '_');
                             return name;
                         });

TEST_F(Join, EachFormatKeepsTheOffsetOfSoundAndPicture_FC2_83) {
    const auto late = folder_ / "late.ts";
    ffmpeg("-i " + data("clip.ts") + " -itsoffset 0.38 -i " + data("clip.ts") + " -map 0:v -map 1:a -c copy " + late);
    const auto expected = frames_offset(late);
    for (const auto format : formats) {
        if (format == OutputFormat::m4a) continue;
        const auto raw = make({.input = {whole(late)}, .output = {}, .metadata = {}, .format = format});
        EXPECT_NEAR(frames_offset(made_), expected, 0.0015) << made_;
        EXPECT_EQ(times_of(made_, "v:0").size(), packets(raw, TrackKind::video)) << made_;
        EXPECT_EQ(times_of(made_, "a:0").size(), packets(raw, TrackKind::audio)) << made_;
        EXPECT_EQ(decode_complaints(), "") << made_;
    }
    EXPECT_LT(expected, -0.3);
}

TEST_F(Join, MixedContainersAreOneTrackEach_FC2_81_85) {
    const std::vector<std::string> parts{"clip.mp4", "clip.ts",  "clip-fragments.mp4",
                                         "clip.mkv", "clip.flv", "small.ts"};
    std::vector<Stretch> input;
    std::uint64_t pictures = 0, sounds = 0;
    for (const auto& part : parts) {
        input.push_back(following(data(part)));
        const auto one = summarise_here(data(part));
        ASSERT_TRUE(one);
        pictures += packets(*one, TrackKind::video);
        sounds += packets(*one, TrackKind::audio);
    }
    for (const auto format : formats) {
        SCOPED_TRACE(name_for(format));
        const auto raw = make({.input = input, .output = {}, .metadata = {}, .format = format});
        EXPECT_EQ(raw.tracks.size(), format == OutputFormat::m4a ? 1u : 2u);
        EXPECT_EQ(packets(raw, TrackKind::audio), sounds);
        if (format == OutputFormat::m4a) continue;
        EXPECT_EQ(packets(raw, TrackKind::video), pictures);
        EXPECT_EQ(decode_complaints(), "");
        const auto times = times_of(made_, "v:0");
        for (std::size_t i = 1; i < times.size(); ++i) ASSERT_LT(times[i] - times[i - 1], 0.2) << i;
    }
}

TEST_F(Join, AudioOnlyTakesTheSoundAlone_FC2_81) {
    for (const auto format : formats) {
        const auto raw = make(
            {.input = {whole(data("clip.ts"))}, .output = {}, .metadata = {}, .format = format, .audio_only = true});
        ASSERT_EQ(raw.tracks.size(), 1u);
        EXPECT_EQ(raw.tracks[0].codec, "aac");
        EXPECT_EQ(raw.notes, std::vector<std::string>{}) << "left out because it was asked for";
        EXPECT_EQ(times_of(made_, "a:0").size(), raw.tracks[0].packets);
    }
}

TEST_F(Join, WithoutAnyTrackIsAClearError) {
    const auto silent = folder_ / "silent.ts";
    ffmpeg("-i " + data("clip.ts") + " -an -c copy " + silent);
    for (const auto format : {OutputFormat::m4a, OutputFormat::ts}) {
        const auto made = join_here(
            {.input = {whole(silent)}, .output = folder_ / "x", .metadata = {}, .format = format, .audio_only = true});
        ASSERT_FALSE(made);
        EXPECT_NE(made.error().text().find("no sound in it"), std::string::npos) << made.error().text();
        EXPECT_FALSE(fs::exists(folder_ / "x"));
    }
}

TEST_F(Join, WhatAContainerCannotHoldIsLeftOutAndSaid_FC2_80) {
    const auto in = folder_ / "in.ts";
    ffmpeg("-i " + data("clip.ts") + " -map 0:v -map 0:a -map 0:a -c:v copy -c:a:0 copy -c:a:1 ac3 " + in);
    const auto raw = make({.input = {whole(in)}, .output = {}, .metadata = {}, .format = OutputFormat::flv});
    EXPECT_EQ(raw.tracks.size(), 2u);
    EXPECT_NE(all_notes(raw).find("FLV cannot hold audio ac3"), std::string::npos) << all_notes(raw);
    const auto all = make({.input = {whole(in)}, .output = {}, .metadata = {}, .format = OutputFormat::matroska});
    EXPECT_EQ(all.tracks.size(), 3u);
}

TEST_F(Join, TheReferencesOwnFilesRemuxAndJoin_FC2_81_98_99_T18) {
    const auto ts = data("fc2-87.ts"), mp4 = data("fc2-87.mp4");
    const auto one = make({.input = {whole(mp4)}, .output = {}, .metadata = {}});
    const auto other = summarise_here(ts);
    ASSERT_TRUE(other) << other.error().text();
    const auto p = probe_here(made_);
    ASSERT_TRUE(p) << p.error().text();
    EXPECT_TRUE(p->has_media());
    const auto both = make({.input = {whole(ts), following(mp4)}, .output = {}, .metadata = {}});
    ASSERT_EQ(both.tracks.size(), 3u) << "sound, and pictures of two codecs";
    EXPECT_EQ(packets(both, TrackKind::audio), packets(one, TrackKind::audio) + packets(*other, TrackKind::audio));
    for (const auto& t : both.tracks) {
        const auto& from = t.codec == "h264" ? one : *other;
        if (t.kind == TrackKind::video) {
            EXPECT_EQ(t.packets, packets(from, t.kind)) << t.codec;
        }
    }
}

TEST_F(Join, NoInputsAreAnError_FC2_86) {
    const auto made = join_here({.input = {}, .output = folder_ / "x.mp4", .metadata = {}});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::bad_input);
    EXPECT_FALSE(fs::exists(folder_ / "x.mp4"));
}

// ---------------------------------------------------------------- headers before windows

struct Boxes {
    std::string header;
    std::vector<std::string> fragments;
};
Boxes boxes_of(const std::string& path) {
    const auto all = bytes_of(path);
    Boxes boxes;
    std::string fragment;
    for (std::size_t at = 0; at + 8 <= all.size();) {
        const auto* b = reinterpret_cast<const unsigned char*>(all.data()) + at;
        const std::size_t size = std::size_t{b[0]} << 24 | std::size_t{b[1]} << 16 | std::size_t{b[2]} << 8 | b[3];
        const auto type = all.substr(at + 4, 4);
        (type == "ftyp" || type == "moov" ? boxes.header : fragment) += all.substr(at, size);
        if (type == "mdat") boxes.fragments.push_back(std::exchange(fragment, {}));
        at += size;
    }
    return boxes;
}

TEST_F(Join, AWindowOfFragmentsIsReadWithItsHeader) {
    const auto boxes = boxes_of(data("clip-fragments.mp4"));
    ASSERT_GE(boxes.fragments.size(), 3u);
    const auto raw_file = folder_ / "raw";
    std::string all = boxes.header;
    for (const auto& f : boxes.fragments) all += f;
    write_bytes(raw_file, all);
    const auto head = boxes.header.size(), first = boxes.fragments[0].size();
    Stretch a{.path = raw_file, .offset = head, .size = first, .header_offset = 0, .header_size = head};
    Stretch b = a;
    b.offset = head + first;
    b.size = all.size() - b.offset;
    const auto joined = make({.input = {a, b}, .output = {}, .metadata = {}});
    const auto expected = summarise_here(data("clip-fragments.mp4"));
    ASSERT_TRUE(expected);
    const auto same = same_content(*expected, joined);
    EXPECT_TRUE(same) << same.error().text();
    EXPECT_EQ(joined.notes, std::vector<std::string>{});
    const auto later = make({.input = {b}, .output = {}, .metadata = {}});
    EXPECT_LT(packets(later, TrackKind::video), packets(joined, TrackKind::video));
    EXPECT_GT(packets(later, TrackKind::video), 0u);
}

TEST_F(Join, TornFragmentsAreCutOffAtEveryPlace) {
    const auto boxes = boxes_of(data("clip-fragments.mp4"));
    const auto all = bytes_of(data("clip-fragments.mp4"));
    const auto torn = folder_ / "torn.mp4";
    constexpr std::size_t cuts = 50;
    std::size_t good = 0, refused = 0;
    for (std::size_t i = 0; i < cuts; ++i) {
        const auto size = boxes.header.size() + 1 + i * (all.size() - boxes.header.size() - 1) / cuts;
        std::size_t end = boxes.header.size(), fragments = 0;
        while (fragments < boxes.fragments.size() && end + boxes.fragments[fragments].size() <= size)
            end += boxes.fragments[fragments++].size();
        write_bytes(torn, std::string_view(all).substr(0, size));
        const JoinPlan plan{.input = {whole(torn)}, .output = folder_ / "torn-out.mp4", .metadata = {}};
        if (fragments == 0) {
            EXPECT_FALSE(join_here(plan)) << size;
            ++refused;
            continue;
        }
        const auto whole_part = folder_ / "whole.mp4";
        write_bytes(whole_part, std::string_view(all).substr(0, end));
        const auto expected = summarise_here(whole_part);
        ASSERT_TRUE(expected);
        const auto raw = make(plan);
        const auto same = same_content(*expected, raw);
        EXPECT_TRUE(same) << size << ": " << same.error().text();
        EXPECT_EQ(raw.notes.empty(), end == size) << size;
        ++good;
    }
    EXPECT_GT(good, 25u);
    EXPECT_LT(refused, 25u);
}

// ---------------------------------------------------------------- packed audio

std::string id3_time(std::uint64_t time) {
    std::string frame = "com.apple.streaming.transportStreamTimestamp";
    frame += '\0';
    for (int i = 7; i >= 0; --i) frame += static_cast<char>(time >> (8 * i));
    std::string tag("ID3\4\0\0\0\0\0", 9);
    tag += static_cast<char>(10 + frame.size());
    tag += "PRIV";
    tag += std::string("\0\0\0", 3) + static_cast<char>(frame.size()) + std::string("\0\0", 2) + frame;
    return tag;
}
/// The frames of the ADTS sample.
std::vector<std::string> adts_frames() {
    const auto all = bytes_of(data("clip.aac"));
    std::vector<std::string> frames;
    for (std::size_t at = 0; at + 7 <= all.size();) {
        const auto* b = reinterpret_cast<const unsigned char*>(all.data()) + at;
        const std::size_t size = std::size_t{b[3] & 3u} << 11 | std::size_t{b[4]} << 3 | b[5] >> 5;
        frames.push_back(all.substr(at, size));
        at += size;
    }
    return frames;
}
std::string joined(const std::vector<std::string>& frames, std::size_t from, std::size_t to) {
    std::string all;
    for (; from < to; ++from) all += frames[from];
    return all;
}
constexpr std::uint64_t ticks(double seconds) {
    return static_cast<std::uint64_t>(seconds * 90'000);
}

TEST_F(Join, TagsWithinPackedAudioAreSkippedAndTimeContinues) {
    const auto frames = adts_frames();
    const auto raw_file = folder_ / "raw.aac";
    const double second = 50 * 1024 / 48'000.0;
    write_bytes(raw_file, id3_time(ticks(10)) + joined(frames, 0, 50) + id3_time(ticks(10 + second)) +
                              joined(frames, 50, 100) + id3_time(ticks(10 + 2 * second)) +
                              joined(frames, 100, frames.size()));
    const auto raw =
        make({.input = {whole(raw_file, -10s)}, .output = {}, .metadata = {}, .format = OutputFormat::m4a});
    EXPECT_EQ(raw.notes, std::vector<std::string>{});
    const auto plain = summarise_here(data("clip.aac"));
    ASSERT_TRUE(plain);
    const auto same = same_content(*plain, raw);
    EXPECT_TRUE(same) << same.error().text();
}

TEST_F(Join, TagsTellOfSoundThatIsMissingBetweenSegments) {
    const auto frames = adts_frames();
    const auto raw_file = folder_ / "raw.aac";
    constexpr auto round = std::uint64_t{1} << 33;
    write_bytes(raw_file,
                id3_time(round - ticks(1)) + joined(frames, 0, 50) + id3_time(ticks(2)) + joined(frames, 50, 100));
    const auto raw = make({.input = {whole(raw_file)}, .output = {}, .metadata = {}, .format = OutputFormat::matroska});
    const auto times = times_of(made_, "a:0");
    ASSERT_EQ(times.size(), 100u);
    EXPECT_NEAR(times[50] - times[0], 3.0, 0.002) << "over the end of 33 bits";
    EXPECT_EQ(raw.notes, std::vector<std::string>{});
}

// ---------------------------------------------------------------- lanes

TEST_F(Join, LanesRunSideBySideAndHaveTheirOwnTracks) {
    const auto picture = folder_ / "picture.ts", sound = folder_ / "sound.aac";
    ffmpeg("-i " + data("clip.ts") + " -an -c copy -copyts -muxdelay 0 " + picture);
    const auto start = times_of(data("clip.ts"), "a:0").front();
    write_bytes(sound, id3_time(ticks(start)) + bytes_of(data("clip.aac")));
    auto a = whole(sound), b = whole(data("clip.aac"), Micros(static_cast<std::int64_t>(start * 1e6)));
    a.lane = 1;
    b.lane = 2;
    const auto moved = times_of(picture, "v:0").front() - times_of(data("clip.ts"), "v:0").front();
    const Micros shift(static_cast<std::int64_t>(-moved * 1e6));
    for (const auto format : {OutputFormat::mp4, OutputFormat::matroska, OutputFormat::ts, OutputFormat::fmp4}) {
        SCOPED_TRACE(name_for(format));
        const auto raw = make({.input = {whole(picture, shift), a, b},
                               .output = {},
                               .metadata = {},
                               .format = format,
                               .languages = {{1, "jpn"}, {2, "eng"}}});
        ASSERT_EQ(raw.tracks.size(), 3u);
        EXPECT_EQ(raw.tracks[1].packets, raw.tracks[2].packets);
        EXPECT_NEAR(frames_offset(made_), frames_offset(data("clip.ts")), 0.0015);
        EXPECT_EQ(shell("ffprobe -v error -select_streams a -show_entries stream_tags=language -of csv=p=0 " + made_),
                  "jpn\neng\n");
        EXPECT_EQ(decode_complaints(), "");
        EXPECT_LT(raw.duration, 3500ms);
    }
    const auto flv =
        make({.input = {whole(picture, shift), a, b}, .output = {}, .metadata = {}, .format = OutputFormat::flv});
    EXPECT_EQ(flv.tracks.size(), 2u);
    EXPECT_NE(all_notes(flv).find("FLV holds one track of audio only"), std::string::npos);
}

}  // namespace
}  // namespace weir::media
