#include "sinks/hls_serve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "runtime/shard.h"

namespace weir {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class HlsServeTest : public ::testing::Test {
protected:
    void make(HlsServe::Settings settings = {}) { hls = std::make_unique<HlsServe>(clock, std::move(settings)); }
    void give(Item item) {
        const std::array<Item, 1> one{std::move(item)};
        bool done = false;
        const auto run = [&]() -> Task<void> {
            EXPECT_TRUE((co_await hls->accept(one)).has_value());
            done = true;
        };
        asio::co_spawn(context, run(), asio::detached);
        context.restart();
        context.poll();
        EXPECT_TRUE(done);
    }
    void give_init(std::uint32_t epoch = 1) {
        auto init = std::make_shared<Init>();
        init->epoch = epoch;
        init->format.container = Container::ts;
        init->header = Bytes::copy_of(std::string_view("\x47\x40\x01TABLES"));
        give(InitPtr(std::move(init)));
    }
    void give_chunk(Micros dts, bool rap,
                    std::string_view bytes =
                        "\x47\x41\x11"
                        "data") {
        Chunk chunk;
        chunk.dts = dts;
        chunk.rap = rap;
        chunk.arrival = clock.now();
        chunk.bytes = Bytes::copy_of(bytes);
        give(std::move(chunk));
    }
    /// Groups of pictures of `gop`, four pictures each.
    void give_media(int groups, Micros gop = 1s, Micros from = 0us) {
        for (int g = 0; g < groups; ++g)
            for (int p = 0; p < 4; ++p) give_chunk(from + g * gop + p * gop / 4, p == 0);
    }

