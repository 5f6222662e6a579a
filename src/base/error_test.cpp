#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace weir {
namespace {

TEST(Error, TrailGrowsOutwards) {
    auto e = within("push twitch", within("connect", Error{Errc::unreachable, "refused"}));
    EXPECT_EQ(e.text(), "push twitch: connect: refused");
    EXPECT_EQ((Error{Errc::io, "x"}.text()), "x");
}

TEST(Error, ErrnoBecomesWhatACallerDecidesBy) {
    EXPECT_EQ(from_errno(ENOSPC, "write").code, Errc::no_space);
    EXPECT_EQ(from_errno(EDQUOT, "write").code, Errc::no_space);
    EXPECT_EQ(from_errno(EACCES, "open").code, Errc::denied);
    EXPECT_EQ(from_errno(ENOENT, "open").code, Errc::not_found);
    EXPECT_EQ(from_errno(EIO, "sync").code, Errc::io);
    EXPECT_EQ(from_errno(EIO, "sync").trail, "sync");
}

TEST(Result, TakingTheValueOfAFailureIsABugAndSaysWhich) {
    const Result<int> failed = Error{Errc::io, "torn"};
    try {
        (void)failed.value();
        FAIL() << "no exception";
    } catch (const std::logic_error& e) {
        EXPECT_NE(std::string(e.what()).find("torn"), std::string::npos);
    }
}

}  // namespace
}  // namespace weir
