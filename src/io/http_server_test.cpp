#include "io/http_server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <mutex>
#include <set>
#include <thread>

#include "http_server_fixture.h"
#include "io/standard_routes.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::server_tests {
namespace {

using asio::ip::tcp;
using namespace std::chrono_literals;
using namespace test;

Task<void> hello(Exchange& exchange) {
    (void)co_await exchange.respond(200, "text/plain", Bytes::copy_of(std::string_view("hello")));
}

Task<void> echo(Exchange& exchange) {
    auto text = co_await exchange.read_body_text(1000);
    if (!text) co_return;
    (void)co_await exchange.respond(200, "text/plain", Bytes::copy_of(*text));
}

TEST(HttpServer, AnswersAndSaysWhatItIs) {
    with_server(
        {}, [](auto& s) { s.route("GET HEAD", "/hello", hello); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto got = co_await talk(shards, server, request("GET /hello"));
            EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\nDate: ")) << got;
            EXPECT_NE(
                got.find(" GMT\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 5\r\n"
                         "Connection: close\r\n\r\nhello"),
                std::string::npos)
                << got;
        });
}

TEST(HttpServer, HeadHasTheLengthAndNoBody) {
    with_server(
        {}, [](auto& s) { s.route("GET HEAD", "/hello", hello); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto got = co_await talk(shards, server, request("HEAD /hello"));
            EXPECT_NE(got.find("Content-Length: 5\r\n"), std::string::npos);
            EXPECT_TRUE(got.ends_with("\r\n\r\n"));
        });
}

TEST(HttpServer, UnknownPathsAndMethodsAreOneLineOfText) {
    with_server(
        {}, [](auto& s) { s.route("GET HEAD", "/hello", hello); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto missing = co_await talk(shards, server, request("GET /nothing"));
            EXPECT_TRUE(missing.starts_with("HTTP/1.1 404 Not Found\r\n") && missing.ends_with("\r\n\r\nnot found\n"))
                << missing;
            const auto wrong = co_await talk(shards, server, request("PUT /hello"));
            EXPECT_TRUE(wrong.starts_with("HTTP/1.1 405 ")) << wrong;
            EXPECT_NE(wrong.find("Allow: GET, HEAD\r\n"), std::string::npos);
        });
}

TEST(HttpServer, TheLongestMatchingRouteWins) {
    const auto say = [](const char* what) {
        return [what](Exchange& e) -> Task<void> {
            (void)co_await e.respond(200, "text/plain", Bytes::copy_of(std::string_view(what)));
        };
    };
    const auto routes = [&](HttpServer& s) {
        s.route("GET", "/a/", say("short"));
        s.route("GET", "/a/b/", say("long"));
        s.route("GET", "/a/b/exact", say("exact"));
    };
    with_server({}, routes, [](HttpServer& server, Shards& shards) -> Task<void> {
        const std::pair<const char*, const char*> cases[] = {{"/a/x", "short"},       {"/a/b/x", "long"},
                                                             {"/a/b/exact", "exact"}, {"/a/b", "short"},
                                                             {"/a/b/../x", "short"},  {"/a", "not found\n"}};
        for (const auto& [path, says] : cases) {
            const auto got = co_await talk(shards, server, request(std::string("GET ") + path));
            EXPECT_TRUE(got.ends_with(std::string("\r\n\r\n") + says)) << path << got;
        }
    });
}

TEST(HttpServer, OneConnectionServesManyRequestsAlsoPipelined) {
    with_server(
        {}, [](auto& s) { s.route("POST", "/echo", echo); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            std::string text;
            for (int i = 0; i < 20; ++i)
                text += request("POST /echo", "Content-Length: 5\r\n", "num" + std::to_string(10 + i));
            text += request("POST /echo", "Transfer-Encoding: chunked\r\nConnection: close\r\n",
                            "3\r\nthe\r\n4\r\n end\r\n0\r\n\r\n");
            const auto got = co_await talk(shards, server, text);
            std::size_t at = 0, answers = 0;
            while ((at = got.find("HTTP/1.1 200 OK", at)) != std::string::npos) ++at, ++answers;
            EXPECT_EQ(answers, 21U);
            EXPECT_NE(got.find("num29"), std::string::npos);
            EXPECT_TRUE(got.ends_with("\r\n\r\nthe end"));
        });
}

TEST(HttpServer, Http10ClosesUnlessAskedToStay) {
    with_server(
        {}, [](auto& s) { s.route("GET", "/hello", hello); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto once = co_await talk(shards, server, "GET /hello HTTP/1.0\r\n\r\n");
            EXPECT_TRUE(once.ends_with("\r\n\r\nhello"));
            const auto twice = co_await talk(
                shards, server, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /hello HTTP/1.0\r\n\r\n");
            EXPECT_NE(twice.find("Connection: keep-alive\r\n\r\nhelloHTTP/1.1 200 OK"), std::string::npos) << twice;
        });
}

TEST(HttpServer, ContinueIsSaidWhenTheHandlerReads) {
    with_server(
        {},
        [](auto& s) {
            s.route("POST", "/echo", echo);
            s.route("POST", "/no", hello);
        },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            Wire wire(shards.at(0).executor(), server.port());
            co_await wire.send(
                request("POST /echo", "Content-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n"));
            EXPECT_EQ(co_await wire.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
            co_await wire.send("abc");
            EXPECT_TRUE((co_await wire.all()).ends_with("\r\n\r\nabc"));
            // Refused before the body was asked for: no 100, and no next request on this connection.
            const auto refused =
                co_await talk(shards, server, request("POST /no", "Content-Length: 3\r\nExpect: 100-continue\r\n"));
            EXPECT_TRUE(refused.starts_with("HTTP/1.1 200 OK"));
            EXPECT_NE(refused.find("Connection: close"), std::string::npos);
        });
}

TEST(HttpServer, AFewConnectionsStayOnOneShardAndACrowdSpreads) {
    HttpServer::Settings settings;
    settings.spread_from = 4;
    std::mutex lock;
    std::vector<std::thread::id> served;
    with_server(
        settings,
        [&](auto& s) {
            s.route("GET", "/", [&](Exchange& e) -> Task<void> {
                {
                    const std::lock_guard held(lock);
                    served.push_back(std::this_thread::get_id());
                }
                (void)co_await e.respond(200, "text/plain", Bytes());
            });
        },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            std::vector<std::unique_ptr<Wire>> kept;
            for (int i = 0; i < 8; ++i) {
                kept.push_back(std::make_unique<Wire>(shards.at(0).executor(), server.port()));
                const auto asked = request("GET /", "");
                co_await kept.back()->send(asked);
                const auto head = co_await kept.back()->until("\r\n\r\n");
                EXPECT_TRUE(head.starts_with("HTTP/1.1 200"));
            }
        },
        2);
    ASSERT_EQ(served.size(), 8U);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(served[i], served[0]) << i;
    EXPECT_GT(std::set(served.begin(), served.end()).size(), 1U);
}

TEST(HttpServer, B6_AHugeBodyIsRefusedUnread) {
    with_server(
        {}, [](auto& s) { s.route("POST", "/echo", echo); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto told = co_await talk(
                shards, server, request("POST /echo", "Content-Length: 100000000\r\n", std::string(1000, 'x')));
            EXPECT_TRUE(told.starts_with("HTTP/1.1 413 ")) << told;
            EXPECT_TRUE(told.ends_with("\r\n\r\nrequest body above 1000 bytes\n"));
            const auto found = co_await talk(
                shards, server,
                request("POST /echo", "Transfer-Encoding: chunked\r\n", "800\r\n" + std::string(0x800, 'x')));
            EXPECT_TRUE(found.starts_with("HTTP/1.1 413 ")) << found;
        });
}

TEST(HttpServer, B6_TenThousandHeadersAreRefused) {
    with_server(
        {}, [](auto& s) { s.route("GET", "/hello", hello); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            std::string many;
            for (int i = 0; i < 10'000; ++i) many += "X: y\r\n";
            const auto got = co_await talk(shards, server, request("GET /hello", many));
            EXPECT_TRUE(got.starts_with("HTTP/1.1 431 ")) << got;
            EXPECT_TRUE((co_await talk(shards, server, request("GET /hello"))).ends_with("hello"));
        });
}

TEST(HttpServer, B6_ASlowBodyEndsAtItsTimeLimit) {
    HttpServer::Settings settings;
    settings.body_timeout = 60ms;
    with_server(
        settings, [](auto& s) { s.route("POST", "/echo", echo); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto got = co_await talk(shards, server, request("POST /echo", "Content-Length: 10\r\n", "abc"));
            EXPECT_TRUE(got.starts_with("HTTP/1.1 408 ")) << got;
        });
}

TEST(HttpServer, ASlowHeadIsToldAndASilentConnectionIsClosed) {
    HttpServer::Settings settings;
    settings.head_timeout = 60ms;
    with_server(
        settings, [](auto& s) { s.route("GET", "/hello", hello); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto slow = co_await talk(shards, server, "GET /hello HTTP/1.1\r\nHo");
            EXPECT_TRUE(slow.starts_with("HTTP/1.1 408 ")) << slow;
            EXPECT_EQ(co_await talk(shards, server, ""), "");
        });
}

TEST(HttpServer, AnIdleConnectionIsClosedAfterItsTime) {
    HttpServer::Settings settings;
    settings.idle_timeout = 60ms;
    with_server(
        settings, [](auto& s) { s.route("GET", "/hello", hello); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto got = co_await talk(shards, server, request("GET /hello", ""));
            EXPECT_TRUE(got.ends_with("\r\n\r\nhello")) << got;
        });
}

TEST(HttpServer, AClientThatNeverReadsIsDropped) {
    HttpServer::Settings settings;
    settings.write_timeout = 80ms;
    auto outcome = std::make_shared<std::optional<Error>>();
    const auto endless = [outcome](Exchange& e) -> Task<void> {
        if (auto r = co_await e.begin_stream(200, "video/mp2t"); !r) co_return;
        const auto piece = Bytes::copy_of(std::string(64 << 10, 'x'));
        for (;;) {
            if (auto r = co_await e.write(piece); !r) {
                *outcome = r.error();
                co_return;
            }
        }
    };
    with_server(
        settings, [&](auto& s) { s.route("GET", "/live", endless); },
        [&](HttpServer& server, Shards& shards) -> Task<void> {
            Wire wire(shards.at(0).executor(), server.port());
            co_await wire.send(request("GET /live"));
            auto& clock = shards.at(0).clock();
            const auto end = clock.now() + 20s;
            while (!*outcome && clock.now() < end) (void)co_await clock.sleep_for(5ms);
        });
    ASSERT_TRUE(outcome->has_value());
    EXPECT_EQ((*outcome)->code, Errc::timed_out);
}

TEST(HttpServer, StreamsInChunksAndUntilCloseForHttp10) {
    const auto two = [](Exchange& e) -> Task<void> {
        (void)co_await e.begin_stream(200, "text/plain");
        (void)co_await e.write(Bytes::copy_of(std::string_view("first ")));
        (void)co_await e.write(Bytes{});
        (void)co_await e.write(Bytes::copy_of(std::string_view("second")));
        (void)co_await e.finish();
    };
    with_server(
        {}, [&](auto& s) { s.route("GET", "/two", two); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto answer = co_await talk(shards, server, request("GET /two"));
            EXPECT_TRUE(answer.ends_with("\r\n\r\n6\r\nfirst \r\n6\r\nsecond\r\n0\r\n\r\n")) << answer;
            const auto plain = co_await talk(shards, server, "GET /two HTTP/1.0\r\n\r\n");
            EXPECT_EQ(plain.find("Transfer-Encoding"), std::string::npos);
            EXPECT_TRUE(plain.ends_with("\r\n\r\nfirst second")) << plain;
        });
}

TEST(HttpServer, AStreamLeftUnfinishedIsVisiblyCut) {
    const auto torn = [](Exchange& e) -> Task<void> {
        (void)co_await e.begin_stream(200, "text/plain");
        (void)co_await e.write(Bytes::copy_of(std::string_view("half")));
    };
    with_server(
        {}, [&](auto& s) { s.route("GET", "/torn", torn); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto got = co_await talk(shards, server, request("GET /torn", ""));
            EXPECT_TRUE(got.ends_with("4\r\nhalf\r\n")) << got;
        });
}

TEST(HttpServer, SendsEvents) {
    const auto events = [](Exchange& e) -> Task<void> {
        (void)co_await e.begin_stream(200, "text/event-stream");
        (void)co_await e.event("st\nate", "one\ntwo\r\nthree");
        (void)co_await e.event("", "");
        (void)co_await e.finish();
    };
    with_server(
        {}, [&](auto& s) { s.route("GET", "/events", events); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto got = co_await talk(shards, server, "GET /events HTTP/1.0\r\n\r\n");
            EXPECT_NE(got.find("Cache-Control: no-store\r\n"), std::string::npos);
            EXPECT_TRUE(got.ends_with("\r\n\r\nevent: state\ndata: one\ndata: two\ndata: three\n\ndata: \n\n")) << got;
        });
}

TEST(HttpServer, HeaderValuesCannotEndTheirLine) {
    const auto evil = [](Exchange& e) -> Task<void> {
        std::vector<std::pair<std::string, std::string>> headers;
        headers.emplace_back("Location", "/a\r\nSet-Cookie: x=1");
        (void)co_await e.respond(302, "", {}, std::move(headers));
    };
    with_server(
        {}, [&](auto& s) { s.route("GET", "/evil", evil); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto got = co_await talk(shards, server, request("GET /evil"));
            EXPECT_NE(got.find("Location: /a  Set-Cookie: x=1\r\n"), std::string::npos) << got;
        });
}

TEST(HttpServer, AThrowingOrSilentHandlerIsA500) {
    const auto bug = [](Exchange&) -> Task<void> {
        throw std::runtime_error("bug");
        co_return;
    };
    const auto silent = [](Exchange&) -> Task<void> { co_return; };
    with_server(
        {},
        [&](auto& s) {
            s.route("GET", "/bug", bug);
            s.route("GET", "/silent", silent);
        },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            EXPECT_TRUE((co_await talk(shards, server, request("GET /bug"))).starts_with("HTTP/1.1 500 "));
            EXPECT_TRUE((co_await talk(shards, server, request("GET /silent"))).starts_with("HTTP/1.1 500 "));
        });
}

TEST(HttpServer, AnUnboundedBodyIsReadPieceByPiece) {
    auto total = std::make_shared<std::size_t>(0);
    const auto count = [total](Exchange& e) -> Task<void> {
        for (;;) {
            auto piece = co_await e.read_body();
            if (!piece || piece->empty()) break;
            *total += piece->size();
        }
        (void)co_await e.respond(200, "text/plain", Bytes::copy_of(std::to_string(*total)));
    };
    with_server(
        {}, [&](auto& s) { s.route("POST", "/in/", count); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            Wire wire(shards.at(0).executor(), server.port());
            co_await wire.send(request("POST /in/x", "Transfer-Encoding: chunked\r\nConnection: close\r\n"));
            const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
            for (int i = 0; i < 64; ++i) co_await wire.send(chunk);
            co_await wire.send("0\r\n\r\n");
            EXPECT_TRUE((co_await wire.all()).ends_with("\r\n\r\n4194304"));
        });
}

TEST(HttpServer, ABrokenBodyIsABadRequest) {
    with_server(
        {}, [](auto& s) { s.route("POST", "/echo", echo); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            const auto got =
                co_await talk(shards, server, request("POST /echo", "Transfer-Encoding: chunked\r\n", "zz\r\n"));
            EXPECT_TRUE(got.starts_with("HTTP/1.1 400 ")) << got;
        });
}

TEST(HttpServer, TakingAConnectionKeepsWhatCameAhead) {
    const auto upgrade = [](Exchange& e) -> Task<void> {
        const auto c = e.take();
        const auto early = c->early();
        const std::array<Bytes, 2> parts{Bytes::copy_of(std::string_view("raw ")), early};
        (void)co_await c->write(parts);
        std::byte one[1];
        auto got = co_await c->read_some(one);
        EXPECT_TRUE(got.has_value() && *got == 1 && one[0] == std::byte{'!'});
        auto wrote = c->try_write(parts);
        EXPECT_TRUE(wrote.has_value() && *wrote == 9U);
        EXPECT_TRUE((co_await c->wait_writable()).has_value());
        auto closed = co_await c->wait_closed();
        EXPECT_EQ(closed.error().code, Errc::lost_peer);
        EXPECT_GE(c->descriptor(), 0);
    };
    with_server(
        {}, [&](auto& s) { s.route("GET", "/up", upgrade); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            Wire wire(shards.at(0).executor(), server.port());
            co_await wire.send(request("GET /up", "Connection: Upgrade\r\n", "early"));
            EXPECT_EQ(co_await wire.until("early"), "raw early");
            co_await wire.send("!");
            EXPECT_EQ(co_await wire.until("early"), "raw early");
        });
}

TEST(HttpServer, StopEndsWaitingHandlersAndTakenConnections) {
    auto ended = std::make_shared<std::vector<Errc>>();
    const auto waits = [ended](Exchange& e) -> Task<void> {
        const auto c = e.take();
        auto r = co_await c->wait_closed();
        ended->push_back(r.error().code);
        ended->push_back((co_await c->wait_writable()).error().code);
    };
    with_server(
        {},
        [&](auto& s) {
            s.route("GET", "/wait", waits);
            s.route("GET", "/hello", hello);
        },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            Wire idle(shards.at(0).executor(), server.port()), taken(shards.at(0).executor(), server.port());
            co_await idle.send(request("GET /hello", ""));
            EXPECT_TRUE((co_await idle.until("hello")).ends_with("hello"));
            co_await taken.send(request("GET /wait", ""));
            auto& clock = shards.at(0).clock();
            for (int i = 0; i < 1000 && open_connections() < 2; ++i) (void)co_await clock.sleep_for(1ms);
            (void)co_await clock.sleep_for(5ms);
            co_await server.stop();
            EXPECT_EQ(co_await idle.all(), "");
        });
    EXPECT_EQ(*ended, (std::vector{Errc::cancelled, Errc::cancelled}));
}

