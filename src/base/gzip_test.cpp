#include "base/gzip.h"

#include <gtest/gtest.h>

#include "gunzip.h"

namespace weir {
namespace {

TEST(Gzip, ComesBackWhole) {
    std::string noise;
    for (unsigned i = 0, x = 1; i < 300'000; ++i) noise += static_cast<char>((x = x * 1'103'515'245 + 12'345) >> 24);
    for (const auto effort : {GzipEffort::quick, GzipEffort::small})
        for (const auto& text : {std::string(), std::string("a"), std::string(1u << 20, 'z'), noise})
            EXPECT_EQ(test::gunzipped(gzipped(text, effort)), text);
    EXPECT_LT(gzipped(std::string(1u << 20, 'z')).size(), 10'000u);
}

}  // namespace
}  // namespace weir
