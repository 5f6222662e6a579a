#include "apps/sites/status_json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace weir::sites {
namespace {

using namespace std::chrono_literals;

const About about{"weir fc2", "1.2.3", WallTime(1'795'263'571s)};

WatchStatus busy() {
    WatchStatus s;
    s.channel_id = "91544481";
    s.state = State::downloading;
    s.channel_name = "A name";
    s.title = "A <title>";
    s.metadata_json = R"({"a":1})";
    for (int i = 0; i < 7; ++i) s.errors.push_back({WallTime(1'795'263'571s + i * 1s), "error " + std::to_string(i)});
    return s;
}

boost::json::object parsed(const std::string& text) {
    return boost::json::parse(text).as_object();
}

TEST(StatusJsonOfAPage, BothReadersAreToldWhoWatches) {
    for (const auto reader : {Reader::program, Reader::page}) {
        const auto all = parsed(json_of({busy()}, about, WallTime(1'795'263'600s), reader));
        EXPECT_EQ(all.at("program"), "weir fc2");
        EXPECT_EQ(all.at("version"), "1.2.3");
        EXPECT_EQ(all.at("started"), "2026-11-21T12:19:31.000Z");
        EXPECT_EQ(all.at("now"), "2026-11-21T12:20:00.000Z");
        const auto& channel = all.at("channels").at("91544481");
        EXPECT_EQ(channel.at("name"), "A name");
        EXPECT_EQ(channel.at("title"), "A <title>");
    }
}

TEST(StatusJsonOfAPage, TheProgramGetsAllAndThePageWhatItShows) {
    const auto whole = parsed(json_of({busy()}, about, about.started, Reader::program));
    const auto& all = whole.at("channels").at("91544481").as_object();
    EXPECT_EQ(all.at("errors_log").as_array().size(), 7U);
    EXPECT_EQ(all.at("errors_log").at(0).at("timestamp"), "2026-11-21 12:19:31 +0000 UTC");
    EXPECT_TRUE(all.contains("extra"));

    const auto text = json_of({busy()}, about, about.started, Reader::page);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    const auto page = parsed(text);
    const auto& some = page.at("channels").at("91544481").as_object();
    ASSERT_EQ(some.at("errors_log").as_array().size(), 3U);
    EXPECT_EQ(some.at("errors_log").at(2).at("error"), "error 6");
    EXPECT_EQ(some.at("errors_log").at(2).at("timestamp"), "2026-11-21T12:19:37.000Z");
    EXPECT_FALSE(some.contains("extra"));
}

}  // namespace
}  // namespace weir::sites
