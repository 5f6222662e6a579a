#include "io/cookie_jar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Not;

const WallTime now = from_unix_millis(1'750'000'000'000);

Url url_of(std::string_view text) {
    return parse_url(text).value();
}

std::string fixture() {
    std::ifstream in(WEIR_SOURCE_DIR "/tests/data/cookies/netscape.txt");
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
}

struct JarCase {
    const char* name;
    const char* from;
    std::vector<std::string> set;
    const char* to;
    const char* header;
};
std::ostream& operator<<(std::ostream& out, const JarCase& c) {
    return out << c.name;
}

class Jar : public testing::TestWithParam<JarCase> {};

TEST_P(Jar, OffersWhatRfc6265Says) {
    CookieJar jar;
    auto when = now;
    for (const auto& line : GetParam().set) jar.store(url_of(GetParam().from), line, when += Millis(1));
    EXPECT_EQ(jar.header_for(url_of(GetParam().to), when), GetParam().header);
}

INSTANTIATE_TEST_SUITE_P(
    Domain, Jar,
    testing::Values(
        JarCase{"HostOnlyStays", "http://www.a.test/", {"k=v"}, "http://www.a.test/x", "k=v"},
        JarCase{"HostOnlyNotBelow", "http://a.test/", {"k=v"}, "http://www.a.test/", ""},
        JarCase{"HostOnlyNotAbove", "http://www.a.test/", {"k=v"}, "http://a.test/", ""},
        JarCase{"DomainReachesBelow", "http://www.a.test/", {"k=v; Domain=a.test"}, "http://x.y.a.test/", "k=v"},
        JarCase{"DomainReachesItself", "http://www.a.test/", {"k=v; Domain=a.test"}, "http://a.test/", "k=v"},
        JarCase{"LeadingDot", "http://www.a.test/", {"k=v; domain=.A.TEST"}, "http://b.a.test/", "k=v"},
        JarCase{"NotASuffixOfText", "http://www.a.test/", {"k=v; Domain=a.test"}, "http://bad-a.test/", ""},
        JarCase{"ForeignDomain", "http://www.a.test/", {"k=v; Domain=b.test"}, "http://b.test/", ""},
        JarCase{"ForeignDomainIsDroppedWhole", "http://www.a.test/", {"k=v; Domain=b.test"}, "http://www.a.test/", ""},
        JarCase{"DeeperDomain", "http://a.test/", {"k=v; Domain=www.a.test"}, "http://www.a.test/", ""},
        JarCase{
            "LastDomainCounts", "http://www.a.test/", {"k=v; Domain=b.test; Domain=a.test"}, "http://a.test/", "k=v"},
        JarCase{"EmptyDomain", "http://www.a.test/", {"k=v; Domain="}, "http://www.a.test/", "k=v"},
        JarCase{"PublicSuffix", "http://shop.co.uk/", {"k=v; Domain=co.uk"}, "http://other.co.uk/", ""},
        JarCase{"PublicSuffixPrivate", "http://me.github.io/", {"k=v; Domain=github.io"}, "http://you.github.io/", ""},
        JarCase{
            "PublicSuffixItselfIsHostOnly", "http://github.io/", {"k=v; Domain=github.io"}, "http://github.io/", "k=v"},
        JarCase{
            "PublicSuffixItselfNotBelow", "http://github.io/", {"k=v; Domain=github.io"}, "http://you.github.io/", ""},
        JarCase{"TopLevel", "http://a.com/", {"k=v; Domain=com"}, "http://b.com/", ""},
        JarCase{"Address", "http://10.0.0.1/", {"k=v"}, "http://10.0.0.1/", "k=v"},
        JarCase{"AddressWithDomain", "http://10.0.0.1/", {"k=v; Domain=10.0.0.1"}, "http://10.0.0.1/", "k=v"},
        JarCase{"AddressHasNoDomain", "http://10.0.0.1/", {"k=v; Domain=0.0.1"}, "http://10.0.0.1/", ""},
        JarCase{"AddressV6", "http://[::1]/", {"k=v"}, "http://[::1]/", "k=v"},
        JarCase{"PortsDoNotMatter", "http://a.test:81/", {"k=v"}, "http://a.test:82/", "k=v"},
        JarCase{"Punycode",
                "http://b\xc3\xbc"
                "cher.test/",
                {"k=v; Domain=B\xc3\x9c"
                 "CHER.test"},
                "http://www.xn--bcher-kva.test/",
                "k=v"},
        JarCase{"Localhost", "http://localhost:1/", {"k=v"}, "http://localhost/", "k=v"},
        JarCase{"Websocket", "https://a.test/", {"k=v; Secure"}, "wss://a.test/", "k=v"}),
    [](const auto& c) { return c.param.name; });

