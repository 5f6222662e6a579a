#include "io/http_client_proxy.h"

#include <gtest/gtest.h>

#include <map>

namespace weir {
namespace {

using Env = std::map<std::string, std::string>;

Result<ProxyRules> rules_of(const Env& env) {
    return ProxyRules::from([&](const char* name) {
        const auto found = env.find(name);
        return found == env.end() ? std::string() : found->second;
    });
}

std::string chosen(const Env& env, std::string_view target) {
    const auto proxy = rules_of(env).value().proxy_for(parse_url(target).value());
    return proxy ? fmt::format("{}://{}:{}", proxy->scheme, proxy->host, proxy->port) : "direct";
}

TEST(ProxyRules, ChooseBySchemeOfTheTarget) {
    const Env env{{"HTTP_PROXY", "plain.test:3128"}, {"https_proxy", "http://tls.test:3129/"}};
    EXPECT_EQ(chosen(env, "http://a.test/"), "http://plain.test:3128");
    EXPECT_EQ(chosen(env, "ws://a.test/"), "http://plain.test:3128");
    EXPECT_EQ(chosen(env, "https://a.test/"), "http://tls.test:3129");
    EXPECT_EQ(chosen(env, "wss://a.test/"), "http://tls.test:3129");
    EXPECT_EQ(chosen({}, "https://a.test/"), "direct");
}

TEST(ProxyRules, ReadEveryWayOfWritingAProxy) {
    EXPECT_EQ(chosen({{"http_proxy", "p.test"}}, "http://a.test/"), "http://p.test:80");
    EXPECT_EQ(chosen({{"http_proxy", "https://p.test"}}, "http://a.test/"), "https://p.test:443");
    EXPECT_EQ(chosen({{"http_proxy", "socks5://p.test"}}, "http://a.test/"), "socks5h://p.test:1080");
    EXPECT_EQ(chosen({{"http_proxy", "socks5h://p.test:80"}}, "http://a.test/"), "socks5h://p.test:80");
    EXPECT_EQ(chosen({{"http_proxy", "http://[::1]:3128"}}, "http://a.test/"), "http://::1:3128");
    const auto proxy =
        rules_of({{"HTTP_PROXY", "http://me:p%40w@p.test:1"}}).value().proxy_for(parse_url("http://a.test/").value());
    EXPECT_EQ(proxy->user, "me");
    EXPECT_EQ(proxy->password, "p@w");
}

TEST(ProxyRules, ErrorsNameTheVariableAndNotItsValue) {
    for (const char* value : {"ftp://secret@p.test", "http://secret@", "http://p.test:secret"}) {
        const auto rules = rules_of({{"HTTPS_PROXY", value}});
        ASSERT_FALSE(rules) << value;
        EXPECT_EQ(rules.error().code, Errc::bad_input);
        EXPECT_NE(rules.error().what.find("HTTPS_PROXY"), std::string::npos);
        EXPECT_EQ(rules.error().what.find("secret"), std::string::npos);
    }
}

struct ExceptionCase {
    const char* list;
    const char* target;
    bool direct;
};
std::ostream& operator<<(std::ostream& out, const ExceptionCase& c) {
    return out << c.list << " for " << c.target;
}

class NoProxy : public testing::TestWithParam<ExceptionCase> {};

TEST_P(NoProxy, IsObeyed) {
    const auto got = chosen({{"HTTP_PROXY", "p.test:1"}, {"NO_PROXY", GetParam().list}}, GetParam().target);
    EXPECT_EQ(got == "direct", GetParam().direct) << got;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, NoProxy,
    testing::Values(
        ExceptionCase{"", "http://a.test/", false}, ExceptionCase{"", "http://localhost/", true},
        ExceptionCase{"", "http://127.0.0.9/", true}, ExceptionCase{"", "http://[::1]/", true},
        ExceptionCase{"*", "http://a.test/", true}, ExceptionCase{"a.test", "http://a.test/", true},
        ExceptionCase{"a.test", "http://www.a.test/", true}, ExceptionCase{".a.test", "http://www.a.test/", true},
        ExceptionCase{"*.a.test", "http://www.a.test/", true}, ExceptionCase{"a.test", "http://bad-a.test/", false},
        ExceptionCase{"b.test, A.TEST", "http://a.test/", true}, ExceptionCase{"a.test:81", "http://a.test:81/", true},
        ExceptionCase{"a.test:81", "http://a.test/", false}, ExceptionCase{"10.0.0.0/8", "http://10.1.2.3/", true},
        ExceptionCase{"10.0.0.0/8", "http://11.1.2.3/", false}, ExceptionCase{"10.0.0.1", "http://10.0.0.1/", true},
        ExceptionCase{"0.0.1", "http://10.0.0.1/", false}, ExceptionCase{"fd00::/8", "http://[fd00::1]/", true},
        ExceptionCase{"[fd00::1]:80", "http://[fd00::1]/", true},
        ExceptionCase{"10.0.0.0/99", "http://10.0.0.0/", false}));

}  // namespace
}  // namespace weir
