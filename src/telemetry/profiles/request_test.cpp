#include "telemetry/profiles/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::telemetry {
namespace {

using testing::ElementsAre;
using namespace std::string_literals;

TEST(ProfileRequest, IsReadAsGoReadsIt) {
    struct Case {
        std::string path, query, name;
        std::optional<std::int64_t> seconds;
        bool debug;
    };
    const Case cases[] = {{"/debug/pprof/", "", "", std::nullopt, false},
                          {"/debug/pprof/heap", "gc=1&debug=1", "heap", std::nullopt, true},
                          {"/debug/pprof/heap", "debug=0", "heap", std::nullopt, false},
                          {"/debug/pprof/heap", "debug=x", "heap", std::nullopt, false},
                          {"/debug/pprof/profile", "seconds=14", "profile", 14, false},
                          {"/debug/pprof/profile", "seconds=-1", "profile", std::nullopt, false},
                          {"/debug/pprof/profile", "seconds=", "profile", std::nullopt, false},
                          {"/debug/pprof/a/b", "seconds=1&seconds=2", "a/b", 1, false}};
    for (const auto& each : cases) {
        const auto read = parse_profile_request(each.path, each.query);
        EXPECT_EQ(read.name, each.name) << each.path << each.query;
        EXPECT_EQ(read.seconds, each.seconds) << each.path << each.query;
        EXPECT_EQ(read.debug, each.debug) << each.path << each.query;
    }
}

TEST(ProfileRequest, IsRefusedWithGosTexts) {
    const auto why = [](const char* path, const char* query) {
        const auto answer = refused(parse_profile_request(std::string("/debug/pprof/") + path, query));
        return answer ? std::to_string(answer->status) + " " + answer->body : std::string();
    };
    const std::string number = "400 invalid value for \"seconds\" - must be a positive integer\n";
    EXPECT_EQ(why("heap", "seconds=0"), number);
    EXPECT_EQ(why("heap", "seconds=abc"), number);
    EXPECT_EQ(why("goroutine", "seconds=1x"), number);
    EXPECT_EQ(why("heap", "seconds=1&debug=1"), "400 seconds and debug params are incompatible\n");
    EXPECT_EQ(why("heap", "seconds=1"), "");
    EXPECT_EQ(why("heap", "debug=1"), "");
    EXPECT_EQ(why("profile", "seconds=nonsense"), "") << "30 are taken, as Go does";
    EXPECT_EQ(why("profile", "seconds=301"), "400 a profile lasts 300 seconds at most\n");
}

TEST(ProfileAnswer, ErrorsAreMarkedForTheTool) {
    const auto answer = profile_error(404, "Unknown profile");
    EXPECT_EQ(answer.body, "Unknown profile\n");
    EXPECT_EQ(answer.content_type, "text/plain; charset=utf-8");
    EXPECT_THAT(answer.headers, ElementsAre(testing::Pair("X-Go-Pprof", "1")));
}

TEST(MaskedArguments, SecretsOfTheCommandLineAreNotShown) {
    const std::pair<std::string, std::string> cases[] = {
        {"weir\0fc2\0watch\0-c\0/etc/weir.yaml"s, "weir\0fc2\0watch\0-c\0/etc/weir.yaml"s},
        {"weir\0--push-secret\0canary\0--port\0"s + "80", "weir\0--push-secret\0***\0--port\0"s + "80"},
        {"weir\0--admin-token=canary"s, "weir\0--admin-token=***"s},
        {"weir\0--to\0discord://canary@token/"s, "weir\0--to\0discord://***"s},
        {"weir\0--api\0https://user:canary@host/a?token=canary"s, "weir\0--api\0"s + "https://***@host/a?token=***"},
        {"weir\0--cookies-file\0--verbose\0x"s, "weir\0--cookies-file\0--verbose\0x"s}};
    for (const auto& [given, shown] : cases) EXPECT_EQ(masked_arguments(given), shown);
}

TEST(SymbolRequest, AddressesJoinedByPlus) {
    EXPECT_THAT(parse_addresses("0x401000+0X402000+16\n"), ElementsAre(0x401000, 0x402000, 16));
    EXPECT_THAT(parse_addresses("zz+0x+0+0x10000000000000000+7"), ElementsAre(7));
    EXPECT_THAT(parse_addresses(""), ElementsAre());
}

}  // namespace
}  // namespace weir::telemetry
