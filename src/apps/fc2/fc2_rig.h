// For tests: a small FC2 on loopback that does what the test says, and a Site that looks at it.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/fc2/fc2.h"
#include "base/text.h"
#include "io/http_server.h"
#include "io/websocket.h"
#include "runtime/task_group.h"

namespace weir::fc2::rig {

using namespace std::chrono_literals;

inline std::string base64url(std::string_view text) {
    static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    unsigned bits = 0, have = 0;
    for (const char c : text) {
        bits = (bits << 8) | static_cast<unsigned char>(c);
        for (have += 8; have >= 6; have -= 6) out += letters[(bits >> (have - 6)) & 63];
    }
    if (have > 0) out += letters[(bits << (6 - have)) & 63];
    return out;
}

struct FakeChannel {
    bool live = true;
    std::string title = "a title", name = "a name", version = "v1";
    long start = 1'700'000'000;
};

struct Answer {
    int status = 200;
    std::string body = {};
    std::vector<std::pair<std::string, std::string>> headers = {};
};

/// Scripted by its members. All on one shard.
class FakeFc2 {
public:
    explicit FakeFc2(Shards& shards) : shard_(shards.at(0)), server_(HttpServer::create(shards, {})) {
        route("POST", "/api/memberApi.php", [this](Exchange& x) { return member(x); });
        route("POST", "/api/getControlServer.php", [this](Exchange& x) { return control_server(x); });
        route("GET", "/contents/allchannellist.php", [this](Exchange& x) { return list(x, listed); });
        route("GET", "/adult/contents/allchannellist.php", [this](Exchange& x) { return list(x, listed_adult); });
        route("GET", "/control/", [this](Exchange& x) { return control(x); });
        route("GET", "/a/stream/", [this](Exchange& x) { return playlist(x); });
        route("GET", "/login/", [this](Exchange& x) { return page(x, login_page); });
        route("GET", "/account", [this](Exchange& x) { return page(x, account_page); });
        route("GET", "/", [this](Exchange& x) { return page(x, home_page); });
        EXPECT_TRUE(server_->start().has_value());
    }
    Task<void> stop() {
        sockets.clear();
        co_await server_->stop();
    }
    [[nodiscard]] std::string url(std::string_view path = "/") const {
        return fmt::format("http://127.0.0.1:{}{}", server_->port(), path);
    }
    /// "playlist" of a mode; another `version` is another address.
    [[nodiscard]] std::string address(int mode, int version = 1) const {
        return url(fmt::format("/a/stream/7/{}/playlist?c={}&d=D", mode, version));
    }
    void offer(std::vector<int> modes, int version = 1) {
        playlists.clear();
        for (const int mode : modes) playlists.emplace_back(mode, address(mode, version));
    }

    // What the websocket's server does by itself, and at the test's command to every open socket.
    Task<void> say(std::string text) {
        for (auto& socket : sockets) {
            auto bytes = Bytes::copy_of(text);
            (void)(co_await socket->send(ws::Opcode::text, std::move(bytes))).has_value();
        }
    }
    Task<void> say_code(int code) {
        return say(fmt::format(R"({{"name":"control_disconnection","arguments":{{"code":{}}}}})", code));
    }
    void cut() { sockets.clear(); }
    Task<void> close(std::uint16_t code) {
        for (auto& socket : sockets) co_await socket->close(code, "bye");
    }

    std::map<std::string, FakeChannel> channels{{"7", {}}};
    std::deque<Answer> member_answers, control_answers;  ///< instead of the next good ones
    std::optional<Answer> every_member, every_control, every_list;
    std::vector<std::string> listed, listed_adult;
    std::string user_name;
    std::vector<std::pair<int, std::string>> playlists;
    int playlist_status = 200;
    bool adult_list_fails = false;
    bool answer_heartbeats = true, answer_playlists = true, greet = true, hang_control_server = false;
    int refuse_with = 0;  ///< control_disconnection at once on so many new sockets
    int refusals_left = 0;
    int upgrades_refused = 0;  ///< so many are answered 403
    Answer login_page, account_page, home_page;

