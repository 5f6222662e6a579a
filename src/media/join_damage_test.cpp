// Broken files: a good file or a clear error, the input untouched, and never the end of the program.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <random>

#include "media/libav.h"
#include "media/test_media.h"
#include "media/tool_json.h"
#include "media/tool_work.h"

namespace weir::media {
namespace {

using namespace test;

std::string broken(const std::string& good, std::mt19937& random) {
    const auto at = [&](std::size_t size) {
        return static_cast<std::size_t>(random() % std::max<std::size_t>(size, 1));
    };
    auto bytes = good;
    switch (random() % 6) {
        case 0:  // the end is missing
            bytes.resize(at(bytes.size()));
            break;
        case 1:  // the beginning is missing
            bytes.erase(0, at(bytes.size()));
            break;
        case 2:  // single bytes, most of them near the headers
            for (int i = 0; i < 40; ++i)
                bytes[at(i % 2 ? bytes.size() : 2000) % bytes.size()] = static_cast<char>(random());
            break;
        case 3:  // a hole
            bytes.erase(at(bytes.size() / 2), at(bytes.size() / 2));
            break;
        case 4: {  // a piece of noise
            const auto from = at(bytes.size()), size = at(3000);
            for (auto i = from; i < std::min(from + size, bytes.size()); ++i) bytes[i] = static_cast<char>(random());
            break;
        }
        default: {  // large numbers where sizes may stand
            for (int i = 0; i < 6; ++i) {
                const auto from = at(i % 2 ? bytes.size() : 3000);
                for (auto j = from; j < std::min(from + 4, bytes.size()); ++j) bytes[j] = '\xff';
            }
        }
    }
    return bytes;
}

class JoinDamage : public testing::Test {
protected:
    void SetUp() override { capture_av_log(); }

