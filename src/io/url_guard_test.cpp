#include "io/url_guard.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

Url guarded_url(std::string_view text) {
    return parse_url(text).value();
}

struct AddressCase {
    const char* address;
    bool inner;
};
std::ostream& operator<<(std::ostream& out, const AddressCase& c) {
    return out << c.address;
}

class InnerAddress : public testing::TestWithParam<AddressCase> {};

TEST_P(InnerAddress, IsTold) {
    EXPECT_EQ(is_inner_address(GetParam().address), GetParam().inner);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, InnerAddress,
    testing::Values(
        AddressCase{"0.0.0.0", true}, AddressCase{"0.1.2.3", true}, AddressCase{"10.255.255.255", true},
        AddressCase{"100.63.255.255", false}, AddressCase{"100.64.0.0", true}, AddressCase{"100.127.255.255", true},
        AddressCase{"100.128.0.0", false}, AddressCase{"127.0.0.1", true}, AddressCase{"169.254.169.254", true},
        AddressCase{"172.15.255.255", false}, AddressCase{"172.16.0.0", true}, AddressCase{"172.31.255.255", true},
        AddressCase{"172.32.0.0", false}, AddressCase{"192.168.1.1", true}, AddressCase{"192.169.0.0", false},
        AddressCase{"198.18.0.1", true}, AddressCase{"224.0.0.1", true}, AddressCase{"255.255.255.255", true},
        AddressCase{"8.8.8.8", false}, AddressCase{"223.255.255.255", false}, AddressCase{"::", true},
        AddressCase{"::1", true}, AddressCase{"::7f00:1", true}, AddressCase{"::ffff:127.0.0.1", true},
        AddressCase{"::ffff:8.8.8.8", false}, AddressCase{"fc00::1", true}, AddressCase{"fdff::1", true},
        AddressCase{"fe80::1", true}, AddressCase{"fe80::1%eth0", true}, AddressCase{"febf::1", true},
        AddressCase{"fec0::1", true}, AddressCase{"ff02::1", true}, AddressCase{"64:ff9b::10.0.0.1", true},
        AddressCase{"64:ff9b::8.8.8.8", false}, AddressCase{"64:ff9b:1::8.8.8.8", true},
        AddressCase{"2002:7f00:1::", true}, AddressCase{"2002:808:808::", false},
        AddressCase{"2001:4860:4860::8888", false}, AddressCase{"example.com", true}, AddressCase{"", true}));

TEST(UrlGuard, RefusesEverySchemeButHttpAndHttps) {
    const UrlGuard guard(guarded_url("https://site.test/"));
    EXPECT_TRUE(guard.check(guarded_url("http://cdn.test/")));
    EXPECT_TRUE(guard.check(guarded_url("https://cdn.test/")));
    for (const char* reference :
         {"file:///etc/passwd", "ftp://cdn.test/x", "data:text/plain,x", "concat:a|b", "wss://cdn.test/"}) {
        const auto refused = guard.check(resolve_url(guarded_url("https://site.test/"), reference).value());
        ASSERT_FALSE(refused) << reference;
        EXPECT_EQ(refused.error().code, Errc::denied) << reference;
    }
}

TEST(UrlGuard, RefusesInnerAddressesAndNamesThatLeadThere) {
    const UrlGuard guard(guarded_url("https://site.test/"));
    const auto literal = guard.check(guarded_url("http://169.254.169.254/latest"));
    ASSERT_FALSE(literal);
    EXPECT_EQ(literal.error().code, Errc::denied);
    EXPECT_NE(literal.error().what.find("169.254.169.254"), std::string::npos);
    EXPECT_FALSE(guard.check(guarded_url("http://0x7f.1/")));
    EXPECT_FALSE(guard.check_address(guarded_url("http://rebind.test/"), "127.0.0.1"));
    EXPECT_TRUE(guard.check_address(guarded_url("http://cdn.test/"), "8.8.8.8"));
}

TEST(UrlGuard, AllowsTheUsersOwnHostWhereverItIs) {
    const UrlGuard guard(guarded_url("http://camera.example/"));
    EXPECT_TRUE(guard.check_address(guarded_url("http://camera.example/x"), "192.168.0.7"));
    EXPECT_FALSE(guard.check_address(guarded_url("http://other.example/x"), "192.168.0.7"));
}

TEST(UrlGuard, AUserInsideMayBeLedInside) {
    for (const char* own : {"http://192.168.0.7/", "http://nas.local/", "http://localhost:8080/", "http://[::1]/"}) {
        const UrlGuard guard(guarded_url(own));
        EXPECT_TRUE(guard.check(guarded_url("http://10.0.0.1/"))) << own;
    }
}

TEST(UrlGuard, NoCredentialsGoFromHttpsToHttp) {
    const UrlGuard guard(guarded_url("https://site.test/"));
    EXPECT_FALSE(guard.check_redirect(guarded_url("https://site.test/"), guarded_url("http://me:pw@site.test/")));
    EXPECT_TRUE(guard.check_redirect(guarded_url("https://site.test/"), guarded_url("http://site.test/")));
    EXPECT_TRUE(guard.check_redirect(guarded_url("https://site.test/"), guarded_url("https://me:pw@site.test/")));
}

}  // namespace
}  // namespace weir
