#include "apps/relay/rest.h"

#include <gtest/gtest.h>

#include "apps/relay/recorded_testing.h"

namespace weir::relay {
namespace {

struct World {
    Rules rules;
    bool console = false, stopping = false;

    RestAnswer ask(std::string_view method, std::string_view path, std::string_view body = {}) {
        auto answer = answer_rest(method, path, body, {rules, console, stopping});
        apply(rules, answer.change, console);
        return answer;
    }
};

/// Steps that the doors and the server answer, not this function: relay_test.cpp has them all.
bool elsewhere(const rig::RestStep& s) {
    return s.path.starts_with("/ts/") || s.path.starts_with("/ws/") || s.status == 301;
}

TEST(RelayRest, EveryRecordedStepIsAnsweredAsVwDid_VW_1_to_24) {
    World world;
    std::string group;
    int seen = 0;
    for (const auto& step : rig::recorded_rest()) {
        if (elsewhere(step)) continue;
        const auto begins = step.key.substr(0, step.key.find(' '));
        if (begins != group) world = {};
        group = begins;
        const auto answer = world.ask(step.method, step.path, step.body);
        rig::expect_rest(step, answer.status, answer.type, answer.body);
        ++seen;
    }
    EXPECT_EQ(seen, 68);
}

TEST(RelayRest, NamesOfAnyCharactersCanBeShownAndDeleted_VW_17_WIN_9) {
    World world;
    for (const std::string name : {"a_b", "a.b", "/stream/two", "a<b>&c", "é", "with space"}) {
        const auto body = R"({"stream":"/)" + name + R"(","feeds":["v"]})";
        EXPECT_EQ(world.ask("POST", "/api/streams", body).status, 200);
        EXPECT_EQ(world.ask("GET", "/api/streams/" + name).body, R"(["v"])") << name;
        EXPECT_EQ(world.ask("DELETE", "/api/streams/" + name).body, go_quoted(name));
        EXPECT_EQ(world.ask("GET", "/api/streams/" + name).status, 404) << name;
    }
}

TEST(RelayRest, ARuleCalledAllIsKeptAndAllStillMeansAll_VW_24) {
    World world;
    world.ask("POST", "/api/streams", R"({"stream":"all","feeds":["v"]})");
    world.ask("POST", "/api/streams", R"({"stream":"b","feeds":["w"]})");
    EXPECT_EQ(world.ask("GET", "/api/streams/all").body, R"({"all":["v"],"b":["w"]})");
    EXPECT_EQ(world.ask("DELETE", "/api/streams/all").body, R"("deleteAll")");
    EXPECT_EQ(world.ask("GET", "/api/streams/all").body, "{}");
}

TEST(RelayRest, TheConsolesRuleIsNeitherChangedNorDeleted_VW_58_64) {
    World world;
    world.console = true;
    world.rules.destinations["apiRule"] = {"apiRule", "api", "ws://far/bi/x", "", ""};
    world.ask("POST", "/api/destinations", R"({"id":"0","stream":"v","destination":"ws://h/"})");
    EXPECT_EQ(world.ask("DELETE", "/api/destinations/apiRule").status, 403);
    EXPECT_EQ(world.ask("PUT", "/api/destinations", R"({"id":"apiRule","destination":"ws://evil/"})").status, 403);
    EXPECT_EQ(world.ask("DELETE", "/api/destinations/all").status, 200);
    EXPECT_EQ(world.ask("GET", "/api/destinations/all").body,
              R"({"apiRule":{"id":"apiRule","stream":"api","destination":"ws://far/bi/x","token":""}})");
}

TEST(RelayRest, RecordingRulesAreSetShownAndDropped) {
    World world;
    EXPECT_EQ(world.ask("POST", "/api/recordings", R"({"id":"r","stream":"/stream/a","file":"x.ts"})").body,
              R"({"id":"r","stream":"stream/a","file":"x.ts"})");
    EXPECT_EQ(world.ask("GET", "/api/recordings/r").body, R"({"id":"r","stream":"stream/a","file":"x.ts"})");
    EXPECT_EQ(world.ask("GET", "/api/recordings/all").body, R"({"r":{"id":"r","stream":"stream/a","file":"x.ts"}})");
    EXPECT_EQ(world.ask("DELETE", "/api/recordings/r").body, R"("r")");
    EXPECT_EQ(world.ask("GET", "/api/recordings/r").status, 404);
}

TEST(RelayRest, RulesAreBoundedInNumber) {
    World world;
    for (std::size_t i = 0; i < most_rules; ++i) world.rules.streams[std::to_string(i)] = {};
    EXPECT_EQ(world.ask("POST", "/api/streams", R"({"stream":"one more"})").status, 507);
    EXPECT_EQ(world.ask("POST", "/api/streams", R"({"stream":"7","feeds":["v"]})").status, 200);
}

TEST(RelayRest, RulesLeaveRoomForOtherFeeds) {
    World world;
    const std::vector<std::string> feeds(249, "v");
    for (std::size_t i = 0; i < most_ruled_topics / 250; ++i) {
        const auto name = "stream/" + std::to_string(i);
        world.rules.streams[name] = {name, feeds};
    }
    EXPECT_EQ(world.ask("POST", "/api/streams", R"({"stream":"stream/more"})").status, 507);
    EXPECT_EQ(world.ask("POST", "/api/streams", R"({"stream":"none","feeds":["v"]})").status, 200) << "no mix (VW-67)";
    EXPECT_EQ(world.ask("PUT", "/api/streams", R"({"stream":"stream/7","feeds":["v"]})").status, 200);
    EXPECT_EQ(world.ask("POST", "/api/streams", R"({"stream":"stream/more","feeds":["v"]})").status, 200);
}

TEST(RelayRest, WhatIsRecordedHasAName) {
    World world;
    EXPECT_EQ(world.ask("POST", "/api/recordings", R"({"id":"r","file":"x.ts"})").status, 400);
    EXPECT_EQ(world.ask("POST", "/api/destinations", R"({"id":"0","file":"x.ts"})").status, 400);
    EXPECT_EQ(world.ask("POST", "/api/destinations", R"({"id":"0","destination":"ws://h/"})").status, 200) << "as vw";
}

TEST(RelayRest, NothingIsPromisedWhileTheRelayStops) {
    World world;
    world.rules.streams["a"] = {"a", {}};
    world.stopping = true;
    EXPECT_EQ(world.ask("POST", "/api/streams", R"({"stream":"b"})").status, 503);
    EXPECT_EQ(world.ask("DELETE", "/api/streams/a").status, 503);
    EXPECT_EQ(world.ask("GET", "/api/streams/all").body, R"({"a":null})");
}

TEST(RelayRest, OnlyWhatPutsARuleHasItsBodyRead) {
    EXPECT_TRUE(rest_takes_body("UPDATE", "/api/streams"));
    EXPECT_FALSE(rest_takes_body("POST", "/api"));
    EXPECT_FALSE(rest_takes_body("PATCH", "/api/streams"));
    EXPECT_FALSE(rest_takes_body("POST", "/api/streams/x"));
}

}  // namespace
}  // namespace weir::relay
