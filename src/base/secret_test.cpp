#include "base/secret.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Secret, PrintsAsStars) {
    EXPECT_EQ(fmt::format("{} {}", Secret("hunter2"), Secret()), "*** ");
    EXPECT_EQ(Secret("hunter2").reveal(), "hunter2");
}

struct UrlCase {
    const char* name;
    const char* url;
    const char* masked;
};
class MaskedUrl : public testing::TestWithParam<UrlCase> {};

TEST_P(MaskedUrl, HidesWhatMayBeASecret) {
    EXPECT_EQ(masked_url(GetParam().url), GetParam().masked);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, MaskedUrl,
    testing::Values(UrlCase{"Plain", "https://host/path/x.m3u8", "https://host/path/x.m3u8"},
                    UrlCase{"Query", "https://host/a?token=abc&u=1", "https://host/a?token=***&u=***"},
                    UrlCase{"BareParameter", "https://host/a?abcdef", "https://host/a?***"},
                    UrlCase{"EmptyParameters", "https://host/a?&x=1&", "https://host/a?&x=***&"},
                    UrlCase{"UserInfo", "rtmp://user:pa@ss@host:1935/app", "rtmp://***@host:1935/app"},
                    UrlCase{"AtInPath", "https://host/@user?x=1", "https://host/@user?x=***"},
                    UrlCase{"Fragment", "https://host/a#access_token=1", "https://host/a#***"},
                    UrlCase{"QueryAndFragment", "https://host/a?b=c#d", "https://host/a?b=***#***"},
                    UrlCase{"UrlInQuery", "https://host/a?to=http://b/?c=d", "https://host/a?to=***"},
                    UrlCase{"NoHostPath", "ws://host?k=v", "ws://host?k=***"},
                    UrlCase{"NoScheme", "user:pw@host/a?k=v", "***@host/a?k=***"}, UrlCase{"Empty", "", ""},
                    UrlCase{"NotifierToken", "discord://token@id", "discord://***@id"}),
    [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace weir
