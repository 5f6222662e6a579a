// Rules at work in a whole relay: destinations, mixes, recordings, the console.
#include <fmt/format.h>

#include "apps/relay/json_text.h"
#include "apps/relay/relay_rig.h"

namespace weir::relay {
namespace {

using namespace rig;

using Socket = std::unique_ptr<WebSocket>;

Task<Socket> join(RelayRig& rig, std::string path) {
    auto socket = co_await rig.connect(path);
    EXPECT_TRUE(socket) << path;
    if (!socket) co_return nullptr;
    co_return std::move(*socket);
}

Task<void> send(const Socket& socket, std::string text) {
    const auto payload = Bytes::copy_of(text);
    auto sent = co_await socket->send(ws::Opcode::text, payload);
    EXPECT_TRUE(sent);
}

/// The next message, or why there is none: after two seconds "silence".
Task<std::string> next(RelayRig& rig, const Socket& socket, Micros patience = 2s) {
    struct Read {
        static Task<std::string> one(WebSocket& from) {
            auto got = co_await from.read();
            co_return got ? std::string(got->payload.text()) : "error: " + got.error().text();
        }
    };
    bool late = false;
    auto& clock = rig.here().clock();
    auto got = co_await with_deadline(clock, clock.now() + patience, Read::one(*socket), &late);
    co_return late ? std::string("silence") : got;
}

/// A member of the first destination in the statistics.
Task<std::string> destination_state(RelayRig& rig) {
    const auto stats = co_await rig.ask("GET", "/api/stats");
    const auto value = parse_json_text(stats.body);
    const auto* list = value ? value->find("destinations") : nullptr;
    if (list == nullptr || list->items.empty()) co_return "none";
    co_return list->items.front().find("state")->text;
}

Task<bool> until_destination(RelayRig& rig, std::string wanted) {
    const auto by = rig.here().clock().now() + 5s;
    for (;;) {
        const auto state = co_await destination_state(rig);
        if (state == wanted) co_return true;
        EXPECT_LT(rig.here().clock().now(), by) << state;
        if (rig.here().clock().now() > by) co_return false;
        (void)co_await rig.here().clock().sleep_for(5ms);
    }
}

std::string destination(const RelayRig& rig, const std::string& id, const std::string& stream,
                        const std::string& path) {
    return fmt::format(R"({{"id":"{}","stream":"{}","destination":"{}"}})", id, stream, rig.url(path));
}

TEST(RelayFlow, ADestinationCarriesAFeedAwayAndBringsBackWhatComes_VW_76_SC_11) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        const auto far = co_await join(rig, "/bi/far");
        const auto near = co_await join(rig, "/ws/data");
        if (!far || !near) co_return;
        co_await rig.ask("POST", "/api/destinations", destination(rig, "0", "data", "/bi/far"));
        const bool up = co_await until_destination(rig, "connected");
        EXPECT_TRUE(up);
        co_await send(near, "out");
        const auto out = co_await next(rig, far);
        EXPECT_EQ(out, "out");
        co_await send(far, "back");
        const auto back = co_await next(rig, near);
        EXPECT_EQ(back, "back");
        // Nothing of its own comes back to the far side.
        const auto echo = co_await next(rig, far, 200ms);
        EXPECT_EQ(echo, "silence");
    });
}

TEST(RelayFlow, AStreamDoesNotRunBackwards_VW_43_76) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        co_await rig.ask("POST", "/api/streams", R"({"stream":"stream/a","feeds":["x"]})");
        const auto far = co_await join(rig, "/bi/far");
        const auto near = co_await join(rig, "/ws/x");
        if (!far || !near) co_return;
        co_await rig.ask("POST", "/api/destinations", destination(rig, "0", "stream/a", "/bi/far"));
        const bool up = co_await until_destination(rig, "connected");
        EXPECT_TRUE(up);
        co_await send(near, "out");
        const auto out = co_await next(rig, far);
        EXPECT_EQ(out, "out");
        co_await send(far, "back");
        const auto back = co_await next(rig, near, 200ms);
        EXPECT_EQ(back, "silence");
    });
}

