#include "apps/status/token_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "runtime/run_testing.h"
#include "temp_folder.h"

namespace weir::status {
namespace {

KeptToken token_at(const Path& file) {
    testing_support::Bench bench;
    FileLane lane(real_file_system(), {});
    KeptToken got;
    const auto body = [&]() -> Task<void> { got = co_await kept_token(lane, file); };
    bench.run(body());
    return got;
}

TEST(StatusToken, IsMadeOnceAndKeptForItsOwnerAlone) {
    const test::TempFolder dir;
    const auto file = dir / "state" / "weir" / "status-token";
    const auto first = token_at(file), second = token_at(file);
    EXPECT_TRUE(first.made);
    EXPECT_EQ(first.token.reveal().size(), 32U);
    EXPECT_FALSE(second.made);
    EXPECT_EQ(second.token.reveal(), first.token.reveal());
    struct stat facts {};
    ASSERT_EQ(::stat(file.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST(StatusToken, OneThatCannotBeKeptIsOfThisRunAlone) {
    const test::TempFolder dir;
    test::write_file(dir / "file", "x y\nz");
    std::string before;
    for (const auto& place : {Path(), dir / "file" / "token", dir / "file"}) {
        const auto made = token_at(place);
        EXPECT_TRUE(made.made) << place;
        EXPECT_EQ(made.token.reveal().size(), 32U) << place;
        EXPECT_NE(made.token.reveal(), before) << place;
        before = made.token.reveal();
    }
    EXPECT_EQ(test::read_file(dir / "file"), "x y\nz") << "what somebody else wrote stays";
}

TEST(StatusToken, AFileThatHoldsNoneIsAnError) {
    const test::TempFolder dir;
    const auto file = dir / "token";
    for (const auto& text : {std::string(), std::string(" \n"), std::string("one\ntwo\n"), std::string(5000, 'x')}) {
        test::write_file(file, text);
        const auto read = read_token(file);
        EXPECT_FALSE(read) << text.substr(0, 10);
    }
    EXPECT_FALSE(read_token(dir / "not there"));
    test::write_file(file, "  a secret \n");
    const auto read = read_token(file);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->reveal(), "a secret");
}

}  // namespace
}  // namespace weir::status
