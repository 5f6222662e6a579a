#include "proto/gotemplate/template.h"

#include <gtest/gtest.h>

#include <chrono>

#include "proto/gotemplate/go_time.h"
#include "proto/gotemplate/json.h"

namespace weir::gotemplate {
namespace {

std::string made(std::string_view text, const Value& data = {}, Options options = {}) {
    const auto parsed = Template::parse("gotpl", text, options);
    if (!parsed) return parsed.error().what;
    const auto result = parsed->run(data);
    return result.error ? result.output + "|" + result.error->what : result.output;
}

std::string repeated(std::string_view text, std::size_t times) {
    std::string all;
    for (std::size_t i = 0; i < times; ++i) all += text;
    return all;
}

TEST(GoTemplate, ValuesMadeInCppAreFoundUnderTheirNames) {
    const auto data = Value::structure(
        "", {{"Title", Value::text("t")},
             {"Labels", Value::labels({{"b", "2"}, {"a", "1"}})},
             {"Tags", Value::strings({"x", "y"})},
             {"Error", Value::interface(types::error(), Value::error("eof"))},
             {"Count", Value::json_number("12.50")},
             {"MetaData", Value::any(Value::structure("api.MetaData", {{"Live", Value::boolean(true)}}))},
             {"Nothing", Value()},
             {"Error2", Value::error("boom")}});
    EXPECT_EQ(made("{{.Title}} {{.Labels.a}}{{.Labels}} {{index .Tags 1}} {{.Error}} {{.Count}} {{.MetaData.Live}} "
                   "{{.Nothing}}",
                   data),
              "t 1map[a:1 b:2] y eof 12.50 true <no value>");
    EXPECT_EQ(made("{{printf \"%T\" .}}", data),
              "struct { Title string; Labels map[string]string; Tags []string; Error error; Count json.Number; "
              "MetaData interface {}; Nothing interface {}; Error2 *errors.errorString }");
    EXPECT_EQ(made("{{printf \"%d %+v\" .Error2 .Error2}}", data), "&{%!d(string=boom)} boom");
}

TEST(GoTemplate, AnErrorLeavesWhatWasPrinted) {
    const auto parsed = Template::parse("n", "a {{.x}} b {{index .l 3}} c");
    ASSERT_TRUE(parsed);
    const auto data = value_from_json(R"({"x": 1, "l": []})");
    ASSERT_TRUE(data);
    const auto result = parsed->run(*data);
    EXPECT_EQ(result.output, "a 1 b ");
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.error->code, Errc::bad_input);
    EXPECT_EQ(result.error->what,
              "template: n:1:13: executing \"n\" at <index .l 3>: error calling index: index out of range: 3");
    EXPECT_FALSE(parsed->execute(*data));
}

TEST(GoTemplate, PiecesSayWhatIsTheTemplatesOwnText) {
    Options options;
    options.keep_pieces = true;
    const auto result = Template::parse("n", "a/{{1}}{{if true}}b{{end}}{{\"\"}}", options)->run({});
    std::string marks;
    for (const auto& piece : result.pieces) marks += (piece.literal ? "L" : "P") + std::to_string(piece.size);
    EXPECT_EQ(marks, "L2P1L1P0");
}

TEST(GoTemplate, PlainJsonHasGosTypes) {
    const auto data = value_from_json(R"({"n": 72364867, "l": [1, "a", null, {"k": true}], "z": null, "t": "x"})");
    ASSERT_TRUE(data);
    EXPECT_EQ(made("{{.n}} {{.l}} {{.z}} {{printf \"%T %T %T\" . .n .l}}", *data),
              "7.2364867e+07 [1 a <nil> map[k:true]] <no value> map[string]interface {} float64 []interface {}");
    EXPECT_FALSE(value_from_json("{"));
    EXPECT_FALSE(value_from_json(repeated("[", 1000)));
}

TEST(GoTemplate, TypedJsonIsSeenByItsKind) {
    const auto data = value_from_json(R"({"t": "duration", "v": "90000000000"})");
    ASSERT_TRUE(data);
    EXPECT_EQ(made("{{.}}", *data), "1m30s");
    EXPECT_FALSE(value_from_json(R"({"t": "int", "v": "x"})"));
    EXPECT_FALSE(value_from_json(R"({"t": "map", "type": "map[string]int", "v": [1]})"));
}

TEST(GoTemplate, DeepTemplatesNestAsFarAsInGo) {
    EXPECT_EQ(
        made("{{define \"r\"}}{{template \"r\"}}{{end}}{{template \"r\"}}"),
        "|template: gotpl:1:25: executing \"r\" at <{{template \"r\"}}>: exceeded maximum template depth (100000)");
}

TEST(GoTemplate, TooManyParenthesesAreAnError) {
    EXPECT_EQ(made("{{" + repeated("(", 490) + "1" + repeated(")", 490) + "}}"), "1");
    EXPECT_EQ(made("{{" + repeated("(", 10'001) + "1" + repeated(")", 10'001) + "}}"),
              "template: gotpl:1: max expression depth exceeded");
}

TEST(GoTemplate, TooDeepControlsAreAnError) {
    EXPECT_EQ(made(repeated("{{if true}}", 490) + "x" + repeated("{{end}}", 490)), "x");
    EXPECT_EQ(made(repeated("{{with 1}}", 2000)), "template: gotpl:1: more than 500 levels of nesting");
}

TEST(GoTemplate, ATemplateThatWouldRunForEverIsStopped) {
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(made("{{range 1000000000000}}{{end}}"),
              "|template: gotpl:1:8: executing \"gotpl\" at <1000000000000>: stopped after 5000000 steps");
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
}

TEST(GoTemplate, ATemplateThatWouldEatMemoryIsStopped) {
    for (const char* text :
         {"{{$x := \"xxxxxxxx\"}}{{range 60}}{{$x = print $x $x}}{{end}}",
          "{{range 100000}}{{printf \"%999999d\" 1}}{{end}}", "{{range 100000}}{{$x := printf \"%999999d\" 1}}{{end}}",
          "{{define \"a\"}}{{printf \"%*d%*d%*d%*d%*d\" 999999 1 999999 1 999999 1 999999 1 999999 1}}"
          "{{end}}{{template \"a\"}}"}) {
        const auto result = Template::parse("n", text)->run({});
        ASSERT_TRUE(result.error) << text;
        EXPECT_EQ(result.error->code, Errc::bad_input);
        EXPECT_LE(result.output.size(), Limits{}.output_bytes);
        EXPECT_NE(result.error->what.find(" bytes"), std::string::npos) << result.error->what;
    }
    EXPECT_FALSE(Template::parse("n", std::string(200'000, 'x')));
}

struct Case {
    const char* name;
    const char* text;
    const char* wanted;
};

class GoTemplateTable : public ::testing::TestWithParam<Case> {};

TEST_P(GoTemplateTable, IsAsInGo) {
    const auto t = Value::time([] {
        Moment m;
        (void)parse_rfc3339("2024-08-05T09:07:03.120Z", m);
        return m;
    }());
    const auto data =
        Value::structure("", {{"T", t}, {"D", Value::duration(5'400'000'000'001)}, {"N", Value::text("a\xFF")}});
    EXPECT_EQ(made(GetParam().text, data), GetParam().wanted);
}

constexpr Case cases[] = {
    {"ElseIfChains", "{{if false}}a{{else if true}}b{{else}}c{{end}}", "b"},
    {"VariablesEndWithTheirBlock", "{{if true}}{{$x := 1}}{{end}}{{$x}}",
     "template: gotpl:1: undefined variable \"$x\""},
    {"VariablesOfATurnAreGone", "{{range $i := 3}}{{$y := $i}}{{$y}}{{end}}", "012"},
    {"ContinueInAnIf", "{{range 4}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{end}}", "013"},
    {"BreakGoesToTheElse", "{{range 3}}{{break}}{{else}}none{{end}}", ""},
    {"BlockInRangeHasNoBreak", "{{range 3}}{{block \"b\" .}}{{break}}{{end}}{{end}}",
     "template: gotpl:1: {{break}} outside {{range}}"},
    {"DollarInATemplate", "{{define \"a\"}}{{$}}{{end}}{{with 1}}{{template \"a\" 2}}{{end}}", "2"},
    {"ErrorOfALaterLine", "x\n\n  {{nil}}",
     "x\n\n  |template: gotpl:3:4: executing \"gotpl\" at <nil>: nil is not a command"},
    {"UnclosedActionNamesItsLine", "{{1\n", "template: gotpl:2: unclosed action started at gotpl:1"},
    {"LongTokensAreCut", "{{template abcdefghijklm}}",
     "template: gotpl:1: unexpected \"abcdefghij\"... in template clause"},
    {"BadCharacter", "{{.a;}}", "template: gotpl:1: bad character U+003B ';'"},
    {"OctalThatIsNone", "{{08}}", "template: gotpl:1: integer overflow: \"08\""},
    {"HugeNumber", "{{1e999}}", "template: gotpl:1: illegal number syntax: \"1e999\""},
    {"ComplexSum", "{{1+2i}}", "(1+2i)"},
    {"WantAtLeast", "{{index}}",
     "|template: gotpl:1:2: executing \"gotpl\" at <index>: wrong number of args for index: want at least 1 got 0"},
    {"FloatAsInteger", "{{.T.AddDate 0.0 1.0 0}}", "2024-09-05 09:07:03.12 +0000 UTC"},
    {"StringAsDuration", "{{.T.Add \"x\"}}",
     "|template: gotpl:1:9: executing \"gotpl\" at <\"x\">: expected integer; found \"x\""},
    {"PipedWrongType", "{{\"x\" | .T.Add}}",
     "|template: gotpl:1:10: executing \"gotpl\" at <.T.Add>: wrong type for value; expected time.Duration; got "
     "string"},
    {"MonthOverflows", "{{(.T.AddDate 0 5 30).Format \"2006-01-02\"}}", "2025-02-04"},
    {"TimesOfDay", "{{.T.Format \"3:04:05PM .000 __2 Monday January Z07:00 -07\"}}",
     "9:07:03AM .120 218 Monday August Z +00"},
    {"FractionThatFalls", "{{.T.Format \"05.999 05,000 05.0001\"}}", "03.12 03,120 03.0008"},
    {"LiteralDigitsAreReplaced", "{{.T.Format \"Janx 12 _2006\"}}", "Janx 85 _2024"},
    {"TruncatedTime", "{{.T.Truncate 3600000000000}}", "2024-08-05 09:00:00 +0000 UTC"},
    {"Durations", "{{.D}} {{.D.Round 60000000000}} {{.D.Hours}} {{.D.Milliseconds}}",
     "1h30m0.000000001s 1h30m0s 1.5000000000002778 5400000"},
    {"HexFloat", "{{printf \"%x %X %.3x\" 1.5 -0.1 3.14159}}", "0x1.8p+00 -0X1.999999999999AP-04 0x1.922p+01"},
    {"BinaryFloat", "{{printf \"%b\" 1.0}}", "4503599627370496p-52"},
    {"SharpFloat", "{{printf \"%#g %#.3f %#v\" 1.5 2.0 2.5}}", "1.50000 2.000 2.5"},
    {"PaddedSigns", "{{printf \"%+06d|%x|% 5d|%-6d|%06.2f\" 42 -255 7 3 -1.5}}", "+00042|-ff|    7|3     |-01.50"},
    {"PrecisionOfIntegers", "{{printf \"%.4d|%8.3d|%.0d|\" 7 7 0}}", "0007|     007||"},
    {"QuotedRunes", "{{printf \"%q %+q %#U %c\" 'x' 'é' '⌘' 128169}}", "'x' '\\u00e9' U+2318 '⌘' 💩"},
    {"BrokenText", "{{printf \"%q\" .N}}", "\"a\\xff\""},
    {"GoSyntax", "{{printf \"%#v %#v\" \"a\" 7}}", "\"a\" 7"},
    {"SpacedHex", "{{printf \"% x|%#x|%# x|%X\" \"abc\" \"abc\" \"abc\" \"xyz\"}}",
     "61 62 63|0x616263|0x61 0x62 0x63|78797A"},
    {"BadWidth", "{{printf \"%*d\" \"x\" 1}}", "%!(BADWIDTH)1"},
    {"BadIndex", "{{printf \"%[3]d %[x]d\" 1}}", "%!d(BADINDEX) %!d(BADINDEX)"},
    {"Surplus", "{{printf \"%d\" 1 nil \"a\"}}", "1%!(EXTRA <nil>, string=a)"},
    {"NonComparableKinds", "{{eq .T 1}}",
     "|template: gotpl:1:2: executing \"gotpl\" at <eq .T 1>: error calling eq: incompatible types for comparison: "
     "time.Time and int"},
    {"NotANumberIsTrue", "{{if printf}}{{end}}",
     "|template: gotpl:1:5: executing \"gotpl\" at <printf>: wrong number of args for printf: want at least 1 got 0"},
};

INSTANTIATE_TEST_SUITE_P(Cases, GoTemplateTable, ::testing::ValuesIn(cases),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace weir::gotemplate
