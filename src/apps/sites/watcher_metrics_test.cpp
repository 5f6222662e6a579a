#include "apps/sites/watcher_metrics.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "apps/tools/cleaner.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;
using metrics::Labels;

std::vector<metrics::Family::Series> series_of(std::string_view name, const Labels& some) {
    std::vector<metrics::Family::Series> found;
    for (const auto& family : metrics::snapshot())
        if (family.name == name)
            for (const auto& s : family.series)
                if (std::includes(s.labels.begin(), s.labels.end(), some.begin(), some.end())) found.push_back(s);
    return found;
}

/// The states that are 1, and how many are shown.
std::string states_of(const std::string& channel) {
    const auto all = series_of("watcher_state", {{"channel_id", channel}});
    std::string text = std::to_string(all.size());
    for (const auto& s : all)
        if (s.value == 1) text += " " + s.labels.at("state");
    return text;
}

double blind(const std::string& channel) {
    return series_of("weir_channel_blind", {{"channel_id", channel}}).at(0).value;
}

TEST(WatcherMetrics, FC2_126_AllSevenStatesAreShown) {
    WatcherMetrics one("seven");
    for (const auto& [state, shown] : {std::pair{State::unspecified, "7 UNSPECIFIED"},
                                       {State::idle, "7 IDLE"},
                                       {State::preparing_files, "7 PREPARING_FILES"},
                                       {State::downloading, "7 DOWNLOADING"},
                                       {State::post_processing, "7 POST_PROCESSING"},
                                       {State::finished, "7 FINISHED"},
                                       {State::canceled, "7 CANCELED"}}) {
        one.show(state, {});
        EXPECT_EQ(states_of("seven"), shown);
    }
}

TEST(WatcherMetrics, WhoCannotSeeIsIdleForTheReferenceAndBlindForUs) {
    WatcherMetrics one("blind");
    one.show(State::blind, {});
    EXPECT_EQ(states_of("blind"), "7 IDLE");
    EXPECT_EQ(blind("blind"), 1);
    one.show(State::idle, {});
    EXPECT_EQ(states_of("blind"), "7 IDLE");
    EXPECT_EQ(blind("blind"), 0);
}

TEST(WatcherMetrics, SeriesOfOldLabelsGo) {
    {
        WatcherMetrics one("relabelled");
        one.show(State::idle, {{"name", "old"}});
        one.show(State::downloading, {{"name", "new"}});
        EXPECT_EQ(states_of("relabelled"), "7 DOWNLOADING");
        EXPECT_TRUE(series_of("watcher_state", {{"name", "old"}}).empty());
    }
    EXPECT_EQ(states_of("relabelled"), "0") << "and those of a channel that is gone";
}

TEST(WatcherMetrics, AChannelThatIsPutInAgainIsNotTakenAwayByTheOldOne) {
    auto old = std::make_unique<WatcherMetrics>("again");
    old->show(State::downloading, {});
    WatcherMetrics now("again");
    now.show(State::idle, {});
    old.reset();
    EXPECT_EQ(states_of("again"), "7 IDLE");
}

TEST(WatcherMetrics, FC2_126_DownloadsAreCounted) {
    WatcherMetrics one("counted");
    one.began(1500ms);
    one.downloaded(2h);
    const Labels labels{{"channel_id", "counted"}};
    EXPECT_EQ(series_of("downloads_runs_total", labels).at(0).value, 1);
    EXPECT_DOUBLE_EQ(series_of("downloads_init_time_seconds", labels).at(0).value, 1.5);
    const auto took = series_of("downloads_time_to_complete_seconds", labels).at(0);
    EXPECT_DOUBLE_EQ(took.value, 7200);
    EXPECT_EQ(took.bounds, metrics::default_bounds());
}

TEST(WatcherMetrics, FC2_126_PostProcessingIsCountedWithItsFailures) {
    const Labels labels{{"channel_id", "processed"}};
    count_post_processing("processed", 33s, 0);
    EXPECT_EQ(series_of("post_processing_errors_total", labels).at(0).value, 0) << "shown before anything failed";
    count_post_processing("processed", {}, 2);
    EXPECT_EQ(series_of("post_processing_runs_total", labels).at(0).value, 2);
    EXPECT_EQ(series_of("post_processing_errors_total", labels).at(0).value, 2);
    EXPECT_EQ(series_of("post_processing_completion_time_seconds", labels).at(0).count, 1u);
}

TEST(WatcherMetrics, FC2_126_CleaningIsCountedUnderTheReferencesLabels) {
    show_metrics();
    const auto now = [](const char* name) { return series_of(name, {}).at(0).value; };
    const double runs = now("cleaner_runs_total"), removed = now("cleaner_files_removed_total"),
                 errors = now("cleaner_errors_total");
    apps::CleanOptions options;
    options.root = "/scanned";
    options.delete_corrupted = true;
    apps::CleanReport report;
    using What = apps::CleanStep::What;
    for (const auto what : {What::deleted, What::deleted, What::renamed, What::kept, What::failed}) {
        auto& step = report.steps.emplace_back();
        step.what = what;
    }
    count_cleaning(options, report, 12ms);
    options.dry_run = true;
    count_cleaning(options, report, 1ms);
    EXPECT_EQ(now("cleaner_runs_total"), runs + 2);
    EXPECT_EQ(now("cleaner_files_removed_total"), removed + 2) << "a dry run removes nothing";
    EXPECT_EQ(now("cleaner_errors_total"), errors + 2);
    const auto times = series_of("cleaner_clean_time_milliseconds", {{"scan_directory", "/scanned"}});
    ASSERT_EQ(times.size(), 2u);
    EXPECT_EQ(
        times[0].labels,
        (Labels{{"scan_directory", "/scanned"}, {"dry_run", "false"}, {"probe", "true"}, {"eligible_age", "172800"}}));
    EXPECT_DOUBLE_EQ(times[0].value, 12);
}

TEST(WatcherMetrics, WhatIsListedAndNotYetThereLags) {
    const Labels labels{{"channel_id", "lagging"}};
    const auto now = [&](const char* name) { return series_of(name, labels).at(0).value; };
    {
        ArrivalMetrics arrivals("lagging");
        UnitInfo info;
        info.duration = 2s;
        Chunk chunk;
        const std::vector<Item> items{info, chunk};
        arrivals.took(items, 3, WallTime(1'795'263'571s));
        EXPECT_EQ(now("weir_channel_lag_seconds"), 6);
        EXPECT_EQ(now("weir_channel_last_media_timestamp_seconds"), 1'795'263'571);
        const std::vector<Item> loss{Gap{}};
        arrivals.took(loss, 1, WallTime(1'795'263'999s));
        EXPECT_EQ(now("weir_channel_lag_seconds"), 2);
        EXPECT_EQ(now("weir_channel_last_media_timestamp_seconds"), 1'795'263'571) << "a loss is no media";
    }
    EXPECT_EQ(now("weir_channel_lag_seconds"), 0);
}

}  // namespace
}  // namespace weir::sites
