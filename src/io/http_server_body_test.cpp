// Bodies in pieces, answers before bodies, and the wishes of vw's users for paths and methods.
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <memory>
#include <set>
#include <vector>

#include "http_server_fixture.h"
#include "runtime/task_group.h"

namespace weir::body_tests {
namespace {

using namespace std::chrono_literals;
using namespace test;

/// What a handler that reads pieces has seen of one body.
struct Seen {
    std::string data;
    std::vector<std::size_t> borders;  ///< counted from the beginning of the body
    std::vector<bool> more;
    std::optional<Error> error;
};

HttpServer::Handler collect(std::shared_ptr<Seen> seen) {
    return [seen](Exchange& e) -> Task<void> {
        for (;;) {
            auto piece = co_await e.read_piece();
            if (!piece) {
                seen->error = piece.error();
                co_return;
            }
            if (piece->bytes.empty()) break;
            for (const auto border : piece->borders) seen->borders.push_back(seen->data.size() + border);
            seen->data += piece->bytes.text();
            seen->more.push_back(piece->more);
        }
        (void)co_await e.respond(200, "text/plain", Bytes::copy_of(std::to_string(seen->data.size())));
    };
}

/// Lets everything that can run on this shard run.
Task<void> settle(Shards& shards) {
    for (int i = 0; i < 20; ++i) co_await asio::post(shards.at(0).executor(), asio::use_awaitable);
}

constexpr const char* chunked = "Transfer-Encoding: chunked\r\nConnection: close\r\n";

TEST(ReadPiece, TellsTheSameBordersInEveryCut) {
    const std::string body = "4;ext=\"v\"\r\nabcd\r\n0A\r\n0123456789\r\n1\r\nx\r\n000\r\nTrailer: x\r\n\r\n";
    const auto seen = std::make_shared<Seen>();
    with_server(
        {}, [&](auto& s) { s.route("*", "/in", collect(seen)); },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            for (std::size_t cut = 0; cut <= body.size(); ++cut) {
                *seen = {};
                Wire wire(shards.at(0).executor(), server.port());
                co_await wire.send(request("POST /in", chunked, body.substr(0, cut)));
                co_await settle(shards);
                co_await wire.send(body.substr(cut));
                EXPECT_TRUE((co_await wire.all()).ends_with("\r\n\r\n15")) << cut;
                EXPECT_EQ(seen->data, "abcd0123456789x");
                EXPECT_EQ(seen->borders, (std::vector<std::size_t>{4, 14, 15})) << cut;
            }
        });
}

TEST(ReadPiece, OneReadBringsManyChunks) {
    constexpr std::size_t chunks = 600;
    const auto seen = std::make_shared<Seen>();
    with_server(
        {}, [&](auto& s) { s.route("*", "/in", collect(seen)); },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            std::string body;
            for (std::size_t i = 0; i < chunks; ++i)
                body += "bc\r\n" + std::string(188, static_cast<char>('a' + i % 26)) + "\r\n";
            EXPECT_TRUE((co_await talk(shards, server, request("PUT /in", chunked, body + "0\r\n\r\n")))
                            .ends_with("\r\n\r\n112800"));
        });
    ASSERT_EQ(seen->borders.size(), chunks);
    for (std::size_t i = 0; i < chunks; ++i) {
        EXPECT_EQ(seen->borders[i], (i + 1) * 188);
        EXPECT_EQ(seen->data[i * 188], static_cast<char>('a' + i % 26));
    }
    EXPECT_LT(seen->more.size(), 20U) << "pieces";
}

