#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <random>
#include <sstream>

#include "media/libav.h"
#include "media/test_media.h"
#include "media/tool_work.h"

namespace weir::media {
namespace {

using namespace std::chrono_literals;
using namespace test;

/// MD5 of the decoded content, timing aside.
std::string decoded(const std::string& path, const std::string& track) {
    return shell("ffmpeg -v error -nostdin -i " + path + " -map 0:" + track + " -fps_mode passthrough -f md5 -");
}

class Remux : public testing::Test {
protected:
    void SetUp() override { capture_av_log(); }

    /// Makes the file and expects that it reads back as what went in.
    Summary make(JoinPlan plan) {
        auto raw = join_here(plan);
        if (!raw) {
            ADD_FAILURE() << raw.error().text();
            return {};
        }
        auto made = summarise_here(plan.output);
        if (!made) {
            ADD_FAILURE() << made.error().text();
            return *raw;
        }
        const auto same = same_content(*raw, *made);
        EXPECT_TRUE(same) << same.error().text();
        EXPECT_EQ(made->bytes, fs::file_size(plan.output));
        return *raw;
    }

    TempFolder folder_;
    std::string out_ = folder_ / "out.mp4";
};

TEST_F(Remux, EveryPacketArrivesAsFfmpegCountsThem_FC2_80) {
    const auto raw = make({{whole(sample_ts())}, out_, {}, {}});
    ASSERT_EQ(raw.tracks.size(), 2u);
    EXPECT_EQ(raw.tracks[0].codec, "h264");
    EXPECT_EQ(raw.tracks[1].codec, "aac");
    EXPECT_TRUE(raw.notes.empty());
    for (const auto* track : {"v:0", "a:0"})
        EXPECT_EQ(times_of(out_, track).size(), times_of(sample_ts(), track).size());
    EXPECT_EQ(raw.tracks[0].packets, 100u);
}

TEST_F(Remux, DecodesToTheSamePicturesAndSoundAsFfmpegsOwnCopy) {
    make({{whole(sample_ts())}, out_, {}, {}});
    const auto copy = folder_ / "copy.mp4";
    ffmpeg("-i " + sample_ts() + " -map 0 -c copy " + copy);
    EXPECT_EQ(decoded(out_, "v"), decoded(copy, "v"));
    EXPECT_EQ(times_of(out_, "v:0").size(), times_of(copy, "v:0").size());
    EXPECT_EQ(times_of(out_, "a:0").size(), times_of(copy, "a:0").size());
}

TEST_F(Remux, TheIndexStandsInFrontWhateverTheRoomLeftForIt_FC2_80) {
    const JoinPlan plan{{whole(sample_ts())}, out_, {}, {}};
    std::optional<Summary> before;
    for (const std::uint64_t room : {0, 100, 200'000}) {
        const auto raw = join_here(plan, {}, room);
        ASSERT_TRUE(raw) << raw.error().text();
        const auto made = summarise_here(out_);
        ASSERT_TRUE(made) << made.error().text();
        const auto same = same_content(before ? *before : *raw, *made);
        EXPECT_TRUE(same) << same.error().text();
        const auto bytes = bytes_of(out_);
        EXPECT_LT(bytes.find("moov"), bytes.find("mdat")) << room;
        EXPECT_EQ(shell("ffmpeg -v error -nostdin -i " + out_ + " -f null -"), "");
        before = *raw;
        fs::remove(out_);
    }
}

TEST_F(Remux, MetadataIsWritten) {
    make({{whole(sample_ts())}, out_, {{"title", "a \"live\" of 日本"}}, {}});
    EXPECT_EQ(probe("-show_entries format_tags=title -of csv=p=0 " + out_), "\"a \"\"live\"\" of 日本\"\n");
}

TEST_F(Remux, OffsetOfSoundAndPictureIsKept_FC2_83) {
    const auto late_sound = folder_ / "late.ts";
    ffmpeg("-i " + sample_ts() + " -itsoffset 0.38 -i " + sample_ts() + " -map 0:v -map 1:a -c copy -f mpegts " +
           late_sound);
    make({{whole(late_sound)}, out_, {}, {}});
    EXPECT_NEAR(frames_offset(out_), frames_offset(late_sound), 0.001);
    EXPECT_LT(frames_offset(late_sound), -0.2);
}

TEST_F(Remux, OneOffsetPerStretchKeepsSoundAndPictureTogether_FC2_83) {
    const auto far = folder_ / "far.ts";
    move_ts(sample_ts(), far, "40000");
    const auto first = times_of(sample_ts(), "v:0").front(), far_first = times_of(far, "v:0").front();
    const Micros shift{static_cast<std::int64_t>((first + 5.0 - far_first) * 1e6)};
    const auto raw = make({{whole(sample_ts()), whole(far, shift)}, out_, {}, {}});
    ASSERT_EQ(raw.tracks.size(), 2u);
    EXPECT_EQ(raw.tracks[0].packets, 200u);
    const auto video = times_of(out_, "v:0"), audio = times_of(out_, "a:0");
    const auto half = times_of(sample_ts(), "a:0").size();
    ASSERT_EQ(audio.size(), 2 * half);
    EXPECT_NEAR(video[100] - video[0], 5.0, 0.001);
    EXPECT_NEAR(audio[half] - audio[0], 5.0, 0.001);
}

TEST_F(Remux, TimestampsThatWrapStayContinuous) {
    const auto wrapping = folder_ / "wrap.ts";
    move_ts(sample_ts(), wrapping, "95441.7");  // 2^33 / 90000 is 95443.7
    const auto raw = make({{whole(wrapping)}, out_, {}, {}});
    ASSERT_EQ(raw.tracks.size(), 2u);
    EXPECT_TRUE(raw.notes.empty());
    EXPECT_NEAR(static_cast<double>(raw.duration.count()) / 1e6, 4.0, 0.1);
    const auto video = times_of(out_, "v:0"), source = times_of(sample_ts(), "v:0");
    ASSERT_EQ(video.size(), source.size());
    EXPECT_NEAR(video.back() - video.front(), source.back() - source.front(), 0.001);
    EXPECT_NEAR(frames_offset(out_), frames_offset(sample_ts()), 0.001);
}

TEST_F(Remux, AStretchMayBeAPartOfAFile) {
    const auto bytes = bytes_of(sample_ts());
    const auto both = folder_ / "both.raw";
    write_bytes(both, std::string(1000, 'x') + bytes + bytes);
    const auto raw =
        make({{{both, 1000, bytes.size(), 0s}, {both, 1000 + bytes.size(), bytes.size(), 4s}, {both, 0, 0, 0s}},
              out_,
              {},
              {}});
    ASSERT_EQ(raw.tracks.size(), 2u);
    EXPECT_EQ(raw.tracks[0].packets, 200u);
}

TEST_F(Remux, ATrackThatComesLaterIsThere_FC2_81) {
    const auto silent = folder_ / "silent.ts";
    ffmpeg("-i " + sample_ts() + " -map 0:v -c copy -f mpegts " + silent);
    const auto raw = make({{whole(silent), whole(sample_ts(), 4s)}, out_, {}, {}});
    ASSERT_EQ(raw.tracks.size(), 2u);
    EXPECT_EQ(raw.tracks[0].packets, 200u);
    EXPECT_GT(raw.tracks[1].first, 3900ms);
}

TEST_F(Remux, ATrackThatAppearsWithinAStretchIsThere_FC2_81) {
    // More than the demuxer looks at before it begins, then sound from nowhere.
    const auto silent = folder_ / "silent.ts", loud = folder_ / "loud.ts", joined = folder_ / "joined.ts";
    ffmpeg(
        "-f lavfi -i testsrc2=size=320x180:rate=25:duration=30 -c:v libx264 -preset ultrafast -bf 0 -threads 1 -g 25 "
        "-f mpegts " +
        silent);
    move_ts(sample_ts(), loud, "30");
    write_bytes(joined, bytes_of(silent) + bytes_of(loud));
    const auto raw = make({{whole(joined)}, out_, {}, {}});
    ASSERT_EQ(raw.tracks.size(), 2u);
    EXPECT_EQ(raw.tracks[0].packets, 850u);
    EXPECT_EQ(raw.tracks[1].packets, times_of(sample_ts(), "a:0").size());
}

TEST_F(Remux, AnUnannouncedBreakIsClosedAndSaid_FC2_82) {
    const auto far = folder_ / "far.ts", joined = folder_ / "joined.ts";
    move_ts(sample_ts(), far, "100");
    write_bytes(joined, bytes_of(far) + bytes_of(sample_ts()));
    const auto raw = make({{whole(joined)}, out_, {}, {}});
    ASSERT_EQ(raw.tracks.size(), 2u);
    EXPECT_EQ(raw.tracks[0].packets, 200u);
    EXPECT_LT(raw.duration, 9s);
    ASSERT_FALSE(raw.notes.empty());
    EXPECT_NE(raw.notes[0].find("closed"), std::string::npos);
}

struct CodecCase {
    const char* name;
    const char* arguments;
    std::vector<std::string> codecs;
};
class RemuxCodecs : public Remux, public testing::WithParamInterface<CodecCase> {};

TEST_P(RemuxCodecs, AreCarriedOver) {
    const auto ts = folder_ / "in.ts";
    ffmpeg("-f lavfi -i testsrc2=size=320x180:rate=25:duration=2 -f lavfi -i sine=sample_rate=44100:duration=2 " +
           std::string(GetParam().arguments) + " -threads 1 -f mpegts " + ts);
    const auto raw = make({{whole(ts)}, out_, {}, {}});
    std::vector<std::string> codecs;
    for (const auto& t : raw.tracks) codecs.push_back(t.codec);
    EXPECT_EQ(codecs, GetParam().codecs);
    for (std::size_t i = 0; i < codecs.size(); ++i) {
        const auto track = std::to_string(i);
        EXPECT_EQ(times_of(out_, track).size(), times_of(ts, track).size()) << codecs[i];
    }
    EXPECT_EQ(shell("ffmpeg -v error -nostdin -i " + out_ + " -f null -"), "") << "decodes without a complaint";
}
INSTANTIATE_TEST_SUITE_P(
    Cases, RemuxCodecs,
    testing::Values(CodecCase{"HevcAndMp3",
                              "-c:v libx265 -preset ultrafast -x265-params log-level=none:pools=1 -c:a libmp3lame",
                              {"hevc", "mp3"}},
                    CodecCase{"Mpeg2AndMp2", "-c:v mpeg2video -c:a mp2", {"mpeg2video", "mp2"}},
                    CodecCase{"H264AndAc3", "-c:v libx264 -preset ultrafast -c:a ac3", {"h264", "ac3"}},
                    CodecCase{"H264AndAacAt44100", "-c:v libx264 -preset ultrafast -c:a aac", {"h264", "aac"}},
                    CodecCase{"SoundAlone", "-map 1 -c:a aac", {"aac"}},
                    CodecCase{"PictureAlone", "-map 0 -c:v libx264", {"h264"}}),
    [](const auto& c) { return c.param.name; });

TEST_F(Remux, SoundKeepsEvenStepsAt44100) {
    const auto ts = folder_ / "in.ts";
    ffmpeg("-f lavfi -i sine=sample_rate=44100:duration=4 -c:a aac -f mpegts " + ts);
    make({{whole(ts)}, out_, {}, {}});
    const auto durations = probe("-select_streams a -show_entries packet=duration -of csv=p=0 " + out_);
    std::istringstream lines(durations);
    for (std::string line; std::getline(lines, line);) EXPECT_EQ(line, "1024");
}

TEST_F(Remux, TornTailsMakeGoodFiles) {
    const auto bytes = bytes_of(sample_ts());
    const auto torn = folder_ / "torn.ts";
    std::mt19937 random(7);
    std::uint64_t most = 0;
    for (int i = 0; i < 12; ++i) {
        const auto size = bytes.size() / 4 + random() % (bytes.size() * 3 / 4);
        write_bytes(torn, std::string_view(bytes).substr(0, size));
        const auto raw = make({{whole(torn)}, out_, {}, {}});
        ASSERT_EQ(raw.tracks.size(), 2u) << size;
        most = std::max(most, raw.tracks[0].packets);
        fs::remove(out_);
    }
    EXPECT_GT(most, 50u);
}

TEST_F(Remux, DamageInTheMiddleCostsOnlyItself) {
    auto bytes = bytes_of(sample_ts());
    const auto broken = folder_ / "broken.ts";
    std::mt19937 random(11);
    for (int round = 0; round < 8; ++round) {
        auto copy = bytes;
        for (int i = 0; i < 40; ++i) copy[random() % copy.size()] = static_cast<char>(random());
        const auto at = bytes.size() / 3 / 188 * 188;
        for (std::size_t i = 0; i < 188 * 4; ++i) copy[at + i] = static_cast<char>(random());
        write_bytes(broken, copy);
        const auto raw = make({{whole(broken)}, out_, {}, {}});
        ASSERT_GE(raw.tracks.size(), 2u);
        EXPECT_GT(raw.tracks[0].packets, 80u);
        fs::remove(out_);
    }
}

struct BadCase {
    const char* name;
    std::string content;
    Errc code;
};
class RemuxBadInput : public Remux, public testing::WithParamInterface<BadCase> {};

TEST_P(RemuxBadInput, IsAClearErrorAndLeavesNothing_FC2_84) {
    const auto in = folder_ / "in";
    write_bytes(in, GetParam().content);
    const auto made = join_here({{whole(in)}, out_, {}, {}});
    const auto read = summarise_here(in);
    ASSERT_FALSE(made);
    ASSERT_FALSE(read);
    EXPECT_EQ(made.error().code, GetParam().code) << made.error().text();
    EXPECT_EQ(read.error().code, GetParam().code) << read.error().text();
    EXPECT_FALSE(fs::exists(out_));
    EXPECT_EQ(bytes_of(in), GetParam().content);
}

std::string noise(std::size_t size) {
    std::mt19937 random(3);
    std::string all(size, 0);
    for (auto& c : all) c = static_cast<char>(random());
    return all;
}
std::string null_packets(int count) {
    std::string one(188, '\xff');
    one[0] = 0x47, one[1] = 0x1f, one[3] = 0x10;
    std::string all;
    while (count--) all += one;
    return all;
}
INSTANTIATE_TEST_SUITE_P(
    Cases, RemuxBadInput,
    testing::Values(BadCase{"Noise", noise(300'000), Errc::bad_input}, BadCase{"Text", "hello\n", Errc::bad_input},
                    BadCase{"OneByte", "G", Errc::bad_input},
                    BadCase{"OnlyNullPackets", null_packets(2000), Errc::bad_input},
                    BadCase{"Mp4HeadAlone",
                            std::string("\0\0\0\x18"
                                        "ftypisom\0\0\2\0isomiso2",
                                        24),
                            Errc::bad_input},
                    BadCase{"FlvHeadAlone", std::string("FLV\x01\x05\0\0\0\x09\0\0\0\0", 13), Errc::bad_input},
                    // A playlist would make libav open what it names.
                    BadCase{"Playlist", "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", Errc::bad_input}),
    [](const auto& c) { return c.param.name; });

TEST_F(Remux, AnEmptyPlanAndMissingFilesAreErrors) {
    EXPECT_EQ(join_here({{}, out_, {}, {}}).error().code, Errc::bad_input);
    EXPECT_EQ(join_here({{{folder_ / "none.ts", 0, 188, 0s}}, out_, {}, {}}).error().code, Errc::not_found);
    EXPECT_EQ(summarise_here(folder_ / "none.ts").error().code, Errc::not_found);
    EXPECT_EQ(summarise_here(folder_ / ".").error().code, Errc::unsupported);
    EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Remux, NeverOverwrites_FC2_77_80) {
    write_bytes(out_, "precious");
    EXPECT_EQ(join_here({{whole(sample_ts())}, out_, {}, {}}).error().code, Errc::busy);
    EXPECT_EQ(bytes_of(out_), "precious");
}

/// Files of this process may not grow past `bytes` while it lives.
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit now{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &now);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;

private:
    void (*handler_)(int);
    rlimit before_{};
};

TEST_F(Remux, AWriteThatFailsIsAnErrorAndLeavesNothing_FC2_84) {
    const JoinPlan plan{{whole(sample_ts())}, out_, {}, {}};
    for (const rlim_t room : {rlim_t{0}, rlim_t{10'000}, static_cast<rlim_t>(plan.input[0].size * 3 / 4)}) {
        const FileSizeLimit limit(room);
        const auto made = join_here(plan);
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().code, Errc::io);
        EXPECT_NE(made.error().text().find("File too large"), std::string::npos) << made.error().text();
        EXPECT_FALSE(fs::exists(out_));
    }
}

TEST_F(Remux, ErrorsOfTheSystemKeepTheirCode) {
    EXPECT_EQ(from_av(AVERROR(ENOSPC), "write").code, Errc::no_space);
    EXPECT_EQ(from_av(AVERROR(EACCES), "write").code, Errc::denied);
    EXPECT_EQ(from_av(AVERROR(EIO), "write").code, Errc::io);
    EXPECT_EQ(from_av(AVERROR_INVALIDDATA, "read").code, Errc::bad_input);
}

TEST_F(Remux, SummariesOfTheRawAndOfTheFinishedFileAgree) {
    make({{whole(sample_ts())}, out_, {}, {}});
    const auto raw = summarise_here(sample_ts()), made = summarise_here(out_);
    ASSERT_TRUE(raw && made);
    const auto same = same_content(*raw, *made);
    EXPECT_TRUE(same) << same.error().text();
}

// ---------------------------------------------------------------- comparing

Summary two_tracks() {
    Summary s;
    s.tracks = {{TrackKind::video, "h264", 100, 1, 0s, 4s}, {TrackKind::audio, "aac", 200, 2, 20ms, 4s}};
    return s;
}

struct CompareCase {
    const char* name;
    void (*change)(Summary&);
    const char* expected;
};
class SameContent : public testing::TestWithParam<CompareCase> {};

TEST_P(SameContent, SaysTheFirstDifference) {
    auto made = two_tracks();
    GetParam().change(made);
    const auto same = same_content(two_tracks(), made);
    EXPECT_EQ(same ? "" : same.error().what, GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SameContent,
    testing::Values(CompareCase{"Equal", [](Summary&) {}, ""},
                    CompareCase{"CommonShift",
                                [](Summary& s) {
                                    for (auto& track : s.tracks) track.first += 7s, track.last += 7s;
                                },
                                ""},
                    CompareCase{"Rounding", [](Summary& s) { s.tracks[1].last += 1ms; }, ""},
                    CompareCase{"TrackGone", [](Summary& s) { s.tracks.pop_back(); }, "2 tracks went in, 1 came out"},
                    CompareCase{"Codec", [](Summary& s) { s.tracks[1].codec = "mp3"; }, "track 1 (aac) became mp3"},
                    CompareCase{"OnePacketLess", [](Summary& s) { --s.tracks[0].packets; },
                                "track 0 (h264): 100 packets went in, 99 came out"},
                    CompareCase{"Content", [](Summary& s) { s.tracks[1].hash = 5; },
                                "track 1 (aac): the content of its 200 packets differs"},
                    CompareCase{"Drift", [](Summary& s) { s.tracks[1].last += 40ms; }, "track 1 (aac) ends 40 ms off"},
                    CompareCase{"OffsetLost", [](Summary& s) { s.tracks[1].first -= 20ms; },
                                "track 1 (aac) begins -20 ms off"}),
    [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace weir::media
