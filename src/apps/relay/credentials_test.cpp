#include "apps/relay/credentials.h"

#include "apps/relay/access_testing.h"

namespace weir::relay {
namespace {

using namespace rig;

struct CredentialCase {
    const char* name;
    Fields headers;
    const char* query;
    std::vector<std::string> deliberate;
    std::optional<std::string> basic;
};

TEST(RelayCredentials, ComeInTheHeaderOrTheQuery) {
    const CredentialCase cases[] = {
        {"none", {}, "", {}, {}},
        {"bearer in any case", {{"authorization", "bEaReR  abc "}}, "", {"abc"}, {}},
        {"practable's raw token (PR-6)", {{"authorization", "a.b.c"}}, "", {"a.b.c"}, {}},
        {"basic: the password", {{"authorization", "Basic dTpwOmFzcw=="}}, "", {}, "p:ass"},
        {"basic that is none", {{"authorization", "Basic %%"}}, "", {}, {}},
        {"query", {}, "x=1&token=a%2Fb+c&y", {"a/b+c"}, {}},
        {"code", {}, "code=c0", {"c0"}, {}},
        {"empty ones count for nothing", {{"authorization", ""}}, "token=", {}, {}},
        {"a broken escape counts for nothing", {}, "token=a%2", {}, {}},
        {"both", {{"authorization", "Bearer one"}}, "token=two", {"one", "two"}, {}},
    };
    for (const auto& c : cases) {
        const auto got = credentials_of(request_for("/ts/x", c.headers, c.query));
        EXPECT_EQ(got.deliberate, c.deliberate) << c.name;
        EXPECT_EQ(got.basic, c.basic) << c.name;
    }
}

TEST(RelayCredentials, SecretsAreEqualOrNot) {
    EXPECT_TRUE(same_secret("abc", "abc"));
    for (const auto* given : {"", "ab", "abd", "abcd", "abcabc", "ABC"})
        EXPECT_FALSE(same_secret(given, "abc")) << given;
    EXPECT_FALSE(same_secret("", "")) << "no secret set is no secret that fits";
}

TEST(RelayCredentials, LoopbackIsANumberOrLocalhost) {
    for (const auto* host : {"localhost", "a.localhost", "127.0.0.1", "127.9.8.7", "::1"})
        EXPECT_TRUE(is_loopback_name(host)) << host;
    for (const auto* host : {"", "128.0.0.1", "127.0.0.1.evil.example", "127.1", "127.0.0.256",
                             "localhost.evil.example", "evil-localhost", "::2", "127..0.1", "127.0.0.1."})
        EXPECT_FALSE(is_loopback_name(host)) << host;
    EXPECT_EQ(host_name("[::1]:8888"), "::1");
    EXPECT_EQ(host_name("LocalHost:80"), "localhost");
    EXPECT_EQ(host_name("::1"), "::1");
    EXPECT_EQ(origin_host("https://Cam.Example:8443"), "cam.example");
    EXPECT_EQ(origin_host("null"), "");
}

TEST(RelayCredentials, UuidsAreOfVersionFourAndDistinct) {
    const auto a = new_uuid(), b = new_uuid();
    ASSERT_EQ(a.size(), 36U);
    EXPECT_EQ(a[14], '4');
    EXPECT_NE(a, b);
}

}  // namespace
}  // namespace weir::relay
