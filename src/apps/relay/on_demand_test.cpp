#include "apps/relay/on_demand.h"

#include <gtest/gtest.h>

#include "apps/relay/hub_rig.h"
#include "on_shard.h"
#include "temp_folder.h"

namespace weir::relay {
namespace {

using CommandState = OnDemand::State;
using rig::turns_until;
using weir::test::on_shard;
using weir::test::read_file;
using weir::test::TempFolder;

OnDemand::Settings settings(std::vector<std::string> command) {
    OnDemand::Settings s;
    s.commands = {{"cam", std::move(command)}};
    s.url = [](const std::string& feed) { return "http://127.0.0.1:1/ts/" + feed + "?token=tops3cret"; };
    s.keep = Millis(20);
    s.grace = Millis(2'000);
    s.backoff = {Millis(2), Millis(10), 2.0};
    return s;
}

OnDemand::Status only(const OnDemand& all) {
    const auto list = all.status();
    EXPECT_EQ(list.size(), 1u);
    return list.front();
}

bool alive(int pid) {
    const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    const auto name_end = stat.rfind(')');
    return name_end != stat.npos && stat.substr(name_end + 2, 1) != "Z";
}

TEST(OnDemand, RunsWhileWantedAndSomeTimeLonger) {
    on_shard([](Shard& home) -> Task<void> {
        OnDemand all(home, settings({"sleep", "1000"}));
        all.wanted("other", true);
        EXPECT_EQ(only(all).state, CommandState::idle);
        all.wanted("cam", true);
        const auto running = only(all);
        EXPECT_EQ(running.state, CommandState::running);
        EXPECT_TRUE(running.since.has_value());
        EXPECT_TRUE(alive(running.pid));
        all.wanted("cam", false);
        all.wanted("cam", true);  // the next viewer came in time
        (void)co_await home.clock().sleep_for(Millis(60));
        EXPECT_EQ(only(all).pid, running.pid);
        all.wanted("cam", false);
        const bool idle = co_await turns_until(home, [&] { return only(all).state == CommandState::idle; });
        EXPECT_TRUE(idle);
        EXPECT_FALSE(alive(running.pid));
        all.wanted("cam", true);
        EXPECT_EQ(only(all).starts, 2u);
        EXPECT_EQ(only(all).restarts, 0u);
        co_await all.stop();
        EXPECT_EQ(only(all).pid, 0);
    });
}

TEST(OnDemand, OneThatEndsTooEarlyIsStartedAgainAndItsLastWordsAreKept) {
    on_shard([](Shard& home) -> Task<void> {
        OnDemand all(home, settings({"sh", "-c", "echo no such camera: {url} >&2; exit 3"}));
        all.wanted("cam", true);
        const bool again = co_await turns_until(home, [&] { return only(all).restarts >= 2; });
        EXPECT_TRUE(again);
        const bool said = co_await turns_until(home, [&] { return !only(all).last_lines.empty(); });
        EXPECT_TRUE(said);
        const auto status = only(all);
        EXPECT_EQ(status.last_error, "exit status 3");
        EXPECT_EQ(status.last_lines.front(), "no such camera: http://127.0.0.1:1/ts/cam?token=***");
        all.wanted("cam", false);
        const bool idle = co_await turns_until(home, [&] { return only(all).state == CommandState::idle; });
        EXPECT_TRUE(idle);
        co_await all.stop();
    });
}

TEST(OnDemand, WhatCannotBeStartedSaysSo) {
    on_shard([](Shard& home) -> Task<void> {
        OnDemand all(home, settings({"no-such-program-anywhere"}));
        all.wanted("cam", true);
        const auto status = only(all);
        EXPECT_EQ(status.state, CommandState::waiting);
        EXPECT_NE(status.last_error.find("no-such-program-anywhere"), std::string::npos) << status.last_error;
        co_await all.stop();
    });
}

TEST(OnDemand, NoShellTakesArgumentsApartAndNoSecretIsInTheEnvironment) {
    TempFolder folder;
    ::setenv("WEIR_PUSH_SECRET", "tops3cret", 1);
    const auto file = (folder / "said").string();
    on_shard([&](Shard& home) -> Task<void> {
        OnDemand all(home, settings({"sh", "-c", "env > \"$1\"; echo \"[$2]\" >> \"$1\"; exec sleep 1000", "sh", file,
                                     "{feed} $(id) ; `id`"}));
        all.wanted("cam", true);
        const bool said = co_await turns_until(home, [&] { return read_file(file).find(']') != std::string::npos; });
        EXPECT_TRUE(said);
        co_await all.stop();
    });
    ::unsetenv("WEIR_PUSH_SECRET");
    const auto said = read_file(file);
    EXPECT_NE(said.find("[cam $(id) ; `id`]"), std::string::npos);
    EXPECT_EQ(said.find("tops3cret"), std::string::npos);
    EXPECT_NE(said.find("PATH="), std::string::npos);
}

TEST(OnDemand, OneThatIgnoresTheRequestIsKilledWithItsKin) {
    TempFolder folder;
    const auto file = (folder / "kin").string();
    on_shard([&](Shard& home) -> Task<void> {
        auto s =
            settings({"sh", "-c", "trap '' TERM; sleep 1000 & echo $! > \"$1\"; wait; wait; sleep 1000", "sh", file});
        s.grace = Millis(30);
        OnDemand all(home, std::move(s));
        all.wanted("cam", true);
        const bool said = co_await turns_until(home, [&] { return read_file(file).find('\n') != std::string::npos; });
        EXPECT_TRUE(said);
        const auto pid = only(all).pid;
        co_await all.stop();
        EXPECT_FALSE(alive(pid));
        const auto kin = std::stoi(read_file(file));
        const bool gone = co_await turns_until(home, [&] { return !alive(kin); });
        EXPECT_TRUE(gone);
    });
}

TEST(OnDemand, TheStatusHidesWhatIsSecretInTheCommand) {
    on_shard([](Shard& home) -> Task<void> {
        OnDemand all(home, settings({"ffmpeg", "-i", "rtsp://me:pass@camera/1", "-f", "mpegts", "{url}"}));
        EXPECT_EQ(only(all).command, (std::vector<std::string>{"ffmpeg", "-i", "rtsp://***@camera/1", "-f", "mpegts",
                                                               "http://127.0.0.1:1/ts/cam?token=***"}));
        co_await all.stop();
    });
}

}  // namespace
}  // namespace weir::relay