INSTANTIATE_TEST_SUITE_P(
    PathAndOrder, Jar,
    testing::Values(JarCase{"DefaultPath", "http://a.test/x/y", {"k=v"}, "http://a.test/x/z", "k=v"},
                    JarCase{"DefaultPathNotAbove", "http://a.test/x/y", {"k=v"}, "http://a.test/", ""},
                    JarCase{"DefaultPathOfFolder", "http://a.test/x/y/", {"k=v"}, "http://a.test/x/y/q", "k=v"},
                    JarCase{"DefaultPathOfRoot", "http://a.test/x", {"k=v"}, "http://a.test/y", "k=v"},
                    JarCase{"PathExact", "http://a.test/", {"k=v; Path=/x"}, "http://a.test/x", "k=v"},
                    JarCase{"PathBelow", "http://a.test/", {"k=v; Path=/x"}, "http://a.test/x/y", "k=v"},
                    JarCase{"PathIsNoPrefixOfText", "http://a.test/", {"k=v; Path=/x"}, "http://a.test/xy", ""},
                    JarCase{"PathWithSlash", "http://a.test/", {"k=v; Path=/x/"}, "http://a.test/x", ""},
                    JarCase{"RelativePathIsDefault", "http://a.test/d/e", {"k=v; Path=x"}, "http://a.test/d/f", "k=v"},
                    JarCase{"LongerPathFirst",
                            "http://a.test/",
                            {"a=1; Path=/", "b=2; Path=/x/y", "c=3; Path=/x"},
                            "http://a.test/x/y",
                            "b=2; c=3; a=1"},
                    JarCase{"OlderFirst", "http://a.test/", {"a=1", "b=2", "c=3"}, "http://a.test/", "a=1; b=2; c=3"},
                    JarCase{
                        "UpdatedKeepsItsPlace", "http://a.test/", {"a=1", "b=2", "a=3"}, "http://a.test/", "a=3; b=2"},
                    JarCase{"SecureNotOverHttp", "https://a.test/", {"k=v; Secure"}, "http://a.test/", ""},
                    JarCase{"SecureOverHttps", "https://a.test/", {"k=v; secure"}, "https://a.test/", "k=v"}),
    [](const auto& c) { return c.param.name; });

