#include "apps/relay/rules_file.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "apps/relay/hub_rig.h"
#include "temp_folder.h"

namespace weir::relay {
namespace {

using namespace rig;
using weir::test::read_file;
using weir::test::TempFolder;

std::function<std::string()> text_with(const std::string& stream) {
    Rules rules;
    rules.streams[stream] = {stream, {}};
    return [text = rules_file_text(rules)] { return text; };
}

TEST(RelayRulesFile, WhatIsReadAmongChangesIsTheNewest) {
    TempFolder folder;
    run_shards(1, [&](Shards& shards) -> Task<void> {
        FileLane lane(real_file_system(), {});
        RulesFile file(shards.at(0), lane, folder / "rules.json");
        file.changed(text_with("old"));
        file.changed(text_with("new"));  // waits until the first one is written
        auto found = co_await file.read_settled();
        EXPECT_TRUE(found.has_value());
        EXPECT_TRUE(*found && (*found)->streams.contains("new"));
        co_await file.stop();
    });
}

TEST(RelayRulesFile, WhatCouldNotBeWrittenIsTriedAgain) {
    TempFolder folder;
    const auto path = folder / "later" / "rules.json";
    run_shards(1, [&](Shards& shards) -> Task<void> {
        FileLane lane(real_file_system(), {});
        RulesFile file(shards.at(0), lane, path, Millis(1));
        file.changed(text_with("a"));
        const bool failed = co_await turns_until(shards.at(0), [&] { return !file.error().empty(); });
        EXPECT_TRUE(failed);
        std::filesystem::create_directory(folder / "later");
        const bool written = co_await turns_until(shards.at(0), [&] { return file.error().empty(); });
        EXPECT_TRUE(written);
        EXPECT_EQ(read_file(path), text_with("a")());
        co_await file.stop();
    });
}

TEST(RelayRulesFile, WhatCouldNotBeWrittenIsTriedOnceMoreAtTheEnd) {
    TempFolder folder;
    const auto path = folder / "later" / "rules.json";
    run_shards(1, [&](Shards& shards) -> Task<void> {
        FileLane lane(real_file_system(), {});
        RulesFile file(shards.at(0), lane, path, Millis(3'600'000));
        file.changed(text_with("a"));
        const bool failed = co_await turns_until(shards.at(0), [&] { return !file.error().empty(); });
        EXPECT_TRUE(failed);
        std::filesystem::create_directory(folder / "later");
        co_await file.stop();
    });
    EXPECT_EQ(read_file(path), text_with("a")());
}

}  // namespace
}  // namespace weir::relay
