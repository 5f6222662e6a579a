#include "apps/relay/rules.h"

#include <gtest/gtest.h>

#include "apps/relay/json_text.h"

namespace weir::relay {
namespace {

using Feeds = std::optional<std::vector<std::string>>;

TEST(RelayRules, AStreamRuleIsReadAsGoReadsIt_VW_19_21) {
    struct Case {
        std::string_view json, stream;
        Feeds feeds;
    };
    const std::vector<Case> cases{
        {R"({"stream":"/stream/a","feeds":["v","a"]})", "stream/a", Feeds({"v", "a"})},
        {R"({"stream":"//stream/a"})", "/stream/a", {}},
        {R"( {"STREAM":"x","Feeds":[],"more":{"a":[1,null]}} )", "x", Feeds(std::in_place)},
        {R"({"stream":"x","feeds":null})", "x", {}},
        {R"({"stream":"x","feeds":["a",null]})", "x", Feeds({"a", ""})},
        {R"({"stream":"x","stream":"y"})", "y", {}},
        {R"({"ſtream":"long s"})", "long s", {}},
        {"null", "", {}},
        {"{}", "", {}},
        {R"({"stream":"\u00e9\ud83d\ude00\ud800x\/"})", "é😀\xEF\xBF\xBDx/", {}},
        {"{\"stream\":\"a\xff\"}", "a\xEF\xBF\xBD", {}},
    };
    for (const auto& c : cases) {
        const auto rule = parse_stream_rule(c.json);
        ASSERT_TRUE(rule) << c.json << ": " << rule.error().text();
        EXPECT_EQ(rule->stream, c.stream) << c.json;
        EXPECT_EQ(rule->feeds, c.feeds) << c.json;
    }
}

TEST(RelayRules, WhatIsNoRuleIsOneClearLineAndStatus400_VW_22) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "line 1, column 1: it ends where a value should be"},
        {"zzz", "line 1, column 1: 'z' where a value should be"},
        {"{\"stream\":5}", "line 1, column 11: stream: a number where a text should be"},
        {"{\"feeds\":\"y\"}", "line 1, column 10: feeds: a text where a list of texts should be"},
        {"{\"feeds\":[1]}", "line 1, column 11: feeds: a number where a text should be"},
        {"[]", "line 1, column 1: a list where a stream rule (an object) should be"},
        {"{} trailing", "line 1, column 4: there is more behind the value"},
        {"{\n \"stream\": \"é\",\n x}", "line 3, column 2: 'x' where a name in quotes should be"},
        {"{\"stream\":\"a", "line 1, column 13: a text without its closing quote"},
        {"{\"stream\":\"\\q\"}", "line 1, column 13: 'q' where an escape should be"},
        {"{\"a\":01}", "line 1, column 7: '1' where ',' or '}' should be"},
    };
    for (const auto& [json, what] : cases) {
        const auto rule = parse_stream_rule(json);
        ASSERT_FALSE(rule) << json;
        EXPECT_EQ(rule.error().what, what) << json;
        EXPECT_EQ(rule.error().status, 400) << json;
    }
}

TEST(RelayRules, SizesAndDepthAreBounded) {
    const std::string deep(40, '[');
    EXPECT_NE(parse_stream_rule(deep).error().what.find("nested deeper than 32"), std::string::npos);
    const auto long_name = "{\"stream\":\"" + std::string(1025, 'x') + "\"}";
    EXPECT_NE(parse_stream_rule(long_name).error().what.find("longer than 1024"), std::string::npos);
    std::string many = "{\"feeds\":[\"a\"";
    for (int i = 0; i < 256; ++i) many += ",\"a\"";
    EXPECT_NE(parse_stream_rule(many + "]}").error().what.find("at most 256"), std::string::npos);
    EXPECT_EQ(parse_stream_rule(std::string((64u << 10) + 1, ' ')).error().status, 413);
}

TEST(RelayRules, TextsAreWrittenAsGoWritesThem_VW_23) {
    EXPECT_EQ(go_quoted("a<b>&c"), R"("a\u003cb\u003e\u0026c")");
    EXPECT_EQ(go_quoted("\"\\\n\r\t\b\x01/é"), R"("\"\\\n\r\t\u0008\u0001/é")");
    EXPECT_EQ(go_quoted("\xE2\x80\xA8\xE2\x80\xA9"), R"("\u2028\u2029")");
    EXPECT_EQ(go_quoted("a\xff"), R"("a\ufffd")");
}

TEST(RelayRules, ADestinationIsWrittenInVwsOrder_VW_8) {
    DestinationRule rule{"0", "stream/a", "ws://h/x?a=1&b=2", "abc", ""};
    EXPECT_EQ(to_json(rule), R"({"id":"0","stream":"stream/a","destination":"ws://h/x?a=1\u0026b=2","token":"abc"})");
    rule.file = "a.ts";
    EXPECT_EQ(to_json(rule, true),
              R"({"id":"0","stream":"stream/a","destination":"ws://h/x?a=1\u0026b=2","token":"***","file":"a.ts"})");
}

Rules some_rules() {
    Rules rules;
    rules.streams["stream/a"] = {"stream/a", Feeds({"video0", "audio\"0"})};
    rules.streams[""] = {"", {}};
    rules.streams["/x"] = {"/x", Feeds(std::in_place)};
    rules.destinations["0"] = {"0", "stream/a", "wss://h/in/x", "tok<en", "a.ts"};
    rules.destinations["/slash"] = {"/slash", "", "", "", ""};
    rules.recordings["r"] = {"r", "video0", ""};
    return rules;
}

TEST(RelayRules, TheFileComesBackAsItWasSaved) {
    for (const auto& rules : {Rules{}, some_rules()}) {
        const auto text = rules_file_text(rules);
        const auto again = parse_rules_file(text);
        ASSERT_TRUE(again) << again.error().text() << text;
        EXPECT_EQ(rules_file_text(*again), text);
        EXPECT_EQ(all_json(again->streams), all_json(rules.streams));
        EXPECT_EQ(all_json(again->destinations), all_json(rules.destinations));
        EXPECT_EQ(all_json(again->recordings), all_json(rules.recordings));
    }
}

TEST(RelayRules, ABrokenFileIsToldWithLineAndColumn) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "line 1, column 1: it ends where a value should be"},
        {"null", "line 1, column 1: this is no rules file: it has no \"weir_relay_rules\""},
        {"{}", "line 1, column 1: this is no rules file: it has no \"weir_relay_rules\""},
        {"{\"weir_relay_rules\": 2}", "line 1, column 22: weir_relay_rules: only version 1 is known"},
        {"{\"weir_relay_rules\": 1,\n  \"stream\": {}}", "line 2, column 13: \"stream\" is no part of a rules file"},
        {"{\"weir_relay_rules\": 1,\n\"streams\": {\n  \"a\": [\"v\"],\n  \"a\": []}}",
         "line 4, column 8: \"a\" twice"},
        {"{\"weir_relay_rules\": 1, \"streams\": {\"a\": [1]}}",
         "line 1, column 43: feeds: a number where a text should be"},
        {"{\"weir_relay_rules\": 1, \"destinations\": {\n\"a\": 1}}",
         "line 2, column 6: a number where the rule \"a\" (an object) should be"},
        {"{\"weir_relay_rules\": 1, \"destinations\": []}",
         "line 1, column 41: a list where destinations (an object) should be"},
    };
    for (const auto& [text, what] : cases) {
        const auto rules = parse_rules_file(text);
        ASSERT_FALSE(rules) << text;
        EXPECT_EQ(rules.error().what, what) << text;
    }
}

}  // namespace
}  // namespace weir::relay
