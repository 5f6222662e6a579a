// What was refused for want of room gets it when there is some.
#include <fmt/format.h>

#include "apps/relay/destinations.h"
#include "apps/relay/hub_rig.h"
#include "apps/relay/relay_rig.h"

namespace weir::relay {
namespace {

using namespace rig;

TEST(RefusedAgain, ARecordingBeginsWhenAnotherOneGoes) {
    const test::TempFolder folder;
    RelayOptions options;
    options.rules_file = folder / "rules.json";
    Rules rules;
    for (int i = 0; i < 257; ++i) {
        const auto id = fmt::format("r{:03}", i);
        rules.recordings[id] = {id, "cam", id + ".ts"};
    }
    test::write_file(options.rules_file, rules_file_text(rules));
    with_relay(options, [](RelayRig& rig) -> Task<void> {
        const std::string full = "256 recordings are under way, which is the limit";
        EXPECT_NE(rig.relay().status_json().find(full), std::string::npos);
        const auto gone = co_await rig.ask("DELETE", "/api/recordings/r000");
        EXPECT_EQ(gone.status, 200);
        EXPECT_EQ(rig.relay().status_json().find(full), std::string::npos);
        EXPECT_NE(rig.relay().status_json().find("r256.ts"), std::string::npos);
    });
}

TEST(RefusedAgain, ADestinationGoesOnWhenThereIsRoomForItsTopic) {
    run_shards(1, [](Shards& shards) -> Task<void> {
        auto& home = shards.at(0);
        Hub::Settings settings;
        settings.max_topics = 1;
        settings.linger = Millis(1);
        const auto hub = Hub::create(shards, home, settings);
        const auto resolver = Resolver::create();
        const auto http = HttpClient::create(home, resolver, {});
        Destinations::Settings out;
        out.use_proxy = false;
        out.again = Millis(1);
        Destinations destinations(*hub, resolver, *http, out);
        auto other = hub->attach("other");
        EXPECT_TRUE(other.has_value());
        destinations.put({"0", "cam", "ws://127.0.0.1:1/", "", ""});
        EXPECT_EQ(destinations.status().front().state, "refused");
        other->first.reset();
        const bool goes = co_await turns_until(home, [&] { return destinations.status().front().state != "refused"; });
        EXPECT_TRUE(goes) << destinations.status().front().why;
        EXPECT_EQ(hub->stats().front().name, "cam");
        co_await destinations.stop();
        co_await hub->stop();
    });
}

TEST(RefusedAgain, ADestinationMayHaveTheConsolesNameWhereThereIsNone) {
    const test::TempFolder folder;
    RelayOptions options;
    options.rules_file = folder / "rules.json";
    with_relay(options, [](RelayRig& rig) -> Task<void> {
        co_await rig.ask("POST", "/api/destinations",
                         R"({"id":"apiRule","stream":"v","destination":"ws://127.0.0.1:1/"})");
        const auto reloaded = co_await rig.relay().reload();
        EXPECT_TRUE(reloaded);
        const auto still = co_await rig.ask("GET", "/api/destinations/apiRule");
        EXPECT_EQ(still.status, 200);
    });
    with_relay(options, [](RelayRig& rig) -> Task<void> {
        const auto again = co_await rig.ask("GET", "/api/destinations/apiRule");
        EXPECT_EQ(again.status, 200);
    });
}

}  // namespace
}  // namespace weir::relay
