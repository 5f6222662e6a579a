// When destinations are dialled again: the rule alone, and over real sockets in simulated time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "script_server.h"
#include "sinks/ws_push.h"
#include "sinks/ws_push_redial.h"
#include "wire.h"
#include "ws_far.h"

namespace weir {
namespace {

using test::field_of;
using test::ScriptServer;
using test::Talk;
using testing::HasSubstr;
using testing_support::Bench;
using ws_push::Redial;
using State = WsPush::State;

/// relay VW-72, SC-12: 1, 2, 4, 8, 10, 10 … s, each up to the jitter shorter.
TEST(WsPushRedial, Sc12WaitsGrowToTheirCeilingWithinTheJitter) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Redial redial({}, seed);
        for (const int whole : {1'000, 2'000, 4'000, 8'000, 10'000, 10'000, 10'000}) {
            const auto wait = redial.after_failure();
            EXPECT_GE(wait, Millis(whole * 7 / 10));
            EXPECT_LE(wait, Millis(whole));
        }
    }
}

TEST(WsPushRedial, JitterIsDrawnEvenly) {
    int shorter = 0;
    for (std::uint64_t seed = 1; seed <= 1'000; ++seed)
        if (Redial({}, seed).after_failure() < Millis(850)) ++shorter;
    EXPECT_NEAR(shorter, 500, 100);
}

TEST(WsPushRedial, WithoutJitterTheWaitsAreExact) {
    Redial redial({.jitter = 0}, 1);
    std::vector<int> waits;
    for (int i = 0; i < 6; ++i) waits.push_back(static_cast<int>(redial.after_failure().count()));
    EXPECT_THAT(waits, testing::ElementsAre(1'000, 2'000, 4'000, 8'000, 10'000, 10'000));
}

/// relay VW-73, WIN-6
TEST(WsPushRedial, Vw73AShortLifeIsAFailureALongOneIsNot) {
    Redial redial({.jitter = 0}, 7);
    EXPECT_GE(redial.after_loss(Millis(9'999)), Millis(1'000));
    EXPECT_GE(redial.after_loss(Millis(0)), Millis(2'000));
    EXPECT_GE(redial.after_loss(Millis(5)), Millis(4'000));
    EXPECT_LE(redial.after_loss(Millis(10'000)), Millis(2'000));
    EXPECT_EQ(redial.after_failure(), Millis(1'000)) << "set back by a proven connection";
}

TEST(WsPushRedial, RetryAfterIsNeverUndercutNorDoesItHurryUs) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        Redial redial({}, seed);
        const auto asked = redial.after_failure(Millis(30'000));
        EXPECT_GE(asked, Millis(30'000));
        EXPECT_LE(asked, Millis(32'000));
        EXPECT_GE(redial.after_failure(Millis(0)), Millis(1'400));
    }
}

std::size_t most_in_100_ms(std::vector<Millis> times) {
    std::sort(times.begin(), times.end());
    std::size_t most = 0;
    for (std::size_t first = 0, last = 0; last < times.size(); ++last) {
        while (times[last] - times[first] >= Millis(100)) ++first;
        most = std::max(most, last - first + 1);
    }
    return most;
}

/// reliability.md F12: at most 10 % of the attempts in any 100 ms, also when the server refuses them for a while.
TEST(WsPushRedial, F12FiveHundredThatLoseTheirServerAtOnceComeBackSpread) {
    for (const auto lived : {Millis(0), Millis(3'600'000)}) {
        std::vector<Redial> all;
        for (std::uint64_t seed = 1; seed <= 500; ++seed) all.emplace_back(Redial::Settings{}, seed * 7919);
        std::vector<Millis> next;
        for (auto& one : all) next.push_back(one.after_loss(lived));
        for (int attempt = 0; attempt < 6; ++attempt) {
            EXPECT_LE(most_in_100_ms(next), 50u) << "attempt " << attempt;
            for (std::size_t i = 0; i < all.size(); ++i) next[i] += all[i].after_failure();
        }
    }
}

/// Answers nothing before it is cancelled, and keeps what was asked.
class SilentHttp final : public HttpClient {
public:
    explicit SilentHttp(SimulatedClock& clock) : clock_(clock) {}
    Task<Result<HttpResponse>> fetch(HttpRequest request) override {
        asked.push_back(std::move(request));
        const auto by = asked.back().deadline.value_or(SteadyTime::max());
        const bool came = co_await clock_.sleep_until(by);
        co_return Error{came ? Errc::timed_out : Errc::cancelled, came ? "not within the deadline" : "stopped"};
    }
    Task<Result<std::unique_ptr<HttpBody>>> open(HttpRequest) override { co_return Error{Errc::internal, "not used"}; }

    std::vector<HttpRequest> asked;

private:
    SimulatedClock& clock_;
};

/// A push whose sockets are real and whose time is not.
class WsPushTimes : public testing::Test {
protected:
    ~WsPushTimes() override {
        for (auto& one : pushes) stop(*one);
        pushes.clear();
        bench.settle();
        EXPECT_EQ(bench.clock.waiting(), 0u);
    }
    WsPush& push(int port, const std::function<void(WsPush::Plan&)>& change = {}) {
        WsPush::Plan plan;
        plan.url = fmt::format("ws://127.0.0.1:{}/", port);
        plan.use_proxy = false;
        if (change) change(plan);
        pushes.push_back(WsPush::create(shard, resolver, http, *stream, std::move(plan)));
        return *pushes.back();
    }
    /// Real work is done, no time passes.
    void until(const std::function<bool()>& come, const char* what) {
        const auto by = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!come() && std::chrono::steady_clock::now() < by) {
            bench.io.restart();
            bench.io.run_for(Millis(1));
        }
        EXPECT_TRUE(come()) << "waited in vain: " << what;
    }
    void until(const WsPush& one, State state) {
        until([&] { return one.status().state == state; }, name_of(state).data());
    }
    Task<void> stop_into(WsPush& one, bool* done) {
        co_await one.stop();
        *done = true;
    }
    void stop(WsPush& one) {
        bool done = false;
        bench.start(stop_into(one, &done));
        bench.settle();
        if (!done) bench.advance(Millis(1'000));
        until([&] { return done; }, "stop");
    }
    /// How long it waits now.
    Millis wait_of(const WsPush& one) {
        until(one, State::waiting);
        return std::chrono::duration_cast<Millis>(one.status().next_try.value_or(bench.clock.wall()) -
                                                  bench.clock.wall());
    }
    void say(std::string_view payload, bool rap = false) { test::publish(*stream, test::message(payload, false, rap)); }

    Bench bench;
    test::BenchShard shard{bench};
    std::shared_ptr<Resolver> resolver = Resolver::create(1);
    SilentHttp http{bench.clock};
    std::unique_ptr<Stream> stream = Stream::create(bench.io.get_executor(), bench.clock, {.name = "video0"});
    std::vector<std::unique_ptr<WsPush>> pushes;
};

std::string accepted(Talk& t) {
    ws::Offer offer;
    offer.key = field_of(t.read_head(), "Sec-WebSocket-Key");
    return ws::accept_answer(offer);
}
std::string goodbye() {
    return std::string(ws::make_close(1000, "").text());
}

/// relay SC-12: refused handshakes come at once, then after 1, 2, 4, 8, 10, 10, 10 s.
TEST_F(WsPushTimes, Sc12RefusedHandshakesAreTriedAgainLaterAndLater) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send(test::reply(403, ""));
    });
    const auto& one = push(server.port());
    int attempts = 0;
    for (const int whole : {1'000, 2'000, 4'000, 8'000, 10'000, 10'000, 10'000}) {
        const auto wait = wait_of(one);
        EXPECT_EQ(server.accepted(), ++attempts);
        EXPECT_GE(wait, Millis(whole * 7 / 10));
        EXPECT_LE(wait, Millis(whole));
        bench.advance(wait - Millis(1));
        EXPECT_EQ(one.status().state, State::waiting) << "not before its time";
        bench.advance(Millis(1));
        until([&] { return server.accepted() == attempts + 1; }, "the next attempt");
    }
    until(one, State::waiting);
    EXPECT_EQ(one.status().attempts, 8u);
    EXPECT_EQ(one.status().connections, 0u);
}

TEST_F(WsPushTimes, NobodyListeningIsTriedAgainToo) {
    int port = 0;
    {
        ScriptServer gone([](Talk&) {});
        port = gone.port();
    }
    const auto& one = push(port);
    for (const int whole : {1'000, 2'000, 4'000}) {
        const auto wait = wait_of(one);
        EXPECT_LE(wait, Millis(whole));
        EXPECT_THAT(one.status().last_error, HasSubstr("cannot connect to 127.0.0.1"));
        const auto before = one.status().attempts;
        bench.advance(wait);
        until([&] { return one.status().attempts == before + 1; }, "the next attempt");
    }
    until(one, State::waiting);
}

/// relay VW-73: a server that accepts and closes cost vw 9,802 connections in 3 s.
TEST_F(WsPushTimes, Vw73AServerThatAcceptsAndClosesIsNoHotLoop) {
    ScriptServer server([](Talk& t) {
        t.send(accepted(t) + goodbye());
        t.wait_closed();
    });
    const auto& one = push(server.port());
    const auto wait = wait_of(one);
    EXPECT_GE(wait, Millis(700));
    EXPECT_LE(wait, Millis(3'000));
    EXPECT_EQ(one.status().connections, 1u);
    EXPECT_THAT(one.status().last_error, HasSubstr("code 1000"));
    for (int i = 0; i < 600; ++i) {  // a minute
        bench.advance(Millis(100));
        until([&] { return one.status().state == State::waiting; }, "the next wait");
    }
    EXPECT_GE(server.accepted(), 6);
    EXPECT_LE(server.accepted(), 10);
}

TEST_F(WsPushTimes, AProvenConnectionIsDialledAgainSoon) {
    std::mutex mutex;
    std::condition_variable changed;
    int may_end = 0;
    ScriptServer server([&](Talk& t) {
        t.send(accepted(t));
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return may_end > 0; });
        --may_end;
        lock.unlock();
        t.send(goodbye());
        t.wait_closed();
    });
    const auto& one = push(server.port(), [](auto& plan) { plan.socket = {.ping = Millis(0), .pong = Millis(0)}; });
    for (std::uint64_t life = 1; life <= 5; ++life) {
        until(one, State::connected);
        EXPECT_EQ(one.status().connections, life);
        bench.advance(Millis(10'000));
        {
            const std::lock_guard lock(mutex);
            ++may_end;
        }
        changed.notify_all();
        const auto wait = wait_of(one);
        EXPECT_LE(wait, Millis(2'000));
        bench.advance(wait);
    }
    until(one, State::connected);
    const std::lock_guard lock(mutex);
    may_end = 1;
    changed.notify_all();
}

TEST_F(WsPushTimes, RetryAfterIsHonoured) {
    ScriptServer server([](Talk& t) {
        t.read_head();
        t.send(test::reply(503, "", "Retry-After: 25\r\n"));
    });
    const auto& one = push(server.port());
    const auto wait = wait_of(one);
    EXPECT_GE(wait, Millis(25'000));
    EXPECT_LE(wait, Millis(27'000));
    EXPECT_THAT(one.status().last_error, HasSubstr("http 503"));
}

/// relay VW-71
TEST_F(WsPushTimes, Vw71AHandshakeMayTake45Seconds) {
    ScriptServer server([](Talk& t) { t.wait_closed(); });
    const auto& one = push(server.port());
    until([&] { return server.accepted() == 1; }, "the dial");
    bench.settle();
    bench.advance(Millis(44'999));
    EXPECT_EQ(one.status().state, State::dialling);
    bench.advance(Millis(1));
    until(one, State::waiting);
    EXPECT_THAT(one.status().last_error, HasSubstr("in time"));
}

TEST_F(WsPushTimes, Pr20AnAccessServerHasTenSeconds) {
    const auto& one = push(1, [](WsPush::Plan& plan) {
        plan.url = "https://127.0.0.1/session/x";
        plan.token = Secret("ey.J.wt");
    });
    bench.settle();
    ASSERT_EQ(http.asked.size(), 1u);
    EXPECT_EQ(http.asked[0].method, "POST");
    EXPECT_EQ(http.asked[0].url.text(), "https://127.0.0.1/session/x");
    bench.advance(Millis(9'999));
    EXPECT_EQ(one.status().state, State::dialling);
    bench.advance(Millis(1));
    const auto wait = wait_of(one);
    EXPECT_LE(wait, Millis(1'000));
    bench.advance(wait);
    EXPECT_EQ(http.asked.size(), 2u);
}

/// relay WIN-1: a frame goes out at once; what trickles in behind it in small pieces shares writes.
TEST_F(WsPushTimes, Win1SmallMessagesInAQuickRowShareAWrite) {
    std::mutex mutex;
    std::string got;
    ScriptServer server([&](Talk& t) {
        t.send(accepted(t));
        for (auto one = t.read(1); !one.empty(); one = t.read(1)) {
            const std::lock_guard lock(mutex);
            got += one;
        }
    });
    const auto received = [&] {
        const std::lock_guard lock(mutex);
        return got.size();
    };
    const auto& one = push(server.port());
    until(one, State::connected);
    test::publish(*stream, test::opened(Container::opaque));
    constexpr std::size_t framed = 188 + 8;
    const std::string small(188, 's');
    say(small);
    until([&] { return received() == framed; }, "the first, at once");
    for (int i = 0; i < 10; ++i) {
        say(small);
        bench.settle();
    }
    EXPECT_EQ(one.status().messages, 1u);
    bench.advance(Millis(3));
    until([&] { return received() == 11 * framed; }, "the others, together");
    EXPECT_EQ(one.status().messages, 11u);
    say(std::string(5'000, 'l'));
    until([&] { return one.status().messages == 12; }, "a large one, at once");
    say(small);
    until([&] { return one.status().messages == 13; }, "what follows a large one, at once");
}

/// relay VW-74: there, a peer that fell silent was never noticed.
TEST_F(WsPushTimes, Vw74APeerWithoutSignOfLifeIsLost) {
    ScriptServer server([](Talk& t) {
        t.send(accepted(t));
        t.wait_closed();
    });
    const auto& one = push(server.port());
    until(one, State::connected);
    bench.settle();
    bench.advance(Millis(54'000));
    bench.advance(Millis(6'000));
    until(one, State::waiting);
    EXPECT_THAT(one.status().last_error, HasSubstr("no sign of life"));
}

/// Takes messages only while it may.
class Sluggish {
public:
    Sluggish()
        : server_([this](Talk& t) {
              t.send(accepted(t));
              for (;;) {
                  {
                      std::unique_lock lock(mutex_);
                      changed_.wait(lock, [this] { return open_; });
                  }
                  const auto got = t.read(1);
                  if (got.empty()) return;
                  ++taken_;
              }
          }) {}
    ~Sluggish() { open(); }
    void open() {
        {
            const std::lock_guard lock(mutex_);
            open_ = true;
        }
        changed_.notify_all();
    }
    [[nodiscard]] int port() const { return server_.port(); }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
    std::atomic<std::size_t> taken_{0};
    ScriptServer server_;
};

/// relay VW-74, WIN-7, F3: a stalled peer is ended by the write deadline; others do not notice.
TEST_F(WsPushTimes, Vw74AStalledPeerIsEndedByTheWriteDeadline) {
    Sluggish stalled;
    std::atomic<std::size_t> healthy_bytes{0};
    ScriptServer healthy([&](Talk& t) {
        t.send(accepted(t));
        for (;;) {
            const auto got = t.read(16u << 10);
            if (got.empty()) return;
            healthy_bytes += got.size();
        }
    });
    const auto no_pings = [](WsPush::Plan& plan) { plan.socket = {.ping = Millis(0), .pong = Millis(0)}; };
    const auto &bad = push(stalled.port(), no_pings), &good = push(healthy.port(), no_pings);
    until(bad, State::connected);
    until(good, State::connected);
    test::publish(*stream, test::opened(Container::opaque));
    const std::string payload(64u << 10, 'p');
    std::uint64_t said = 0;
    for (; said < 400; ++said) {  // 25 MiB: more than a socket's buffers hold
        say(payload);
        until([&] { return good.status().messages == said + 1; }, "the healthy one to go on");
    }
    EXPECT_LT(bad.status().messages, said);
    EXPECT_EQ(bad.status().state, State::connected);
    bench.advance(Millis(9'999));
    EXPECT_EQ(bad.status().state, State::connected);
    bench.advance(Millis(1));
    until(bad, State::waiting);
    EXPECT_THAT(bad.status().last_error, HasSubstr("too long"));
    EXPECT_EQ(good.status().state, State::connected);
    until([&] { return healthy_bytes > (said - 1) * payload.size(); }, "all but what it has not read");
    EXPECT_EQ(good.status().skips, 0u);
    stalled.open();
}

/// relay WIN-4: what a slow peer misses is bounded, counted and begins again at a keyframe.
TEST_F(WsPushTimes, Win4ASlowPeerSkipsToAKeyframe) {
    Sluggish slow;
    const auto& one = push(slow.port(), [](WsPush::Plan& plan) {
        plan.socket = {.ping = Millis(0), .pong = Millis(0)};
        plan.policy.budget_bytes = 1u << 20;
    });
    until(one, State::connected);
    test::publish(*stream, test::opened(Container::ts, "PSI"));
    const std::string payload(64u << 10, 'p');
    for (int i = 0; i < 400; ++i) {
        say(payload, i % 10 == 0);
        bench.settle();
    }
    slow.open();
    until([&] { return one.status().skips > 0; }, "the skip");
    EXPECT_GT(one.status().skipped_bytes, 1u << 20);
    EXPECT_EQ(one.status().connections, 1u);
}

/// relay VW-78: stop() ends a peer that takes nothing after a second.
TEST_F(WsPushTimes, Vw78StopWaitsASecondForAStalledPeer) {
    Sluggish stalled;
    auto& one = push(stalled.port(), [](WsPush::Plan& plan) { plan.socket = {.ping = Millis(0), .pong = Millis(0)}; });
    until(one, State::connected);
    test::publish(*stream, test::opened(Container::opaque));
    const std::string payload(64u << 10, 'p');
    for (int i = 0; i < 400; ++i) {
        say(payload);
        bench.settle();
    }
    bool done = false;
    bench.start(stop_into(one, &done));
    bench.settle();
    bench.advance(Millis(999));
    EXPECT_FALSE(done);
    bench.advance(Millis(1));
    until([&] { return done; }, "stop");
    EXPECT_EQ(one.status().state, State::stopped);
    stalled.open();
}

}  // namespace
}  // namespace weir
