#include "base/time.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Time, WritesUtcWithMilliseconds) {
    EXPECT_EQ(utc_text(from_unix_millis(1'763'733'160'123)), "2025-11-21T13:52:40.123Z");
    EXPECT_EQ(utc_text(from_unix_millis(0)), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(utc_text(from_unix_millis(-1)), "1969-12-31T23:59:59.999Z");
}

TEST(Time, UnixMillisRoundDown) {
    EXPECT_EQ(unix_millis(WallTime(std::chrono::microseconds(1999))), 1);
    EXPECT_EQ(unix_millis(WallTime(std::chrono::microseconds(-1))), -1);
}

TEST(Time, DurationForPeople) {
    using namespace std::chrono_literals;
    EXPECT_EQ(duration_text(3723s), "1:02:03");
    EXPECT_EQ(duration_text(123s), "2:03");
    EXPECT_EQ(duration_text(999ms), "0:00");
    EXPECT_EQ(duration_text(-61s), "-1:01");
    EXPECT_EQ(duration_text(100h), "100:00:00");
}

TEST(Time, SizeForPeople) {
    EXPECT_EQ(size_text(0), "0 B");
    EXPECT_EQ(size_text(999), "999 B");
    EXPECT_EQ(size_text(1000), "1.0 kB");
    EXPECT_EQ(size_text(12'345'678), "12.3 MB");
    EXPECT_EQ(size_text(999'960), "1.0 MB");
}

struct DurationCase {
    const char* text;
    std::int64_t millis;  // -1: refused
};
class ParseDuration : public testing::TestWithParam<DurationCase> {};

TEST_P(ParseDuration, ReadsOrRefuses) {
    const auto got = parse_duration(GetParam().text);
    ASSERT_EQ(got.has_value(), GetParam().millis >= 0) << GetParam().text;
    if (got)
        EXPECT_EQ(got->count(), GetParam().millis) << GetParam().text;
    else
        EXPECT_NE(got.error().what.find("500ms"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Cases, ParseDuration,
                         testing::Values(DurationCase{"90", 90'000}, DurationCase{"90s", 90'000},
                                         DurationCase{"1m30s", 90'000}, DurationCase{"1h", 3'600'000},
                                         DurationCase{"500ms", 500}, DurationCase{"1.5s", 1500}, DurationCase{"0", 0},
                                         DurationCase{"1h0m0s", 3'600'000}, DurationCase{".5s", 500},
                                         DurationCase{"1500us", 2}, DurationCase{"", -1}, DurationCase{"soon", -1},
                                         DurationCase{"5x", -1}, DurationCase{"-5s", -1}, DurationCase{"1m30", -1},
                                         DurationCase{"5 s", -1}, DurationCase{"infs", -1},
                                         DurationCase{"99999999999999h", -1}));

}  // namespace
}  // namespace weir
