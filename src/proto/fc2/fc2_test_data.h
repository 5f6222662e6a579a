#pragma once
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace weir::fc2 {

inline std::string sample(const std::string& name) {
    std::ifstream in(std::string(WEIR_SOURCE_DIR "/tests/data/fc2/") + name, std::ios::binary);
    EXPECT_TRUE(in.good()) << name;
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace weir::fc2
