// Destination rules against real servers on loopback.
#include "sinks/ws_push.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/task_group.h"
#include "script_server.h"
#include "ws_far.h"

namespace weir {
namespace {

using test::FarServer;
using test::message;
using test::opened;
using test::publish;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using State = WsPush::State;

struct PushHouse {
    explicit PushHouse(Shards& shards)
        : all(shards),
          shard(shards.at(0)),
          resolver(Resolver::create(1)),
          http(HttpClient::create(shard, resolver, HttpClient::Settings{})),
          stream(Stream::create(shard.executor(), shard.clock(), {.name = "video0"})),
          far(shards) {}

    static WsPush::Plan plan(std::string url, std::string token = {}) {
        WsPush::Plan plan;
        plan.url = std::move(url);
        plan.token = Secret(std::move(token));
        plan.use_proxy = false;
        plan.first_wait = Millis(20);
        plan.longest_wait = Millis(80);
        return plan;
    }
    WsPush& push(WsPush::Plan plan) {
        pushes.push_back(WsPush::create(shard, resolver, *http, *stream, std::move(plan)));
        return *pushes.back();
    }
    void say(std::string_view payload, bool text = false, bool rap = false) {
        publish(*stream, message(payload, text, rap));
    }
    /// Waits for what must come; says so when it does not.
    Task<void> until(std::function<bool()> come, const char* what) {
        const auto by = shard.clock().now() + std::chrono::seconds(10);
        while (!come() && shard.clock().now() < by) (void)co_await shard.clock().sleep_for(Millis(1));
        EXPECT_TRUE(come()) << "waited in vain: " << what;
    }
    Task<void> until(const WsPush& one, State state) {
        const auto come = [&one, state] { return one.status().state == state; };
        co_await until(come, name_of(state).data());
    }
    Task<void> stop() {
        for (const auto& one : pushes) co_await one->stop();
        co_await far.stop();
    }

