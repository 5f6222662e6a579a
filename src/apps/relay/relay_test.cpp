#include "apps/relay/relay.h"

#include <sys/stat.h>

#include <filesystem>

#include "apps/relay/changes.h"
#include "apps/relay/recorded_testing.h"
#include "apps/relay/relay_rig.h"

namespace weir::relay {
namespace {

using namespace std::chrono_literals;
using namespace rig;

Task<void> replay_group(RelayRig& rig, const std::string& group, int& seen) {
    for (const auto& step : recorded_rest()) {
        if (!step.key.starts_with(group + " ")) continue;
        const auto answer = co_await rig.ask(step.method, step.path, step.body);
        const auto body = step.method == "HEAD" ? step.response : answer.body;
        expect_rest(step, answer.status, answer.header("content-type"), body);
        EXPECT_EQ(answer.header("location"), step.location) << step.key;
        EXPECT_EQ(answer.header("allow"), "") << step.key;  // VW-20
        ++seen;
    }
}

TEST(Relay, AllRecordedStepsOverHttp_VW_1_to_28) {
    int seen = 0;
    for (const std::string group : {"misc", "streams", "destinations"}) {
        with_relay({}, [&](RelayRig& rig) -> Task<void> { co_await replay_group(rig, group, seen); });
    }
    EXPECT_EQ(seen, 75);
}

Task<std::string> say(WebSocket& socket, std::string text) {
    const auto payload = Bytes::copy_of(text);
    auto sent = co_await socket.send(ws::Opcode::text, payload);
    if (!sent) co_return sent.error().text();
    auto got = co_await socket.read();
    if (!got) co_return got.error().text();
    EXPECT_TRUE(got->text);
    co_return std::string(got->payload.text());
}

TEST(Relay, TheAdminWebsocketAnswersEachAskerAndSurvivesNonsense_VW_61_63) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        auto one = co_await rig.connect("/ws/api");
        auto other = co_await rig.connect("/ws/api");
        EXPECT_TRUE(one && other);
        if (!one || !other) co_return;
        for (const auto& c : recorded("vw_ws_admin_cases.jsonl")) {
            const auto sent = member(c, "send");
            const auto reply = co_await say(**one, sent);
            const bool differs = sent.find("\"rule\":\"str\"") != std::string::npos;  // VW-62
            const bool escaped = sent.find("a\\\"b") != std::string::npos;            // VW-57
            if (!differs && !escaped) {
                EXPECT_EQ(reply, member(c, "reply")) << sent;
            }
        }
        const auto crash = co_await say(**one, R"({"verb":"add","what":"stream"})");
        EXPECT_EQ(crash, R"({"error":"add needs a rule"})");
        // The other one got none of those replies: its first answer is its own.
        const auto own = co_await say(**other, R"({"verb":"list","what":"stream","which":"nope"})");
        EXPECT_EQ(own, R"({"feeds":null})");
    });
}

TEST(Relay, NoAdminReplyIsLostHoweverFastTheyAreAsked_VW_63) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        auto socket = co_await rig.connect("/ws/api");
        EXPECT_TRUE(socket);
        if (!socket) co_return;
        std::vector<WebSocket::Message> many;
        for (int i = 0; i < 300; ++i) {
            WebSocket::Message m;
            m.text = true;
            m.payload = Bytes::copy_of(R"({"verb":"delete","what":"stream","which":")" + std::to_string(i) + "\"}");
            many.push_back(std::move(m));
        }
        auto sent = co_await (*socket)->send_all(many);
        EXPECT_TRUE(sent);
        for (int i = 0; i < 300; ++i) {
            auto got = co_await (*socket)->read();
            EXPECT_TRUE(got) << i;
            if (!got) break;
            EXPECT_EQ(got->payload.text(), "{\"deleted\":\"" + std::to_string(i) + "\"}");
        }
    });
}

TEST(Relay, TheSequencesThatKilledVwDoNothing_VW_88) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        for (int round = 0; round < 3; ++round) {
            co_await rig.ask("POST", "/api/streams", R"({"stream":"stream/a","feeds":["x","y"]})");
            co_await rig.ask("POST", "/api/destinations",
                             R"({"id":"0","stream":"stream/a","destination":"ws://127.0.0.1:1/"})");
            co_await rig.ask("DELETE", "/api/streams/stream/a");
            if (round == 1)
                co_await rig.ask("POST", "/api/destinations",
                                 R"({"id":"0","stream":"stream/a","destination":"ws://127.0.0.1:2/"})");
            const auto gone = co_await rig.ask("DELETE", "/api/destinations/0");
            EXPECT_EQ(gone.body, "\"0\"");
        }
        for (int i = 0; i < 2; ++i) {
            const auto all = co_await rig.ask("DELETE", "/api/streams/deleteAll");
            EXPECT_EQ(all.status, 200);
        }
        const auto alive = co_await rig.ask("GET", "/healthcheck");
        EXPECT_EQ(alive.body, "\"ok\"\n");
    });
}

