#include "proto/yaml/document.h"

#include <gtest/gtest.h>

namespace weir::yaml {
namespace {

/// "{a: [1, 'x'], b: ~}": enough of a tree to compare. Texts that were quoted stand in ''.
std::string tree(const Node& node) {
    std::string out;
    switch (node.kind()) {
        case Kind::null:
            return "~";
        case Kind::scalar:
            return node.quoted() ? "'" + node.text() + "'" : node.text();
        case Kind::sequence:
            for (const auto& item : node.items()) out += (out.empty() ? "" : ", ") + tree(item);
            return "[" + out + "]";
        case Kind::mapping:
            for (const auto& entry : node.entries())
                out += (out.empty() ? "" : ", ") + tree(entry.key) + ": " + tree(entry.value);
            return "{" + out + "}";
    }
    return out;
}

struct YamlCase {
    const char* name;
    std::string yaml, tree;
};
void PrintTo(const YamlCase& c, std::ostream* out) {
    *out << c.name;
}

class YamlDocument : public testing::TestWithParam<YamlCase> {};

TEST_P(YamlDocument, IsReadAsATree) {
    const auto root = parse(GetParam().yaml, "f");
    ASSERT_TRUE(root) << root.error().what;
    EXPECT_EQ(tree(*root), GetParam().tree);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, YamlDocument,
    testing::Values(YamlCase{"Nulls", "a: ~\nb: null\nc: Null\nd: NULL\ne:\nf: ''\ng: '~'\nh: nUll\n",
                             "{a: ~, b: ~, c: ~, d: ~, e: ~, f: '', g: '~', h: nUll}"},
                    YamlCase{"NumbersAsKeysKeepTheirText", "40740626: 1\n007: 2\n0x10: 3\n1.50: 4\ntrue: 5\nnull: 6\n",
                             "{40740626: 1, 007: 2, 0x10: 3, 1.50: 4, true: 5, null: 6}"},
                    YamlCase{"Json", R"({"a": [1, true, null, "x\/\ud83d\ude00"], "b": {}, "c": []})",
                             "{'a': [1, true, ~, 'x/😀'], 'b': {}, 'c': []}"},
                    YamlCase{"JsonIndentedByTabs", "{\n\t\"a\": 1,\n\t\"b\": [\n\t\t2\n\t]\n}\n", "{'a': 1, 'b': [2]}"},
                    YamlCase{"JsonWithoutBlanks", R"({"a":1,"b":["c"]})", "{'a': 1, 'b': ['c']}"},
                    YamlCase{"CrLfAndMark",
                             "\xEF\xBB\xBF"
                             "a: 1\r\nb: 2\r\n",
                             "{a: 1, b: 2}"},
                    YamlCase{"DocumentMarksAndDirective", "%YAML 1.1\n---\na: 1\n...\n", "{a: 1}"},
                    YamlCase{"Blocks", "a: |\n x\n y\nb: >-\n x\n y\n", "{a: 'x\ny\n', b: 'x y'}"},
                    YamlCase{"ListAtTheKeysColumn", "a:\n- 1\n- 2\nb: 3\n", "{a: [1, 2], b: 3}"},
                    YamlCase{"EmptyItems", "a:\n  -\n  - x\n", "{a: [~, x]}"},
                    YamlCase{"TagsOfTheCore", "a: !!str 10\nb: !!int '3'\nc: ! x\nd: !mine y\n",
                             "{a: '10', b: 3, c: 'x', d: y}"},
                    YamlCase{"Aliases", "a: &one {x: 1}\nb: *one\nc: [*one, &two t, *two]\n",
                             "{a: {x: 1}, b: {x: 1}, c: [{x: 1}, t, t]}"},
                    YamlCase{"AliasAsKey", "a: &k name\n*k : 1\n", "{a: name, name: 1}"},
                    YamlCase{"AliasOfNothing", "a: &n\nb: *n\n", "{a: ~, b: ~}"},
                    YamlCase{"MergeLosesToWhatStandsThere", "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n  z: 4\n",
                             "{a: {x: 1, y: 2}, b: {y: 3, z: 4, x: 1}}"},
                    YamlCase{"MergeOfSeveralTheFirstWins", "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}\n",
                             "{a: {x: 1}, b: {x: 2, y: 2}, c: {x: 1, y: 2}}"},
                    YamlCase{"QuotedMergeIsAKey", "a: {'<<': 1}\n", "{a: {'<<': 1}}"},
                    YamlCase{"OneText", "hello\n", "hello"}),
    [](const auto& c) { return c.param.name; });

struct BadYaml {
    const char* name;
    std::string yaml, says;
};
void PrintTo(const BadYaml& c, std::ostream* out) {
    *out << c.name;
}

class BrokenYaml : public testing::TestWithParam<BadYaml> {};

TEST_P(BrokenYaml, IsOneLineWithItsPlace) {
    const auto root = parse(GetParam().yaml, "f.yaml", {.bytes = 1000, .depth = 4, .nodes = 40});
    ASSERT_FALSE(root) << tree(*root);
    EXPECT_EQ(root.error().code, Errc::bad_input);
    EXPECT_EQ(root.error().what, GetParam().says);
}

std::string laughs() {
    std::string out = "a: &a [x, x, x, x]\n";
    for (char c = 'b'; c < 'e'; ++c) {
        const std::string last(1, static_cast<char>(c - 1));
        out += std::string(1, c) + ": &" + c + " [*" + last + ", *" + last + ", *" + last + "]\n";
    }
    return out;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BrokenYaml,
    testing::Values(
        BadYaml{"Empty", "", "f.yaml:1:1: the file is empty"},
        BadYaml{"Blank", " \n\n", "f.yaml:1:1: the file is empty"},
        BadYaml{"OnlyAComment", "# x\n", "f.yaml:1:1: the file is empty"},
        BadYaml{"OnlyAMark", "---\n", "f.yaml:1:1: the file is empty"},
        BadYaml{"OnlyNull", "~\n", "f.yaml:1:1: the file is empty"},
        BadYaml{"TwoDocuments", "a: 1\n---\nb: 2\n",
                "f.yaml:2:1: a second document begins here; keep one, without \"---\" between"},
        BadYaml{"KeyTwice", "a:\n  b: 1\n  c: 2\n  b: 3\n",
                "f.yaml:4:3: key \"b\" is here a second time, the first is at 2:3; keep one"},
        BadYaml{"KeyTwiceInQuotes", "{\"é\": 1, é: 2}\n",
                "f.yaml:1:10: key \"é\" is here a second time, the first is at 1:2; keep one"},
        BadYaml{"Nul", std::string("a: b\0c\n", 7), "f.yaml:1:5: control character 0x00; take it out"},
        BadYaml{"Escape", "a: é\x1b\n", "f.yaml:1:5: control character 0x1B; take it out"},
        BadYaml{"EscapedNul", "a: \"x\\0\"\n", "f.yaml:1:4: a text cannot hold a NUL"},
        BadYaml{"Latin1", "a: 1\nb: \xe9\n", "f.yaml:2:4: byte 0xE9 is not UTF-8; save the file as UTF-8"},
        BadYaml{"Utf16",
                "\xff\xfe"
                "a",
                "f.yaml:1:1: byte 0xFF is not UTF-8; save the file as UTF-8"},
        BadYaml{"TooLarge", std::string(1001, 'a'), "f.yaml:1:1: larger than 1000 bytes"},
        BadYaml{"TooDeep", "[[[[[1]]]]]", "f.yaml:1:5: deeper than 4 levels"},
        BadYaml{"TooDeepByAlias", "a: &a [[1]]\nb: [[*a]]\n", "f.yaml:2:6: deeper than 4 levels"},
        BadYaml{"MultiplyingAliases", laughs(), "f.yaml:3:12: more than 40 values, aliases followed"},
        BadYaml{"MultiplyingMerges", "a: &a {1: , 2: , 3: , 4: , 5: , 6: }\nb: {<<: *a}\nc: {<<: *a}\nd: {<<: *a}\n",
                "f.yaml:2:9: more than 40 values, aliases followed"},
        BadYaml{"AliasInItself", "a: &a [*a]\n", "f.yaml:1:8: \"*a\" holds itself: it stands inside \"&a\""},
        BadYaml{
            "UnknownAlias", "a: *b\n",
            "f.yaml:1:4: \"*b\" stands for nothing: there is no \"&b\" before it; put a text that begins with '*' in "
            "quotes"},
        BadYaml{"MergeOfAText", "a: &a x\nb: {<<: *a}\n",
                "f.yaml:2:9: \"<<\" takes keys and values; write \"<<: *NAME\" with the name of a mapping"},
        BadYaml{"ListAsKey", "? [a]\n: 1\n",
                "f.yaml:1:3: a key cannot be a list or a mapping; quote a text that begins with '[' or '{'"},
        BadYaml{"TemplateWithoutQuotes", "a: {{ .Title }}\n",
                "f.yaml:1:5: a key cannot be a list or a mapping; quote a text that begins with '[' or '{'"},
        BadYaml{"NoKey", ": 1\n", "f.yaml:1:1: a key is missing before ':'; write KEY: VALUE"},
        BadYaml{"TabIndent", "a:\n\tb: 1\n", "f.yaml:2:1: a tab cannot indent; write spaces"},
        BadYaml{"OpenQuote", "a: \"x\n",
                "f.yaml:1:5: the quote \" is never closed; close it; inside it write \\\" for \""},
        BadYaml{"OpenList", "a: [1, 2\n", "f.yaml:1:4: '[' is never closed; close it with ']'"},
        BadYaml{"OpenMapping", "a: {b: 1\n",
                "f.yaml:1:4: ',' or '}' is missing; close '{' with '}'; put a text with '{' in quotes"},
        BadYaml{"TooMuchClosed", "a: ]\n",
                "f.yaml:1:4: a bracket is closed that was not opened; take it out or quote the text"},
        BadYaml{"TwoColons", "a: b: c\n",
                "f.yaml:1:5: a second \": \" on one line; put a text that holds \": \" in quotes"},
        BadYaml{"NoColon", "a: 1\nb 2\nc: 3\n", "f.yaml:2:1: no ':' after this key; write KEY: VALUE"},
        BadYaml{"At", "a: @x\n", "f.yaml:1:4: plain scalar cannot start with '@'; put the text in quotes"},
        BadYaml{
            "BadEscape", "a: \"\\q\"\n",
            "f.yaml:1:5: invalid escape 'q' in double-quoted string; write \\\\ for a backslash, or put the text in "
            "single quotes"},
        BadYaml{"Apostrophe", "a: 'it's'\n",
                "f.yaml:1:8: text goes on after its closing quote '; write '' for a ' inside it"},
        BadYaml{"DeeperThanItsBlock", "a: 1\n  b: 2\n",
                "f.yaml:1:4: this text runs on into the next line, where a ':' is; write KEY: VALUE here, and begin "
                "all keys of one block in the same column"}),
    [](const auto& c) { return c.param.name; });

TEST(YamlDocumentPlaces, CountCharactersFromOne) {
    const auto root = parse("é: \"ü\"\n\"é é\":  [ä,   'b']\nc:\n  d: |\n    text\n", "f");
    ASSERT_TRUE(root);
    const auto at = [](const Node& node) {
        return std::to_string(node.mark().line) + ":" + std::to_string(node.mark().column);
    };
    EXPECT_EQ(at(root->entries()[0].key), "1:1");
    EXPECT_EQ(at(root->entries()[0].value), "1:4");
    EXPECT_EQ(at(root->entries()[1].key), "2:1");
    EXPECT_EQ(at(root->entries()[1].value), "2:9");
    EXPECT_EQ(at(root->entries()[1].value.items()[1]), "2:15");
    EXPECT_EQ(at(*root->find("c")), "4:3");
    EXPECT_EQ(at(*root->find("c")->find("d")), "5:1");
}

TEST(YamlDocumentNodes, OutliveTheirDocument) {
    Node kept;
    {
        auto root = parse("a: {b: [x, y]}\n", "f");
        ASSERT_TRUE(root);
        kept = *root->find("a")->find("b");
    }
    EXPECT_EQ(tree(kept), "[x, y]");
    EXPECT_EQ(Node().kind(), Kind::null);
    EXPECT_EQ(Node().find("a"), nullptr);
}

TEST(YamlDocumentLimits, MuchOfAnythingEndsSoon) {
    const auto many = [](std::string_view what) {
        std::string out;
        while (out.size() + what.size() <= (1u << 18)) out += what;
        return out;
    };
    for (const std::string_view what :
         {"[", "{", "- ", "? ", "a,", "a: ", "&a ", "*a ", "\"", "x\n ", "#\n", "%TAG !a! b\n"})
        EXPECT_FALSE(parse("[" + many(what).substr(1), "f")) << what;
}

}  // namespace
}  // namespace weir::yaml
