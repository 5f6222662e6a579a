#include "apps/tools/proof_note.h"

#include <gtest/gtest.h>

namespace weir::apps {
namespace {

FileFacts file(std::string name, std::uint64_t size) {
    FileFacts f;
    f.name = std::move(name);
    f.size = size;
    f.device = 3;
    f.inode = 10 + size;
    f.modified = WallTime(std::chrono::nanoseconds(1'763'700'000'123'456'789));
    return f;
}

const ProofNote example{
    {file("n.combined.mp4", 5)}, {file("n.combined.m4a", 2)}, {file("n.ts", 3), file("n. 1.ts", 4)}};

TEST(ProofNote, ComesBackAsItWasWritten) {
    const auto back = parse_note(note_text(example));
    EXPECT_TRUE(has_same(back.all, example.all[0]));
    EXPECT_TRUE(has_same(back.sound, example.sound[0]));
    ASSERT_EQ(back.parts.size(), 2u);
    EXPECT_TRUE(has_same(back.parts, example.parts[1]));
}

TEST(ProofNote, AFileThatWasChangedIsNotTheSame) {
    for (int what = 0; what < 4; ++what) {
        auto other = example.parts[0];
        if (what == 0) other.size += 1;
        if (what == 1) other.inode += 1;
        if (what == 2) other.modified += std::chrono::milliseconds(1);
        if (what == 3) other.name += "x";
        EXPECT_FALSE(has_same(example.parts, other)) << what;
    }
    auto rebooted = example.parts[0];
    rebooted.device = 99;
    EXPECT_TRUE(has_same(example.parts, rebooted));
}

TEST(ProofNote, ATornNoteAllowsNothingNew) {
    const auto text = note_text(example);
    for (std::size_t n = 0; n < text.size(); ++n) {
        const auto torn = parse_note(text.substr(0, n));
        for (const auto& f : torn.all) EXPECT_TRUE(has_same(example.all, f)) << n;
        for (const auto& f : torn.parts) EXPECT_TRUE(has_same(example.parts, f)) << n;
        EXPECT_LT(torn.parts.size(), 2u) << n;
    }
}

TEST(ProofNote, NamesWithLineEndsAreNotNoted) {
    EXPECT_TRUE(note_text({{file("a\nb.combined.mp4", 1)}, {}, {}}).empty());
    EXPECT_TRUE(parse_note("part 1\nnonsense\n\n part 1 2 3 x\npart 99999999999999999999999 1 1 x\n").parts.empty());
}

}  // namespace
}  // namespace weir::apps