TEST(ReadPiece, WhoKeepsSmallPiecesDoesNotKeepLargeBuffers) {
    constexpr std::size_t times = 60;
    const auto kept = std::make_shared<std::vector<Bytes>>();
    std::string all;
    with_server(
        {},
        [&](auto& s) {
            s.route("*", "/in", [kept](Exchange& e) -> Task<void> {
                for (;;) {
                    auto piece = co_await e.read_piece();
                    if (!piece || piece->bytes.empty()) break;
                    kept->push_back(piece->bytes);
                }
                (void)co_await e.respond(200, "text/plain", Bytes());
            });
        },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            Wire wire(shards.at(0).executor(), server.port());
            co_await wire.send(request("POST /in", chunked, ""));
            for (std::size_t i = 0; i < times; ++i) {
                co_await settle(shards);
                all += std::string(188, static_cast<char>('a' + i % 26));
                co_await wire.send("bc\r\n" + all.substr(all.size() - 188) + "\r\n");
            }
            co_await settle(shards);
            const std::size_t small = kept->size();
            std::set<const void*> owners;
            for (const auto& piece : *kept) owners.insert(piece.owner().get());
            EXPECT_GE(owners.size(), small * 188 / 4096) << "of 4 KiB each, not of 64";
            EXPECT_GE(owners.size(), 2u);
            const std::string large(1u << 20, 'L');
            all += large;
            co_await wire.send("100000\r\n" + large + "\r\n0\r\n\r\n");
            EXPECT_TRUE((co_await wire.all()).starts_with("HTTP/1.1 200"));
            EXPECT_LT(kept->size() - small, 200u) << "a fast one soon comes in large ones";
        });
    std::string got;
    for (const auto& piece : *kept) got += piece.text();
    EXPECT_EQ(got, all);
}

TEST(ReadPiece, SaysWhenMoreHasArrivedAlready) {
    const auto seen = std::make_shared<Seen>();
    const auto late = [seen](Exchange& e) -> Task<void> {
        for (int i = 0; i < 50; ++i) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
        co_await collect(seen)(e);
    };
    with_server(
        {}, [&](auto& s) { s.route("*", "/in", late); },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            const std::string body(200'000, 'x');
            (void)co_await talk(shards, server,
                                request("PUT /in", "Content-Length: 200000\r\nConnection: close\r\n", body));
        });
    EXPECT_EQ(seen->data.size(), 200'000U);
    EXPECT_TRUE(seen->borders.empty());
    ASSERT_GT(seen->more.size(), 1U);
    EXPECT_TRUE(seen->more.front());
    EXPECT_FALSE(seen->more.back());
}

TEST(ReadPiece, WhatCameBeforeABrokenChunkIsHandedOut) {
    const auto seen = std::make_shared<Seen>();
    with_server(
        {}, [&](auto& s) { s.route("*", "/in", collect(seen)); },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            const auto got = co_await talk(shards, server, request("PUT /in", chunked, "3\r\nabc\r\nzz\r\n"));
            EXPECT_TRUE(got.starts_with("HTTP/1.1 400 ")) << got;
            EXPECT_EQ(seen->data, "abc");
            EXPECT_EQ(seen->error.value().code, Errc::bad_input);
            *seen = {};
            Wire wire(shards.at(0).executor(), server.port());
            co_await wire.send(request("PUT /in", chunked, "5\r\nab"));
            wire.close();
            while (!seen->error) (void)co_await shards.at(0).clock().sleep_for(1ms);
            EXPECT_EQ(seen->data, "ab");
            EXPECT_EQ(seen->error->code, Errc::lost_peer);
        });
}

TEST(ReadPiece, TheNextRequestBehindTheBodyIsAnswered) {
    const auto seen = std::make_shared<Seen>();
    with_server(
        {}, [&](auto& s) { s.route("*", "/in", collect(seen)); },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            const auto one = request("PUT /in", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n");
            const auto two = request("PUT /in", "Content-Length: 2\r\n", "de");
            const auto last = request("PUT /in", "Content-Length: 1\r\nConnection: close\r\n", "f");
            const auto got = co_await talk(shards, server, one + two + last);
            EXPECT_EQ(seen->data, "abcdef");
            EXPECT_TRUE(got.ends_with("\r\n\r\n6")) << got;
        });
}

