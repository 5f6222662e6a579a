#include "proto/notify/options.h"

#include <gtest/gtest.h>

namespace weir::notify {
namespace {

struct Sample {
    std::string text = "unset";
    bool flag = false;
    int number = 0, color = 0, choice = 0;
    std::vector<std::string> list;
    Options::Map map;

    Options options() {
        return Options()
            .text("text|alias", text)
            .flag("flag", flag)
            .number("number", number, -2, 10)
            .number("color", color, 0, 0xffffff, 16)
            .list("list", list)
            .map("map", map)
            .choice("choice", choice, {"Min|1", "Default|normal", "Max"});
    }
    Result<> set(std::string key, std::string value) { return options().apply({{std::move(key), std::move(value)}}); }
};

TEST(NotifyOptions, SetByKeyOrAliasInAnyCase) {
    Sample sample;
    EXPECT_TRUE(sample.set("TEXT", "a"));
    EXPECT_EQ(sample.text, "a");
    EXPECT_TRUE(sample.set("Alias", "b"));
    EXPECT_EQ(sample.text, "b");
    EXPECT_TRUE(sample.options().knows("aLIAS"));
    EXPECT_FALSE(sample.options().knows("other"));
}

TEST(NotifyOptions, TakeTheFirstOfARepeatedKey) {
    Sample sample;
    EXPECT_TRUE(sample.options().apply({{"text", "1"}, {"Text", "2"}}));
    EXPECT_EQ(sample.text, "1");
}

TEST(NotifyOptions, ReadFlags) {
    for (const std::string yes : {"true", "1", "YES", "y"}) {
        Sample sample;
        EXPECT_TRUE(sample.set("flag", yes));
        EXPECT_TRUE(sample.flag) << yes;
    }
    for (const std::string no : {"False", "0", "no", "N"}) {
        Sample sample;
        sample.flag = true;
        EXPECT_TRUE(sample.set("flag", no));
        EXPECT_FALSE(sample.flag) << no;
    }
    Sample sample;
    EXPECT_EQ(sample.set("flag", "CANARY").error().what,
              "option flag: accepted values are 1, true, yes or 0, false, no");
}

TEST(NotifyOptions, ReadNumbersWithinTheirBounds) {
    Sample sample;
    EXPECT_TRUE(sample.set("number", "-2"));
    EXPECT_EQ(sample.number, -2);
    EXPECT_TRUE(sample.set("number", "+7"));
    EXPECT_EQ(sample.number, 7);
    for (const std::string bad : {"", "11", "-3", "1x", " 1", "+-1", "99999999999", "0x1"})
        EXPECT_EQ(sample.set("number", bad).error().what, "option number: a number from -2 to 10 is accepted") << bad;
    for (const std::string red : {"ff0000", "0xFF0000", "#ff0000"}) {
        EXPECT_TRUE(sample.set("color", red));
        EXPECT_EQ(sample.color, 0xff0000) << red;
    }
    EXPECT_FALSE(sample.set("color", "1000000"));
    EXPECT_FALSE(sample.set("color", "-1"));
}

TEST(NotifyOptions, ReadListsAndMaps) {
    Sample sample;
    EXPECT_TRUE(sample.set("list", "a, b,,c"));
    EXPECT_EQ(sample.list, (std::vector<std::string>{"a", " b", "", "c"}));
    EXPECT_TRUE(sample.set("list", ""));
    EXPECT_TRUE(sample.list.empty());
    EXPECT_TRUE(sample.set("map", "k:v,k2:v2"));
    EXPECT_EQ(sample.map, (Options::Map{{"k", "v"}, {"k2", "v2"}}));
    EXPECT_FALSE(sample.set("map", "k"));
    EXPECT_FALSE(sample.set("map", "k:v:w"));
}

TEST(NotifyOptions, ReadChoicesByNameOrAlias) {
    Sample sample;
    EXPECT_TRUE(sample.set("choice", "max"));
    EXPECT_EQ(sample.choice, 2);
    EXPECT_TRUE(sample.set("choice", "NORMAL"));
    EXPECT_EQ(sample.choice, 1);
    EXPECT_TRUE(sample.set("choice", "1"));
    EXPECT_EQ(sample.choice, 0);
    EXPECT_EQ(sample.set("choice", "CANARY").error().what, "option choice: accepted values are [Min Default Max]");
}

TEST(NotifyOptions, RefuseAnUnknownKeyWithoutRepeatingIt) {
    Sample sample;
    const auto refused = sample.options().apply({{"text", "a"}, {"CANARY", ""}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().what, "option 2 is not known here (there are: text flag number color list map choice)");
    EXPECT_TRUE(sample.options().apply({{"CANARY", ""}, {"text", "b"}}, Options::Unknown::ignored));
    EXPECT_EQ(sample.text, "b");
}

}  // namespace
}  // namespace weir::notify
