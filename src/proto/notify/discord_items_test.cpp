#include "proto/notify/discord_items.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace weir::notify {
namespace {

std::string repeated(std::string_view text, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += text;
    return out;
}

TEST(DiscordItems, AreTheLinesThatAreNotEmpty) {
    EXPECT_EQ(discord_lines("a\n\r\n\nb\r\nc\n"), (DiscordItems{"a", "b", "c"}));
    EXPECT_TRUE(discord_lines("\n\n").empty());
}

TEST(DiscordItems, CutALineTheyCannotHold) {
    const auto items = discord_lines(repeated("é", 2000) + "\n" + repeated("日", 2001));
    ASSERT_EQ(items.size(), 2u);
    EXPECT_EQ(items[0], repeated("é", 2000));
    EXPECT_EQ(items[1], repeated("日", 1994) + " [...]");
}

TEST(DiscordItems, OrPiecesThatLoseNothingButABorder) {
    const auto words = repeated("word ", 900) + "end";
    const auto pieces = discord_pieces(words);
    ASSERT_EQ(pieces.size(), 3u);
    std::string joined;
    for (const auto& piece : pieces) {
        EXPECT_LE(count_characters(piece), 2000u);
        joined += (joined.empty() ? "" : " ") + piece;
    }
    EXPECT_EQ(joined, words);
}

TEST(DiscordItems, AreCutHardWhereThereIsNoBorderNearTheEnd) {
    const auto pieces = discord_pieces("a " + repeated("日", 4500));
    ASSERT_EQ(pieces.size(), 3u);
    EXPECT_EQ(count_characters(pieces[0]), 2000u);
    EXPECT_EQ(count_characters(pieces[1]), 2000u);
    EXPECT_EQ(count_characters(pieces[2]), 502u);
    for (const auto& piece : pieces) EXPECT_EQ(valid_utf8(piece), piece);
    EXPECT_EQ(pieces[0] + pieces[1] + pieces[2], "a " + repeated("日", 4500));
}

TEST(DiscordItems, GoIntoRequestsInOrder) {
    DiscordItems items;
    for (int i = 0; i < 23; ++i) items.push_back(std::to_string(i));
    const auto requests = discord_requests(items, "title");
    ASSERT_EQ(requests.size(), 3u);
    EXPECT_EQ(requests[0].size(), 10u);
    EXPECT_EQ(requests[1].size(), 10u);
    EXPECT_EQ(requests[2].size(), 3u);
    EXPECT_EQ(requests[1].front(), "10");
    EXPECT_EQ(requests[2].back(), "22");
}

TEST(DiscordItems, AreNotSentWithoutEnd) {
    const auto full = discord_requests(DiscordItems(100, "x"), "");
    ASSERT_EQ(full.size(), 10u);
    EXPECT_EQ(full.back().back(), "x");
    const auto cut = discord_requests(DiscordItems(101, "x"), "");
    ASSERT_EQ(cut.size(), 10u);
    EXPECT_EQ(cut.back().size(), 10u);
    EXPECT_EQ(cut.back().back(), "[...]");
}

TEST(DiscordItems, KeepARequestWithinItsSize) {
    const DiscordItems items(4, std::string(2000, 'x'));
    const auto untitled = discord_requests(items, "");
    ASSERT_EQ(untitled.size(), 2u);
    EXPECT_EQ(untitled[0].size(), 3u);
    const auto with_title = discord_requests(items, "title");
    ASSERT_EQ(with_title.size(), 2u);
    EXPECT_EQ(with_title[0].size(), 2u) << "the title counts";
    EXPECT_EQ(with_title[1].size(), 2u);
}

}  // namespace
}  // namespace weir::notify