TEST(ReadPiece, ContinueIsSaidOnlyToThoseWhoWaitForIt) {
    const auto seen = std::make_shared<Seen>();
    with_server(
        {}, [&](auto& s) { s.route("*", "/in", collect(seen)); },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            const std::string fields = "Content-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n";
            Wire wire(shards.at(0).executor(), server.port());
            co_await wire.send(request("PUT /in", fields));
            EXPECT_EQ(co_await wire.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
            co_await wire.send("abc");
            EXPECT_TRUE((co_await wire.all()).starts_with("HTTP/1.1 200 "));
            EXPECT_TRUE(
                (co_await talk(shards, server, request("PUT /in", fields, "abc"))).starts_with("HTTP/1.1 200 "));
        });
}

TEST(BodyTimeout, CanBeTakenAwayForOneBody) {
    HttpServer::Settings settings;
    settings.body_timeout = 40ms;
    const auto seen = std::make_shared<Seen>();
    const auto patient = [seen](Exchange& e) -> Task<void> {
        e.set_body_timeout(Millis(0));
        co_await collect(seen)(e);
    };
    with_server(
        settings,
        [&](auto& s) {
            s.route("*", "/patient", patient);
            s.route("*", "/in", collect(seen));
        },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            Wire wire(shards.at(0).executor(), server.port());
            co_await wire.send(request("PUT /patient", chunked, "3\r\nabc\r\n"));
            // The impatient one is ended meanwhile.
            const auto slow = co_await talk(shards, server, request("PUT /in", chunked, "3\r\n"));
            EXPECT_TRUE(slow.starts_with("HTTP/1.1 408 ")) << slow;
            (void)co_await shards.at(0).clock().sleep_for(60ms);
            co_await wire.send("2\r\nde\r\n0\r\n\r\n");
            EXPECT_TRUE((co_await wire.all()).starts_with("HTTP/1.1 200 "));
        });
}

TEST(RefusedBody, IsNotReadAndTheAnswerReachesAClientThatPoursOn) {
    const auto refuse = [](Exchange& e) -> Task<void> {
        (void)co_await e.respond(403, "text/plain", Bytes::copy_of(std::string_view("wrong secret\n")));
    };
    HttpServer::Settings settings;
    settings.write_timeout = 400ms;  // as long as the goodbye may take
    with_server(
        settings, [&](auto& s) { s.route("*", "/in", refuse); },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            Wire wire(shards.at(0).executor(), server.port());
            TaskGroup group(shards.at(0).executor());
            std::size_t sent = 0;
            const auto pour = [&]() -> Task<void> {
                const std::string chunk = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
                bool going = co_await wire.send(request("POST /in", "Transfer-Encoding: chunked\r\n"));
                while (going) {
                    going = co_await wire.send(chunk);
                    sent += chunk.size();
                }
            };
            group.spawn(pour());
            const auto got = co_await wire.until("wrong secret\n");
            EXPECT_TRUE(got.starts_with("HTTP/1.1 403 ")) << got;
            EXPECT_NE(got.find("Connection: close\r\n"), std::string::npos);
            co_await group.join();  // the server closes in the end
            EXPECT_GT(sent, 512U << 10);
        });
}

TEST(Methods, AnyOneIsReadAndAStarTakesThemAll) {
    const auto say = [](Exchange& e) -> Task<void> {
        (void)co_await e.respond(200, "text/plain", Bytes::copy_of(e.request().method));
    };
    with_server(
        {},
        [&](auto& s) {
            s.route("*", "/any", say);
            s.route("POST PUT UPDATE", "/some", say);
        },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            for (const std::string method : {"GET", "POST", "UPDATE", "DELETE", "TRACE", "M-SEARCH", "x"})
                EXPECT_TRUE((co_await talk(shards, server, request(method + " /any"))).ends_with("\r\n\r\n" + method));
            EXPECT_TRUE((co_await talk(shards, server, request("UPDATE /some"))).ends_with("\r\n\r\nUPDATE"));
            EXPECT_TRUE((co_await talk(shards, server, request("update /some"))).starts_with("HTTP/1.1 405 "));
        });
}

