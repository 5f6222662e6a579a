#include "apps/tools/parts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace weir::apps {
namespace {

using Names = std::vector<std::string>;

std::vector<DirEntry> listing(const Names& names) {
    std::vector<DirEntry> out;
    for (const auto& n : names) out.push_back({n, false, 100});
    return out;
}

/// The best file of each part, in order.
Names order(const Names& names, const std::string& prefix) {
    Names out;
    for (const auto& choice : part_choices(listing(names), prefix)) out.push_back(choice.names.front());
    return out;
}

TEST(Parts, T16_FC2_90_NumbersComeFirstAndByTheirValue) {
    const Names all{"name.mp4",   "name.1.ts",  "name.a.mp4", "name.20.mp4",
                    "name.1.mp4", "name.2.mp4", "name.3.mp4", "trash.ts"};
    const Names wanted{"name.mp4", "name.1.ts", "name.2.mp4", "name.3.mp4", "name.20.mp4", "name.a.mp4"};
    EXPECT_EQ(order(all, "name"), wanted);
}

TEST(Parts, T17_FC2_89_92_TheBestContainerOfEachAndNothingCombined) {
    const std::string p = "2024-01-10 _";
    const Names all{p + ".1.m4a", p + ".1.mp4", p + ".combined.mp4", p + ".m4a", p + ".mp4"};
    const Names wanted{p + ".mp4", p + ".1.mp4"};
    EXPECT_EQ(order(all, p), wanted);
}

TEST(Parts, FC2_88_ADotMustFollowThePrefix) {
    const Names all{"Test.ts", "Test.1.ts", "Test 2.ts", "Tester.ts", "Test2.ts", "Test", "aTest.ts"};
    const Names wanted{"Test.ts", "Test.1.ts"};
    EXPECT_EQ(order(all, "Test"), wanted);
}

TEST(Parts, FC2_88_FoldersEmptyFilesAndJoinedOnesAreNone) {
    std::vector<DirEntry> all = listing({"n.combined.mp4", "n.combined.1.mp4", "n.3.combined.ts"});
    all.push_back({"n.1.ts", true, 4096});
    all.push_back({"n.2.ts", false, 0});
    EXPECT_TRUE(part_choices(all, "n").empty());
    EXPECT_TRUE(part_choices(listing({".ts", ".1.ts"}), "").empty());
}

TEST(Parts, FC2_89_OneIdentityIsOnePartBestContainerFirst) {
    const auto choices = part_choices(
        listing({"n.mp3", "n.M4A", "n.aac", "n.avi", "n.MP4", "n.mkv", "n.TS", "n.info.json", "n.png"}), "n");
    ASSERT_EQ(choices.size(), 2u);
    const Names wanted{"n.TS", "n.mkv", "n.MP4", "n.avi", "n.aac", "n.M4A", "n.mp3", "n.png"};
    EXPECT_EQ(choices[0].names, wanted);
    EXPECT_EQ(choices[1].names, Names{"n.info.json"});
}

TEST(Parts, FC2_90_TheOrderIsByNumberForTwelvePartsHoweverTheyAreListed) {
    Names wanted{"p.ts"};
    for (int i = 1; i < 12; ++i) wanted.push_back("p." + std::to_string(i) + ".ts");
    auto all = wanted;
    std::mt19937 rng(7);
    for (int round = 0; round < 20; ++round) {
        std::shuffle(all.begin(), all.end(), rng);
        EXPECT_EQ(order(all, "p"), wanted);
    }
}

TEST(Parts, FC2_90_TheOrderIsAStrictWeakOne) {
    const Names rests{"",  "0",   "00",  "1",   "01", "9", "10", "99999999999999999999", "100000000000000000000",
                      "a", "10a", "a10", "1.0", "Z",  " 1"};
    for (const auto& a : rests) {
        EXPECT_FALSE(part_before(a, a)) << a;
        for (const auto& b : rests) {
            EXPECT_EQ(part_before(a, b) || part_before(b, a), a != b) << a << " " << b;
            EXPECT_FALSE(part_before(a, b) && part_before(b, a)) << a << " " << b;
            for (const auto& c : rests) {
                const bool chain = part_before(a, b) && part_before(b, c);
                EXPECT_TRUE(!chain || part_before(a, c)) << a << " " << b << " " << c;
            }
        }
    }
    EXPECT_TRUE(part_before("99999999999999999999", "100000000000000000000"));
    EXPECT_TRUE(part_before("9", "10"));
    EXPECT_TRUE(part_before("10", "a"));
}

TEST(Parts, FC2_90_DotsAroundTheRestDoNotCount) {
    const Names wanted{"n.ts", "n..1.ts", "n.2..ts"};
    EXPECT_EQ(order({"n.2..ts", "n..1.ts", "n.ts"}, "n"), wanted);
}

TEST(Parts, FC2_91_APictureBesideARecordingIsNoPart) {
    media::Probe p;
    p.tracks.resize(1);
    p.tracks[0].kind = TrackKind::video;
    p.tracks[0].codec = "png";
    EXPECT_FALSE(is_part_media(p));
    p.tracks[0].codec = "h264";
    EXPECT_TRUE(is_part_media(p));
    p.tracks[0].kind = TrackKind::data;
    EXPECT_FALSE(is_part_media(p));
    p.tracks[0].kind = TrackKind::audio;
    EXPECT_TRUE(is_part_media(p));
    EXPECT_FALSE(is_part_media(media::Probe{}));
}

TEST(Parts, FC2_91_SideFilesAreNotNamedLikeMedia) {
    for (const auto* name : {"n.ts", "n.1.MP4", "n.m4s", "n.flv", "n.mka"}) EXPECT_TRUE(named_like_media(name)) << name;
    for (const auto* name : {"n.info.json", "n.fc2chat.json", "n.png", "n.weir.jsonl", "n", "n.srt", "n.txt"})
        EXPECT_FALSE(named_like_media(name)) << name;
}

TEST(Parts, FC2_93_JoinedFilesAreKnownByTheirName) {
    struct Case {
        const char *name, *prefix, *ending;
        unsigned number;
    };
    for (const auto& [name, prefix, ending, number] :
         {Case{"a.combined.mp4", "a", ".mp4", 0}, Case{"a.b.combined.m4a", "a.b", ".m4a", 0},
          Case{"a.combined.3.mp4", "a", ".mp4", 3}, Case{"a.combined.12.ts", "a", ".ts", 12}}) {
        const auto c = parse_combined(name);
        ASSERT_TRUE(c) << name;
        EXPECT_EQ(c->prefix, prefix) << name;
        EXPECT_EQ(c->ending, ending) << name;
        EXPECT_EQ(c->number, number) << name;
    }
    for (const auto* name : {"combined.mp4", ".combined.mp4", "a.combined", "a.combinedx.mp4", "a.combined.x.mp4",
                             "a.mp4", "acombined.mp4", "a.combined.9999999.mp4", "a.combined.fc2chat.json"})
        EXPECT_FALSE(parse_combined(name)) << name;
    EXPECT_EQ(combined_name("a b", ".mp4"), "a b.combined.mp4");
}

}  // namespace
}  // namespace weir::apps
