#include "apps/relay/admin.h"

#include <gtest/gtest.h>

#include "apps/relay/recorded_testing.h"

namespace weir::relay {
namespace {

struct World {
    Rules rules;
    bool console = false;

    std::string ask(std::string_view message) {
        const auto answer = answer_admin(message, {rules, console});
        apply(rules, answer.change, console);
        return answer.reply;
    }
};

TEST(RelayAdmin, EveryRecordedMessageIsAnsweredAsVwDid_VW_52_to_60) {
    const std::map<std::string, std::string> differences{
        // VW-62: a wrong type is told, not stored as an empty rule
        {R"({"verb":"add","what":"stream","rule":"str"})",
         R"({"error":"line 1, column 38: a text where a stream rule (an object) should be"})"},
        // VW-57: a name in the answer is escaped
        {R"({"verb":"delete","what":"stream","which":"a\"b"})", R"({"deleted":"a\"b"})"},
    };
    World world;
    int seen = 0;
    for (const auto& c : rig::recorded("vw_ws_admin_cases.jsonl")) {
        const auto sent = rig::member(c, "send");
        const auto reply = world.ask(sent);
        const auto found = differences.find(sent);
        EXPECT_EQ(reply, found == differences.end() ? rig::member(c, "reply") : found->second) << sent;
        ++seen;
    }
    EXPECT_EQ(seen, 31);
}

TEST(RelayAdmin, AddWithoutARuleIsAnErrorAndNoCrash_VW_61) {
    World world;
    for (const char* what : {"stream", "destination"}) {
        const std::string head = std::string(R"({"verb":"add","what":")") + what + '"';
        EXPECT_EQ(world.ask(head + "}"), R"({"error":"add needs a rule"})");
        EXPECT_EQ(world.ask(head + R"(,"rule":null})"), R"({"error":"add needs a rule"})");
        EXPECT_TRUE(world.ask(head + R"(,"rule":{"stream":[]}})").starts_with(R"({"error":"line 1)"));
    }
    EXPECT_TRUE(world.rules.streams.empty());
    EXPECT_TRUE(world.rules.destinations.empty());
}

TEST(RelayAdmin, NonsenseIsUnrecognised_VW_60) {
    World world;
    for (const char* sent :
         {"", "[]", "null", "5", "{\"verb\":5}", "{\"verb\":\"list\",\"what\":\"stream\",\"which\":7}",
          "{\"verb\":\"list\",\"what\":\"stream\",\"which\":\"a\"} x"})
        EXPECT_EQ(world.ask(sent), R"({"error":"Unrecognised Command"})") << sent;
}

TEST(RelayAdmin, TheConsolesRuleStays_VW_50_58_59) {
    World world;
    world.console = true;
    world.rules.destinations["apiRule"] = {"apiRule", "api", "ws://far/bi/x", "", ""};
    world.rules.destinations["0"] = {"0", "v", "ws://h/", "", ""};
    EXPECT_EQ(world.ask(R"({"verb":"delete","what":"destination","which":"all"})"), R"({"deleted":"deleteAll"})");
    EXPECT_EQ(world.rules.destinations.size(), 1U);
    EXPECT_EQ(world.ask(R"({"verb":"delete","what":"destination","which":"apiRule"})"),
              R"({"error":"Cannot delete apiRule"})");
    EXPECT_EQ(world.ask(R"({"verb":"add","what":"destination","rule":{"id":"apiRule","stream":"api"}})"),
              R"({"error":"Cannot change apiRule"})");
    EXPECT_EQ(world.rules.destinations["apiRule"].destination, "ws://far/bi/x");
}

}  // namespace
}  // namespace weir::relay
