#include "io/url.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

struct TextCase {
    const char* name;
    std::string given, text;  // an empty text: refused
};
std::ostream& operator<<(std::ostream& out, const TextCase& c) {
    return out << c.given;
}

class UrlText : public testing::TestWithParam<TextCase> {};

TEST_P(UrlText, IsNormalisedOrRefused) {
    const auto url = parse_url(GetParam().given);
    EXPECT_EQ(url ? url->text() : "", GetParam().text) << (url ? "" : url.error().what);
    if (!url) {
        EXPECT_EQ(url.error().code, Errc::bad_input);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, UrlText,
    testing::Values(TextCase{"Plain", "https://Example.COM/a/b?c=d", "https://example.com/a/b?c=d"},
                    TextCase{"NoPath", "http://example.com", "http://example.com/"},
                    TextCase{"QueryWithoutPath", "http://example.com?x=1", "http://example.com/?x=1"},
                    TextCase{"DefaultPort", "https://example.com:443/", "https://example.com/"},
                    TextCase{"OtherPort", "http://example.com:8080/", "http://example.com:8080/"},
                    TextCase{"Fragment", "http://example.com/a#b?c", "http://example.com/a"},
                    TextCase{"UserInfoIsNotShown", "http://me:secret@example.com/", "http://example.com/"},
                    TextCase{"DotSegments", "http://example.com/a/./b/../../c/.", "http://example.com/c/"},
                    TextCase{"DotsAboveTheRoot", "http://example.com/../../x", "http://example.com/x"},
                    TextCase{"EmptySegmentsStay", "http://example.com/a//b", "http://example.com/a//b"},
                    TextCase{"SignedQueryStays", "http://example.com/%7Ea?Sig=a%2Fb+c~",
                             "http://example.com/%7Ea?Sig=a%2Fb+c~"},
                    TextCase{"RiskyBytes", "http://example.com/a|b\xc3\xbc", "http://example.com/a%7Cb%C3%BC"},
                    TextCase{"Websocket", "wss://example.com/x", "wss://example.com/x"},
                    TextCase{"Ipv6", "http://[2001:DB8:0::1]:81/", "http://[2001:db8::1]:81/"},
                    TextCase{"TrailingDot", "http://example.com./", "http://example.com/"},
                    TextCase{"Idn",
                             "http://B\xc3\xbc"
                             "cher.example/",
                             "http://xn--bcher-kva.example/"},
                    TextCase{"IdnUpper",
                             "http://B\xc3\x9c"
                             "CHER.example/",
                             "http://xn--bcher-kva.example/"},
                    TextCase{"IdnJapanese", "http://\xe4\xbe\x8b\xe3\x81\x88.jp/", "http://xn--r8jz45g.jp/"},
                    TextCase{"NumberHost", "http://2130706433/", "http://127.0.0.1/"},
                    TextCase{"HexHost", "http://0x7f.1/", "http://127.0.0.1/"},
                    TextCase{"OctalHost", "http://0177.0.0.1/", "http://127.0.0.1/"},
                    TextCase{"BadNumberHost", "http://1.2.3.4.5/", ""}, TextCase{"Scheme", "ftp://example.com/", ""},
                    TextCase{"NoScheme", "example.com/a", ""}, TextCase{"OneSlash", "http:/example.com", ""},
                    TextCase{"NoHost", "http:///a", ""}, TextCase{"Port0", "http://example.com:0/", ""},
                    TextCase{"Port65536", "http://example.com:65536/", ""},
                    TextCase{"PortText", "http://example.com:8a/", ""}, TextCase{"Space", "http://example.com/a b", ""},
                    TextCase{"LineBreak", "http://example.com/a\r\nX: y", ""},
                    TextCase{"TwoAts", "http://a@b@example.com/", ""},
                    TextCase{"BackslashHost", "http://example.com\\@evil.test/", ""},
                    TextCase{"BadUtf8", "http://\xff\xfe.example/", ""}, TextCase{"OpenBracket", "http://[::1/", ""},
                    TextCase{"EmptyLabel", "http://a..b/", ""}, TextCase{"PercentHost", "http://%31.example/", ""},
                    TextCase{"TooLong", "http://example.com/" + std::string(8200, 'a'), ""}),
    [](const auto& c) { return c.param.name; });

TEST(Url, TakesUserInfoApart) {
    const auto url = parse_url("https://me%40home:p%3Aw@example.com/");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->user, "me@home");
    EXPECT_EQ(url->password, "p:w");
}