TEST(Relay, EscapedNamesOfAnyCharactersAreReached_VW_17_19_WIN_9) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        const std::vector<std::pair<std::string, std::string>> names{
            {"//stream/two", "%2Fstream%2Ftwo"},
            {"a.b", "a.b"},
            {"a_b", "%61_b"},
            {"a?b#c", "a%3Fb%23c"},
            {"..", "%2E%2E"},
            {"a//b", "a%2F%2Fb"},
        };
        for (const auto& [name, escaped] : names) {
            const auto body = R"({"stream":")" + name + R"(","feeds":["v"]})";
            const auto path = "/api/streams/" + escaped;
            const auto put = co_await rig.ask("PUT", "/api/streams", body);
            const auto got = co_await rig.ask("GET", path);
            const auto gone = co_await rig.ask("DELETE", path);
            const auto none = co_await rig.ask("GET", path);
            EXPECT_EQ(put.status, 200) << name;
            EXPECT_EQ(got.body, R"(["v"])") << name;
            EXPECT_EQ(gone.status, 200) << name;
            EXPECT_EQ(none.status, 404) << name;
        }
    });
}

TEST(Relay, RulesComeBackAfterARestartAndAreForTheirOwnerOnly_WIN_9) {
    const test::TempFolder folder;
    RelayOptions options;
    options.rules_file = folder / "rules.json";
    std::string streams, destinations;
    with_relay(options, [&](RelayRig& rig) -> Task<void> {
        co_await rig.ask("POST", "/api/streams", R"({"stream":"stream/a","feeds":["v","a"]})");
        co_await rig.ask("POST", "/api/streams", R"({"stream":"stream/b"})");
        co_await rig.ask("POST", "/api/destinations",
                         R"({"id":"0","stream":"stream/a","destination":"ws://127.0.0.1:1/","token":"s3cret"})");
        // It is on the disk when the answer is here.
        EXPECT_NE(test::read_file(folder / "rules.json").find("s3cret"), std::string::npos);
        streams = (co_await rig.ask("GET", "/api/streams/all")).body;
        destinations = (co_await rig.ask("GET", "/api/destinations/all")).body;
    });
    struct ::stat info {};
    EXPECT_EQ(::stat((folder / "rules.json").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
    with_relay(options, [&](RelayRig& rig) -> Task<void> {
        const auto s = co_await rig.ask("GET", "/api/streams/all");
        const auto d = co_await rig.ask("GET", "/api/destinations/all");
        EXPECT_EQ(s.body, streams);
        EXPECT_EQ(d.body, destinations);
    });
}

TEST(Relay, ABrokenRulesFileIsOneClearLine) {
    const test::TempFolder folder;
    test::write_file(folder / "rules.json", "{\"weir_relay_rules\": 1,\n \"streams\": {\"a\": [\"v\"}}");
    Shards shards(1);
    shards.run([&](Shards& all) -> Task<int> {
        RelayOptions options;
        options.rules_file = folder / "rules.json";
        RelayRig rig(all, options);
        auto started = co_await rig.relay().start();
        EXPECT_FALSE(started);
        if (!started) {
            EXPECT_EQ(started.error().code, Errc::bad_input);
            EXPECT_TRUE(
                started.error().text().ends_with("rules.json: line 2, column 23: '}' where ',' or ']' should be"))
                << started.error().text();
        }
        std::string reason = "test";
        co_await rig.relay().stop(std::move(reason));
        co_return 0;
    });
}

TEST(Relay, RulesThatCannotBeKeptAreNoticedAtTheStart) {
    const test::TempFolder folder;
    std::filesystem::create_directory(folder / "is-a-folder");
    for (const auto& path : {folder / "missing" / "rules.json", folder / "is-a-folder", Path("/proc/rules.json")}) {
        Shards shards(1);
        shards.run([&](Shards& all) -> Task<int> {
            RelayOptions options;
            options.rules_file = path;
            RelayRig rig(all, options);
            auto started = co_await rig.relay().start();
            EXPECT_FALSE(started) << path;
            if (!started) {
                EXPECT_TRUE(started.error().text().starts_with("--rules: " + path.string())) << started.error().text();
            }
            std::string reason = "test";
            co_await rig.relay().stop(std::move(reason));
            co_return 0;
        });
    }
}

TEST(Relay, AChangeThatCannotBeKeptIsAnsweredWith500) {
    const test::TempFolder folder;
    RelayOptions options;
    std::filesystem::create_directory(folder / "kept");
    options.rules_file = folder / "kept" / "rules.json";
    with_relay(options, [&](RelayRig& rig) -> Task<void> {
        const std::string rule = R"({"stream":"stream/a","feeds":["v"]})";
        const auto good = co_await rig.ask("POST", "/api/streams", rule);
        EXPECT_EQ(good.status, 200);
        std::filesystem::remove_all(folder / "kept");
        const auto bad = co_await rig.ask("POST", "/api/streams", rule);
        EXPECT_EQ(bad.status, 500);
        EXPECT_TRUE(bad.body.starts_with("done, but the rules could not be saved: ")) << bad.body;
        std::filesystem::create_directory(folder / "kept");
        const auto again = co_await rig.ask("POST", "/api/streams", rule);
        EXPECT_EQ(again.status, 200);
    });
}

TEST(Relay, HtmlIsServedAtTheRootAloneAndWithAPolicy) {
    RelayOptions options;
    options.jsmpeg_secret = Secret("s3cret");
    options.jsmpeg_ingest_port = options.jsmpeg_view_port = 0;
    with_relay(options, [](RelayRig& rig) -> Task<void> {
        const std::string html = "Accept: text/html\r\n";
        const auto page = co_await rig.ask("GET", "/", "", html);
        EXPECT_EQ(page.status, 200);
        EXPECT_NE(page.header("content-security-policy"), "");
        for (const char* path : {"/page/relay/index.html", "/page/jsmpeg/index.html"}) {
            const auto direct = co_await rig.ask("GET", path, "", html);
            EXPECT_EQ(direct.status, 404) << path;
        }
        const auto script = co_await rig.ask("GET", "/page/relay/relay.js");
        EXPECT_EQ(script.status, 200);
        const auto view = rig.relay().jsmpeg_view_port();
        const auto player = co_await rig.ask_at(view, "GET", "/", html);
        EXPECT_EQ(player.status, 200);
        EXPECT_NE(player.header("content-security-policy"), "");
        const auto direct = co_await rig.ask_at(view, "GET", "/page/jsmpeg/index.html", html);
        EXPECT_NE(direct.status, 200);
    });
}

TEST(Relay, TheJsmpegSecretGuardsTheMainPortToo_JS_13) {
    RelayOptions options;
    options.jsmpeg_secret = Secret("s3cret");
    options.jsmpeg_ingest_port = options.jsmpeg_view_port = 0;
    with_relay(options, [](RelayRig& rig) -> Task<void> {
        const auto none = co_await rig.ask("POST", "/ts/jsmpeg", "x");
        EXPECT_EQ(none.status, 401);
        const auto known = co_await rig.ask("POST", "/ts/jsmpeg?token=s3cret", "x");
        EXPECT_EQ(known.status, 200);
        const auto other = co_await rig.ask("POST", "/ts/other", "x");
        EXPECT_EQ(other.status, 200);
    });
}

TEST(Relay, ReloadTakesWhatChangedAndABrokenFileChangesNothing) {
    const test::TempFolder folder;
    const auto path = folder / "rules.json";
    Rules rules;
    rules.streams["stream/a"] = {"stream/a", std::vector<std::string>{"v"}};
    rules.streams["stream/b"] = {"stream/b", std::vector<std::string>{"w"}};
    test::write_file(path, rules_file_text(rules));
    RelayOptions options;
    options.rules_file = path;
    with_relay(options, [&](RelayRig& rig) -> Task<void> {
        rules.streams.erase("stream/b");
        rules.streams["stream/c"] = {"stream/c", {}};
        test::write_file(path, rules_file_text(rules));
        auto reloaded = co_await rig.relay().reload();
        EXPECT_TRUE(reloaded);
        const auto now = co_await rig.ask("GET", "/api/streams/all");
        EXPECT_EQ(now.body, R"({"stream/a":["v"],"stream/c":null})");
        test::write_file(path, "nonsense");
        auto broken = co_await rig.relay().reload();
        EXPECT_FALSE(broken);
        const auto still = co_await rig.ask("GET", "/api/streams/all");
        EXPECT_EQ(still.body, now.body);
    });
}

TEST(Relay, RestIsForThoseWhoMay_WIN_10_Lesson_32) {
    RelayOptions options;
    options.access.admin_token = Secret("t0ken");
    with_relay(options, [](RelayRig& rig) -> Task<void> {
        for (const char* path : {"/api", "/api/streams/all", "/api/stats", "/api/events", "/metrics", "/ws/api",
                                 "/debug/pprof/", "/debug/pprof/profile"}) {
            const auto none = co_await rig.ask("GET", path);
            EXPECT_EQ(none.status, 401) << path;
            EXPECT_NE(none.header("www-authenticate"), "") << path;
            const auto wrong = co_await rig.ask("GET", path, "", "Authorization: Bearer nonsense\r\n");
            EXPECT_EQ(wrong.status, 401) << path;
        }
        const auto bearer = co_await rig.ask("GET", "/api/streams/all", "", "Authorization: Bearer t0ken\r\n");
        EXPECT_EQ(bearer.body, "{}");
        const auto query = co_await rig.ask("GET", "/api/stats?token=t0ken");
        EXPECT_EQ(query.status, 200);
        EXPECT_EQ(query.body.find("t0ken"), std::string::npos);
        const auto arguments = co_await rig.ask("GET", "/debug/pprof/cmdline", "", "Authorization: Bearer t0ken\r\n");
        EXPECT_EQ(arguments.status, 200);
        const auto health = co_await rig.ask("GET", "/health");
        EXPECT_EQ(health.status, 200);
    });
}

TEST(Relay, PagesOfOtherSitesAreRefusedAtEveryDoor_Lesson_32) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        for (const char* path :
             {"/api", "/api/streams/all", "/api/stats", "/metrics", "/ws/api", "/debug/pprof/heap"}) {
            const auto other = co_await rig.ask("GET", path, "", "Origin: https://evil.example\r\n");
            EXPECT_EQ(other.status, 403) << path;
        }
        const auto put = co_await rig.ask("POST", "/api/streams", R"({"stream":"x"})", "Origin: null\r\n");
        EXPECT_EQ(put.status, 403);
        const auto rebound =
            co_await rig.talk("GET /api/streams/all HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        EXPECT_TRUE(rebound.starts_with("HTTP/1.1 403 ")) << rebound;
        const auto still = co_await rig.ask("GET", "/api/streams/all");
        EXPECT_EQ(still.body, "{}");
    });
}

TEST(Relay, PagesThatAreLetInMayReadTheAnswers) {
    RelayOptions options;
    options.access.allowed_origins = {"https://page.example"};
    with_relay(options, [](RelayRig& rig) -> Task<void> {
        const auto get = co_await rig.ask("GET", "/api/streams/all", "", "Origin: https://page.example\r\n");
        EXPECT_EQ(get.header("access-control-allow-origin"), "https://page.example");
        const std::string asks = "Access-Control-Request-Method: DELETE\r\n";
        const auto before =
            co_await rig.ask("OPTIONS", "/api/streams/x", "", "Origin: https://page.example\r\n" + asks);
        EXPECT_EQ(before.status, 204);
        EXPECT_NE(before.header("access-control-allow-methods").find("DELETE"), std::string::npos);
        const auto other = co_await rig.ask("OPTIONS", "/api/streams/x", "", "Origin: https://evil.example\r\n" + asks);
        EXPECT_EQ(other.status, 403);
        const auto none = co_await rig.ask("GET", "/api/streams/all");
        EXPECT_EQ(none.header("access-control-allow-origin"), "");
    });
}

TEST(Relay, ABodyThatIsTooLargeIsRefused_B6) {
    with_relay({}, [](RelayRig& rig) -> Task<void> {
        const auto large = co_await rig.ask("POST", "/api/streams", std::string((64u << 10) + 1, ' '));
        EXPECT_EQ(large.status, 413);
        const auto told = co_await rig.talk(
            "POST /api/streams HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 999999999\r\n\r\n");
        EXPECT_TRUE(told.starts_with("HTTP/1.1 413 ")) << told;
    });
}

TEST(Relay, StatisticsComeOnceAndAsEvents) {
    RelayOptions options;
    with_relay(options, [](RelayRig& rig) -> Task<void> {
        co_await rig.ask("POST", "/api/destinations", R"({"id":"bad","stream":"v","destination":"","token":"s3cret"})");
        const auto stats = co_await rig.ask("GET", "/api/stats");
        EXPECT_EQ(stats.header("content-type"), "application/json");
        const auto value = parse_json_text(stats.body);
        EXPECT_TRUE(value) << stats.body;
        EXPECT_NE(stats.body.find(R"("id":"bad","stream":"v","destination":"","token":true,"state":"refused")"),
                  std::string::npos)
            << stats.body;
        EXPECT_EQ(stats.body.find("s3cret"), std::string::npos);
        const auto events = co_await rig.talk("GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "\"rules\"");
        EXPECT_NE(events.find("Content-Type: text/event-stream\r\n"), std::string::npos) << events;
        EXPECT_NE(events.find("event: stats\ndata: {\"now\":"), std::string::npos) << events;
    });
}

}  // namespace
}  // namespace weir::relay