    int members = 0, control_servers = 0, lists = 0, lines = 0, playlist_gets = 0;
    std::vector<std::string> asked;  ///< ids at memberApi
    std::vector<std::string> forms;  ///< of getControlServer
    std::vector<std::string> heard;  ///< names over websockets
    std::vector<std::int64_t> ids;
    ServerRequest upgrade, last_member;
    std::vector<std::unique_ptr<WebSocket>> sockets;

    [[nodiscard]] long times(std::string_view name) const { return std::count(heard.begin(), heard.end(), name); }

private:
    using Handler = std::function<Task<void>(Exchange&)>;
    void route(std::string methods, std::string path, Handler handler) {
        server_->route(std::move(methods), std::move(path), std::move(handler));
    }
    static Task<void> reply(Exchange& x, Answer answer, std::string_view type = "text/html") {
        auto body = Bytes::copy_of(answer.body);
        (void)(co_await x.respond(answer.status, type, std::move(body), std::move(answer.headers))).has_value();
    }

    Task<void> member(Exchange& x) {
        auto form = co_await x.read_body_text(10'000);
        ++members;
        last_member = x.request();
        const auto at = form ? form->find("streamid=") : std::string::npos;
        const auto id = at == std::string::npos ? std::string() : form->substr(at + 9);
        asked.push_back(id);
        Answer answer;
        if (every_member) {
            answer = *every_member;
        } else if (!member_answers.empty()) {
            answer = member_answers.front();
            member_answers.pop_front();
        } else {
            const auto found = channels.find(id);
            const auto c = found == channels.end() ? FakeChannel{.live = false} : found->second;
            answer.body = fmt::format(
                R"({{"status":1,"data":{{"channel_data":{{"channelid":"{}","is_publish":{},"title":{},"version":"{}",)"
                R"("start":{},"image":"/thumb/{}.jpg?1"}},"profile_data":{{"name":{}}},"user_data":{{}}}}}})",
                id, c.live ? 1 : 0, json_quoted(c.title), c.version, c.start, id, json_quoted(c.name));
        }
        co_await reply(x, std::move(answer), "text/javascript");
    }

    Task<void> control_server(Exchange& x) {
        auto form = co_await x.read_body_text(10'000);
        ++control_servers;
        forms.push_back(form ? *form : std::string());
        while (hang_control_server) {
            const bool on = co_await shard_.clock().sleep_for(2ms);
            if (!on) co_return;
        }
        Answer answer;
        if (every_control) {
            answer = *every_control;
        } else if (!control_answers.empty()) {
            answer = control_answers.front();
            control_answers.pop_front();
        } else {
            const auto token =
                fmt::format("{}.{}.AAAA", base64url(R"({"alg":"HS256","typ":"JWT"})"),
                            base64url(fmt::format(R"({{"user_name":{},"exp":1900000000}})", json_quoted(user_name))));
            answer.body = fmt::format(
                R"({{"url":"ws://127.0.0.1:{}/control/7","orz":"x","orz_raw":"0123abcd","control_token":"{}","status":0}})",
                server_->port(), token);
        }
        co_await reply(x, std::move(answer), "application/json");
    }

    Task<void> list(Exchange& x, const std::vector<std::string>& ids_of) {
        ++lists;
        Answer answer;
        if (adult_list_fails && &ids_of == &listed_adult) {
            answer.status = 404;
        } else if (every_list) {
            answer = *every_list;
        } else {
            for (const auto& id : ids_of)
                answer.body += fmt::format(R"({}{{"id":"{}","name":"n"}})", answer.body.empty() ? "" : ",", id);
            answer.body = fmt::format(R"({{"link":"","is_adult":0,"time":1,"channel":[{}]}})", answer.body);
        }
        co_await reply(x, std::move(answer), "application/json");
    }

    Task<void> playlist(Exchange& x) {
        ++playlist_gets;
        Answer answer{playlist_status, "#EXTM3U\n", {}};
        co_await reply(x, std::move(answer));
    }
    Task<void> page(Exchange& x, const Answer& answer) {
        auto copy = answer;
        co_await reply(x, std::move(copy));
    }

    [[nodiscard]] std::string response(std::int64_t id, bool with_playlists) const {
        std::string all;
        if (with_playlists)
            for (const auto& [mode, url] : playlists)
                all += fmt::format(R"({}{{"mode":{},"status":0,"url":"{}"}})", all.empty() ? "" : ",", mode, url);
        return fmt::format(R"({{"name":"_response_","id":{},"arguments":{{"status":0,"playlists":[{}]}}}})", id, all);
    }

    Task<void> control(Exchange& x) {
        upgrade = x.request();
        if (upgrades_refused > 0) {
            --upgrades_refused;
            Answer forbidden{403, "", {}};
            co_return co_await reply(x, std::move(forbidden));
        }
        auto made = co_await accept_websocket(x, {}, {.ping = Millis(0), .pong = Millis(0)});
        if (!made) co_return;
        ++lines;
        auto* const socket = made->get();
        sockets.push_back(std::move(*made));
        std::string hello = R"({"name":"initial_connect","arguments":{"publish":true}})";
        if (refusals_left > 0) {
            --refusals_left;
            hello = fmt::format(R"({{"name":"control_disconnection","arguments":{{"code":{}}}}})", refuse_with);
        }
        auto bytes = Bytes::copy_of(hello);
        if (greet) (void)(co_await socket->send(ws::Opcode::text, std::move(bytes))).has_value();
        for (;;) {
            auto got = co_await socket->read();
            if (!got) break;
            co_await on_request(*socket, std::string(got->payload.text()));
        }
        std::erase_if(sockets, [socket](const auto& one) { return one.get() == socket; });
    }

    Task<void> on_request(WebSocket& socket, std::string text) {
        const bool beat = text.find("\"heartbeat\"") != std::string::npos;
        heard.emplace_back(beat ? "heartbeat" : "get_hls_information");
        const auto id = std::atoll(text.c_str() + text.find("\"id\":") + 5);
        ids.push_back(id);
        if (beat ? !answer_heartbeats : !answer_playlists) co_return;
        auto bytes = Bytes::copy_of(response(id, !beat));
        (void)(co_await socket.send(ws::Opcode::text, std::move(bytes))).has_value();
    }

    Shard& shard_;
    std::unique_ptr<HttpServer> server_;
};

/// A fake FC2 and a Site of it.
struct Fc2Rig {
    explicit Fc2Rig(Shards& all) : shards(all), fake(all), http(HttpClient::create(all.at(0), resolver, {})) {
        settings.hosts.live = *parse_url(fake.url());
        settings.hosts.id = settings.hosts.live;
        settings.limit = {.interval = 1ms, .burst = 1000};
        settings.heartbeat = 10s;
        settings.answer = 2s;
        settings.quality_pause = 2ms;
        settings.reconnect = {.first = 2ms, .ceiling = 10ms};
        settings.seed = 11;
        params.wait_for_quality_max_tries = 3;
        params.poll_quality_upgrade_interval = 5ms;
        fake.offer({52, 32, 92});
    }
    Site& site() {
        if (!made) made = std::make_unique<Site>(here(), *http, resolver, cookies, settings);
        return *made;
    }
    std::shared_ptr<sites::Channel> channel(std::string id = "7") { return site().channel(std::move(id), params); }
    Shard& here() { return shards.at(0); }
    Task<bool> until(std::function<bool()> true_now) {
        for (int i = 0; i < 10'000; ++i) {
            if (true_now()) co_return true;
            (void)co_await here().clock().sleep_for(Millis(1));
        }
        co_return true_now();
    }
    Task<void> pass(Millis time) { (void)co_await here().clock().sleep_for(time); }
    Task<void> stop() {
        if (made) co_await made->stop();
        made.reset();
        co_await fake.stop();
    }

    Shards& shards;
    std::shared_ptr<Resolver> resolver = Resolver::create(1);
    FakeFc2 fake;
    CookieJar cookies;
    std::unique_ptr<HttpClient> http;
    Site::Settings settings;
    Params params;
    std::unique_ptr<Site> made;
};

inline void with_fc2(const std::function<Task<void>(Fc2Rig&)>& body) {
    Shards shards(1);
    shards.run([&body](Shards& all) -> Task<int> {
        co_await errors_not_throws();
        Fc2Rig rig(all);
        co_await body(rig);
        co_await rig.stop();
        co_return 0;
    });
}

}  // namespace weir::fc2::rig
