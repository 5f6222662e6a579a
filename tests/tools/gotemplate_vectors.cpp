#include "gotemplate_vectors.h"

#include <cstdio>
#include <fstream>
#include <iterator>

/// gotemplate_vectors FILE.json…: prints the vectors that fail and the counts; 1 when any does, 2 for wrong use.
int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: gotemplate_vectors FILE.json...\n", stderr);
        return 2;
    }
    int passed = 0;
    std::size_t failed = 0;
    for (int i = 1; i < argc; ++i) {
        std::ifstream in(argv[i], std::ios::binary);
        const std::string file{std::istreambuf_iterator<char>(in), {}};
        const auto report = weir::test::run_vectors(file);
        for (const auto& failure : report.failures) std::printf("%s: %s\n", argv[i], failure.c_str());
        passed += report.passed;
        failed += report.failures.size();
    }
    std::printf("%d passed, %zu failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
