#include <gtest/gtest.h>

#include "proto/notify/notify_test_calls.h"
#include "proto/notify/telegram_text.h"

namespace weir::notify {
namespace {

constexpr auto chat_url = "telegram://123:CANARY-token@telegram?chats=1";
const Reply taken = answer_of(200, R"({"ok":true})");

TEST(NotifyTelegramText, LeavesAShortTextWhole) {
    EXPECT_EQ(telegram_pieces("<b>T</b>\n", "a < b", true), std::vector<std::string>{"<b>T</b>\na &lt; b"});
    EXPECT_EQ(telegram_pieces("", "", false), std::vector<std::string>{""});
}

TEST(NotifyTelegramText, CutsAtLineEnds) {
    const std::string line(3000, 'x'), last(2000, 'y');
    EXPECT_EQ(telegram_pieces("", line + "\n" + last, false), (std::vector<std::string>{line, last}));
    const std::string full(4096, 'x');
    EXPECT_EQ(telegram_pieces("", full + "\n" + last, false), (std::vector<std::string>{full, last}));
}

TEST(NotifyTelegramText, CutsALongLineAtASpace) {
    const std::string word(3000, 'x'), last(2000, 'y');
    EXPECT_EQ(telegram_pieces("", word + " " + last, false), (std::vector<std::string>{word, last}));
}

TEST(NotifyTelegramText, NeverCutsACharacterNorItsName) {
    std::string letters, signs;
    for (int i = 0; i < 3000; ++i) letters += "é";
    for (int i = 0; i < 1700; ++i) signs += "&";
    for (const auto& piece : telegram_pieces("x", letters, false)) {
        EXPECT_LE(piece.size(), 4096u);
        EXPECT_EQ(valid_utf8(piece), piece);
    }
    const auto pieces = telegram_pieces("x", signs, true);
    ASSERT_EQ(pieces.size(), 3u);
    EXPECT_EQ(pieces[0].size(), 4096u);
    for (const auto& piece : pieces) EXPECT_TRUE(piece.ends_with("&amp;"));
}

TEST(NotifyTelegramText, EndsAfterSoManyMessages) {
    const auto pieces = telegram_pieces("", std::string(60'000, 'x'), false);
    ASSERT_EQ(pieces.size(), 10u);
    EXPECT_EQ(pieces.back().size(), 4096u);
    EXPECT_TRUE(pieces.back().ends_with("x [...]"));
    EXPECT_EQ(telegram_pieces("", std::string(5000, 'x'), false, 1).size(), 1u);
}

TEST(NotifyTelegramText, EscapesATitleAsItsModeWants) {
    EXPECT_EQ(telegram_headline("a_b <c>", TelegramMode::none), "<b>a_b &lt;c&gt;</b>\n");
    EXPECT_EQ(telegram_headline("a_b <c>", TelegramMode::markdown), "a\\_b <c>\n");
    EXPECT_EQ(telegram_headline("a_b <c>!", TelegramMode::markdown_v2), "a\\_b <c\\>\\!\n");
    EXPECT_LE(telegram_headline(std::string(1024, '"'), TelegramMode::none).size(), 3100u);
}

TEST(NotifyTelegram, SendsAllPiecesToEachChat) {
    const auto tried =
        try_url("telegram://123:CANARY-token@telegram?channels=1,@two:7", {.text = std::string(5000, 'x')}, taken);
    ASSERT_EQ(tried.calls.size(), 4u);
    EXPECT_NE(tried.http(0).body.find(R"("chat_id":"1")"), std::string::npos);
    EXPECT_NE(tried.http(1).body.find(R"("chat_id":"1")"), std::string::npos);
    EXPECT_NE(tried.http(3).body.find(R"("chat_id":"@two","message_thread_id":7)"), std::string::npos);
    EXPECT_EQ(tried.error(), "");
}

TEST(NotifyTelegram, PutsNoTitleWhereTheTextHasOne) {
    const auto body = try_url(chat_url, {.title = "T", .text = "**T**\n\nm", .title_in_text = true}, taken).http().body;
    EXPECT_TRUE(body.starts_with(R"({"text":"**T**\n\nm","chat_id")"));
    EXPECT_EQ(body.find("parse_mode"), std::string::npos);
}

TEST(NotifyTelegram, StaysBelowTheCallsOfADelivery) {
    std::string chats = "1";
    for (int i = 2; i <= 50; ++i) chats += fmt::format(",{}", i);
    const auto tried =
        try_url("telegram://123:CANARY-token@telegram?chats=" + chats, {.text = std::string(60'000, 'x')}, taken);
    EXPECT_EQ(tried.calls.size(), 150u);
    EXPECT_EQ(tried.error(), "");
}

TEST(NotifyTelegram, RefusesWhatItCannotUse) {
    EXPECT_NE(refusal("telegram://abc:token@telegram?chats=1"), "");
    EXPECT_NE(refusal("telegram://123:to.ken@telegram?chats=1"), "");
    EXPECT_EQ(refusal("telegram://123:token@telegram"), "telegram: no chat; they stand as ?chats=@channel,-100123");
    EXPECT_EQ(refusal("telegram://123:token@telegram?chats=1:x"), "telegram: chat 1: after the colon stands no number");
    EXPECT_EQ(refusal("telegram://123:token@telegram?chats=1&parsemode=x"),
              "telegram: option parsemode: accepted values are [None Markdown HTML MarkdownV2]");
}

TEST(NotifyTelegram, TellsWhatTheServerSaid) {
    const auto tried =
        try_url(chat_url, {.text = "m"}, answer_of(401, R"({"ok":false,"description":"Unauthorized CANARY-token"})"));
    EXPECT_EQ(tried.error(), "telegram: Unauthorized ***");
    EXPECT_EQ(tried.outcome.error().code, Errc::denied);
    EXPECT_EQ(try_url(chat_url, {.text = "m"}, answer_of(200, "<html>")).error(), "telegram: http 200");
}

}  // namespace
}  // namespace weir::notify
