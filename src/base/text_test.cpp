#include "base/text.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Text, AllPlacesAreReplacedOnce) {
    struct Case {
        const char *text, *what, *with, *then;
    };
    const Case cases[] = {
        {"", "a", "b", ""},           {"abc", "x", "y", "abc"}, {"abc", "", "y", "abc"},
        {"a-b-c", "-", "+", "a+b+c"}, {"-a-", "-", "", "a"},    {"{feed}/{feed}", "{feed}", "cam/0", "cam/0/cam/0"},
        {"aaa", "aa", "a", "aa"},     {"ab", "b", "bb", "abb"}, {"secret", "secret", "***", "***"},
    };
    for (const auto& c : cases) {
        std::string text = c.text;
        replace_all(text, c.what, c.with);
        EXPECT_EQ(text, c.then) << c.text << " with " << c.what;
    }
}

}  // namespace
}  // namespace weir
