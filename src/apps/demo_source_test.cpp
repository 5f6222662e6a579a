#include "apps/demo_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "ts_packets.h"

namespace weir::apps {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(DemoFaults, AreReadFromText) {
    const auto got = parse_faults("503-burst@5s,stall@9s+4s,cut@1m,404@0");
    ASSERT_TRUE(got.has_value()) << got.error().text();
    ASSERT_EQ(got->size(), 4U);
    EXPECT_EQ((*got)[0].kind, Fault::Kind::burst);
    EXPECT_EQ((*got)[0].at, Micros(5s));
    EXPECT_EQ((*got)[0].lasts, Micros(2s));
    EXPECT_EQ((*got)[1].name, "stall");
    EXPECT_EQ((*got)[1].lasts, Micros(4s));
    EXPECT_EQ((*got)[2].at, Micros(1min));
    EXPECT_EQ((*got)[3].kind, Fault::Kind::not_found);
    EXPECT_TRUE(parse_faults("")->empty());
}

TEST(DemoFaults, WhatIsWrongIsNamed) {
    const std::pair<const char*, const char*> cases[] = {
        {"fire@1s", "fault 'fire@1s': is not known"}, {"stall", "fault 'stall': says not when"},
        {"stall@soon", "has no such time"},           {"stall@1s+x", "has no such length"},
        {"stall@1s,", "missing after the comma"},     {"@1s", "is not known"}};
    for (const auto& [text, why] : cases) {
        const auto got = parse_faults(text);
        ASSERT_FALSE(got.has_value()) << text;
        EXPECT_EQ(got.error().code, Errc::bad_input);
        EXPECT_THAT(got.error().what, HasSubstr(why));
    }
}

TEST(DemoFaults, ABurstHitsEverythingForItsTime) {
    FaultInjector faults(*parse_faults("503-burst@5s"));
    EXPECT_FALSE(faults.meet(false, 4900ms));
    EXPECT_TRUE(faults.meet(false, 5500ms));  // the first request after its time begins it
    EXPECT_TRUE(faults.meet(true, 7400ms));
    EXPECT_FALSE(faults.meet(true, 7500ms));
    EXPECT_FALSE(faults.meet(false, 7400ms));
}

TEST(DemoFaults, AStallHitsOneSegmentOnce) {
    FaultInjector faults(*parse_faults("stall@9s"));
    EXPECT_FALSE(faults.meet(true, 8s));
    EXPECT_FALSE(faults.meet(false, 10s));
    const auto met = faults.meet(true, 10s);
    ASSERT_TRUE(met);
    EXPECT_EQ(met->kind, Fault::Kind::stall);
    EXPECT_FALSE(faults.meet(true, 10s));
}

Task<std::string> get(Shard& here, std::uint16_t port, std::string target, std::size_t at_most = SIZE_MAX) {
    asio::ip::tcp::socket socket(here.executor());
    co_await socket.async_connect(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), asio::use_awaitable);
    const auto text = "GET " + target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
    std::string got;
    boost::system::error_code ec;
    while (!ec && got.size() < at_most) {
        char part[8192];
        got.append(part,
                   co_await socket.async_read_some(asio::buffer(part), asio::redirect_error(asio::use_awaitable, ec)));
    }
    co_return got;
}

std::uint16_t port_of(const std::string& url) {
    return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
}

/// A demo source on a clock that the test moves; `body` gets it started.
void with_demo(DemoSourceOptions options, const std::function<Task<void>(DemoSource&, SimulatedClock&, Shard&)>& body) {
    Shards shards(1);
    FileLane lane(real_file_system(), {});
    shards.run([&](Shards& all) -> Task<int> {
        SimulatedClock clock(all.at(0).executor());
        options.clock = &clock;
        options.file = Bytes::copy_of(weir::test::pattern_file(300, 30));
        DemoSource demo(all, lane, options);
        bool started = false;
        const auto start = [&]() -> Task<void> {
            auto r = co_await demo.start();
            EXPECT_TRUE(r.has_value()) << (r ? "" : r.error().text());
            started = true;
        };
        asio::co_spawn(all.at(0).executor(), start(), asio::detached);
        while (!started) {
            (void)co_await all.at(0).clock().sleep_for(1ms);
            clock.advance(10ms);
        }
        co_await body(demo, clock, all.at(0));
        co_await demo.stop("test over");
        co_return 0;
    });
    EXPECT_EQ(open_connections(), 0U);
}

/// Lets the tasks of this shard do what the new time allows.
Task<void> forward(SimulatedClock& clock, Shard& here, Micros by) {
    for (Micros done{0}; done < by; done += 50ms) {
        clock.advance(50ms);
        (void)co_await here.clock().sleep_for(200us);
    }
}

