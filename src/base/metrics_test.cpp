#include "base/metrics.h"

#include <gtest/gtest.h>

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

TEST(Metrics, LabelsFromThePeerAreMadeValidUtf8) {
    counter("test_utf8_total", "help", {{"name", "a\xff"}}).add();
    EXPECT_NE(metrics_text().find("test_utf8_total{name=\"a\xef\xbf\xbd\"} 1"), std::string::npos);
}

}  // namespace
}  // namespace weir::metrics
