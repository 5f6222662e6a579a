#include "base/log.h"

#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>

#include "base/secret.h"

namespace weir::log {
namespace {

/// 2025-11-21 07:02:09 UTC, and noon and midnight beside it.
const WallTime morning{std::chrono::seconds(1'763'708'529)};

class LogLine : public testing::Test {
protected:
    void SetUp() override {
        ::setenv("TZ", "UTC", 1);
        ::tzset();
    }
    static std::string text(std::string_view message, std::initializer_list<Field> fields = {}, bool colour = false) {
        return line_text({Level::info, false, colour}, Level::error, morning, {"/home/x/src/io/tcp.cpp", 29}, message,
                         fields);
    }
    static std::string json(std::string_view message, std::initializer_list<Field> fields = {}) {
        return line_text({Level::info, true, false}, Level::warn, morning, {"src/io/tcp.cpp", 29}, message, fields);
    }
};

TEST_F(LogLine, HasTheShapeOfTheReference) {
    EXPECT_EQ(text("no route", {{"host", "a.example"}, {"tries", 3}}),
              "7:02AM ERR io/tcp.cpp:29 > no route host=a.example tries=3");
}

TEST_F(LogLine, CountsHoursByTwelve) {
    const auto at = [](int hour) {
        return line_text({}, Level::info, WallTime(std::chrono::hours(hour)), {"a.cpp", 1}, "x");
    };
    EXPECT_EQ(at(0), "12:00AM INF a.cpp:1 > x");
    EXPECT_EQ(at(12), "12:00PM INF a.cpp:1 > x");
    EXPECT_EQ(at(23), "11:00PM INF a.cpp:1 > x");
}

TEST_F(LogLine, QuotesValuesWithSpaces) {
    EXPECT_EQ(text("x", {{"why", "two words"}, {"empty", ""}, {"q", "a\"b"}}),
              R"(7:02AM ERR io/tcp.cpp:29 > x why="two words" empty= q="a\"b")");
}

TEST_F(LogLine, NeverLetsAPeerWriteToTheTerminal) {
    EXPECT_EQ(text("a\nb\x1b[2J", {{"k", "\x1b]0;x\a"}}), R"(7:02AM ERR io/tcp.cpp:29 > a\nb\x1b[2J k="\x1b]0;x\x07")");
    EXPECT_EQ(text("\xc2\x9b bad \xff ok \xc3\xa9"), "7:02AM ERR io/tcp.cpp:29 > \\xc2\\x9b bad \\xff ok \xc3\xa9");
}

TEST_F(LogLine, ColoursOnlyWhenAsked) {
    EXPECT_EQ(text("x").find('\x1b'), std::string::npos);
    EXPECT_NE(text("x", {}, true).find("\x1b["), std::string::npos);
}

TEST_F(LogLine, IsOneJsonObject) {
    EXPECT_EQ(json("say \"hi\"\n", {{"error", "bad\xff"}, {"channelID", 7}}),
              R"({"level":"warn","time":"2025-11-21T07:02:09Z","caller":"io/tcp.cpp:29","message":"say \"hi\"\n",)"
              "\"error\":\"bad\xef\xbf\xbd\",\"channelID\":\"7\"}");
}

TEST_F(LogLine, MasksSecretsByTheirType) {
    EXPECT_EQ(text("x", {{"key", Secret("abc")}}), "7:02AM ERR io/tcp.cpp:29 > x key=***");
}

std::string captured;
int formatted = 0;
int costly() {
    return ++formatted;
}

TEST(Log, ALevelThatIsOffCostsNoFormatting) {
    capture([](std::string_view line) { captured += line; });
    configure({Level::warn, false, false});
    WEIR_LOG(info, "quiet", {"n", costly()});
    WEIR_LOG(error, "loud", {"n", costly()});
    configure({});
    capture(nullptr);
    EXPECT_EQ(formatted, 1);
    EXPECT_NE(captured.find("base/log_test.cpp:"), std::string::npos);
    EXPECT_NE(captured.find("> loud n=1"), std::string::npos);
    EXPECT_EQ(captured.find("quiet"), std::string::npos);
}

}  // namespace
}  // namespace weir::log