TEST(DemoSource, IsReadyWithItsFirstSegmentsAndGoesOnWithTime) {
    DemoSourceOptions options;
    options.segment = 1s;
    with_demo(options, [](DemoSource& demo, SimulatedClock& clock, Shard& here) -> Task<void> {
        EXPECT_TRUE(demo.hls_url().starts_with("http://127.0.0.1:")) << demo.hls_url();
        EXPECT_TRUE(demo.ts_url().ends_with("/live.ts"));
        const auto port = port_of(demo.hls_url());
        const auto list = co_await get(here, port, "/live.m3u8");
        EXPECT_THAT(list, HasSubstr("segment/2.ts\n"));
        EXPECT_THAT(list, HasSubstr("#EXTINF:1.0,\n"));
        co_await forward(clock, here, 20s);
        const auto later = co_await get(here, port, "/live.m3u8");
        EXPECT_THAT(later, HasSubstr("segment/21.ts\n"));
        EXPECT_EQ(later.find("DISCONTINUITY"), std::string::npos) << later;  // two loops have passed
        EXPECT_TRUE((co_await get(here, port, "/segment/21.ts")).starts_with("HTTP/1.1 200 "));
        EXPECT_TRUE((co_await get(here, port, "/health")).ends_with("\r\n\r\nok\n"));
        EXPECT_THAT(demo.status_json(), HasSubstr("\"ended\":false"));
    });
}

TEST(DemoSource, ServesTheStreamItselfToo) {
    with_demo({}, [](DemoSource& demo, SimulatedClock& clock, Shard& here) -> Task<void> {
        bool done = false;
        std::string got;
        const auto viewer = [&]() -> Task<void> {
            got = co_await get(here, port_of(demo.ts_url()), "/live.ts", 20'000);
            done = true;
        };
        asio::co_spawn(here.executor(), viewer(), asio::detached);
        for (int i = 0; i < 400 && !done; ++i) co_await forward(clock, here, 50ms);
        EXPECT_TRUE(done);
        EXPECT_TRUE(got.starts_with("HTTP/1.1 200 ")) << got.substr(0, 200);
        const auto body = got.substr(got.find("\r\n\r\n") + 4);
        EXPECT_EQ(body[0], '\x47');
    });
}

TEST(DemoSource, EndsAfterItsDuration) {
    DemoSourceOptions options;
    options.segment = 1s;
    options.duration = 6s;
    with_demo(options, [](DemoSource& demo, SimulatedClock& clock, Shard& here) -> Task<void> {
        co_await forward(clock, here, 6s);
        const auto list = co_await get(here, port_of(demo.hls_url()), "/live.m3u8");
        EXPECT_TRUE(list.ends_with("segment/5.ts\n#EXT-X-ENDLIST\n")) << list;
    });
}

TEST(DemoSource, FaultsFireAndPass) {
    DemoSourceOptions options;
    options.segment = 1s;
    options.faults = *parse_faults("503-burst@1s,cut@4s");
    with_demo(options, [](DemoSource& demo, SimulatedClock& clock, Shard& here) -> Task<void> {
        const auto port = port_of(demo.hls_url());
        EXPECT_TRUE((co_await get(here, port, "/live.m3u8")).starts_with("HTTP/1.1 200 "));
        co_await forward(clock, here, 1s);
        EXPECT_TRUE((co_await get(here, port, "/live.m3u8")).starts_with("HTTP/1.1 503 "));
        EXPECT_TRUE((co_await get(here, port, "/segment/2.ts")).starts_with("HTTP/1.1 503 "));
        co_await forward(clock, here, 2s);
        const auto whole = co_await get(here, port, "/segment/2.ts");
        EXPECT_TRUE(whole.starts_with("HTTP/1.1 200 "));
        co_await forward(clock, here, 1s);
        const auto half = co_await get(here, port, "/segment/2.ts");
        const auto size = whole.size() - whole.find("\r\n\r\n") - 4;
        EXPECT_THAT(half, HasSubstr("Content-Length: " + std::to_string(size) + "\r\n"));
        EXPECT_EQ(half.size() - half.find("\r\n\r\n") - 4, size / 2);
        EXPECT_EQ((co_await get(here, port, "/segment/2.ts")).size(), whole.size());
    });
}

TEST(DemoSource, AStalledSegmentIsSilentUntilTheClientLeaves) {
    DemoSourceOptions options;
    options.segment = 1s;
    options.faults = *parse_faults("stall@0");
    with_demo(options, [](DemoSource& demo, SimulatedClock&, Shard& here) -> Task<void> {
        const auto port = port_of(demo.hls_url());
        const auto half = co_await get(here, port, "/segment/1.ts", 2000);
        EXPECT_THAT(half, HasSubstr("Content-Length: "));
        for (int i = 0; i < 2000 && open_connections() > 0; ++i) (void)co_await here.clock().sleep_for(1ms);
        EXPECT_EQ(open_connections(), 0U);
    });
}

TEST(DemoSource, SaysWhyItCannotStart) {
    Shards shards(1);
    FileLane lane(real_file_system(), {});
    shards.run([&](Shards& all) -> Task<int> {
        DemoSourceOptions options;
        options.file = Bytes::copy_of(std::string_view("nothing"));
        DemoSource bad(all, lane, options);
        EXPECT_FALSE((co_await bad.start()).has_value());
        co_await bad.stop("test over");
        options.file = Bytes::copy_of(weir::test::pattern_file(300, 30));
        options.address = "nowhere";
        DemoSource lost(all, lane, options);
        auto r = co_await lost.start();
        EXPECT_THAT(r.error().what, HasSubstr("cannot listen on 'nowhere'"));
        co_await lost.stop("test over");
        co_return 0;
    });
}

}  // namespace
}  // namespace weir::apps
