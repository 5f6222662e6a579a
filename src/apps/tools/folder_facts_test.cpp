#include "apps/tools/folder_facts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/tools/made_journal.h"
#include "temp_folder.h"

namespace weir::apps {
namespace {

using test_support::JournalOf;
using test_support::made_journal;
using Names = std::vector<std::string>;

TEST(FolderFacts, LinksAndSpecialFilesAreNotSeen) {
    test::TempFolder dir;
    test::write_file(dir / "b", "12");
    test::write_file(dir / "a", "1");
    std::filesystem::create_directory(dir / "folder");
    std::filesystem::create_symlink(dir / "a", dir / "link");
    std::filesystem::create_directory_symlink(dir / "folder", dir / "folderlink");
    ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
    const auto facts = look_into(dir.path());
    ASSERT_TRUE(facts);
    ASSERT_EQ(facts->files.size(), 2u);
    EXPECT_EQ(facts->files[0].name, "a");
    EXPECT_EQ(facts->files[1].size, 2u);
    EXPECT_EQ(facts->folders, Names{"folder"});
    EXPECT_EQ(*look_at_file(dir / "b"), facts->files[1]);
    EXPECT_FALSE(look_at_file(dir / "link"));
    EXPECT_FALSE(look_into(dir / "folderlink"));
    EXPECT_FALSE(look_into(dir / "a"));
}

TEST(FolderFacts, AFileThatWasTouchedIsAnother) {
    test::TempFolder dir;
    test::write_file(dir / "a", "1");
    const auto before = look_at_file(dir / "a");
    test::write_file(dir / "b", "1");
    std::filesystem::rename(dir / "b", dir / "a");
    EXPECT_NE(*before, *look_at_file(dir / "a"));
}

TEST(FolderFacts, AFileOpenForWritingIsInUseAndOneBeingReadIsNot) {
    test::TempFolder dir;
    test::write_file(dir / "a", "1");
    EXPECT_FALSE(is_in_use(dir / "a"));
    const int reading = ::open((dir / "a").c_str(), O_RDONLY);
    EXPECT_FALSE(is_in_use(dir / "a"));
    const bool leases = ::fcntl(reading, F_SETLEASE, F_RDLCK) == 0 && ::fcntl(reading, F_SETLEASE, F_UNLCK) == 0;
    ::close(reading);
    if (!leases) GTEST_SKIP() << "this file system gives no leases";
    const int writing = ::open((dir / "a").c_str(), O_WRONLY);
    EXPECT_TRUE(is_in_use(dir / "a"));
    ::close(writing);
    EXPECT_FALSE(is_in_use(dir / "a"));
    EXPECT_FALSE(is_in_use(dir / "gone"));
}

TEST(FolderFacts, ALockedFileIsInUse) {
    test::TempFolder dir;
    test::write_file(dir / "a", "1");
    {
        auto file = real_file_system().open(dir / "a", false);
        ASSERT_TRUE((*file)->lock());
        EXPECT_TRUE(is_in_use(dir / "a"));
    }
    EXPECT_FALSE(is_in_use(dir / "a"));
}

TEST(FolderFacts, JournalsSayWhatIsFinishedWrittenUnfinishedAndUnknown) {
    test::TempFolder dir;
    const auto put = [&](const std::string& name, const std::string& text) {
        test::write_file(dir / (name + ".weir.jsonl"), text);
    };
    put("done", made_journal("done", JournalOf::finished_with_raws));
    put("crashed", made_journal("crashed", JournalOf::unfinished));
    put("live", made_journal("live", JournalOf::unfinished));
    auto damaged = made_journal("bad", JournalOf::finished_with_raws);
    damaged[damaged.find("hls")] = 'X';
    put("bad", damaged);
    auto live = real_file_system().open(dir / "live.weir.jsonl", false);
    ASSERT_TRUE((*live)->lock());

    const auto facts = look_into(dir.path());
    const auto j = read_journals(real_file_system(), dir.path(), facts->entries());
    ASSERT_EQ(j.finished.size(), 1u);
    EXPECT_EQ(j.finished[0].file, "done.mp4");
    EXPECT_EQ(j.finished[0].raws, Names{"done.0.ts"});
    EXPECT_TRUE(j.raws_of_finished.contains("done.0.ts"));
    EXPECT_EQ(j.unfinished.at("crashed.0.ts"), "crashed.weir.jsonl");
    EXPECT_EQ(j.being_written.at("live.0.ts"), "live.weir.jsonl");
    EXPECT_TRUE(j.spoken_of.contains("crashed.mp4"));
    // Where a damaged journal says nothing for certain, its name protects.
    EXPECT_TRUE(j.unreadable_stems.contains("bad.") || j.unfinished.contains("bad.0.ts"));
    EXPECT_FALSE(j.raws_of_finished.contains("bad.0.ts"));
}

}  // namespace
}  // namespace weir::apps
