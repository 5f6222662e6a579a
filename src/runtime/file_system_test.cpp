#include "runtime/file_system.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>

#include "runtime/failpoint.h"

namespace weir {
namespace {

class RealFiles : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "weir_fsXXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
    }
    void TearDown() override {
        EXPECT_TRUE(configure_failpoints("").has_value());
        std::filesystem::remove_all(root_);
    }
    static std::string content(const Path& path) {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    std::unique_ptr<File> made(const Path& path) { return std::move(fs_.create(path).value()); }

    FileSystem& fs_ = real_file_system();
    Path root_;
};

TEST_F(RealFiles, CreateMakesFoldersButNeverReplaces) {
    const auto path = root_ / "a/b/c.ts";
    ASSERT_TRUE(fs_.create(path).has_value());
    const auto again = fs_.create(path);
    ASSERT_FALSE(again.has_value());
    EXPECT_EQ(again.error().code, Errc::busy);
    EXPECT_NE(again.error().what.find("already exists"), std::string::npos);
}

TEST_F(RealFiles, DescriptorsAreNotInherited) {
    EXPECT_NE(::fcntl(made(root_ / "x")->descriptor(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(RealFiles, AppendsAllPartsInOrder) {
    const auto path = root_ / "x";
    const auto file = made(path);
    std::vector<Bytes> parts;
    std::string expected;
    for (int i = 0; i < 300; ++i) {  // more than one writev, empty parts among them
        const std::string text(static_cast<std::size_t>(i % 5), static_cast<char>('a' + i % 26));
        parts.push_back(Bytes::copy_of(std::string_view(text)));
        expected += text;
    }
    ASSERT_TRUE(file->append(parts).has_value());
    ASSERT_TRUE(file->append({}).has_value());
    ASSERT_TRUE(file->append(std::vector{Bytes::copy_of(std::string_view("end"))}).has_value());
    EXPECT_EQ(content(path), expected + "end");
    EXPECT_EQ(file->size().value(), expected.size() + 3);
    EXPECT_TRUE(file->sync().has_value());
}

TEST_F(RealFiles, ContinuesShortWritesUntilTheDiskRefuses) {
    const auto path = root_ / "x";
    const auto file = made(path);
    ASSERT_TRUE(file->append(std::vector{Bytes::copy_of(std::string_view("good"))}).has_value());
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = ::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{10, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    const auto torn =
        file->append(std::vector{Bytes::copy_of(std::string_view("0123")), Bytes::copy_of(std::string_view("456789"))});
    ::setrlimit(RLIMIT_FSIZE, &before);
    ::signal(SIGXFSZ, handler);
    EXPECT_FALSE(torn.has_value());
    EXPECT_EQ(content(path), "good012345");  // the torn tail
    EXPECT_EQ(file->size().value(), 4u);     // and what was surely written
    ASSERT_TRUE(file->truncate(4).has_value());
    ASSERT_TRUE(file->append(std::vector{Bytes::copy_of(std::string_view("!"))}).has_value());
    EXPECT_EQ(content(path), "good!");
}

TEST_F(RealFiles, ReadsAndWritesAtOffsets) {
    const auto path = root_ / "x";
    const auto file = made(path);
    const std::string_view text = "hello";
    ASSERT_TRUE(file->pwrite(2, std::as_bytes(std::span(text))).has_value());
    EXPECT_EQ(file->size().value(), 7u);
    std::array<std::byte, 16> into;
    EXPECT_EQ(file->pread(3, into).value(), 4u);
    EXPECT_EQ(static_cast<char>(into[0]), 'e');
    EXPECT_EQ(file->pread(7, into).value(), 0u);
    ASSERT_TRUE(file->truncate(3).has_value());
    EXPECT_EQ(content(path), std::string("\0\0h", 3));
}

TEST_F(RealFiles, AReaderSeesTheFileGrow) {
    const auto writer = made(root_ / "x");
    const auto reader = std::move(fs_.open(root_ / "x", false).value());
    EXPECT_EQ(reader->size().value(), 0u);
    ASSERT_TRUE(writer->append(std::vector{Bytes::copy_of(std::string_view("abc"))}).has_value());
    EXPECT_EQ(reader->size().value(), 3u);
    EXPECT_FALSE(reader->append(std::vector{Bytes::copy_of(std::string_view("abc"))}).has_value());
}

TEST_F(RealFiles, AppendingToAnOpenedFileContinuesIt) {
    ASSERT_TRUE(made(root_ / "x")->append(std::vector{Bytes::copy_of(std::string_view("abc"))}).has_value());
    const auto again = std::move(fs_.open(root_ / "x", true).value());
    ASSERT_TRUE(again->append(std::vector{Bytes::copy_of(std::string_view("def"))}).has_value());
    EXPECT_EQ(content(root_ / "x"), "abcdef");
    EXPECT_EQ(fs_.open(root_ / "absent", true).error().code, Errc::not_found);
}

TEST_F(RealFiles, OneLockAtATime) {
    auto first = made(root_ / "x");
    const auto second = std::move(fs_.open(root_ / "x", true).value());
    EXPECT_TRUE(first->lock().has_value());
    EXPECT_EQ(second->lock().error().code, Errc::busy);
    first.reset();
    EXPECT_TRUE(second->lock().has_value());
}

TEST_F(RealFiles, ACopyOfTheDescriptorInAStartingChildDoesNotKeepTheLock) {
    auto first = made(root_ / "x");
    const auto second = std::move(fs_.open(root_ / "x", true).value());
    EXPECT_TRUE(first->lock().has_value());
    const int copy = ::dup(first->descriptor());
    first.reset();
    EXPECT_TRUE(second->lock().has_value());
    ::close(copy);
}

TEST_F(RealFiles, RenameNeverReplaces) {
    ASSERT_TRUE(made(root_ / "a")->append(std::vector{Bytes::copy_of(std::string_view("a"))}).has_value());
    ASSERT_TRUE(made(root_ / "b")->append(std::vector{Bytes::copy_of(std::string_view("b"))}).has_value());
    EXPECT_EQ(fs_.rename(root_ / "a", root_ / "b").error().code, Errc::busy);
    EXPECT_EQ(content(root_ / "b"), "b");
    ASSERT_TRUE(fs_.rename(root_ / "a", root_ / "c").has_value());
    EXPECT_EQ(content(root_ / "c"), "a");
    EXPECT_FALSE(fs_.exists(root_ / "a").value());
    EXPECT_EQ(fs_.rename(root_ / "absent", root_ / "d").error().code, Errc::not_found);
}

TEST_F(RealFiles, RemoveSaysWhenThereWasNothing) {
    made(root_ / "a");
    EXPECT_TRUE(fs_.exists(root_ / "a").value());
    EXPECT_TRUE(fs_.remove(root_ / "a").has_value());
    EXPECT_EQ(fs_.remove(root_ / "a").error().code, Errc::not_found);
}

TEST_F(RealFiles, ListsByName) {
    made(root_ / "b");
    ASSERT_TRUE(made(root_ / "a")->append(std::vector{Bytes::copy_of(std::string_view("abc"))}).has_value());
    ASSERT_TRUE(fs_.make_folders(root_ / "c/d").has_value());
    ASSERT_TRUE(fs_.make_folders(root_ / "c/d").has_value());
    const auto entries = fs_.list(root_).value();
    ASSERT_EQ(entries.size(), 3u);
    EXPECT_EQ(entries[0].name, "a");
    EXPECT_EQ(entries[0].size, 3u);
    EXPECT_EQ(entries[1].name, "b");
    EXPECT_TRUE(entries[2].is_directory);
    EXPECT_EQ(fs_.list(root_ / "absent").error().code, Errc::not_found);
    EXPECT_EQ(fs_.size_of(root_ / "a").value(), 3u);
    EXPECT_FALSE(fs_.make_folders(root_ / "a/b").has_value());
}

TEST_F(RealFiles, FoldersSyncAndTellTheirSpace) {
    EXPECT_TRUE(fs_.sync_folder(root_).has_value());
    EXPECT_FALSE(fs_.sync_folder(root_ / "absent").has_value());
    const auto space = fs_.space(root_).value();
    EXPECT_GT(space.total, 0u);
    EXPECT_LE(space.free, space.total);
}

struct PointCase {
    const char* name;
    const char* rule;
    Errc code;
};
class RealFilesBroken : public RealFiles, public testing::WithParamInterface<PointCase> {};

TEST_P(RealFilesBroken, TheFailurePointIsReportedAsTheDiskWould) {
    const auto file = made(root_ / "x");
    ASSERT_TRUE(configure_failpoints(GetParam().rule).has_value());
    Result<> first;
    const auto keep_first = [&](Result<> r) {
        if (first && !r) first = std::move(r);
    };
    if (auto r = fs_.create(root_ / "y"); !r) keep_first(r.error());
    keep_first(file->append(std::vector{Bytes::copy_of(std::string_view("abc"))}));
    keep_first(file->sync());
    keep_first(fs_.rename(root_ / "x", root_ / "z"));
    keep_first(fs_.remove(root_ / "z"));
    ASSERT_FALSE(first.has_value());
    EXPECT_EQ(first.error().code, GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(Cases, RealFilesBroken,
                         testing::Values(PointCase{"Create", "file.create=eio", Errc::io},
                                         PointCase{"Write", "file.write=enospc", Errc::no_space},
                                         PointCase{"Sync", "file.sync=eio", Errc::io},
                                         PointCase{"Rename", "file.rename=eio", Errc::io},
                                         PointCase{"Remove", "file.remove=eio", Errc::io}),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace weir