    asio::io_context context;
    SimulatedClock clock{context.get_executor()};
    std::unique_ptr<HlsServe> hls;
};

TEST_F(HlsServeTest, CutsAtRandomAccessPointsOnceLongEnough) {
    make();
    give_init();
    give_media(7);
    EXPECT_EQ(
        hls->playlist(),
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n#EXTINF:2.0,\nsegment/0.ts\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:02.000Z\n#EXTINF:2.0,\nsegment/1.ts\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:04.000Z\n#EXTINF:2.0,\nsegment/2.ts\n");
}

TEST_F(HlsServeTest, DurationsAreExactAndTheTargetHoldsThem) {
    make();
    give_init();
    give_media(3, 3'003'003us);
    EXPECT_THAT(hls->playlist(), HasSubstr("#EXTINF:3.003003,\n"));
    EXPECT_THAT(hls->playlist(), HasSubstr("#EXT-X-TARGETDURATION:3\n"));
}

TEST_F(HlsServeTest, ASegmentBeginsWithTheTables) {
    make();
    give_init();
    give_media(3);
    EXPECT_TRUE(
        hls->segment(0).text().starts_with(std::string_view("\x47\x40\x01TABLES\x47\x41\x11"
                                                            "data",
                                                            16)))
        << hls->segment(0).text();
}

TEST_F(HlsServeTest, TheWindowSlidesAndIsBounded) {
    HlsServe::Settings settings;
    settings.window = 3;
    settings.first_sequence = 100;
    make(settings);
    give_init();
    give_media(40);
    EXPECT_THAT(hls->playlist(), HasSubstr("#EXT-X-MEDIA-SEQUENCE:116\n"));
    EXPECT_THAT(hls->playlist(), HasSubstr("segment/118.ts\n"));
    EXPECT_EQ(hls->segments(), 6U);
    EXPECT_TRUE(hls->segment(112).empty());
    EXPECT_FALSE(hls->segment(113).empty());  // left the playlist, still there for slow clients
}

TEST_F(HlsServeTest, BytesAreBoundedToo) {
    HlsServe::Settings settings;
    settings.max_bytes = 100;
    settings.max_segment_bytes = 60;
    make(settings);
    give_init();
    give_chunk(0s, true, std::string(50, 'x'));
    for (int i = 1; i < 10; ++i) give_chunk(i * 100ms, false, std::string(50, 'x'));
    EXPECT_GE(hls->segments(), 1U);
    EXPECT_LE(hls->segments(), 2U);
}

TEST_F(HlsServeTest, WhatBreaksIsMarked) {
    make();
    give_init();
    give_media(4);
    Gap gap;
    gap.why = "http 404";
    give(gap);
    give_chunk(20s, false);  // not a point to begin at
    clock.advance(30s);
    give_media(5, 1s, 30s);
    const auto text = hls->playlist();
    EXPECT_THAT(text,
                HasSubstr("segment/1.ts\n#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:30.000Z\n"));
    EXPECT_EQ(text.find("#EXT-X-DISCONTINUITY-SEQUENCE"), std::string::npos);
    give_media(20, 1s, 35s);
    EXPECT_THAT(hls->playlist(), HasSubstr("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"));
}

TEST_F(HlsServeTest, ANewEpochIsABreak) {
    make();
    give_init();
    give_media(3);
    give_init(2);
    give_media(3, 1s, 3s);
    EXPECT_THAT(hls->playlist(), HasSubstr("#EXT-X-DISCONTINUITY\n"));
}

TEST_F(HlsServeTest, TheEndClosesTheLastSegment) {
    make();
    give_init();
    give_media(3);
    give(End{EndReason::duration, ""});
    EXPECT_TRUE(hls->playlist().ends_with("#EXTINF:1.0,\nsegment/1.ts\n#EXT-X-ENDLIST\n")) << hls->playlist();
}

Task<std::string> get(Shards& shards, std::uint16_t port, std::string target) {
    asio::ip::tcp::socket socket(shards.at(0).executor());
    co_await socket.async_connect(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), asio::use_awaitable);
    const auto text = "GET " + target + " HTTP/1.0\r\n\r\n";
    co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
    std::string got;
    boost::system::error_code ec;
    const std::string never("\0\0\0\0", 4);
    co_await asio::async_read_until(socket, asio::dynamic_buffer(got), never,
                                    asio::redirect_error(asio::use_awaitable, ec));
    co_return got;
}

TEST_F(HlsServeTest, IsServedOverHttp) {
    HlsServe::Settings settings;
    settings.before = [](Exchange& exchange, HlsServe::Asked asked, Bytes) -> Task<bool> {
        if (asked != HlsServe::Asked::segment || exchange.request().query != "fail") co_return false;
        (void)co_await exchange.respond(503, "text/plain", Bytes::copy_of(std::string_view("on purpose\n")));
        co_return true;
    };
    make(settings);
    Shards shards(1);
    shards.run([&](Shards& all) -> Task<int> {
        auto server = HttpServer::create(all, {});
        hls->add_routes(*server, "/demo");
        EXPECT_TRUE(server->start().has_value());
        const auto port = server->port();
        const auto early = co_await get(all, port, "/demo/live.m3u8");
        EXPECT_TRUE(early.starts_with("HTTP/1.1 503 ")) << early;
        give_init();
        give_media(3);
        const auto list = co_await get(all, port, "/demo/live.m3u8");
        EXPECT_THAT(list, HasSubstr("Content-Type: application/vnd.apple.mpegurl\r\n"));
        EXPECT_TRUE(list.ends_with("segment/0.ts\n"));
        const auto segment = co_await get(all, port, "/demo/segment/0.ts");
        EXPECT_THAT(segment, HasSubstr("Content-Type: video/mp2t\r\n"));
        const auto failing = co_await get(all, port, "/demo/segment/0.ts?fail");
        EXPECT_TRUE(failing.starts_with("HTTP/1.1 503 ")) << failing;
        for (const char* wrong : {"/demo/segment/9.ts", "/demo/segment/0.tsx", "/demo/segment/x.ts",
                                  "/demo/segment/99999999999999999999.ts", "/demo/segment/"}) {
            const auto missing = co_await get(all, port, wrong);
            EXPECT_TRUE(missing.starts_with("HTTP/1.1 404 ")) << wrong << missing;
        }
        co_await server->stop();
        co_return 0;
    });
}

}  // namespace
}  // namespace weir