INSTANTIATE_TEST_SUITE_P(
    SyntaxAndExpiry, Jar,
    testing::Values(
        JarCase{"NoEquals", "http://a.test/", {"k"}, "http://a.test/", ""},
        JarCase{"NoName", "http://a.test/", {"=v"}, "http://a.test/", ""},
        JarCase{"EmptyValue", "http://a.test/", {"k="}, "http://a.test/", "k="},
        JarCase{"EqualsInValue", "http://a.test/", {"k=a=b"}, "http://a.test/", "k=a=b"},
        JarCase{"QuotesStay", "http://a.test/", {"k=\"a b\""}, "http://a.test/", "k=\"a b\""},
        JarCase{"Blanks", "http://a.test/", {"  k =  v  ; Path = / "}, "http://a.test/", "k=v"},
        JarCase{"Control",
                "http://a.test/",
                {"k=a\x01"
                 "b"},
                "http://a.test/",
                ""},
        JarCase{"UnknownAttribute", "http://a.test/", {"k=v; Priority=High; Path=/"}, "http://a.test/", "k=v"},
        JarCase{"TooLarge", "http://a.test/", {"k=" + std::string(4096, 'x')}, "http://a.test/", ""},
        JarCase{"MaxAge", "http://a.test/", {"k=v; Max-Age=100"}, "http://a.test/", "k=v"},
        JarCase{"MaxAgeHuge", "http://a.test/", {"k=v; Max-Age=99999999999999999999"}, "http://a.test/", "k=v"},
        JarCase{"MaxAgeZeroDeletes", "http://a.test/", {"k=v", "k=w; Max-Age=0"}, "http://a.test/", ""},
        JarCase{"MaxAgeNegativeDeletes", "http://a.test/", {"k=v", "k=w; Max-Age=-1"}, "http://a.test/", ""},
        JarCase{"MaxAgeNonsenseIsIgnored", "http://a.test/", {"k=v; Max-Age=1x"}, "http://a.test/", "k=v"},
        JarCase{"ExpiresInThePastDeletes",
                "http://a.test/",
                {"k=v", "k=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"},
                "http://a.test/",
                ""},
        JarCase{"MaxAgeBeatsExpires",
                "http://a.test/",
                {"k=v; Max-Age=100; Expires=Thu, 01 Jan 1970 00:00:00 GMT"},
                "http://a.test/",
                "k=v"},
        JarCase{"ExpiresRfc850",
                "http://a.test/",
                {"k=v", "k=; Expires=Sunday, 06-Nov-94 08:49:37 GMT"},
                "http://a.test/",
                ""},
        JarCase{
            "ExpiresAsctime", "http://a.test/", {"k=v", "k=; Expires=Sun Nov  6 08:49:37 1994"}, "http://a.test/", ""},
        JarCase{"ExpiresFarAway",
                "http://a.test/",
                {"k=v; Expires=Fri, 31 Dec 9999 23:59:59 GMT"},
                "http://a.test/",
                "k=v"},
        JarCase{"ExpiresNonsenseIsASession", "http://a.test/", {"k=v; Expires=soon"}, "http://a.test/", "k=v"},
        JarCase{"DeletionNeedsTheSamePath",
                "http://a.test/x/y",
                {"k=v", "k=; Path=/; Max-Age=0"},
                "http://a.test/x/y",
                "k=v"},
        JarCase{"SecurePrefixNeedsSecure", "https://a.test/", {"__Secure-k=v"}, "https://a.test/", ""},
        JarCase{"HostPrefix", "https://a.test/", {"__Host-k=v; Secure; Path=/"}, "https://a.test/", "__Host-k=v"},
        JarCase{"HostPrefixWithDomain",
                "https://a.test/",
                {"__Host-k=v; Secure; Path=/; Domain=a.test"},
                "https://a.test/",
                ""}),
    [](const auto& c) { return c.param.name; });