    /// In a child, as everywhere: what kills it shows in its status. 0: a good file, 1: an error.
    int outcome_of(const JoinPlan& plan) {
        const auto child = ::fork();
        if (child == 0) {
            const auto raw = join_here(plan);
            if (!raw) ::_exit(raw.error().what.empty() || fs::exists(plan.output) ? 2 : 1);
            const auto back = summarise_here(plan.output);
            if (!back) ::_exit(3);
            ::_exit(same_content(*raw, *back) ? 0 : 4);
        }
        int status = 0;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        if (!WIFEXITED(status)) return -WTERMSIG(status);
        return WEXITSTATUS(status);
    }
    TempFolder folder_;
};

TEST_F(JoinDamage, AHundredBrokenFiles) {
    const std::vector<std::string> samples{"clip.ts",  "clip.mp4", "clip-fragments.mp4",
                                           "clip.mkv", "clip.flv", "clip.aac"};
    constexpr std::array formats{OutputFormat::mp4, OutputFormat::matroska, OutputFormat::ts, OutputFormat::flv,
                                 OutputFormat::fmp4};
    std::mt19937 random(20'261'121);
    int good = 0, refused = 0;
    for (int i = 0; i < 100; ++i) {
        const auto& sample = samples[static_cast<std::size_t>(i) % samples.size()];
        const auto in = folder_ / "in", out = folder_ / "out";
        const auto bytes = broken(bytes_of(data(sample)), random);
        write_bytes(in, bytes);
        fs::remove(out);
        const auto format = formats[static_cast<std::size_t>(i) % formats.size()];
        const auto outcome = outcome_of({.input = {whole(in)}, .output = out, .metadata = {}, .format = format});
        EXPECT_TRUE(outcome == 0 || outcome == 1)
            << i << " " << sample << " to " << ending_of(format) << ": " << outcome;
        EXPECT_EQ(bytes_of(in), bytes) << "the input was touched";
        (outcome == 0 ? good : refused) += 1;
    }
    EXPECT_GT(good, 50);
    EXPECT_GT(refused, 3);
}

TEST_F(JoinDamage, BrokenFilesAreProbedOrRefused) {
    std::mt19937 random(5);
    for (int i = 0; i < 30; ++i) {
        const auto in = folder_ / "in";
        write_bytes(in, broken(bytes_of(data(i % 2 ? "clip.mkv" : "clip-fragments.mp4")), random));
        const auto p = probe_here(in);
        EXPECT_TRUE(p || !p.error().what.empty());
    }
}

// ---------------------------------------------------------------- FC2-87

struct ProbeCase {
    const char* file;
    bool readable, media, ts_or_aac;
};
class ProbeOfFixtures : public testing::TestWithParam<ProbeCase> {};

TEST_P(ProbeOfFixtures, SaysWhatEachIs_FC2_87_T19) {
    const auto& expected = GetParam();
    const auto p = probe_here(data(expected.file));
    ASSERT_EQ(p.has_value(), expected.readable);
    EXPECT_EQ(p->has_media(), expected.media);
    EXPECT_EQ(p->is_ts_or_aac(), expected.ts_or_aac);
}
INSTANTIATE_TEST_SUITE_P(Fixtures, ProbeOfFixtures,
                         testing::Values(ProbeCase{"fc2-87.ts", true, true, true},
                                         ProbeCase{"fc2-87.aac", true, true, true},
                                         ProbeCase{"fc2-87.mp4", true, true, false},
                                         ProbeCase{"fc2-87.m4a", true, true, false}),
                         [](const auto& c) { return std::string(c.param.file + 7); });

TEST(Probing, WhatIsNoMediaIsUnreadable_FC2_87) {
    const TempFolder folder;
    const auto path = folder / "x.ts";
    std::mt19937 random(3);
    std::string noise(100'000, 0);
    for (auto& c : noise) c = static_cast<char>(random());
    for (const auto& content : {std::string{}, noise}) {
        write_bytes(path, content);
        const auto p = probe_here(path);
        ASSERT_FALSE(p);
        EXPECT_EQ(p.error().code, Errc::bad_input);
    }
    write_bytes(path, noise);
    EXPECT_NE(probe_here(path).error().text().find("invalid data"), std::string::npos);
    EXPECT_EQ(probe_here(folder / "none").error().code, Errc::not_found);
    const auto whole_ts = bytes_of(data("fc2-87.ts"));
    write_bytes(path, std::string_view(whole_ts).substr(0, whole_ts.size() * 2 / 3));
    const auto p = probe_here(path);
    ASSERT_TRUE(p) << "a whole TS with its end cut off is readable";
    EXPECT_TRUE(p->has_media());
}

TEST(Probing, SaysWhatTheFileIs) {
    for (const auto* file : {"clip.ts", "clip.mp4", "clip.mkv", "clip.flv", "clip-fragments.mp4"}) {
        SCOPED_TRACE(file);
        const auto p = probe_here(data(file));
        ASSERT_TRUE(p) << p.error().text();
        EXPECT_EQ(p->bytes, fs::file_size(data(file)));
        EXPECT_NEAR(static_cast<double>(p->duration.count()) / 1e6, 3.0, 0.2);
        ASSERT_EQ(p->tracks.size(), 2u);
        const bool picture_first = p->tracks[0].kind == TrackKind::video;
        const auto &v = p->tracks[picture_first ? 0 : 1], &a = p->tracks[picture_first ? 1 : 0];
        EXPECT_EQ(v.codec, "h264");
        EXPECT_EQ(v.width, 160);
        EXPECT_EQ(v.height, 90);
        EXPECT_DOUBLE_EQ(v.frames_per_second, 25);
        EXPECT_EQ(a.codec, "aac");
        EXPECT_EQ(a.profile, "LC");
        EXPECT_EQ(a.sample_rate, 48'000);
        EXPECT_EQ(a.channels, 1);
    }
    EXPECT_EQ(probe_here(data("clip.ts"))->tracks[1].language, "jpn");
    const TempFolder folder;
    move_ts(data("clip.ts"), folder / "wrap.ts", "95441.7");
    EXPECT_NEAR(static_cast<double>(probe_here(folder / "wrap.ts")->duration.count()) / 1e6, 3.0, 0.2);
}

TEST(FormatFor, GoesByTheLastEnding) {
    const std::pair<const char*, OutputFormat> cases[] = {
        {"a.mp4", OutputFormat::mp4}, {"/x.y/a.M4V", OutputFormat::mp4}, {"a.ts.mov", OutputFormat::mp4},
        {"a.m4a", OutputFormat::m4a}, {"a.mkv", OutputFormat::matroska}, {"a.Mka", OutputFormat::matroska},
        {".ts", OutputFormat::ts},    {"a.b.flv", OutputFormat::flv}};
    for (const auto& [name, expected] : cases) {
        const auto format = format_for(name);
        ASSERT_TRUE(format) << name;
        EXPECT_EQ(*format, expected) << name;
    }
    for (const auto* name : {"a", "", "a.", "a.avi", "/dir.mp4/file", "a.mp4 "}) {
        const auto format = format_for(name);
        ASSERT_FALSE(format) << name;
        EXPECT_EQ(format.error().code, Errc::unsupported);
        EXPECT_NE(format.error().what.find("mkv"), std::string::npos) << "names what is known";
    }
}

}  // namespace
}  // namespace weir::media
