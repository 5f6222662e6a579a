#include "proto/yaml/reader.h"

#include <gtest/gtest.h>

namespace weir::yaml {
namespace {

/// What one key "k" gave: its value as text, or "ERROR: LINE:COLUMN: what" of the first complaint.
struct Bound {
    std::string value, complaint;
};

template <class T, class Read>
Bound bound(const std::string& yaml, T& into, Read read) {
    Complaints complaints("f");
    const auto root = parse(yaml, "f");
    EXPECT_TRUE(root) << root.error().what;
    if (!root) return {};
    MapReader reader(*root, "top", complaints);
    read(reader, into);
    reader.finish();
    EXPECT_TRUE(complaints.warnings().empty());
    return {"", complaints.result() ? "" : complaints.result().error().what};
}

struct BoolCase {
    const char *yaml, *outcome;
};

TEST(YamlReader, TakesTheBoolsOfGosLibrary) {
    const BoolCase cases[] = {
        {"k: true", "1"},
        {"k: True", "1"},
        {"k: TRUE", "1"},
        {"k: yes", "1"},
        {"k: 'y'", "1"},
        {"k: On", "1"},
        {"k: false", "0"},
        {"k: False", "0"},
        {"k: FALSE", "0"},
        {"k: no", "0"},
        {"k: n", "0"},
        {"k: off", "0"},
        {"k: ~", "unset"},
        {"k:", "unset"},
        {"j: ~\n", "unset"},
        {"k: 'true'", "f:1:4: top.k: \"true\" in quotes is text; write k: true"},
        {"k: 1", "f:1:4: top.k: the number 1 is neither true nor false; write k: true or k: false"},
        {"k: [true]", "f:1:4: top.k: a list is neither true nor false; write k: true or k: false"},
    };
    for (const auto& one : cases) {
        for (const bool before : {true, false}) {
            Complaints complaints("f");
            bool value = before;
            MapReader reader(*parse(one.yaml, "f"), "top", complaints);
            const bool read = reader.read("k", value);
            const auto result = complaints.result();
            std::string outcome = !result ? result.error().what : !read ? "unset" : value ? "1" : "0";
            EXPECT_EQ(outcome, one.outcome) << one.yaml;
            if (!read) {
                EXPECT_EQ(value, before);
            }
        }
    }
}

TEST(YamlReader, TakesWholeNumbersWithinTheirRange) {
    struct {
        const char* yaml;
        int value;
        const char* complaint;
    } const cases[] = {
        {"k: 20", 20, ""},
        {"k: +1_000", 1000, ""},
        {"k: 0x1F", 31, ""},
        {"k: 0o17", 15, ""},
        {"k: 0b101", 5, ""},
        {"k: 2e1", 20, ""},
        {"k: 20.0", 20, ""},
        {"k: -5", -5, ""},
        {"k: 0", 0, ""},
        {"k:", 7, ""},
        {"k: '20'", 7, "f:1:4: top.k: \"20\" in quotes is text; write k: 20"},
        {"k: 2.5", 7, "f:1:4: top.k: \"2.5\" is no whole number; write k: 7"},
        {"k: many", 7, "f:1:4: top.k: \"many\" is no whole number; write k: 7"},
        {"k: true", 7, "f:1:4: top.k: true is no whole number; write k: 7"},
        {"k: {}", 7, "f:1:4: top.k: a block of keys and values is no whole number; write k: 7"},
        {"k: 010", 7, "f:1:4: top.k: the number 010 may be read as an octal number; write k: 10"},
        {"k: -6", 7, "f:1:4: top.k: -6 is too small; write -5 or more"},
        {"k: 1001", 7, "f:1:4: top.k: 1001 is too large; write 1000 or less"},
        {"k: 99999999999999999999999", 7, "f:1:4: top.k: 99999999999999999999999 is too large; write 1000 or less"},
    };
    for (const auto& one : cases) {
        int value = 7;
        const auto got = bound(one.yaml, value, [](MapReader& r, int& into) { r.read("k", into, -5, 1000); });
        EXPECT_EQ(value, one.value) << one.yaml;
        EXPECT_EQ(got.complaint, one.complaint) << one.yaml;
    }
}

TEST(YamlReader, TakesTextsOfAnyScalar) {
    struct {
        const char *yaml, *value, *complaint;
    } const cases[] = {
        {"k: a b", "a b", ""},
        {"k: 007", "007", ""},
        {"k: true", "true", ""},
        {"k: ''", "", ""},
        {"k: ~", "before", ""},
        {"k: [a]", "before", "f:1:4: top.k: a list stands where one text is wanted; write k: 'TEXT'"},
    };
    for (const auto& one : cases) {
        std::string value = "before";
        const auto got = bound(one.yaml, value, [](MapReader& r, std::string& into) { r.read("k", into); });
        EXPECT_EQ(value, one.value) << one.yaml;
        EXPECT_EQ(got.complaint, one.complaint) << one.yaml;
    }
}

TEST(YamlReader, TakesGosDurationsAndNoBareNumbers) {
    struct {
        const char* yaml;
        int millis;
        const char* complaint;
    } const cases[] = {
        {"k: 500ms", 500, ""},
        {"k: '1h30m'", 5'400'000, ""},
        {"k: 1.5s", 1500, ""},
        {"k: '0'", 0, ""},
        {"k: 0s", 0, ""},
        {"k: 10", 7000, "f:1:4: top.k: \"10\" has no unit; write \"10s\""},
        {"k: 0", 7000, "f:1:4: top.k: \"0\" has no unit; write \"0s\""},
        {"k: '10'", 7000, "f:1:4: top.k: \"10\" has no unit; write \"10s\""},
        {"k: 5min", 7000, "f:1:4: top.k: \"5min\" is no duration; write \"5m\""},
        {"k: 10 seconds", 7000, "f:1:4: top.k: \"10 seconds\" is no duration; write \"10s\""},
        {"k: 2d", 7000, "f:1:4: top.k: \"2d\" is no duration; write \"48h\""},
        {"k: soon", 7000, "f:1:4: top.k: \"soon\" is no duration; write it like \"7s\""},
        {"k: [10s]", 7000, "f:1:4: top.k: a list is no duration; write k: 7s"},
        {"k: -1s", 7000, "f:1:4: top.k: \"-1s\" is too short; write 0s or more, like \"7s\""},
        {"k: 3h", 7000, "f:1:4: top.k: \"3h\" is too long; write 2h or less"},
    };
    for (const auto& one : cases) {
        Millis value{7000};
        const auto got = bound(one.yaml, value, [](MapReader& r, Millis& into) {
            r.read_duration("k", into, Millis(0), std::chrono::hours(2));
        });
        EXPECT_EQ(value.count(), one.millis) << one.yaml;
        EXPECT_EQ(got.complaint, one.complaint) << one.yaml;
    }
}

TEST(YamlReader, ListsOfTextsAreNeverShown) {
    struct {
        const char* yaml;
        std::vector<std::string> value;
        const char* complaint;
    } const cases[] = {
        {"k: [a, 1]", {"a", "1"}, ""},
        {"k: []", {}, ""},
        {"k: secret",
         {"before"},
         "f:1:4: top.k: one text stands where a list is wanted; write \"- ITEM\" lines under it"},
        {"k: [a, [secret]]", {"a"}, "f:1:8: top.k: a list stands where an item is wanted; write - 'TEXT'"},
        {"k: [~]", {}, "f:1:5: top.k: nothing stands where an item is wanted; write - 'TEXT'"},
    };
    for (const auto& one : cases) {
        std::vector<std::string> value{"before"};
        const auto got =
            bound(one.yaml, value, [](MapReader& r, std::vector<std::string>& into) { r.read("k", into); });
        EXPECT_EQ(value, one.value) << one.yaml;
        EXPECT_EQ(got.complaint, one.complaint) << one.yaml;
    }
}

TEST(YamlReader, MapsAreMergedKeyByKey) {
    std::map<std::string, std::string> value{{"a", "1"}, {"b", "2"}};
    const auto read = [](MapReader& r, auto& into) { r.read("k", into); };
    EXPECT_EQ(bound("k: {b: 3, 4: true, e: }", value, read).complaint, "");
    EXPECT_EQ(value, (std::map<std::string, std::string>{{"a", "1"}, {"b", "3"}, {"4", "true"}, {"e", ""}}));
    EXPECT_EQ(bound("k: {b: [x]}", value, read).complaint,
              "f:1:8: top.k.b: a list stands where one text is wanted; write b: 'TEXT'");
    EXPECT_EQ(bound("k: {\"b\\n\\e[1m\": [x]}", value, read).complaint,
              "f:1:17: top.k.b\\n\\x1b[1m: a list stands where one text is wanted; write b\\n\\x1b[1m: 'TEXT'");
    EXPECT_EQ(bound("k: text", value, read).complaint,
              "f:1:4: top.k: \"text\" stands where keys and values are wanted; write NAME: 'TEXT' lines under it");
}

TEST(YamlReader, AMappingThatIsNoneIsOneError) {
    Complaints complaints("f");
    MapReader list(*parse("[a]", "f"), "", complaints);
    MapReader text(*parse("a: b", "f")->find("a"), "top", complaints);
    MapReader nothing(Node(), "top", complaints);
    std::string value;
    EXPECT_FALSE(list.read("a", value) || text.read("a", value) || nothing.read("a", value));
    list.finish();
    EXPECT_EQ(complaints.errors(),
              (std::vector<std::string>{
                  "f:1:1: a list stands where keys and values are wanted; write KEY: VALUE lines",
                  "f:1:4: top: \"b\" stands where keys and values are wanted; write KEY: VALUE lines"}));
}

TEST(YamlReader, WarnsOfUnknownKeysWithTheNearest) {
    Complaints complaints("f");
    MapReader reader(
        *parse("quality: a\nQUALITY: b\nlatnecy: c\nout_format: d\nzzzzzz: e\nx-mine: e\nold: f\nchanels: g\n", "f"),
        "top", complaints);
    std::string value;
    for (const auto* key : {"quality", "latency", "outFormat"}) reader.read(key, value);
    reader.deprecated("old", "write \"new\"");
    reader.finish({{"channels", "it belongs at the top"}});
    EXPECT_EQ(complaints.warnings(), (std::vector<std::string>{
                                         "f:7:1: top.old is deprecated; write \"new\"",
                                         "f:2:1: unknown key \"QUALITY\" in top; write \"quality\"",
                                         "f:3:1: unknown key \"latnecy\" in top; write \"latency\"",
                                         "f:4:1: unknown key \"out_format\" in top; write \"outFormat\"",
                                         "f:5:1: unknown key \"zzzzzz\" in top; it is ignored, take it out",
                                         "f:8:1: unknown key \"chanels\" in top; it belongs at the top",
                                     }));
    EXPECT_TRUE(complaints.result());
}

TEST(YamlReader, TellsErrorsInTheFilesOrderAndNotMoreThanTwenty) {
    Complaints complaints("f");
    for (int line = 30; line > 0; --line) complaints.error({line, 1}, "bad");
    complaints.error({3, 9}, "second");
    complaints.error({3, 5}, "first");
    const auto result = complaints.result();
    ASSERT_FALSE(result);
    const auto& text = result.error().what;
    EXPECT_TRUE(text.starts_with("f:1:1: bad\nf:2:1: bad\nf:3:1: bad\nf:3:5: first\nf:3:9: second\nf:4:1: bad\n"))
        << text;
    EXPECT_TRUE(text.ends_with("f:18:1: bad\n… and 12 more")) << text;
}

TEST(YamlReader, ChecksTextsAndKeepsTheOldOneOnAComplaint) {
    std::string value = "before";
    const auto read = [](MapReader& r, std::string& into) {
        r.read_checked("k", into, [](const std::string& text) -> Result<> {
            if (text == "good") return {};
            return Error{.code = Errc::bad_input, .what = "not good"};
        });
    };
    EXPECT_EQ(bound("k: bad", value, read).complaint, "f:1:4: top.k: not good");
    EXPECT_EQ(value, "before");
    EXPECT_EQ(bound("k: good", value, read).complaint, "");
    EXPECT_EQ(value, "good");
}

TEST(YamlNearest, FindsSlipsAndNothingFarOff) {
    const std::vector<std::string> known{"remux", "remuxFormat", "concat", "labels", "urls", "a"};
    struct {
        const char *word, *nearest;
    } const cases[] = {{"remx", "remux"},
                       {"REMUXFORMAT", "remuxFormat"},
                       {"remux-format", "remuxFormat"},
                       {"cnocat", "concat"},
                       {"label", "labels"},
                       {"url", "urls"},
                       {"b", ""},
                       {"", ""},
                       {"somethingElse", ""}};
    for (const auto& one : cases) EXPECT_EQ(nearest(one.word, known), one.nearest) << one.word;
    EXPECT_EQ(nearest(std::string(100'000, 'x'), known), "");
}

TEST(YamlGoDuration, ReadsAsGoDoes) {
    struct {
        const char* text;
        std::int64_t nanoseconds;
        const char* error;
    } const cases[] = {
        {"0", 0, ""},
        {"-0", 0, ""},
        {"5s", 5'000'000'000, ""},
        {"+5s", 5'000'000'000, ""},
        {"-5s", -5'000'000'000, ""},
        {"1h30m", 5'400'000'000'000, ""},
        {"1.5h", 5'400'000'000'000, ""},
        {".5s", 500'000'000, ""},
        {"5.s", 5'000'000'000, ""},
        {"10ns", 10, ""},
        {"11us", 11'000, ""},
        {"12µs", 12'000, ""},
        {"12μs", 12'000, ""},
        {"39h9m14.425s", 140'954'425'000'000, ""},
        {"9223372036854775807ns", INT64_MAX, ""},
        {"-9223372036854775808ns", INT64_MIN, ""},
        {"0.3333333333333333333h", 1'200'000'000'000, ""},
        {"", 0, "time: invalid duration \"\""},
        {"-", 0, "time: invalid duration \"-\""},
        {"3", 0, "time: missing unit in duration \"3\""},
        {"s", 0, "time: invalid duration \"s\""},
        {".s", 0, "time: invalid duration \".s\""},
        {"1 s", 0, "time: unknown unit \" s\" in duration \"1 s\""},
        {"1d", 0, "time: unknown unit \"d\" in duration \"1d\""},
        {"9223372036854775808ns", 0, "time: invalid duration \"9223372036854775808ns\""},
        {"99999999999999999999h", 0, "time: invalid duration \"99999999999999999999h\""},
        {"2562048h", 0, "time: invalid duration \"2562048h\""},
    };
    for (const auto& one : cases) {
        const auto result = parse_go_duration(one.text);
        EXPECT_EQ(result ? "" : result.error().what, one.error) << one.text;
        if (result) {
            EXPECT_EQ(result->count(), one.nanoseconds) << one.text;
        }
    }
}

TEST(YamlGoDuration, IsWrittenShort) {
    using namespace std::chrono;
    EXPECT_EQ(go_duration_text(hours(48)), "48h");
    EXPECT_EQ(go_duration_text(minutes(90)), "1h30m");
    EXPECT_EQ(go_duration_text(Millis(61'500)), "1m1s500ms");
    EXPECT_EQ(go_duration_text(Millis(0)), "0s");
    EXPECT_EQ(go_duration_text(-seconds(1)), "-1s");
}

}  // namespace
}  // namespace weir::yaml
