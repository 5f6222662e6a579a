#include "base/numbers.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/env.h"
#include "base/text.h"

namespace weir {
namespace {

TEST(Numbers, WholeAndWithinBoundsOrRefused) {
    EXPECT_EQ(parse_int("-12").value(), -12);
    EXPECT_EQ(parse_int("+7").value(), 7);
    EXPECT_EQ(parse_int("65535", 1, 65535).value(), 65535);
    for (const auto* bad : {"", "+", "+-1", "12a", " 1", "1.5", "0x10", "99999999999999999999"})
        EXPECT_FALSE(parse_int(bad).has_value()) << bad;
    EXPECT_EQ(parse_int("70000", 1, 65535).error().what, "'70000' is not a whole number between 1 and 65535");
}

TEST(Numbers, FiniteOrRefused) {
    EXPECT_EQ(parse_number("0.5").value(), 0.5);
    for (const auto* bad : {"", "nan", "inf", "1,5", "1e999"}) EXPECT_FALSE(parse_number(bad).has_value()) << bad;
}

TEST(Numbers, BooleansAsGoReadsThem) {
    EXPECT_TRUE(parse_bool("True").value());
    EXPECT_FALSE(parse_bool("0").value());
    EXPECT_FALSE(parse_bool("yes").has_value());
}

TEST(Env, UpperCaseFirstThenLower) {
    ::setenv("weir_test_proxy", "low", 1);
    EXPECT_EQ(env_either_case("WEIR_TEST_PROXY"), "low");
    ::setenv("WEIR_TEST_PROXY", "", 1);
    EXPECT_EQ(env_either_case("WEIR_TEST_PROXY"), "low");
    ::setenv("WEIR_TEST_PROXY", "up", 1);
    EXPECT_EQ(env_either_case("WEIR_TEST_PROXY"), "up");
    EXPECT_EQ(env("WEIR_TEST_ABSENT"), std::nullopt);
}

TEST(Text, WellFormedUtf8Only) {
    EXPECT_EQ(utf8_length("a"), 1u);
    EXPECT_EQ(utf8_length("\xf0\x9f\x8e\xa5"), 4u);
    for (const auto* bad :
         {"\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xf0\x80\x80\x80", "\xff"})
        EXPECT_EQ(utf8_length(bad), 0u);
    EXPECT_EQ(valid_utf8("a\xe2\x82z"), "a\xef\xbf\xbd\xef\xbf\xbdz");
}

}  // namespace
}  // namespace weir