TEST(HttpServer, BeyondItsLimitConnectionsGetA503) {
    HttpServer::Settings settings;
    settings.max_connections = 2;
    with_server(
        settings, [](auto& s) { s.route("GET", "/hello", hello); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            Wire one(shards.at(0).executor(), server.port()), two(shards.at(0).executor(), server.port());
            co_await one.send(request("GET /hello", ""));
            co_await two.send(request("GET /hello", ""));
            (void)co_await one.until("hello");
            (void)co_await two.until("hello");
            const auto third = co_await talk(shards, server, request("GET /hello"));
            EXPECT_TRUE(third.starts_with("HTTP/1.1 503 ")) << third;
            EXPECT_TRUE(third.ends_with("\r\n\r\ntoo many connections\n"));
            one.close();
            auto& clock = shards.at(0).clock();
            std::string again;
            for (int i = 0; i < 200 && !again.ends_with("hello"); ++i) {
                again = co_await talk(shards, server, request("GET /hello"));
                (void)co_await clock.sleep_for(1ms);
            }
            EXPECT_TRUE(again.ends_with("hello"));
        });
}

TEST(HttpServer, ConnectionsAreSharedOutAmongTheShards) {
    const auto where = [](Exchange& e) -> Task<void> {
        const auto c = e.take();
        EXPECT_TRUE(c->shard().is_here());
        const auto text = Bytes::copy_of(std::to_string(c->shard().index()));
        (void)co_await c->write(std::span(&text, 1));
    };
    with_server(
        {}, [&](auto& s) { s.route("GET", "/where", where); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            std::string all;
            for (int i = 0; i < 8; ++i) all += co_await talk(shards, server, request("GET /where"));
            EXPECT_EQ(std::count(all.begin(), all.end(), '0'), 4) << all;
            EXPECT_EQ(std::count(all.begin(), all.end(), '1'), 4) << all;
        },
        2);
}

