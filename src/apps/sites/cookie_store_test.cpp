#include "apps/sites/cookie_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "on_shard.h"
#include "proto/seal/seal.h"
#include "temp_folder.h"

namespace weir::sites {
namespace {

using testing::HasSubstr;
using testing::Not;
using weir::test::on_shard;
using weir::test::read_file;
using weir::test::TempFolder;
using weir::test::write_file;

std::string cookie_line(std::string_view name, std::string_view value) {
    return fmt::format(".fc2.com\tTRUE\t/\tFALSE\t4000000000\t{}\t{}\n", name, value);
}

/// A folder with both files, and a new store for each step, as each start of the program has one.
struct CookieRig {
    TempFolder folder;
    Path import_file = folder / "cookies.txt", kept_file = folder / "kept" / "cookies.bin";
    Secret secret{"pass phrase"};

    void import_has(const std::string& lines) const { write_file(import_file, lines); }
    /// Of `file`, in hours from now.
    static void touch(const Path& file, int hours) {
        std::filesystem::last_write_time(file,
                                         std::filesystem::file_time_type::clock::now() + std::chrono::hours(hours));
    }
    /// Loads into a new store, changes it, saves it: what the jar had then, or the error of load().
    Result<std::string> run(std::function<void(CookieJar&, WallTime)> change = nullptr) const {
        Result<std::string> out = std::string();
        on_shard([&](Shard& shard) -> Task<void> {
            FileLane lane(real_file_system(), {});
            CookieStore store(shard, lane, {.import_file = import_file, .kept_file = kept_file, .secret = secret});
            const auto loaded = co_await store.load();
            if (change) change(store.jar(), shard.clock().wall());
            const auto saved = co_await store.save_if_changed();
            EXPECT_TRUE(saved) << saved.error().text();
            out = loaded ? Result<std::string>(store.jar().export_netscape()) : Result<std::string>(loaded.error());
        });
        return out;
    }
};

std::string& logged_lines() {
    static std::string lines;
    return lines;
}

struct LogCaught {
    LogCaught() {
        logged_lines().clear();
        log::capture([](std::string_view line) { (logged_lines() += line) += '\n'; });
    }
    ~LogCaught() { log::capture(nullptr); }
};

void set_cookie(CookieJar& jar, const char* header, WallTime now) {
    jar.store(*parse_url("https://live.fc2.com/"), header, now);
}

TEST(CookieStore, WhatChangedIsThereAtTheNextStart) {  // section 11.27
    CookieRig rig;
    rig.import_has(cookie_line("fcu", "a"));
    ASSERT_TRUE(rig.run([](CookieJar& jar, WallTime now) { set_cookie(jar, "l_ortkn=0123; HttpOnly", now); }));
    struct stat info {};
    ASSERT_EQ(::stat(rig.kept_file.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    EXPECT_TRUE(seal::is_sealed(read_file(rig.kept_file)));
    EXPECT_THAT(read_file(rig.kept_file), Not(HasSubstr("l_ortkn")));
    EXPECT_FALSE(std::filesystem::exists(rig.kept_file.string() + ".new"));
    const auto again = rig.run();
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_THAT(*again, HasSubstr("\tfcu\ta\n"));
    EXPECT_THAT(*again, HasSubstr("#HttpOnly_live.fc2.com\tFALSE\t/\tFALSE\t0\tl_ortkn\t0123\n"));
}

TEST(CookieStore, NothingIsWrittenWhenNothingChanged) {
    CookieRig rig;
    rig.import_has(cookie_line("fcu", "a"));
    ASSERT_TRUE(rig.run());
    const auto before = read_file(rig.kept_file);  // its salt is new whenever it is written
    ASSERT_TRUE(rig.run());
    EXPECT_EQ(read_file(rig.kept_file), before);
}

TEST(CookieStore, TheNewerFileWinsAndTheOlderAdds) {  // FC2-122 as a better program
    CookieRig rig;
    rig.import_has(cookie_line("fcu", "imported") + cookie_line("old", "1"));
    ASSERT_TRUE(rig.run());
    rig.import_has(cookie_line("fcu", "imported again") + cookie_line("new", "2"));
    CookieRig::touch(rig.import_file, -1);
    auto jar = rig.run();
    ASSERT_TRUE(jar);
    EXPECT_THAT(*jar, HasSubstr("\tfcu\timported\n"));
    EXPECT_THAT(*jar, HasSubstr("\told\t1\n"));
    EXPECT_THAT(*jar, HasSubstr("\tnew\t2\n"));
    CookieRig::touch(rig.import_file, 1);
    jar = rig.run();
    ASSERT_TRUE(jar);
    EXPECT_THAT(*jar, HasSubstr("\tfcu\timported again\n"));
    EXPECT_THAT(*jar, HasSubstr("\told\t1\n"));
}

TEST(CookieStore, WhatTheSiteDeletedDoesNotComeBackFromAnOldImport) {
    CookieRig rig;
    rig.import_has(cookie_line("fcu", "a") + cookie_line("login", "1"));
    CookieRig::touch(rig.import_file, -1);
    const auto logout = [](CookieJar& jar, WallTime now) {
        set_cookie(jar, "login=; domain=.fc2.com; path=/; Max-Age=0", now);
    };
    ASSERT_TRUE(rig.run(logout));
    auto jar = rig.run();
    ASSERT_TRUE(jar);
    EXPECT_THAT(*jar, HasSubstr("\tfcu\ta\n"));
    EXPECT_THAT(*jar, Not(HasSubstr("login")));
    CookieRig::touch(rig.import_file, 1);  // brought anew by its user
    jar = rig.run();
    ASSERT_TRUE(jar);
    EXPECT_THAT(*jar, HasSubstr("\tlogin\t1\n"));
}

TEST(CookieStore, LinesThatAreNoCookiesAreLeftOutWithOneWarning) {  // FC2-117
    CookieRig rig;
    rig.import_has("one two\n" + cookie_line("fcu", "a") + "x\ty\tsecret\n" + cookie_line("fcus", "b"));
    LogCaught log;
    const auto jar = rig.run();
    ASSERT_TRUE(jar) << jar.error().text();
    EXPECT_THAT(*jar, HasSubstr("\tfcu\ta\n"));
    EXPECT_THAT(*jar, HasSubstr("\tfcus\tb\n"));
    EXPECT_THAT(logged_lines(), HasSubstr("line 1: 2 fields"));
    EXPECT_THAT(logged_lines(), HasSubstr("line 3: 3 fields"));
    EXPECT_THAT(logged_lines(), Not(HasSubstr("secret")));
    EXPECT_EQ(std::count(logged_lines().begin(), logged_lines().end(), '\n'), 1);
}

TEST(CookieStore, AKeptFileUnderAnotherSecretIsPutAside) {  // FC2-122
    CookieRig rig;
    rig.import_has(cookie_line("fcu", "a"));
    ASSERT_TRUE(rig.run([](CookieJar& jar, WallTime now) { set_cookie(jar, "kept=1", now); }));
    const auto first = read_file(rig.kept_file);
    rig.secret = Secret("another one");
    LogCaught log;
    const auto jar = rig.run();
    ASSERT_TRUE(jar) << jar.error().text();
    EXPECT_THAT(*jar, HasSubstr("\tfcu\ta\n"));
    EXPECT_THAT(*jar, Not(HasSubstr("kept")));
    EXPECT_EQ(read_file(rig.kept_file.string() + ".bad"), first);
    EXPECT_THAT(logged_lines(), HasSubstr("put aside"));
    EXPECT_THAT(logged_lines(), Not(HasSubstr("another one")));
}

TEST(CookieStore, EachBadFileIsKept) {
    CookieRig rig;
    rig.import_file.clear();
    std::filesystem::create_directory(rig.kept_file.parent_path());
    LogCaught log;
    for (const auto* content : {"first", "second", ""}) {
        write_file(rig.kept_file, content);
        const auto jar = rig.run();
        ASSERT_TRUE(jar) << jar.error().text();
        EXPECT_FALSE(std::filesystem::exists(rig.kept_file));
    }
    EXPECT_EQ(read_file(rig.kept_file.string() + ".bad"), "first");
    EXPECT_EQ(read_file(rig.kept_file.string() + ".bad.2"), "second");
    EXPECT_EQ(read_file(rig.kept_file.string() + ".bad.3"), "");
}

TEST(CookieStore, TheReferencesJarIsReadOnceAndRewritten) {  // FC2-123
    CookieRig rig;
    rig.import_file.clear();
    std::filesystem::create_directory(rig.kept_file.parent_path());
    std::filesystem::copy_file(WEIR_SOURCE_DIR "/tests/data/cookies/reference_jar.bin", rig.kept_file);
    const auto jar = rig.run();
    ASSERT_TRUE(jar) << jar.error().text();
    EXPECT_THAT(*jar, HasSubstr(".fc2.com\tTRUE\t/\tFALSE\t1900000000\tfcu\tabc\n"));
    EXPECT_THAT(*jar, HasSubstr("#HttpOnly_live.fc2.com\tFALSE\t/\tTRUE\t1900000001\tl_ortkn\t0123\n"));
    EXPECT_THAT(*jar, HasSubstr(".id.fc2.com\tTRUE\t/a\tTRUE\t0\tFCSID\tx=y\n"));
    EXPECT_TRUE(seal::is_sealed(read_file(rig.kept_file)));
    EXPECT_EQ(rig.run().value(), *jar);
}

TEST(CookieStore, AnImportThatCannotBeReadIsAnErrorAndTheKeptOnesAreThere) {
    CookieRig rig;
    rig.import_has(cookie_line("fcu", "a"));
    ASSERT_TRUE(rig.run());
    const std::pair<const char*, Errc> cases[] = {
        {"# only a comment\n\n", Errc::bad_input}, {"", Errc::bad_input}, {"one two\n", Errc::bad_input}};
    std::string kept;
    const auto look = [&kept](CookieJar& jar, WallTime) { kept = jar.export_netscape(); };
    for (const auto& [content, code] : cases) {
        rig.import_has(content);
        const auto jar = rig.run(look);
        ASSERT_FALSE(jar) << content;
        EXPECT_EQ(jar.error().code, code);
        EXPECT_THAT(jar.error().text(), HasSubstr("cookies.txt"));
        EXPECT_THAT(kept, HasSubstr("\tfcu\ta\n"));
    }
    std::filesystem::remove(rig.import_file);
    EXPECT_EQ(rig.run(look).error().code, Errc::not_found);
    EXPECT_THAT(kept, HasSubstr("\tfcu\ta\n"));
}

TEST(CookieStore, WithoutFilesThereIsAnEmptyJar) {
    CookieRig rig;
    rig.import_file.clear();
    EXPECT_EQ(rig.run().value(), CookieJar().export_netscape());
    EXPECT_FALSE(std::filesystem::exists(rig.kept_file));
    rig.kept_file.clear();
    rig.secret = Secret();
    EXPECT_TRUE(rig.run([](CookieJar& jar, WallTime now) { set_cookie(jar, "a=b", now); }));
}

TEST(CookieStore, WithoutASecretAKeyOfItsOwnStandsBesideTheFile) {
    CookieRig rig;
    rig.secret = Secret();
    rig.import_has(cookie_line("fcu", "a"));
    const auto first = rig.run();
    ASSERT_TRUE(first);
    Path key = rig.kept_file;
    key += ".key";
    EXPECT_EQ(std::filesystem::status(key).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    std::filesystem::remove(rig.import_file);
    rig.import_file.clear();
    EXPECT_EQ(rig.run().value(), *first);
    std::filesystem::remove(key);
    EXPECT_EQ(rig.run().value(), CookieJar().export_netscape()) << "another key cannot read it: put aside";
}

TEST(CookieStore, TellsWhenTheImportFileIsWrittenAnew_FC2_122) {
    CookieRig rig;
    rig.import_has(cookie_line("fcu", "a"));
    on_shard([&](Shard& shard) -> Task<void> {
        FileLane lane(real_file_system(), {});
        CookieStore store(shard, lane, {.import_file = rig.import_file});
        const auto loaded = co_await store.load();
        EXPECT_TRUE(loaded);
        const bool at_once = co_await store.import_changed();
        EXPECT_FALSE(at_once);
        CookieRig::touch(rig.import_file, 1);
        const bool touched = co_await store.import_changed();
        EXPECT_TRUE(touched);
        std::filesystem::remove(rig.import_file);
        const bool gone = co_await store.import_changed();
        EXPECT_FALSE(gone) << "nothing to take";
    });
}

TEST(CookieStore, WhatCouldNotBeSavedIsSavedLater) {
    TempFolder folder;
    write_file(folder / "blocked", "");  // a file where a folder is to be
    on_shard([&](Shard& shard) -> Task<void> {
        FileLane lane(real_file_system(), {});
        CookieStore store(shard, lane, {.kept_file = folder / "blocked" / "kept", .secret = Secret("s")});
        set_cookie(store.jar(), "a=b", shard.clock().wall());
        const auto failed = co_await store.save_if_changed();
        EXPECT_FALSE(failed);
        std::filesystem::remove(folder / "blocked");
        const auto saved = co_await store.save_if_changed();
        EXPECT_TRUE(saved);
        EXPECT_TRUE(std::filesystem::exists(folder / "blocked" / "kept"));
    });
}

}  // namespace
}  // namespace weir::sites
