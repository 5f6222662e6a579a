#include "runtime/whole_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "temp_folder.h"

namespace weir {
namespace {

using weir::test::read_file;
using weir::test::TempFolder;
using weir::test::write_file;

TEST(WholeFile, IsReplacedAndReadableByItsOwnerOnly) {
    TempFolder folder;
    const auto path = folder / "file";
    write_file(path, "old and longer");
    ASSERT_TRUE(replace_file(path, "new"));
    EXPECT_EQ(read_file(path), "new");
    EXPECT_FALSE(std::filesystem::exists(folder / "file.new"));
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    EXPECT_EQ(read_whole_file(path, 3)->value(), "new");
}

TEST(WholeFile, ErrorsNameIt) {
    TempFolder folder;
    const auto nowhere = folder / "no folder" / "file";
    EXPECT_EQ(replace_file(nowhere, "x").error().code, Errc::not_found);
    EXPECT_NE(replace_file(nowhere, "x").error().text().find("no folder/file"), std::string::npos);
    EXPECT_FALSE(try_to_replace_file(nowhere));
    EXPECT_FALSE(try_to_replace_file(folder.path()));
    EXPECT_TRUE(try_to_replace_file(folder / "file"));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
    EXPECT_FALSE(read_whole_file(folder / "file", 10)->has_value());
    write_file(folder / "file", "four");
    EXPECT_EQ(read_whole_file(folder / "file", 3).error().code, Errc::bad_input);
}

}  // namespace
}  // namespace weir
