#include "base/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace weir::metrics {
namespace {

TEST(Metrics, TheSameLabelsAreTheSameSeries) {
    counter("test_same_total", "help", {{"a", "1"}}).add(2);
    counter("test_same_total", "help", {{"a", "1"}}).add();
    EXPECT_EQ(counter("test_same_total", "help", {{"a", "1"}}).value(), 3);
    EXPECT_EQ(counter("test_same_total", "help", {{"a", "2"}}).value(), 0);
}

TEST(Metrics, AppearInTheTextFormat) {
    gauge("test_gauge", "how much", {{"who", "a\"b"}}).set(1.5);
    histogram("test_seconds", "how long", {0.1, 1}).observe(0.5);
    const auto text = metrics_text();
    EXPECT_NE(text.find("# HELP test_gauge how much"), std::string::npos);
    EXPECT_NE(text.find("# TYPE test_gauge gauge"), std::string::npos);
    EXPECT_NE(text.find("test_gauge{who=\"a\\\"b\"} 1.5"), std::string::npos) << text;
    EXPECT_NE(text.find("test_seconds_bucket{le=\"1\"} 1"), std::string::npos) << text;
}

TEST(Metrics, SeriesBeyondTheLimitShareOne) {
    for (std::size_t i = 0; i < max_series + 10; ++i)
        counter("test_many_total", "help", {{"peer", std::to_string(i)}}).add();
    EXPECT_EQ(counter("test_many_total", "help", {{"peer", "other"}}).value(), 10);
    EXPECT_EQ(counter("test_many_total", "help", {{"peer", "5"}}).value(), 1);
}

TEST(Metrics, AFamilyMayHaveALimitOfItsOwn) {
    allow_series("test_few_total", 2);
    for (const char* who : {"a", "b", "c", "d"}) counter("test_few_total", "help", {{"who", who}}).add();
    EXPECT_EQ(counter("test_few_total", "help", {{"who", "b"}}).value(), 1);
    EXPECT_EQ(counter("test_few_total", "help", {{"who", "other"}}).value(), 2);
}

TEST(Metrics, LabelsFromThePeerAreMadeValidUtf8) {
    counter("test_utf8_total", "help", {{"name", "a\xff"}}).add();
    EXPECT_NE(metrics_text().find("test_utf8_total{name=\"a\xef\xbf\xbd\"} 1"), std::string::npos);
}

const Family* family_of(const std::vector<Family>& all, std::string_view name) {
    for (const auto& family : all)
        if (family.name == name) return &family;
    return nullptr;
}

TEST(Metrics, ASnapshotHoldsWhatTheTextShows) {
    counter("test_snapshot_total", "how many", {{"who", "b"}}).add(3);
    counter("test_snapshot_total", "how many", {{"who", "a"}}).add(2);
    auto times = histogram("test_snapshot_seconds", "how long", {0.1, 1});
    for (const double value : {0.05, 0.5, 0.75, 8.0}) times.observe(value);
    const auto all = snapshot();
    const auto* counted = family_of(all, "test_snapshot_total");
    ASSERT_NE(counted, nullptr);
    EXPECT_EQ(counted->kind, Family::Kind::counter);
    EXPECT_EQ(counted->help, "how many");
    ASSERT_EQ(counted->series.size(), 2u);
    EXPECT_EQ(counted->series[0].labels, (Labels{{"who", "a"}}));
    EXPECT_EQ(counted->series[0].value, 2);
    EXPECT_EQ(counted->series[1].value, 3);
    const auto* timed = family_of(all, "test_snapshot_seconds");
    ASSERT_NE(timed, nullptr);
    EXPECT_EQ(timed->kind, Family::Kind::histogram);
    ASSERT_EQ(timed->series.size(), 1u);
    EXPECT_EQ(timed->series[0].bounds, (std::vector<double>{0.1, 1}));
    EXPECT_EQ(timed->series[0].buckets, (std::vector<std::uint64_t>{1, 2, 1}));
    EXPECT_EQ(timed->series[0].count, 4u);
    EXPECT_DOUBLE_EQ(timed->series[0].value, 9.3);
}

TEST(Metrics, FamiliesAreSortedByName) {
    gauge("test_order_b", "help").set(1);
    counter("test_order_c_total", "help").add();
    counter("test_order_a_total", "help").add();
    const auto text = metrics_text();
    const auto a = text.find("# TYPE test_order_a_total"), b = text.find("# TYPE test_order_b"),
               c = text.find("# TYPE test_order_c_total");
    EXPECT_LT(a, b);
    EXPECT_LT(b, c);
    const auto all = snapshot();
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const auto& x, const auto& y) { return x.name < y.name; }));
}

TEST(Metrics, ACounterThatNeverCountedIsShownAsZero) {
    (void)counter("test_zero_total", "help");
    EXPECT_NE(metrics_text().find("\ntest_zero_total 0\n"), std::string::npos);
}

TEST(Metrics, ASeriesThatIsGoneMakesRoomForAnother) {
    gauge("test_gone", "help", {{"who", "a"}}).set(4);
    gauge("test_gone", "help", {{"who", "b"}}).set(5);
    remove_series("test_gone", {{"who", "a"}});
    remove_series("test_gone", {{"who", "never there"}});
    remove_series("test_no_such_family", {});
    const auto text = metrics_text();
    EXPECT_EQ(text.find("test_gone{who=\"a\"}"), std::string::npos);
    EXPECT_NE(text.find("test_gone{who=\"b\"} 5"), std::string::npos);
    for (std::size_t i = 0; i < 2 * max_series; ++i) {
        const Labels labels{{"who", std::to_string(i)}};
        gauge("test_gone", "help", labels).set(1);
        remove_series("test_gone", labels);
    }
    EXPECT_EQ(metrics_text().find("test_gone{who=\"other\"}"), std::string::npos);
}

TEST(Metrics, WhatIsOnlyKnownByLookingIsReadAnewEachTime) {
    static int looks = 0;  // what is registered stays for the life of the process
    before_reading([level = gauge("test_looked_at", "help")]() mutable { level.set(++looks); });
    EXPECT_NE(metrics_text().find("\ntest_looked_at 1\n"), std::string::npos);
    const auto all = snapshot();
    EXPECT_EQ(family_of(all, "test_looked_at")->series[0].value, 2);
}

}  // namespace
}  // namespace weir::metrics
