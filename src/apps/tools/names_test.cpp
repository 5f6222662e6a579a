#include "apps/tools/names.h"

#include <gtest/gtest.h>

#include <set>

#include "store/names.h"

namespace weir::apps {
namespace {

TEST(ToolNames, FC2_98_TheOutputIsTheInputWithAnotherEnding) {
    struct Case {
        const char *input, *output;
    };
    for (const auto& [input, output] :
         {Case{"dir/talk.ts", "dir/talk.mp4"}, Case{"talk.part.1.flv", "talk.part.1.mp4"},
          Case{"noending", "noending.mp4"}, Case{"Mr. Smith", "Mr. Smith.mp4"}, Case{".hidden", ".hidden.mp4"},
          Case{"/a.b/c", "/a.b/c.mp4"}, Case{"ends.", "ends..mp4"}, Case{"same.mp4", "same.mp4"}})
        EXPECT_EQ(output_beside(input, ".mp4"), Path(output)) << input;
}

TEST(ToolNames, FC2_75_AnOutputNameFitsTheFileSystem) {
    const std::string longest(251, 'a');
    const auto name = output_beside(longest + ".ts", ".mp4").string();
    EXPECT_LE(part_name(name).string().size(), store::max_name_bytes);
    EXPECT_TRUE(name.ends_with("a.mp4"));
}

TEST(ToolNames, WhatIsBeingMadeIsHiddenAndKeepsItsEnding) {
    EXPECT_EQ(part_name("dir/talk.mp4"), Path("dir/.talk.part.mp4"));
    EXPECT_EQ(part_name("talk.1.m4a"), Path(".talk.1.part.m4a"));
}

TEST(ToolNames, FormatsAreKnownByAnyUsualWord_FC2_80) {
    using media::OutputFormat;
    struct Case {
        const char* word;
        OutputFormat format;
    };
    for (const auto& [word, format] :
         {Case{"mp4", OutputFormat::mp4}, Case{"MP4", OutputFormat::mp4}, Case{".mkv", OutputFormat::matroska},
          Case{"matroska", OutputFormat::matroska}, Case{"ts", OutputFormat::ts}, Case{"mpegts", OutputFormat::ts},
          Case{"m4a", OutputFormat::m4a}, Case{"flv", OutputFormat::flv}, Case{"fmp4", OutputFormat::fmp4}}) {
        const auto found = format_named(word);
        ASSERT_TRUE(found) << word;
        EXPECT_EQ(*found, format) << word;
    }
    for (const auto* word : {"avi", "", "mp4/x", "exe"}) EXPECT_FALSE(format_named(word)) << word;
}

std::function<Result<bool>(const Path&)> those(std::set<std::string> names) {
    return [names = std::move(names)](const Path& p) -> Result<bool> { return names.contains(p.string()); };
}

TEST(ToolNames, FC2_98_TakenNamesGetTheNextNumber) {
    EXPECT_EQ(*free_number({"a.mp4"}, 0, those({})), 0u);
    EXPECT_EQ(*free_number({"a.mp4"}, 0, those({"a.mp4"})), 1u);
    EXPECT_EQ(*free_number({"a.mp4"}, 0, those({"a.mp4", "a.1.mp4", "a.3.mp4"})), 2u);
    EXPECT_EQ(*free_number({"a.mp4"}, 1, those({})), 1u);
}

TEST(ToolNames, PictureAndSoundGetTheSameNumber_FC2_98) {
    EXPECT_EQ(*free_number({"a.mp4", "a.m4a"}, 0, those({"a.m4a"})), 1u);
}

TEST(ToolNames, AFileThatIsBeingMadeHasItsNameAlready) {
    EXPECT_EQ(*free_number({"a.mp4"}, 0, those({".a.part.mp4"})), 1u);
}

TEST(ToolNames, FC2_75_ThereIsNoEndlessLookForAName) {
    const auto full = free_number({"a.mp4"}, 0, [](const Path&) -> Result<bool> { return true; });
    EXPECT_EQ(full.error().code, Errc::busy);
    const auto broken = free_number({"a.mp4"}, 0, [](const Path&) -> Result<bool> {
        return Error{Errc::denied, "no search permission"};
    });
    EXPECT_EQ(broken.error().code, Errc::denied);
}

}  // namespace
}  // namespace weir::apps
