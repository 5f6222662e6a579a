#include "apps/sites/chat_writer.h"

#include <optional>

#include "apps/sites/sites_rig.h"
#include "forgetting_fs.h"
#include "temp_folder.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;

struct ChatRig {
    test::TempFolder dir;
    test::ForgettingFs fs;
    RigShard shard;
    FileLane lane{fs, {}};
    Path path = dir / "live.chat.json";
    std::optional<Result<>> closed;

    [[nodiscard]] std::unique_ptr<ChatWriter> writer(bool append = false) {
        return std::make_unique<ChatWriter>(shard.executor(), shard.time, lane, path, append);
    }
    [[nodiscard]] Errc close(ChatWriter& writer) {
        closed.reset();
        shard.start([](ChatWriter& w, std::optional<Result<>>& into) -> Task<void> {
            auto result = co_await w.close();
            into.emplace(std::move(result));
        }(writer, closed));
        EXPECT_TRUE(shard.until([this] { return closed.has_value(); }));
        return *closed ? Errc{} : closed->error().code;
    }
    [[nodiscard]] bool closes(ChatWriter& writer) {
        (void)close(writer);
        return closed->has_value();
    }
    [[nodiscard]] std::string text() const { return test::read_file(path); }
    /// What a power cut now would leave.
    [[nodiscard]] std::string durable() const { return fs.durable(path).value_or("(no file)"); }
};

TEST(ChatWriter, FirstLineIsOnTheDiskAtOnceTheNextWithinASecond) {
    ChatRig rig;
    auto chat = rig.writer();
    chat->write("one");
    ASSERT_TRUE(rig.shard.until([&] { return rig.durable() == "one\n"; })) << rig.durable();
    ASSERT_TRUE(rig.shard.until([&] { return rig.shard.time.waiting() == 1; }));
    chat->write("two");
    chat->write("three");
    rig.shard.turn();
    EXPECT_EQ(rig.durable(), "one\n");
    rig.shard.advance(1s);
    ASSERT_TRUE(rig.shard.until([&] { return rig.durable() == "one\ntwo\nthree\n"; })) << rig.durable();
    EXPECT_TRUE(rig.closes(*chat));
    EXPECT_EQ(chat->lines(), 3u);
    EXPECT_EQ(rig.text(), "one\ntwo\nthree\n");
}

TEST(ChatWriter, CloseWritesWhatStillWaits) {
    ChatRig rig;
    auto chat = rig.writer();
    for (int i = 0; i < 1000; ++i) chat->write("line");
    EXPECT_TRUE(rig.closes(*chat));
    EXPECT_EQ(rig.durable().size(), 5000u);
}

TEST(ChatWriter, FC2_51_TheFileIsThereWhenNobodyWrote) {
    ChatRig rig;
    auto chat = rig.writer();
    EXPECT_TRUE(rig.closes(*chat));
    EXPECT_EQ(rig.durable(), "");
    EXPECT_TRUE(std::filesystem::exists(rig.path));
}

TEST(ChatWriter, ATakenNameIsNotTouched) {
    ChatRig rig;
    test::write_file(rig.path, "of somebody else\n");
    auto chat = rig.writer();
    chat->write("mine");
    EXPECT_EQ(rig.close(*chat), Errc::busy);
    EXPECT_EQ(rig.text(), "of somebody else\n");
}

struct Earlier {
    const char *name, *before, *after;
};
class ChatAppend : public ::testing::TestWithParam<Earlier> {};

TEST_P(ChatAppend, GoesOnBehindTheLastWholeLine) {
    ChatRig rig;
    test::write_file(rig.path, GetParam().before);
    auto chat = rig.writer(true);
    chat->write("new");
    EXPECT_TRUE(rig.closes(*chat));
    EXPECT_EQ(rig.text(), GetParam().after);
}

INSTANTIATE_TEST_SUITE_P(All, ChatAppend,
                         ::testing::Values(Earlier{"Whole", "a\nb\n", "a\nb\nnew\n"},
                                           Earlier{"Torn", "a\nb\n{\"user", "a\nb\nnew\n"},
                                           Earlier{"OnlyTorn", "{\"user", "new\n"}, Earlier{"Empty", "", "new\n"}),
                         [](const auto& p) { return p.param.name; });

TEST(ChatWriter, AppendsToNothingAsIfItWereNew) {
    ChatRig rig;
    auto chat = rig.writer(true);
    chat->write("new");
    EXPECT_TRUE(rig.closes(*chat));
    EXPECT_EQ(rig.text(), "new\n");
}

TEST(ChatWriter, WhatADiskRefusedIsWrittenOnceWhenItTakesAgain) {
    ChatRig rig;
    auto chat = rig.writer();
    chat->write("one");
    ASSERT_TRUE(rig.shard.until([&] { return rig.shard.time.waiting() == 1; }));
    rig.fs.fail_at(1, test::ForgettingFs::Fault::enospc, true);  // half of a failing write stays
    chat->write("a longer line that is torn");
    rig.shard.advance(1s);
    ASSERT_TRUE(rig.shard.until([&] { return rig.shard.time.waiting() == 1; }));
    rig.fs.heal();
    chat->write("three");
    rig.shard.advance(1s);
    ASSERT_TRUE(rig.shard.until([&] { return rig.durable() == "one\na longer line that is torn\nthree\n"; }))
        << rig.durable();
    EXPECT_TRUE(rig.closes(*chat));
    EXPECT_EQ(chat->dropped(), 0u);
}

TEST(ChatWriter, AFailedSyncIsNotTrusted) {
    ChatRig rig;
    auto chat = rig.writer();
    rig.fs.fail_sync_of("live.chat");
    chat->write("one");
    ASSERT_TRUE(rig.shard.until([&] { return rig.shard.time.waiting() == 1; }));
    rig.shard.advance(1s);
    ASSERT_TRUE(rig.shard.until([&] { return rig.durable() == "one\n"; })) << rig.durable();
    EXPECT_TRUE(rig.closes(*chat));
    EXPECT_EQ(rig.text(), "one\n");
}

TEST(ChatWriter, CloseSaysThatTheDiskIsFull) {
    ChatRig rig;
    auto chat = rig.writer();
    rig.fs.fail_at(1, test::ForgettingFs::Fault::enospc, true);
    chat->write("one");
    EXPECT_EQ(rig.close(*chat), Errc::no_space);
}

TEST(ChatWriter, MemoryIsBoundedWhileTheDiskRefuses) {
    ChatRig rig;
    auto chat = rig.writer();
    rig.fs.fail_at(1, test::ForgettingFs::Fault::eio, true);
    for (int i = 0; i < 12; ++i) chat->write(std::string(1u << 20, 'x'));
    EXPECT_EQ(chat->lines(), 7u);
    EXPECT_EQ(chat->dropped(), 5u);
    EXPECT_EQ(rig.close(*chat), Errc::io);
}

}  // namespace
}  // namespace weir::sites
