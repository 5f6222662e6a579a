#include "media/tool_json.h"

#include <gtest/gtest.h>

#include <tuple>

namespace weir::media {
namespace {

using namespace std::chrono_literals;

TEST(ToolJson, PlansSurviveTheWay) {
    const JoinPlan plan{{{"/a \"b\"\n\xff.ts", 188, ~0ull, -5us}, {"c.ts", 0, 1, 95443s, 7, 70, 2, true}},
                        "out 日本.mp4",
                        {{"title", "t"}},
                        {},
                        OutputFormat::flv,
                        true,
                        {{2, "jpn"}},
                        false};
    const auto back = parse_plan(plan_text(plan));
    ASSERT_TRUE(back) << back.error().text();
    const auto& same = std::get<JoinPlan>(*back);
    ASSERT_EQ(same.input.size(), 2u);
    EXPECT_EQ(same.input[0].path, plan.input[0].path);
    EXPECT_EQ(same.input[0].size, ~0ull);
    EXPECT_EQ(same.input[0].shift, -5us);
    EXPECT_EQ(same.input[1].shift, 95443s);
    EXPECT_EQ(same.input[1].header_offset, 7u);
    EXPECT_EQ(same.input[1].header_size, 70u);
    EXPECT_EQ(same.input[1].lane, 2);
    EXPECT_FALSE(same.input[0].follows);
    EXPECT_TRUE(same.input[1].follows);
    EXPECT_EQ(same.format, OutputFormat::flv);
    EXPECT_TRUE(same.audio_only);
    EXPECT_FALSE(same.content);
    EXPECT_EQ(same.languages, plan.languages);
    EXPECT_EQ(same.output, plan.output);
    EXPECT_EQ(same.metadata, plan.metadata);

    EXPECT_EQ(std::get<SummarisePlan>(*parse_plan(plan_text(SummarisePlan{"x"}))).path, "x");
    EXPECT_TRUE(std::get<SummarisePlan>(*parse_plan(plan_text(SummarisePlan{"x", true}))).index_only);
    EXPECT_EQ(std::get<ProbePlan>(*parse_plan(plan_text(ProbePlan{"y"}))).path, "y");
    EXPECT_EQ(std::get<PatternPlan>(*parse_plan(plan_text(PatternPlan{.output = "p", .gop = 7}))).gop, 7);
}

TEST(ToolJson, OutcomesSurviveTheWay) {
    Summary s;
    s.tracks = {{TrackKind::audio, "aac", 9, ~0ull, -1us, 5s}};
    s.duration = 5s;
    s.bytes = 77;
    s.notes = {"a note"};
    const auto line = parse_line(outcome_line(ToolOutcome(s)));
    ASSERT_TRUE(line && line->outcome && *line->outcome);
    const auto& back = std::get<Summary>(**line->outcome);
    ASSERT_EQ(back.tracks.size(), 1u);
    EXPECT_EQ(back.tracks[0].kind, TrackKind::audio);
    EXPECT_EQ(back.tracks[0].hash, ~0ull);
    EXPECT_EQ(back.tracks[0].first, -1us);
    EXPECT_EQ(back.bytes, 77u);
    EXPECT_EQ(back.notes, s.notes);

    const auto bad = parse_line(outcome_line(Error{Errc::no_space, "full", "write mp4"}));
    ASSERT_TRUE(bad && bad->outcome && !*bad->outcome);
    EXPECT_EQ(bad->outcome->error().code, Errc::no_space);
    EXPECT_EQ(bad->outcome->error().text(), "write mp4: full");

    const auto progress = parse_line(progress_line(0.25));
    ASSERT_TRUE(progress);
    EXPECT_FALSE(progress->outcome);
    EXPECT_DOUBLE_EQ(progress->progress, 0.25);
}

TEST(ToolJson, ProbesSurviveTheWay) {
    Probe p;
    p.format = "mpegts";
    p.duration = 3s;
    p.start = -1s;
    p.bytes = ~0ull;
    p.tracks = {{TrackKind::audio, "aac", "LC", "jpn", 1, 2, 29.97, 48'000, 6, 96'000}};
    const auto line = parse_line(outcome_line(ToolOutcome(p)));
    ASSERT_TRUE(line && line->outcome && *line->outcome);
    const auto& back = std::get<Probe>(**line->outcome);
    EXPECT_EQ(back.format, p.format);
    EXPECT_EQ(back.duration, p.duration);
    EXPECT_EQ(back.start, p.start);
    EXPECT_EQ(back.bytes, p.bytes);
    ASSERT_EQ(back.tracks.size(), 1u);
    const auto &t = back.tracks[0], &u = p.tracks[0];
    EXPECT_EQ(std::tie(t.kind, t.codec, t.profile, t.language, t.width, t.height, t.frames_per_second, t.sample_rate,
                       t.channels, t.bit_rate),
              std::tie(u.kind, u.codec, u.profile, u.language, u.width, u.height, u.frames_per_second, u.sample_rate,
                       u.channels, u.bit_rate));
}

TEST(ToolJson, NonsenseIsRefused) {
    for (const auto* text :
         {"", "{", "[]", "{}", R"({"do":"format_disk"})", R"({"do":"summarise"})", R"({"do":"summarise","path":5})",
          R"({"do":"join","input":[{}],"output":"x","metadata":{}})"}) {
        EXPECT_FALSE(parse_plan(text)) << text;
        EXPECT_FALSE(parse_line(text)) << text;
    }
}

}  // namespace
}  // namespace weir::media