TEST(CookieJar, ExpiresAsTimePasses) {
    CookieJar jar;
    jar.store(url_of("http://a.test/"), "k=v; Max-Age=10", now);
    EXPECT_EQ(jar.header_for(url_of("http://a.test/"), now + Millis(9'999)), "k=v");
    EXPECT_EQ(jar.header_for(url_of("http://a.test/"), now + Millis(10'000)), "");
}

TEST(CookieJar, PlainHttpDoesNotOverwriteASecureCookie) {
    CookieJar jar;
    jar.store(url_of("https://a.test/"), "k=good; Secure", now);
    jar.store(url_of("http://a.test/"), "k=bad", now);
    EXPECT_EQ(jar.header_for(url_of("https://a.test/"), now), "k=good");
}

TEST(CookieJar, CountsChangesOnly) {
    CookieJar jar;
    jar.store(url_of("http://a.test/"), "k=v", now);
    EXPECT_EQ(jar.changes(), 1u);
    jar.store(url_of("http://a.test/"), "k=v", now);
    EXPECT_EQ(jar.changes(), 1u);
    jar.store(url_of("http://a.test/"), "k=w", now);
    jar.store(url_of("http://a.test/"), "k=; Max-Age=0", now);
    EXPECT_EQ(jar.changes(), 3u);
    EXPECT_TRUE(jar.all().empty());
}

TEST(CookieJar, ForgetsTheOldestOfACrowdedDomain) {
    CookieJar jar;
    for (int i = 0; i < 301; ++i) jar.store(url_of("http://a.test/"), fmt::format("k{}=v", i), now + Millis(i));
    jar.store(url_of("http://b.test/"), "other=1", now);
    EXPECT_EQ(jar.all().size(), 301u);
    EXPECT_EQ(jar.all().front().name, "k1");
}

TEST(CookieJar, HoldsSixThousand) {
    CookieJar jar;
    for (int i = 0; i < 6100; ++i)
        jar.store(url_of(fmt::format("http://h{}.test/", i / 100)), fmt::format("k{}=v", i), now);
    EXPECT_EQ(jar.all().size(), 6000u);
    EXPECT_EQ(jar.all().front().name, "k100");
}

TEST(CookieFile, T1ImportsTheFixture) {
    CookieJar jar;
    ASSERT_TRUE(jar.import_netscape(fixture(), now));
    const auto login = jar.header_for(url_of("https://id.fc2.com/"), now);
    for (const char* name : {"FCSID=a", "fcu=e", "fcus=e", "login_status=f", "secure_check_fc2=g", "fclo=j"})
        EXPECT_THAT(login, HasSubstr(name));
    const auto live = jar.header_for(url_of("https://live.fc2.com"), now);
    EXPECT_THAT(live, HasSubstr("PHPSESSID=h"));
    EXPECT_THAT(live, HasSubstr("fcu=e"));
    EXPECT_THAT(live, Not(HasSubstr("FCSID")));
    EXPECT_EQ(jar.header_for(url_of("https://example.com/"), now), "");
    EXPECT_EQ(jar.header_for(url_of("https://notfc2.com/"), now), "");
}

TEST(CookieFile, ComesBackAsItWent) {
    CookieJar jar;
    ASSERT_TRUE(jar.import_netscape(fixture(), now));
    jar.store(url_of("https://a.test/x/y"), "empty=; HttpOnly", now);
    const auto text = jar.export_netscape();
    CookieJar again;
    ASSERT_TRUE(again.import_netscape(text, now));
    EXPECT_EQ(again.export_netscape(), text);
    EXPECT_EQ(again.all().size(), 16u);
    EXPECT_TRUE(again.all().back().http_only);
    EXPECT_EQ(again.all().back().path, "/x");
}

struct FileCase {
    const char* name;
    const char* text;
    const char* header;     // for https://www.a.test/
    const char* complaint;  // no complaint: accepted
};
std::ostream& operator<<(std::ostream& out, const FileCase& c) {
    return out << c.name;
}

class CookieText : public testing::TestWithParam<FileCase> {};

TEST_P(CookieText, IsReadOrRefusedWithItsLine) {
    CookieJar jar;
    const auto result = jar.import_netscape(GetParam().text, now);
    EXPECT_EQ(result ? "" : result.error().what, GetParam().complaint);
    EXPECT_EQ(jar.header_for(url_of("https://www.a.test/"), now), GetParam().header);
}

TEST(CookieFile, BadLinesCanBeLeftOutAndTold) {
    CookieJar jar;
    std::vector<Error> left_out;
    const auto good = jar.import_netscape("x y\n.a.test\tTRUE\t/\tFALSE\t0\tk\tv\na/b\tTRUE\t/\tFALSE\t0\tl\tsecret\n",
                                          now, &left_out);
    EXPECT_TRUE(good);
    EXPECT_EQ(jar.header_for(url_of("https://www.a.test/"), now), "k=v");
    ASSERT_EQ(left_out.size(), 2u);
    EXPECT_EQ(left_out[0].what.rfind("cookie file, line 1: 2 fields", 0), 0u);
    EXPECT_EQ(left_out[1].what, "cookie file, line 3: the first field is not a domain");
}

INSTANTIATE_TEST_SUITE_P(
    Cases, CookieText,
    testing::Values(
        FileCase{"Empty", "", "", ""}, FileCase{"HttpOnly", "#HttpOnly_.a.test\tTRUE\t/\tTRUE\t0\tk\tv\n", "k=v", ""},
        FileCase{"Comment", "# a.test\tTRUE\t/\tTRUE\t0\tk\tv\n\n   \n", "", ""},
        FileCase{"Crlf", "# Netscape HTTP Cookie File\r\n.a.test\tTRUE\t/\tFALSE\t0\tk\tv\r\n", "k=v", ""},
        FileCase{"ByteOrderMark", "\xef\xbb\xbf.a.test\tTRUE\t/\tFALSE\t0\tk\tv", "k=v", ""},
        FileCase{"FlagAloneMakesItADomainCookie", "a.test\tTRUE\t/\tFALSE\t0\tk\tv", "k=v", ""},
        FileCase{"HostOnly", "a.test\tFALSE\t/\tFALSE\t0\tk\tv\nwww.a.test\tFALSE\t/\tFALSE\t0\tl\tw", "l=w", ""},
        FileCase{"ValueWithBlank", ".a.test\tTRUE\t/\tFALSE\t0\tk\ta b", "k=a b", ""},
        FileCase{"EmptyValue", ".a.test\tTRUE\t/\tFALSE\t0\tk\t", "k=", ""},
        FileCase{"EmptyValueCutByAnEditor", ".a.test\tTRUE\t/\tFALSE\t0\tk", "k=", ""},
        FileCase{"BlanksForTabs", ".a.test  TRUE / FALSE 0 k v", "k=v", ""},
        FileCase{"Expired", ".a.test\tTRUE\t/\tFALSE\t1000000000\tk\tv\n.a.test\tTRUE\t/\tFALSE\t0\tl\tw", "l=w", ""},
        FileCase{"ExpiryWithFraction", ".a.test\tTRUE\t/\tFALSE\t1999999999.5\tk\tv", "k=v", ""},
        FileCase{"ExpiryUnreadable", ".a.test\tTRUE\t/\tFALSE\tnever\tk\tv", "k=v", ""},
        FileCase{"ExpiryHuge", ".a.test\tTRUE\t/\tFALSE\t9223372036854775807\tk\tv", "k=v", ""},
        FileCase{"ForPublicSuffixIsHostOnly", ".test\tTRUE\t/\tFALSE\t0\tk\tv", "", ""},
        FileCase{
            "TooFewFields", "# x\n.a.test\tTRUE\t/\tsecret\n", "",
            "cookie file, line 2: 4 fields where 7 are expected (domain, flag, path, secure, expiry, name, value)"},
        FileCase{
            "Json", "[{\"domain\":\"a.test\"}]", "",
            "cookie file, line 1: 1 fields where 7 are expected (domain, flag, path, secure, expiry, name, value)"},
        FileCase{"BadDomain", ".a.test\tTRUE\t/\tFALSE\t0\tk\tv\na/b\tTRUE\t/\tFALSE\t0\tk\tsecret\n", "",
                 "cookie file, line 2: the first field is not a domain"},
        FileCase{"Control", "a.test\tTRUE\t/\tFALSE\t0\tk\tsec\x01ret\n", "",
                 "cookie file, line 1: a cookie with forbidden characters"},
        FileCase{"NoName", "a.test\tTRUE\t/\tFALSE\t0\t\tv\n", "", "cookie file, line 1: a cookie without a name"}),
    [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace weir