TEST(Url, TellsOriginHostAndTheRestApart) {
    const auto url = parse_url("https://[::1]:8443/p?token=1");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->origin(), "https://[::1]:8443");
    EXPECT_EQ(url->host_header(), "[::1]:8443");
    EXPECT_EQ(url->without_query(), "https://[::1]:8443/p");
    EXPECT_EQ(parse_url("http://a.test/")->origin(), "http://a.test:80");
    EXPECT_EQ(parse_url("http://a.test/")->host_header(), "a.test");
}

class UrlReference : public testing::TestWithParam<TextCase> {};

TEST_P(UrlReference, IsResolvedAgainstItsBase) {
    const auto base = parse_url("http://a.test/b/c/d;p?q");
    ASSERT_TRUE(base);
    const auto url = resolve_url(*base, GetParam().given);
    EXPECT_EQ(url ? url->text() : "", GetParam().text);
}

// RFC 3986, 5.4.1 and 5.4.2
INSTANTIATE_TEST_SUITE_P(
    Rfc3986, UrlReference,
    testing::Values(
        TextCase{"Name", "g", "http://a.test/b/c/g"}, TextCase{"Dot", "./g", "http://a.test/b/c/g"},
        TextCase{"Folder", "g/", "http://a.test/b/c/g/"}, TextCase{"Rooted", "/g", "http://a.test/g"},
        TextCase{"OtherHost", "//g.test", "http://g.test/"}, TextCase{"Query", "?y", "http://a.test/b/c/d;p?y"},
        TextCase{"NameQuery", "g?y", "http://a.test/b/c/g?y"}, TextCase{"Fragment", "#s", "http://a.test/b/c/d;p?q"},
        TextCase{"Params", ";x", "http://a.test/b/c/;x"}, TextCase{"Empty", "", "http://a.test/b/c/d;p?q"},
        TextCase{"OnlyDot", ".", "http://a.test/b/c/"}, TextCase{"Up", "../g", "http://a.test/b/g"},
        TextCase{"UpOnly", "..", "http://a.test/b/"}, TextCase{"UpUp", "../../g", "http://a.test/g"},
        TextCase{"UpTooFar", "../../../../g", "http://a.test/g"}, TextCase{"DotInName", "g.", "http://a.test/b/c/g."},
        TextCase{"UpInside", "g;x=1/../y", "http://a.test/b/c/y"},
        TextCase{"QueryKeepsDots", "g?y/../x", "http://a.test/b/c/g?y/../x"},
        TextCase{"ColonInQuery", "g?u=http://x", "http://a.test/b/c/g?u=http://x"},
        TextCase{"Absolute", "https://z.test/q", "https://z.test/q"}, TextCase{"Newline", "a\nb", ""}),
    [](const auto& c) { return c.param.name; });

TEST(Url, KeepsAForeignSchemeForTheGuardToRefuse) {
    const auto base = parse_url("http://a.test/");
    const auto url = resolve_url(*base, "file:///etc/passwd");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->scheme, "file");
    EXPECT_EQ(url->path, "/etc/passwd");
}

TEST(Url, AReferenceToAnotherHostLeavesTheUserInfoBehind) {
    const auto base = parse_url("http://me:pw@a.test/");
    EXPECT_EQ(resolve_url(*base, "/x")->user, "me");
    EXPECT_EQ(resolve_url(*base, "//b.test/x")->user, "");
}

}  // namespace
}  // namespace weir