    Shards& all;
    Shard& shard;
    std::shared_ptr<Resolver> resolver;
    std::unique_ptr<HttpClient> http;
    std::unique_ptr<Stream> stream;
    FarServer far;
    std::vector<std::unique_ptr<WsPush>> pushes;
};

void in_house(const std::function<Task<void>(PushHouse&)>& body) {
    Shards shards(1);
    shards.run([&body](Shards& all) -> Task<int> {
        PushHouse house(all);
        co_await body(house);
        co_await house.stop();
        co_return 0;
    });
    EXPECT_EQ(open_connections(), 0u);
}

/// relay VW-75, SC-11
TEST(WsPush, Vw75TextsStayTextsAndBinaryBinaryOneMessageEach) {
    in_house([](PushHouse& h) -> Task<void> {
        h.far.start();
        publish(*h.stream, opened(Container::opaque));
        auto& push = h.push(PushHouse::plan(h.far.url("/ws/a")));
        co_await h.until(push, State::connected);
        h.say("hello", true);
        h.say(std::string(20'000, 'b'));
        h.say("{}", true);
        auto& seen = h.far.at("/ws/a");
        co_await h.until([&] { return seen.messages.size() == 3; }, "three messages");
        EXPECT_THAT(seen.messages, ElementsAre("text hello", "binary " + std::string(20'000, 'b'), "text {}"));
        const auto status = push.status();
        EXPECT_EQ(status.messages, 3u);
        EXPECT_EQ(status.bytes, 20'007u);
        EXPECT_EQ(status.connections, 1u);
        EXPECT_EQ(status.attempts, 1u);
        EXPECT_EQ(status.last_error, "");
        EXPECT_FALSE(status.next_try);
    });
}

/// relay WIN-11: a decoder at the far end can begin at once.
TEST(WsPush, Win11TheTablesGoFirstThenTheNewestRandomAccessPoint) {
    in_house([](PushHouse& h) -> Task<void> {
        h.far.start();
        publish(*h.stream, opened(Container::ts, "PAT+PMT"));
        h.say("old key", false, true);
        h.say("old delta");
        h.say("new key", false, true);
        h.say("new delta");
        h.push(PushHouse::plan(h.far.url("/ws/a")));
        auto& seen = h.far.at("/ws/a");
        co_await h.until([&] { return seen.messages.size() == 3; }, "tables, key, delta");
        h.say("live");
        co_await h.until([&] { return seen.messages.size() == 4; }, "live");
        EXPECT_THAT(seen.messages, ElementsAre("binary PAT+PMT", "binary new key", "binary new delta", "binary live"));
    });
}

/// relay VW-70: vw sent `00 01 02 30 31 32` after an outage.
TEST(WsPush, Vw70AfterAnOutageNothingStaleIsSent) {
    in_house([](PushHouse& h) -> Task<void> {
        h.far.start();
        publish(*h.stream, opened(Container::opaque));
        auto plan = PushHouse::plan(h.far.url("/ws/a"));
        plan.first_wait = plan.longest_wait = Millis(100);
        auto& push = h.push(plan);
        auto& seen = h.far.at("/ws/a");
        co_await h.until(push, State::connected);
        h.say("00");
        co_await h.until([&] { return seen.messages.size() == 1; }, "the first");
        co_await seen.socket->close(1001, "restart");
        co_await h.until(push, State::waiting);
        EXPECT_EQ(h.stream->stats().readers, 0u) << "what is down costs nothing but its timer";
        for (int i = 1; i < 30; ++i) h.say(fmt::format("{:02}", i));
        EXPECT_TRUE(push.status().next_try);
        EXPECT_THAT(push.status().last_error, HasSubstr("code 1001: restart"));
        co_await h.until([&] { return push.status().connections == 2; }, "the second connection");
        co_await h.until(push, State::connected);
        h.say("30");
        h.say("31");
        co_await h.until([&] { return seen.messages.size() == 3; }, "30 and 31");
        EXPECT_THAT(seen.messages, ElementsAre("binary 00", "binary 30", "binary 31"));
    });
}

TEST(WsPush, Vw70AfterAnOutageMediaBeginsAtTheNewestKeyframe) {
    in_house([](PushHouse& h) -> Task<void> {
        h.far.start();
        publish(*h.stream, opened(Container::ts, "PSI"));
        h.say("key 1", false, true);
        auto& push = h.push(PushHouse::plan(h.far.url("/ws/a")));
        auto& seen = h.far.at("/ws/a");
        co_await h.until([&] { return seen.messages.size() == 2; }, "the beginning");
        co_await seen.socket->close(1001, "");
        co_await h.until(push, State::waiting);
        h.say("lost delta");
        h.say("key 2", false, true);
        h.say("delta 2");
        co_await h.until([&] { return seen.messages.size() == 5; }, "the new beginning");
        EXPECT_THAT(seen.messages,
                    ElementsAre("binary PSI", "binary key 1", "binary PSI", "binary key 2", "binary delta 2"));
    });
}

/// relay WIN-1: thousands of small messages arrive whole, in order, with their borders.
TEST(WsPush, Win1ManySmallMessagesKeepTheirBorders) {
    in_house([](PushHouse& h) -> Task<void> {
        h.far.start();
        publish(*h.stream, opened(Container::opaque));
        auto& push = h.push(PushHouse::plan(h.far.url("/ws/a")));
        co_await h.until(push, State::connected);
        std::vector<std::string> expected;
        for (int i = 0; i < 5'000; ++i) {
            const auto payload = fmt::format("{:0>188}", i);
            expected.push_back("binary " + payload);
            h.say(payload);
        }
        auto& seen = h.far.at("/ws/a");
        co_await h.until([&] { return seen.messages.size() == expected.size(); }, "all of them");
        EXPECT_EQ(seen.messages, expected);
    });
}

/// relay VW-76, SC-11: a text reaches an upper-casing echo server, and the answer comes back.
TEST(WsPush, Vw76WhatThePeerSaysIsGivenBack) {
    std::vector<std::string> back;
    in_house([&back](PushHouse& h) -> Task<void> {
        h.far.shouts_back = true;
        h.far.start();
        publish(*h.stream, opened(Container::opaque));
        auto plan = PushHouse::plan(h.far.url("/ws/bi"));
        plan.on_message = [&back](WebSocket::Message m) {
            back.push_back((m.text ? "text " : "binary ") + std::string(m.payload.text()));
        };
        auto& push = h.push(plan);
        co_await h.until(push, State::connected);
        h.say("hello", true);
        h.say("again", true);
        co_await h.until([&] { return back.size() == 2; }, "both answers");
        EXPECT_EQ(push.status().received, 2u);
    });
    EXPECT_THAT(back, ElementsAre("text HELLO", "text AGAIN"));
}

/// relay SC-5, SC-11: after the destination changes the first keeps its 10, the second gets 20.
TEST(WsPush, Sc11ADestinationIsChangedWhileTheStreamRuns) {
    in_house([](PushHouse& h) -> Task<void> {
        h.far.start();
        publish(*h.stream, opened(Container::opaque));
        auto& first = h.push(PushHouse::plan(h.far.url("/ws/first")));
        co_await h.until(first, State::connected);
        for (int i = 0; i < 10; ++i) h.say(fmt::format("{}", i));
        auto &one = h.far.at("/ws/first"), &two = h.far.at("/ws/second"), &other = h.far.at("/ws/other");
        co_await h.until([&] { return one.messages.size() == 10; }, "ten at the first");
        co_await first.stop();
        EXPECT_EQ(first.status().state, State::stopped);
        auto& second = h.push(PushHouse::plan(h.far.url("/ws/second")));
        co_await h.until(second, State::connected);
        for (int i = 10; i < 30; ++i) h.say(fmt::format("{}", i));
        co_await h.until([&] { return two.messages.size() == 20; }, "twenty at the second");
        co_await h.until([&] { return one.open == 0; }, "the first to be closed");
        EXPECT_EQ(one.messages.size(), 10u);
        EXPECT_EQ(one.closed, 1000) << "VW-78";
        EXPECT_EQ(two.messages.front(), "binary 10");
        EXPECT_EQ(other.connections, 0);
    });
}

struct RefusedCase {
    const char* name;
    const char* url;
    const char* token;
    const char* says;
};
std::ostream& operator<<(std::ostream& out, const RefusedCase& c) {
    return out << c.name;
}
class RefusedDestination : public testing::TestWithParam<RefusedCase> {};

/// relay VW-26, VW-71: vw took any URL and tried it for ever.
TEST_P(RefusedDestination, Vw26IsNeverDialled) {
    in_house([](PushHouse& h) -> Task<void> {
        auto& push = h.push(PushHouse::plan(GetParam().url, GetParam().token));
        const auto status = push.status();
        EXPECT_EQ(status.state, State::refused);
        EXPECT_EQ(status.attempts, 0u);
        EXPECT_FALSE(status.next_try);
        EXPECT_TRUE(status.since);
        EXPECT_THAT(status.last_error, HasSubstr(GetParam().says));
        EXPECT_THAT(status.last_error, Not(HasSubstr("hunter2")));
        co_await push.stop();
        EXPECT_EQ(push.status().state, State::refused);
    });
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RefusedDestination,
    testing::Values(RefusedCase{"Empty", "", "", "no url"}, RefusedCase{"Garbage", "not a url", "", "space"},
                    RefusedCase{"NoScheme", "host/path", "", "scheme"}, RefusedCase{"Ftp", "ftp://a/b", "", "'ftp'"},
                    RefusedCase{"HttpWithoutToken", "http://127.0.0.1:1/x", "", "needs a token"},
                    RefusedCase{"UserInfo", "ws://me:hunter2@127.0.0.1:1/x", "", "refused"},
                    RefusedCase{"UserInfoOfAccess", "https://me:hunter2@127.0.0.1:1/x", "jwt.jwt.jwt", "refused"},
                    RefusedCase{"NoHost", "ws://", "", "host"}, RefusedCase{"BadPort", "ws://a:99999/", "", "port"}),
    testing::PrintToStringParamName());

/// What a server says to the first message, and what becomes of it.
struct GreetCase {
    const char* name;
    bool text;
    std::string answer;
    bool welcome;
    const char* says;
};
std::ostream& operator<<(std::ostream& out, const GreetCase& c) {
    return out << c.name;
}
class Greeting : public testing::TestWithParam<GreetCase> {};

/// relay VW-77, SC-13
TEST_P(Greeting, Vw77TheFirstMessageIsTheToken) {
    in_house([](PushHouse& h) -> Task<void> {
        std::vector<std::string> tokens;
        h.far.greeter = [&tokens](WebSocket& socket) -> Task<bool> {
            auto token = co_await socket.read();
            if (token) tokens.push_back((token->text ? "text " : "binary ") + std::string(token->payload.text()));
            auto answer = Bytes::copy_of(GetParam().answer);
            const auto opcode = GetParam().text ? ws::Opcode::text : ws::Opcode::binary;
            (void)co_await socket.send(opcode, std::move(answer));
            co_return true;
        };
        h.far.start();
        publish(*h.stream, opened(Container::opaque));
        auto& push = h.push(PushHouse::plan(h.far.url("/ws/a"), "s3cret.t0ken"));
        auto& seen = h.far.at("/ws/a");
        if (GetParam().welcome) {
            co_await h.until(push, State::connected);
            h.say("media");
            co_await h.until([&] { return !seen.messages.empty(); }, "media");
            EXPECT_THAT(seen.messages, ElementsAre("binary media"));
            EXPECT_EQ(push.status().received, 0u) << "the answer is no message";
        } else {
            co_await h.until([&] { return push.status().attempts >= 2; }, "another attempt");
            h.say("media");
            EXPECT_EQ(push.status().connections, 0u);
            EXPECT_THAT(push.status().last_error, HasSubstr(GetParam().says));
            EXPECT_THAT(push.status().last_error, Not(HasSubstr("t0ken")));
            co_await push.stop();
            EXPECT_TRUE(seen.messages.empty());
        }
        EXPECT_EQ(tokens.at(0), "text s3cret.t0ken");
        h.far.greeter = {};
    });
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Greeting,
    testing::Values(
        GreetCase{"Right", true, R"({"topic":"a","token":"s3cret.t0ken","authorised":true,"reason":"ok"})", true, ""},
        GreetCase{"Wrong", true,
                  R"({"topic":"a","token":"","authorised":false,"reason":"Error reading token Token is expired"})",
                  false, "not authorised: Error reading token Token is expired"},
        GreetCase{"WrongWithoutReason", true, R"({"authorised":false})", false, "not authorised"},
        GreetCase{"ReasonWithTheToken", true, R"({"authorised":false,"reason":"bad s3cret.t0ken here"})", false,
                  "bad *** here"},
        GreetCase{"Binary", false, R"({"authorised":true})", false, "binary"},
        GreetCase{"NoJson", true, "yes", false, "json"}, GreetCase{"NoObject", true, "[true]", false, "json"},
        GreetCase{"Empty", true, "{}", false, "without `authorised`"},
        GreetCase{"NoBoolean", true, R"({"authorised":"true"})", false, "without `authorised`"}),
    testing::PrintToStringParamName());

TEST(WsPush, TheAnswerToATokenMustComeInTime) {
    in_house([](PushHouse& h) -> Task<void> {
        h.far.greeter = [](WebSocket& socket) -> Task<bool> {
            (void)co_await socket.read();
            auto never = co_await socket.read();
            co_return never.has_value();
        };
        h.far.start();
        auto plan = PushHouse::plan(h.far.url("/ws/a"), "token");
        plan.timeout = Millis(60);
        auto& push = h.push(plan);
        co_await h.until([&] { return push.status().attempts >= 2; }, "another attempt");
        EXPECT_THAT(push.status().last_error, HasSubstr("in time"));
        EXPECT_EQ(push.status().connections, 0u);
        co_await push.stop();
    });
}

/// relay PR-6, PR-20
TEST(WsPush, Pr20AnAccessUrlIsAskedAnewForEachAttempt) {
    in_house([](PushHouse& h) -> Task<void> {
        std::vector<std::string> asked;
        h.far.http().route("*", "/session/x", [&](Exchange& exchange) -> Task<void> {
            const auto& request = exchange.request();
            const auto* authorization = request.find("authorization");
            asked.push_back(request.method + " " + (authorization ? *authorization : ""));
            const auto uri = h.far.url(fmt::format("/ws/session?code=c0de{}", asked.size()));
            auto body = Bytes::copy_of(fmt::format(R"({{"uri":"{}"}})", uri));
            (void)co_await exchange.respond(200, "application/json", std::move(body));
        });
        h.far.start();
        publish(*h.stream, opened(Container::opaque));
        auto& push = h.push(PushHouse::plan(h.far.url("/session/x", "http"), "ey.J.wt"));
        auto& seen = h.far.at("/ws/session");
        co_await h.until(push, State::connected);
        EXPECT_EQ(seen.query, "code=c0de1");
        h.say("media");
        co_await h.until([&] { return seen.messages.size() == 1; }, "media");
        EXPECT_THAT(seen.messages, ElementsAre("binary media")) << "no token on the socket in this style";
        co_await seen.socket->close(1000, "code=c0de1");
        co_await h.until([&] { return push.status().connections == 2; }, "the second connection");
        EXPECT_EQ(seen.query, "code=c0de2");
        EXPECT_THAT(asked, ElementsAre("POST ey.J.wt", "POST ey.J.wt"));
        EXPECT_THAT(push.status().last_error, Not(HasSubstr("c0de1")));
    });
}

struct AccessCase {
    const char* name;
    int status;
    std::string body;
    const char* says;
};
std::ostream& operator<<(std::ostream& out, const AccessCase& c) {
    return out << c.name;
}
class AccessRefusal : public testing::TestWithParam<AccessCase> {};

TEST_P(AccessRefusal, Pr20IsSaidAndTriedAgain) {
    in_house([](PushHouse& h) -> Task<void> {
        h.far.http().route("*", "/session/x", [&](Exchange& exchange) -> Task<void> {
            auto body = Bytes::copy_of(GetParam().body);
            (void)co_await exchange.respond(GetParam().status, "application/json", std::move(body));
        });
        h.far.start();
        auto& push = h.push(PushHouse::plan(h.far.url("/session/x?key=k3y-value", "http"), "ey.J.wt"));
        co_await h.until([&] { return push.status().attempts >= 2; }, "another attempt");
        EXPECT_THAT(push.status().last_error, HasSubstr(GetParam().says));
        EXPECT_THAT(push.status().last_error, Not(HasSubstr("ey.J.wt")));
        EXPECT_THAT(push.status().last_error, Not(HasSubstr("k3y-value")));
        co_await push.stop();
    });
}

INSTANTIATE_TEST_SUITE_P(
    Cases, AccessRefusal,
    testing::Values(AccessCase{"Unauthorised", 401, R"({"code":401,"message":"unauthenticated"})", "http 401"},
                    AccessCase{"Broken", 500, "", "http 500"}, AccessCase{"NoJson", 200, "hello", "json"},
                    AccessCase{"NoUri", 200, "{}", "without `uri`"},
                    AccessCase{"NoSocket", 200, R"({"uri":"http://127.0.0.1/x"})", "no websocket url"},
                    AccessCase{"UserInfo", 200, R"({"uri":"ws://a:ey.J.wt@127.0.0.1/x"})", "no websocket url"}),
    testing::PrintToStringParamName());

TEST(WsPush, SecretsInTheUrlAreInNoError) {
    in_house([](PushHouse& h) -> Task<void> {
        test::ScriptServer server([](test::Talk& t) {
            t.read_head();
            t.send("HTTP/1.1 101 OK\r\ncode=c0dec0de: 1\r\n\r\n");
        });
        const auto url = fmt::format("ws://127.0.0.1:{}/x?code=c0dec0de&token=t0kent0ken", server.port());
        auto& push = h.push(PushHouse::plan(url));
        co_await h.until([&] { return !push.status().last_error.empty(); }, "an error");
        EXPECT_THAT(push.status().last_error, Not(HasSubstr("c0dec0de")));
        EXPECT_THAT(push.status().last_error, Not(HasSubstr("t0kent0ken")));
        co_await push.stop();
    });
}

/// relay VW-78: a sleeping back-off was not interrupted there.
TEST(WsPush, Vw78StopEndsABackOffAtOnce) {
    in_house([](PushHouse& h) -> Task<void> {
        test::ScriptServer refusing([](test::Talk& t) {
            t.read_head();
            t.send(test::reply(403, ""));
        });
        auto plan = PushHouse::plan(fmt::format("ws://127.0.0.1:{}/", refusing.port()));
        plan.first_wait = plan.longest_wait = std::chrono::hours(1);
        auto& push = h.push(plan);
        co_await h.until(push, State::waiting);
        EXPECT_THAT(push.status().last_error, HasSubstr("http 403"));
        const auto before = h.shard.clock().now();
        co_await push.stop();
        EXPECT_LT(h.shard.clock().now() - before, std::chrono::seconds(5));
        EXPECT_EQ(push.status().state, State::stopped);
        EXPECT_FALSE(push.status().next_try);
        EXPECT_EQ(refusing.accepted(), 1);
    });
}

TEST(WsPush, StopEndsADialThatHangs) {
    in_house([](PushHouse& h) -> Task<void> {
        test::ScriptServer silent([](test::Talk& t) { t.wait_closed(); });
        auto& push = h.push(PushHouse::plan(fmt::format("ws://127.0.0.1:{}/", silent.port())));
        co_await h.until([&] { return silent.accepted() == 1; }, "the dial");
        co_await push.stop();
        EXPECT_EQ(push.status().state, State::stopped);
        EXPECT_EQ(push.status().last_error, "");
    });
}

/// relay VW-78: a normal close frame; a peer that does not answer it is waited for a second at most.
TEST(WsPush, Vw78StopSaysGoodbyeToASilentPeerForASecond) {
    in_house([](PushHouse& h) -> Task<void> {
        std::string last;
        test::ScriptServer silent([&last](test::Talk& t) {
            ws::Offer offer;
            offer.key = test::field_of(t.read_head(), "Sec-WebSocket-Key");
            t.send(ws::accept_answer(offer));
            last = t.read(8);
            t.wait_closed();
        });
        auto& push = h.push(PushHouse::plan(fmt::format("ws://127.0.0.1:{}/", silent.port())));
        co_await h.until(push, State::connected);
        const auto before = h.shard.clock().now();
        co_await push.stop();
        EXPECT_GE(h.shard.clock().now() - before, Millis(900));
        EXPECT_LT(h.shard.clock().now() - before, std::chrono::seconds(5));
        EXPECT_EQ(push.status().state, State::stopped);
        co_await h.until([&] { return silent.open_now() == 0; }, "the connection to end");
        EXPECT_THAT(last, StartsWith("\x88\x82")) << "one close frame with a code";
    });
}

TEST(WsPush, StopMayComeTwiceAndBeforeAnythingHappened) {
    in_house([](PushHouse& h) -> Task<void> {
        h.far.start();
        auto& push = h.push(PushHouse::plan(h.far.url("/ws/a")));
        co_await push.stop();
        co_await push.stop();
        EXPECT_EQ(push.status().state, State::stopped);
    });
}

TEST(WsPush, TheEndOfTheStreamIsTheEndOfThePush) {
    in_house([](PushHouse& h) -> Task<void> {
        h.far.start();
        publish(*h.stream, opened(Container::opaque));
        auto& push = h.push(PushHouse::plan(h.far.url("/ws/a")));
        auto& seen = h.far.at("/ws/a");
        co_await h.until(push, State::connected);
        h.say("last");
        h.stream->close(End{});
        co_await h.until(push, State::stopped);
        co_await h.until([&] { return seen.open == 0; }, "the close");
        EXPECT_THAT(seen.messages, ElementsAre("binary last"));
        EXPECT_EQ(seen.closed, 1000);
        EXPECT_EQ(push.status().connections, 1u);
    });
}

/// Like vw's streams, a topic where nobody has published anything is no reason not to connect.
TEST(WsPush, ConnectsBeforeAnythingWasPublished) {
    in_house([](PushHouse& h) -> Task<void> {
        h.far.start();
        auto& push = h.push(PushHouse::plan(h.far.url("/ws/a")));
        co_await h.until(push, State::connected);
        publish(*h.stream, opened(Container::ts, "PSI"));
        h.say("delta");
        h.say("key", false, true);
        auto& seen = h.far.at("/ws/a");
        co_await h.until([&] { return seen.messages.size() == 2; }, "tables and key");
        EXPECT_THAT(seen.messages, ElementsAre("binary PSI", "binary key"));
    });
}

}  // namespace
}  // namespace weir