TEST(RelayFlow, AReplacedRuleGoesToTheNewPlaceAndTheFeedGoesOn_VW_25_SC_5) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        const auto first = co_await join(rig, "/out/first");
        const auto second = co_await join(rig, "/out/second");
        const auto source = co_await join(rig, "/ws/data");
        if (!first || !second || !source) co_return;
        co_await rig.ask("POST", "/api/destinations", destination(rig, "0", "data", "/in/first"));
        const bool up = co_await until_destination(rig, "connected");
        EXPECT_TRUE(up);
        co_await send(source, "one");
        const auto one = co_await next(rig, first);
        EXPECT_EQ(one, "one");
        co_await rig.ask("POST", "/api/destinations", destination(rig, "0", "data", "/in/second"));
        const bool again = co_await until_destination(rig, "connected");
        EXPECT_TRUE(again);
        co_await send(source, "two");
        const auto two = co_await next(rig, second);
        EXPECT_EQ(two, "two");
        const auto none = co_await next(rig, first, 200ms);
        EXPECT_EQ(none, "silence");
    });
}

TEST(RelayFlow, ARuleReplacedMutesAFeedWhileTheOtherGoesOn_VW_25_SC_10) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        co_await rig.ask("POST", "/api/streams", R"({"stream":"/stream/room","feeds":["video0","audio0"]})");
        const auto viewer = co_await join(rig, "/ws/stream/room");
        const auto video = co_await join(rig, "/ws/video0");
        const auto audio = co_await join(rig, "/ws/audio0");
        if (!viewer || !video || !audio) co_return;
        co_await send(video, "v1");
        const auto v1 = co_await next(rig, viewer);
        co_await send(audio, "a1");
        const auto a1 = co_await next(rig, viewer);
        EXPECT_EQ(v1 + a1, "v1a1");
        co_await rig.ask("POST", "/api/streams", R"({"stream":"/stream/room","feeds":["video0"]})");
        co_await send(audio, "a2");
        co_await send(video, "v2");
        const auto v2 = co_await next(rig, viewer);
        EXPECT_EQ(v2, "v2");
        co_await rig.ask("DELETE", "/api/streams/stream/room");
        co_await send(video, "v3");
        const auto v3 = co_await next(rig, viewer, 200ms);
        EXPECT_EQ(v3, "silence");
    });
}

/// Numbers on a feed, each as a message of its own.
Task<void> count_up(const Socket& socket, int to, bool& done, Clock& clock) {
    for (int i = 0; i < to; ++i) {
        co_await send(socket, std::to_string(i));
        (void)co_await clock.sleep_for(1ms);
    }
    done = true;
}

/// Rule changes of all kinds, asked for as fast as they are answered.
Task<void> change_rules(RelayRig& rig, const Socket& console, int to, bool& done) {
    for (int i = 0; i < to; i += 100) {
        std::vector<WebSocket::Message> many;
        for (int k = 0; k < 100; ++k) {
            WebSocket::Message m;
            m.text = true;
            const int n = (i + k) % 7;
            const char* add = R"({{"verb":"add","what":"stream","rule":{{"stream":"stream/{}","feeds":["f{}"]}}}})";
            const char* drop = R"({{"verb":"delete","what":"stream","which":"stream/{}"}})";
            const char* dial = R"({{"verb":"add","what":"destination","rule":{{"id":"{}","stream":"stream/{}",)"
                               R"("destination":"ws://127.0.0.1:1/"}}}})";
            m.payload = Bytes::copy_of(k % 10 == 9  ? fmt::format(fmt::runtime(dial), n, n)
                                       : k % 3 == 0 ? fmt::format(fmt::runtime(drop), n)
                                                    : fmt::format(fmt::runtime(add), n, k));
            many.push_back(std::move(m));
        }
        auto sent = co_await console->send_all(many);
        EXPECT_TRUE(sent);
        for (int k = 0; k < 100; ++k) {
            const auto reply = co_await next(rig, console, 10s);
            EXPECT_EQ(reply.find("error"), std::string::npos) << reply;
        }
    }
    done = true;
}

TEST(RelayFlow, TenThousandChangesDisturbNothingThatIsNotTouched) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        co_await rig.ask("POST", "/api/streams", R"({"stream":"stream/still","feeds":["data"]})");
        const auto far = co_await join(rig, "/out/far");
        const auto viewer = co_await join(rig, "/ws/stream/still");
        const auto source = co_await join(rig, "/ws/data");
        const auto console = co_await join(rig, "/ws/api");
        if (!far || !viewer || !source || !console) co_return;
        co_await rig.ask("POST", "/api/destinations", destination(rig, "still", "stream/still", "/in/far"));
        const bool up = co_await until_destination(rig, "connected");
        EXPECT_TRUE(up);
        bool counted = false, changed = false;
        constexpr int numbers = 300;
        TaskGroup tasks(rig.here().executor());
        tasks.spawn(count_up(source, numbers, counted, rig.here().clock()), "numbers");
        tasks.spawn(change_rules(rig, console, 10'000, changed), "changes");
        for (int i = 0; i < numbers; ++i) {
            const auto seen = co_await next(rig, viewer, 10s);
            const auto carried = co_await next(rig, far, 10s);
            EXPECT_EQ(seen, std::to_string(i));
            EXPECT_EQ(carried, std::to_string(i));
            if (seen != carried) break;
        }
        const bool all = co_await rig.until([&] { return counted && changed; }, 30s);
        EXPECT_TRUE(all);
        std::string reason = "done";
        co_await tasks.stop(std::move(reason));
    });
}

