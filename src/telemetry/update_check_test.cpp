#include "telemetry/update_check.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "fake_http.h"
#include "simulated_shard.h"

namespace weir::telemetry {
namespace {

using test::Reply;

struct Order {
    const char *a, *b;
    std::optional<int> is;
};
std::ostream& operator<<(std::ostream& out, const Order& o) {
    return out << o.a << " and " << o.b;
}

class VersionOrder : public testing::TestWithParam<Order> {};

TEST_P(VersionOrder, IsThatOfSemver) {
    const auto [a, b, is] = GetParam();
    EXPECT_EQ(compare_versions(a, b), is);
    if (is) {
        EXPECT_EQ(compare_versions(b, a), -*is);
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, VersionOrder,
                         testing::Values(Order{"1.0.0", "1.0.0", 0}, Order{"v1.8.0", "1.10.0", -1},
                                         Order{"1.2", "1.2.0", 0}, Order{"2.0.0", "1.99.99", 1},
                                         Order{"1.0.0-rc.1", "1.0.0", -1}, Order{"1.0.0-alpha", "1.0.0-alpha.1", -1},
                                         Order{"1.0.0-alpha.1", "1.0.0-alpha.beta", -1},
                                         Order{"1.0.0-beta.2", "1.0.0-beta.11", -1},
                                         Order{"1.0.0-rc.1", "1.0.0-beta.11", 1}, Order{"1.0.0+a", "1.0.0+b", 0},
                                         Order{"V1.0.0-rc.1+x", "1.0.0-rc.1", 0}, Order{"1.0.0.0", "1.0.0", {}},
                                         Order{"", "1.0.0", {}}, Order{"dev", "1.0.0", {}}, Order{"1..0", "1.0.0", {}},
                                         Order{"1.0.0-", "1.0.0", {}}, Order{"-1.0.0", "1.0.0", {}},
                                         Order{"99999999999999999999.0.0", "1.0.0", {}}));

struct Answer {
    const char* name;
    Reply reply;
    const char* newer;  ///< null: an error
    const char* own = "1.8.0";
};
std::ostream& operator<<(std::ostream& out, const Answer& a) {
    return out << a.name;
}

class NewerVersion : public testing::TestWithParam<Answer> {
protected:
    Result<std::string> ask(const std::string& url, const std::string& own) {
        return test::run_simulated(shard_.context, shard_.time, newer_version(http_, url, own));
    }
    test::SimulatedShard shard_;
    test::FakeHttp http_{shard_.time, [](const HttpRequest&) { return GetParam().reply; }};
};

TEST_P(NewerVersion, IsOnlyANewerOne) {
    const auto newer = ask("https://releases.test/latest", GetParam().own);
    ASSERT_EQ(newer.has_value(), GetParam().newer != nullptr);
    if (newer) {
        EXPECT_EQ(*newer, GetParam().newer);
    }
    ASSERT_EQ(http_.requests.size(), 1u);
    EXPECT_THAT(http_.requests[0].headers,
                testing::ElementsAre(testing::Pair("Accept", "application/vnd.github.v3+json")));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, NewerVersion,
    testing::Values(Answer{"Newer", {.body = R"({"tag_name":"v1.10.0","other":[1]})"}, "v1.10.0"},
                    Answer{"TheSame", {.body = R"({"tag_name":"v1.8.0"})"}, ""},
                    Answer{"Older", {.body = R"({"tag_name":"v1.7.9"})"}, ""},
                    Answer{"APreRelease", {.body = R"({"tag_name":"v1.8.0-rc.1"})"}, ""},
                    Answer{"NoJson", {.body = "<html>"}, nullptr}, Answer{"NoObject", {.body = "[]"}, nullptr},
                    Answer{"NoTag", {.body = "{}"}, nullptr}, Answer{"ANumber", {.body = R"({"tag_name":8})"}, nullptr},
                    Answer{"NoVersion", {.body = R"({"tag_name":"nightly"})"}, nullptr},
                    Answer{"LongTag", {.body = R"({"tag_name":")" + std::string(200, '9') + "\"}"}, nullptr},
                    Answer{"TooLarge", {.body = std::string((1u << 20) + 1, ' ')}, nullptr},
                    Answer{"Http404", {.status = 404, .body = R"({"tag_name":"v9.0.0"})"}, nullptr},
                    Answer{"NoServer", {.how = Reply::How::refuse}, nullptr}),
    [](const auto& p) { return p.param.name; });

TEST(NoVersionCheck, WithoutAnAddressOrAReleaseNothingIsAsked) {
    test::SimulatedShard shard;
    test::FakeHttp http(shard.time, [](const HttpRequest&) { return Reply{.body = R"({"tag_name":"v9.0.0"})"}; });
    for (const auto& [url, own] :
         {std::pair{"", "1.8.0"}, std::pair{"https://r.test/", "1.8.0-dev"},
          std::pair{"https://r.test/", "1.8.0-3-gabcdef"}, std::pair{"https://r.test/", "dev"}}) {
        const auto newer = test::run_simulated(shard.context, shard.time, newer_version(http, url, own));
        ASSERT_TRUE(newer);
        EXPECT_EQ(*newer, "");
    }
    EXPECT_TRUE(http.requests.empty());
}

TEST(ReleaseUrl, IsThatOfTheEnvironment) {
    setenv("WEIR_RELEASE_URL", "https://releases.test/latest", 1);
    EXPECT_EQ(release_url(), "https://releases.test/latest");
    setenv("WEIR_RELEASE_URL", "", 1);
    EXPECT_EQ(release_url(), "") << "set to nothing, it is off";
    unsetenv("WEIR_RELEASE_URL");
}

}  // namespace
}  // namespace weir::telemetry
