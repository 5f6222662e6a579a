#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "gotemplate_vectors.h"

namespace weir::gotemplate {
namespace {

TEST(GoTemplateVectors, AllThatGoMadeComeOutTheSame) {
    std::ifstream in(WEIR_SOURCE_DIR "/tests/data/gotemplate/vectors.json", std::ios::binary);
    const std::string file{std::istreambuf_iterator<char>(in), {}};
    const auto report = test::run_vectors(file);
    for (const auto& failure : report.failures) ADD_FAILURE() << failure;
    EXPECT_EQ(report.passed, 284);
}

}  // namespace
}  // namespace weir::gotemplate