TEST(RelayFlow, ARemoteTopicIsTheConsole_VW_50_58) {
    Shards shards(2);
    shards.run([](Shards& all) -> Task<int> {
        RelayRig far(all);
        auto there = co_await far.relay().start();
        EXPECT_TRUE(there);
        RelayOptions options;
        options.admin_destination = far.url("/bi/console");
        RelayRig rig(all, options);
        auto here = co_await rig.relay().start();
        EXPECT_TRUE(here);
        const auto hand = co_await join(far, "/bi/console");
        std::string reply = "silence";
        for (int tries = 0; tries < 50 && reply == "silence"; ++tries) {
            co_await send(hand, R"({"verb":"healthcheck"})");
            reply = co_await next(far, hand, 100ms);
        }
        EXPECT_EQ(reply, R"({"healthcheck":"ok"})");
        co_await send(hand, R"({"verb":"add","what":"stream","rule":{"stream":"stream/a","feeds":["v"]}})");
        const auto added = co_await next(far, hand);
        EXPECT_EQ(added, R"({"stream":"stream/a","feeds":["v"]})");
        const auto known = co_await rig.ask("GET", "/api/streams/all");
        EXPECT_EQ(known.body, R"({"stream/a":["v"]})");
        // The console's own connection stays, so its answer is seen (vw: cut and redialled).
        co_await send(hand, R"({"verb":"delete","what":"destination","which":"all"})");
        const auto all_gone = co_await next(far, hand);
        EXPECT_EQ(all_gone, R"({"deleted":"deleteAll"})");
        // Somebody else's error is not answered: two consoles on one topic do not talk for ever.
        co_await send(hand, R"({"error":"Unrecognised Command"})");
        const auto quiet = co_await next(far, hand, 200ms);
        EXPECT_EQ(quiet, "silence");
        std::string reason = "test";
        co_await rig.relay().stop(reason);
        co_await far.relay().stop(reason);
        co_return 0;
    });
}

TEST(RelayFlow, ADestinationsFileHoldsWhatWasSent_PR_21_SC_19) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        const auto added = co_await rig.ask("POST", "/api/destinations",
                                            R"({"id":"0","stream":"data","destination":"","file":"kept.bin"})");
        EXPECT_EQ(added.body, R"({"id":"0","stream":"data","destination":"","token":"","file":"kept.bin"})");
        const auto source = co_await join(rig, "/ws/data");
        if (!source) co_return;
        std::string all;
        for (int i = 0; i < 20; ++i) {
            const auto text = fmt::format("message {}\n", i);
            all += text;
            co_await send(source, text);
        }
        const auto wanted = fmt::format(R"("bytes":{},"seconds")", all.size());
        const auto seen = [&] { return rig.relay().status_json().find(wanted) != std::string::npos; };
        const bool written = co_await rig.until(seen);
        EXPECT_TRUE(written) << rig.relay().status_json();
        co_await rig.ask("DELETE", "/api/destinations/0");
        const auto path = rig.folder().path() / "recordings" / "kept.bin";
        const bool there = co_await rig.until([&] { return test::read_file(path) == all; });
        EXPECT_TRUE(there) << test::read_file(path);
    });
}

TEST(RelayFlow, AFileThatLeavesTheFolderIsRefused) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        for (const char* file : {"/etc/x.ts", "../x.ts", "a//b.ts"}) {
            const auto body = fmt::format(R"({{"id":"0","stream":"data","destination":"","file":"{}"}})", file);
            const auto put = co_await rig.ask("POST", "/api/destinations", body);
            EXPECT_EQ(put.status, 400) << file;
            const auto record = co_await rig.ask("POST", "/api/recordings", body);
            EXPECT_EQ(record.status, 400) << file;
        }
    });
}

}  // namespace
}  // namespace weir::relay
