#include "apps/sites/config_file.h"

#include "apps/sites/sites_rig.h"
#include "temp_folder.h"

namespace weir::sites {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Told = std::vector<std::string>;

/// A watched file in a folder of its own; what was told, errors as "!code".
struct ConfigRig {
    test::TempFolder dir;
    RigShard shard;
    FileLane lane{real_file_system(), {.threads = 1}};
    Path path;
    std::unique_ptr<ConfigFile> file;
    Told told;
    bool over = true;

    explicit ConfigRig(const std::string& name = "config.yaml") : path(dir / name) {}
    ~ConfigRig() {
        if (file) file->ask_stop();
        EXPECT_TRUE(shard.until([this] { return over; }));
    }
    void start() {
        file = std::make_unique<ConfigFile>(shard, lane, path);
        bool read = false;
        shard.start([](ConfigRig& rig, bool& done) -> Task<void> {
            auto first = co_await rig.file->read();
            rig.told.push_back(first ? *first : "!" + std::string(name_of(first.error().code)));
            done = true;
        }(*this, read));
        ASSERT_TRUE(shard.until([&] { return read; }));
        over = false;
        shard.start([](ConfigRig& rig) -> Task<void> {
            std::function<Task<void>(Result<std::string>)> tell = [&rig](Result<std::string> content) {
                return add(rig, std::move(content));
            };
            co_await rig.file->watch(std::move(tell));
            rig.over = true;
        }(*this));
        // It is watched once this is found: the first look comes after the watches were placed.
        file->look_now();
        const auto before = told.size();
        ASSERT_TRUE(shard.until([&] { return told.size() > before; }));
        told.clear();
        shard.turn();
    }
    static Task<void> add(ConfigRig& rig, Result<std::string> content) {
        rig.told.push_back(content ? *content : "!" + std::string(name_of(content.error().code)));
        co_return;
    }
    /// The change is seen, and a second passes.
    void settle() {
        ASSERT_TRUE(shard.until([this] { return shard.time.next() <= shard.time.now() + 1s; })) << "no change is seen";
        shard.advance(1s);
    }
    [[nodiscard]] bool tells(const Told& wanted) {
        settle();
        const bool so = shard.until([&] { return told == wanted; });
        EXPECT_EQ(told, wanted);
        return so;
    }
    void write(const std::string& name, const std::string& text) const { test::write_file(dir / name, text); }
};

TEST(ConfigFile, AWriteInPlaceIsToldASecondAfterTheLast) {
    ConfigRig rig;
    rig.write("config.yaml", "a");
    rig.start();
    rig.write("config.yaml", "b");
    ASSERT_TRUE(rig.shard.until([&] { return rig.shard.time.next() <= rig.shard.time.now() + 1s; }));
    rig.shard.advance(900ms);
    rig.write("config.yaml", "c");
    ASSERT_TRUE(rig.shard.until([&] { return rig.shard.time.next() > rig.shard.time.now() + 900ms; }));
    rig.shard.advance(900ms);
    EXPECT_TRUE(rig.told.empty());
    rig.shard.advance(100ms);
    EXPECT_TRUE(rig.shard.until([&] { return rig.told == Told{"c"}; }));
}

TEST(ConfigFile, FC2_111_ReplacedByRenameAgainAndAgain) {
    ConfigRig rig;
    rig.write("config.yaml", "0");
    rig.start();
    Told wanted;
    for (const auto* text : {"1", "2", "3"}) {
        rig.write("config.yaml~", text);
        fs::rename(rig.dir / "config.yaml~", rig.path);
        wanted.emplace_back(text);
        ASSERT_TRUE(rig.tells(wanted));
    }
}

TEST(ConfigFile, AKubernetesConfigMap) {
    ConfigRig rig;
    const auto version = [&](const std::string& name, const std::string& text) {
        fs::create_directory(rig.dir / name);
        rig.write(name + "/config.yaml", text);
        fs::create_symlink(name, rig.dir / "..data_tmp");
        fs::rename(rig.dir / "..data_tmp", rig.dir / "..data");
    };
    version("..2026_1", "one");
    fs::create_symlink("..data/config.yaml", rig.path);
    rig.start();
    version("..2026_2", "two");
    fs::remove_all(rig.dir / "..2026_1");
    ASSERT_TRUE(rig.tells({"two"}));
    version("..2026_3", "three");
    fs::remove_all(rig.dir / "..2026_2");
    ASSERT_TRUE(rig.tells({"two", "three"}));
}

TEST(ConfigFile, RemovedAndMadeAgain) {
    ConfigRig rig;
    rig.write("config.yaml", "a");
    rig.start();
    fs::remove(rig.path);
    ASSERT_TRUE(rig.tells({"!not_found"}));
    rig.write("config.yaml", "b");
    ASSERT_TRUE(rig.tells({"!not_found", "b"}));
}

TEST(ConfigFile, BackWithinASecondNothingIsTold) {
    ConfigRig rig;
    rig.write("config.yaml", "a");
    rig.start();
    fs::remove(rig.path);
    rig.write("config.yaml", "a");
    rig.settle();
    rig.shard.turn();
    rig.write("config.yaml", "b");
    ASSERT_TRUE(rig.tells({"b"}));
}

TEST(ConfigFile, TheSameContentIsNotTold) {
    ConfigRig rig;
    rig.write("config.yaml", "a");
    rig.start();
    rig.write("config.yaml", "a");
    rig.settle();
    rig.write("config.yaml", "b");
    ASSERT_TRUE(rig.tells({"b"}));
}

TEST(ConfigFile, ItsFolderIsSwapped) {
    ConfigRig rig("conf/config.yaml");
    fs::create_directory(rig.dir / "conf");
    rig.write("conf/config.yaml", "a");
    rig.start();
    fs::create_directory(rig.dir / "new");
    rig.write("new/config.yaml", "b");
    fs::rename(rig.dir / "conf", rig.dir / "old");
    fs::rename(rig.dir / "new", rig.dir / "conf");
    ASSERT_TRUE(rig.tells({"b"}));
    rig.write("conf/config.yaml", "c");
    ASSERT_TRUE(rig.tells({"b", "c"}));
}

TEST(ConfigFile, OtherFilesInTheFolderDoNotMatter) {
    ConfigRig rig;
    rig.write("config.yaml", "a");
    rig.start();
    rig.write("other.log", "x");
    rig.write("config.yaml", "b");
    ASSERT_TRUE(rig.tells({"b"}));
    rig.write("other.log", "y");
    rig.shard.turn();
    EXPECT_EQ(rig.shard.time.next(), SteadyTime::max());
}

TEST(ConfigFile, LookNowTellsTheSameOnceMore) {
    ConfigRig rig;
    rig.write("config.yaml", "a");
    rig.start();
    rig.file->look_now();
    EXPECT_TRUE(rig.shard.until([&] { return rig.told == Told{"a"}; }));
}

struct Unreadable {
    const char* name;
    std::function<void(const Path&)> make;
    Errc code;
};
class ConfigUnreadable : public ::testing::TestWithParam<Unreadable> {};

TEST_P(ConfigUnreadable, IsSaid) {
    ConfigRig rig;
    GetParam().make(rig.path);
    ConfigFile file(rig.shard, rig.lane, rig.path);
    std::optional<Errc> code;
    EXPECT_TRUE(rig.shard.finish([](ConfigFile& f, std::optional<Errc>& into) -> Task<void> {
        auto content = co_await f.read();
        if (!content) into = content.error().code;
    }(file, code)));
    EXPECT_EQ(code, GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(
    All, ConfigUnreadable,
    ::testing::Values(Unreadable{"Missing", [](const Path&) {}, Errc::not_found},
                      Unreadable{"Folder", [](const Path& p) { fs::create_directory(p); }, Errc::bad_input},
                      Unreadable{"TooLarge",
                                 [](const Path& p) { test::write_file(p, std::string((1u << 20) + 1, ' ')); },
                                 Errc::bad_input}),
    [](const auto& p) { return p.param.name; });

}  // namespace
}  // namespace weir::sites