TEST(HttpServer, SaysWhyItCannotListen) {
    with_server(
        {}, [](auto&) {},
        [](HttpServer& server, Shards& shards) -> Task<void> {
            HttpServer::Settings same;
            same.port = server.port();
            same.port_option = "--listen";
            auto second = HttpServer::create(shards, same);
            auto r = second->start();
            EXPECT_FALSE(r.has_value());
            if (!r) {
                EXPECT_EQ(r.error().what,
                          fmt::format(
                              "cannot listen on 127.0.0.1:{}: address already in use; give another port with --listen",
                              same.port));
            }
            co_await second->stop();
            HttpServer::Settings odd;
            odd.address = "nowhere";
            auto third = HttpServer::create(shards, odd);
            EXPECT_EQ(third->start().error().code, Errc::bad_input);
            co_await third->stop();
        });
}

TEST(HttpServer, ListensOnIpv6WhereThereIsOne) {
    HttpServer::Settings settings;
    settings.address = "[::1]";
    Shards shards(1);
    shards.run([&](Shards& all) -> Task<int> {
        auto server = HttpServer::create(all, settings);
        server->route("GET", "/peer", [](Exchange& e) -> Task<void> {
            (void)co_await e.respond(200, "text/plain", Bytes::copy_of(e.request().peer));
        });
        if (auto r = server->start(); r) {
            tcp::socket socket(all.at(0).executor());
            co_await socket.async_connect(tcp::endpoint(asio::ip::address_v6::loopback(), server->port()),
                                          asio::use_awaitable);
            const auto text = request("GET /peer");
            co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
            std::string got(4096, '\0');
            boost::system::error_code ec;
            const auto n =
                co_await socket.async_read_some(asio::buffer(got), asio::redirect_error(asio::use_awaitable, ec));
            got.resize(n);
            EXPECT_TRUE(got.ends_with("\r\n\r\n::1")) << got;
        } else {
            EXPECT_NE(r.error().what.find("[::1]:0"), std::string::npos);
        }
        co_await server->stop();
        co_return 0;
    });
}