TEST(Methods, Vw20_AWrongOneHasNeitherAllowNorBodyOnWish) {
    const auto say = [](Exchange& e) -> Task<void> { (void)co_await e.respond(200, "text/plain", {}); };
    HttpServer::Settings settings;
    settings.allow_header = false;
    with_server(
        settings, [&](auto& s) { s.route("GET", "/api", say); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            for (const std::string method : {"PUT", "OPTIONS", "HEAD"}) {
                const auto got = co_await talk(shards, server, request(method + " /api"));
                EXPECT_TRUE(got.starts_with("HTTP/1.1 405 Method Not Allowed\r\n")) << got;
                EXPECT_TRUE(got.ends_with("Content-Length: 0\r\nConnection: close\r\n\r\n")) << got;
                EXPECT_EQ(got.find("\r\nAllow"), std::string::npos);
                EXPECT_EQ(got.find("Content-Type"), std::string::npos);
            }
        });
}

TEST(CleanPaths, Vw18_OthersAreSentThere) {
    const auto say = [](Exchange& e) -> Task<void> {
        (void)co_await e.respond(200, "text/plain", Bytes::copy_of("at " + e.request().path));
    };
    HttpServer::Settings settings;
    settings.clean_paths = true;
    with_server(
        settings, [&](auto& s) { s.route("GET", "/", say); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const std::pair<const char*, const char*> moved[] = {
                {"/ts/x//y", "/ts/x/y"},
                {"/api/streams//stream/front/large", "/api/streams/stream/front/large"},
                {"//", "/"},
                {"/a//", "/a/"},
                {"/a/./b/", "/a/b/"},
                {"/a/.", "/a"},
                {"/a/..", "/"},
                {"/../a", "/a"},
                {"/a/b/../../../c", "/c"},
                {"/a%2F%2f//b", "/a%2F%2f/b"},
                {"//a%2F..%2Fb", "/a%2F..%2Fb"},
                {"//a%5c\\b", "/a%5c%5Cb"},
                {"/%61//%20%3f;!", "/%61/%20%3f;%21"},
                {"/a//b?x=//&y", "/a/b?x=//&y"},
                {"/a//?", "/a/?"},
                {"http://h/a//b", "/a/b"},
            };
            for (const auto& [sent, location] : moved) {
                for (const std::string method : {"GET", "POST", "DELETE", "UPDATE"}) {
                    const auto got = co_await talk(shards, server, request(method + " " + sent));
                    EXPECT_TRUE(got.starts_with("HTTP/1.1 301 Moved Permanently\r\n")) << sent << got;
                    EXPECT_NE(got.find(fmt::format("\r\nLocation: {}\r\n", location)), std::string::npos)
                        << sent << got;
                    EXPECT_TRUE(got.ends_with("Content-Length: 0\r\nConnection: close\r\n\r\n")) << got;
                }
            }
            for (const auto* path : {"/", "/a", "/a/", "/a/...", "/..a/b."}) {
                const auto got = co_await talk(shards, server, request(fmt::format("GET {}?q=a//b", path)));
                EXPECT_TRUE(got.ends_with(fmt::format("\r\n\r\nat {}", path))) << got;
            }
            // Escaped ones are part of a name: vw could not reach such (VW-19, WIN-9).
            EXPECT_TRUE((co_await talk(shards, server, request("GET /a%2F%2fb/%2e%2E"))).ends_with("at /a//b/.."));
            EXPECT_TRUE((co_await talk(shards, server, request("GET /a%00b"))).starts_with("HTTP/1.1 400 "));
        });
}

TEST(CleanPaths, AreResolvedSilentlyUnlessWished) {
    const auto say = [](Exchange& e) -> Task<void> {
        (void)co_await e.respond(200, "text/plain", Bytes::copy_of("at " + e.request().path));
    };
    with_server(
        {}, [&](auto& s) { s.route("GET", "/", say); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            EXPECT_TRUE((co_await talk(shards, server, request("GET /a/../b"))).ends_with("\r\n\r\nat /b"));
        });
}

}  // namespace
}  // namespace weir::body_tests
