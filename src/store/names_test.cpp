#include "store/names.h"

#include <gtest/gtest.h>

namespace weir::store {
namespace {

struct NameCase {
    const char* name;
    std::string_view given;
    std::string_view made;
};

class SanitiseNameTest : public testing::TestWithParam<NameCase> {};

TEST_P(SanitiseNameTest, FC2_74) {
    EXPECT_EQ(sanitise_name(GetParam().given), GetParam().made);
}

using namespace std::string_view_literals;

INSTANTIATE_TEST_SUITE_P(
    Cases, SanitiseNameTest,
    testing::Values(
        NameCase{"PlainStays", "stage 1", "stage 1"}, NameCase{"JapaneseStays", "配信　テスト", "配信　テスト"},
        NameCase{"EmojiStays", "live \xF0\x9F\x8E\xA5", "live \xF0\x9F\x8E\xA5"},
        NameCase{"RunOfSlashes", "a//\\b", "a_b"},
        NameCase{"CVE_2024_38519_Traversal", "../../etc/passwd", "_.._etc_passwd"}, NameCase{"DotDot", "..", "_"},
        NameCase{"Nul", "a\0b"sv, "ab"}, NameCase{"Newline", "a\nb", "ab"},
        NameCase{"DirectionMarks",
                 "a\xE2\x80\xAE"
                 "b",
                 "ab"},
        NameCase{"ZeroWidth",
                 "a\xE2\x80\x8B\xEF\xBB\xBF"
                 "b",
                 "ab"},
        NameCase{"BlanksUncoveredByDotsStay", " . a . ", " a "}, NameCase{"Device", "con", "_con"},
        NameCase{"DeviceWithNumber", "LPT1", "_LPT1"}, NameCase{"NoDevice", "LPT10", "LPT10"},
        NameCase{"MarksBlanksAndReplacementStay", "x\u3000\uFE0F\u00A0y\uFFFD", "x\u3000\uFE0F\u00A0y\uFFFD"},
        NameCase{"JoinersHyphensPrivateAndUnassignedGo", "a\u200D\u00AD\u2028\uE000\u0378z", "az"},
        NameCase{"WideBlanksAreTrimmed", "\u3000\u2003a b\u205F\u202F", "a b"},
        NameCase{"PunctuationAtTheEndStays", "5\u2030", "5\u2030"}, NameCase{"ARunAcrossKinds", "a<>:\"|?*b", "a_b"},
        NameCase{"HiddenInARunDoesNotJoinIt", "a/\x01/b", "a__b"}, NameCase{"BrokenUtf8", "a\xFFz", "a\xEF\xBF\xBDz"},
        NameCase{"Overlong", "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"}, NameCase{"Empty", "", "_"}),
    [](const auto& c) { return c.param.name; });

TEST(ShortenName, FC2_75_CutsOnACharacterBorder) {
    const std::string long_name = [] {
        std::string s;
        for (int i = 0; i < 100; ++i) s += "字";
        return s;
    }();
    const auto cut = shorten_name(long_name, 200);
    EXPECT_EQ(cut.size(), 198u);
    EXPECT_EQ(cut, long_name.substr(0, 198));
    EXPECT_EQ(shorten_name("short", 200), "short");
    EXPECT_EQ(shorten_name("ab. cd", 4), "ab");
}

}  // namespace
}  // namespace weir::store