TEST(HttpServer, OutOfDescriptorsItPausesAndGoesOn) {
    with_server(
        {}, [](auto& s) { s.route("GET", "/hello", hello); },
        [](HttpServer& server, Shards& shards) -> Task<void> {
            Wire waiting(shards.at(0).executor(), server.port());
            co_await waiting.send(request("GET /hello", ""));
            EXPECT_TRUE((co_await waiting.until("hello")).ends_with("hello"));
            rlimit before{};
            if (getrlimit(RLIMIT_NOFILE, &before) != 0) co_return;
            tcp::socket late(shards.at(0).executor());
            late.open(tcp::v4());
            rlimit none = before;
            none.rlim_cur = static_cast<rlim_t>(late.native_handle() + 1);
            EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
            late.connect(tcp::endpoint(asio::ip::address_v4::loopback(), server.port()));
            auto& clock = shards.at(0).clock();
            (void)co_await clock.sleep_for(20ms);
            EXPECT_EQ(open_connections(), 1U);
            EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
            const auto text = request("GET /hello");
            co_await asio::async_write(late, asio::buffer(text), asio::use_awaitable);
            std::string got(4096, '\0');
            got.resize(co_await late.async_read_some(asio::buffer(got), asio::use_awaitable));
            EXPECT_TRUE(got.ends_with("hello")) << got;
        });
}

TEST(StandardRoutes, HealthAndMetrics) {
    with_server({}, add_standard_routes, [](HttpServer& server, Shards& shards) -> Task<void> {
        EXPECT_TRUE((co_await talk(shards, server, request("GET /health"))).ends_with("\r\n\r\nok\n"));
        const auto json =
            co_await talk(shards, server, request("GET /health", "Accept: application/json\r\nConnection: close\r\n"));
        EXPECT_NE(json.find("Content-Type: application/json\r\n"), std::string::npos);
        EXPECT_TRUE(json.ends_with("\r\n\r\n{\"status\":\"ok\"}\n"));
        const auto numbers = co_await talk(shards, server, request("GET /metrics"));
        EXPECT_NE(numbers.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), std::string::npos);
    });
}

}  // namespace
}  // namespace weir::server_tests
