#include "base/ids.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace weir {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}

TEST(Ulid, SortsByTheOrderMadeAndNeverRepeats) {
    std::vector<std::string> made;
    for (int i = 0; i < 5000; ++i) made.push_back(new_ulid());
    EXPECT_TRUE(std::is_sorted(made.begin(), made.end()));
    EXPECT_EQ(std::set<std::string>(made.begin(), made.end()).size(), made.size());
    EXPECT_EQ(made[0].size(), 26u);
    EXPECT_EQ(made[0].find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ"), std::string::npos);
    EXPECT_LE(made[0][0], '7');  // 128 bits
}

TEST(Hash, IsXxh3WithHexOf16Digits) {
    EXPECT_EQ(hex16(content_hash({})),
              "2d06800538d394c2");  // XXH3_64bits of nothing, from the algorithm's specification
    EXPECT_EQ(parse_hex16("2d06800538d394c2").value(), content_hash({}));
    EXPECT_EQ(hex16(1), "0000000000000001");
    for (const auto* bad : {"", "1", "2D06800538D394C2", "2d06800538d394c", "2d06800538d394c2a", "-d06800538d394c2"})
        EXPECT_FALSE(parse_hex16(bad).has_value()) << bad;
}

TEST(ContentHash, PiecesEqualTheWholeAndCopiesArePrefixes) {
    ContentHash hash;
    hash.update(bytes("hello "));
    ContentHash prefix = hash;
    hash.update(bytes("world"));
    EXPECT_EQ(hash.digest(), content_hash(bytes("hello world")));
    EXPECT_EQ(prefix.digest(), content_hash(bytes("hello ")));
    prefix = hash;
    EXPECT_EQ(prefix.digest(), hash.digest());
    ContentHash moved = std::move(prefix);
    EXPECT_EQ(moved.digest(), hash.digest());
    moved.reset();
    EXPECT_EQ(moved.digest(), content_hash({}));
}

}  // namespace
}  // namespace weir
