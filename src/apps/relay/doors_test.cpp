#include "apps/relay/doors.h"

#include <gtest/gtest.h>

#include "apps/relay/doors_rig.h"

namespace weir::relay {
namespace {

using namespace rig;

AccessSettings with_push_secret() {
    AccessSettings s;
    s.push_secret = Secret("push-me");
    return s;
}

/// Whole packets of a transport stream with nothing in them.
std::string null_packets(std::size_t count) {
    std::string packet(188, '\xff');
    packet.replace(0, 4, "\x47\x1f\xff\x10");
    std::string out;
    while (count-- > 0) out += packet;
    return out;
}

std::string chunk(const std::string& bytes) {
    return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

const std::string push_head = "POST /ts/video0 HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n";

// ------------------------------------------------------------------ /ts

struct NameCase {
    const char* line;
    const char* body;
    int status;
};

TEST(RelayPush, NamesAreVwsAndEscapesAreTaken_VW17_VW40) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        const NameCase cases[] = {
            {"POST /ts/video0", "x", 200},    {"PUT /ts/a/b/c-9", "x", 200},  {"DELETE /ts/video0", "x", 200},
            {"GET /ts/video0", "", 200},      {"HEAD /ts/video0", "", 200},   {"UPDATE /ts/video0", "x", 200},
            {"POST /ts/a_b", "x", 404},       {"GET /ts/a.b", "", 404},       {"GET /ts/", "", 404},
            {"POST /ts/a%5Fb", "x", 200},     {"POST /ts/a%2Eb:c", "x", 404}, {"POST /ts/%C3%A9%20", "x", 200},
            {"POST /ts/%FF", "x", 404},       {"POST /ts/a%00b", "x", 400},   {"POST /ts/a%0Ab", "x", 404},
            {"POST /ts/%61%2F%62", "x", 200}, {"POST /ts/api", "x", 404},     {"POST /ts/%61pi", "x", 404},
            {"POST /ts/a?x=_.", "x", 200},    {"POST /ts/stream/a", "x", 409}};
        for (const auto& c : cases) {
            const auto got = co_await rig.ask(c.line, "", c.body);
            EXPECT_EQ(status_of(got), c.status) << c.line;
            if (c.status == 404 && !std::string_view(c.line).starts_with("HEAD")) {
                EXPECT_EQ(body_of(got), "404 page not found\n") << c.line;
                EXPECT_TRUE(has(got, "Content-Type: text/plain; charset=utf-8\r\n"));
            }
        }
        const auto longest = co_await rig.ask("POST /ts/" + std::string(1025, 'a'), "", "x");
        EXPECT_EQ(status_of(longest), 404);
    });
}

TEST(RelayPush, IsAnsweredAtItsEndAndForgotten_WIN8_VW34_VW35) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        auto viewer = co_await rig.call("/ws/video0");
        Wire wire(rig.here().executor(), rig.main->port());
        (void)co_await wire.send(push_head + "\r\n" + chunk("hello"));
        const auto first = co_await viewer.next();
        EXPECT_EQ(first, "binary hello");
        EXPECT_EQ(rig.publishers("video0"), 1U);
        (void)co_await wire.send(chunk("again") + "0\r\n\r\n");
        const auto answer = co_await wire.until("\r\n\r\n");
        EXPECT_EQ(status_of(answer), 200);
        const auto second = co_await viewer.next();
        EXPECT_EQ(second, "binary again");
        const bool gone = co_await rig.until([&] { return rig.publishers("video0") == 0; });
        EXPECT_TRUE(gone);
        EXPECT_EQ(rig.doors->connected().size(), 1U) << "the viewer";
        co_await viewer.close();
    });
}

TEST(RelayPush, AThousandPushersThatVanishLeaveNothing_VW35) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        for (int i = 0; i < 1000; ++i) {
            Wire wire(rig.here().executor(), rig.main->port());
            (void)co_await wire.send(push_head + "\r\n" + chunk("x"));
        }
        const bool gone = co_await rig.until([&] { return rig.publishers("video0") == 0 && open_connections() == 0; });
        EXPECT_TRUE(gone);
        EXPECT_TRUE(rig.doors->connected().empty());
    });
}

TEST(RelayPush, AWrongSecretIsRefusedBeforeTheBody_WIN8) {
    with_doors(with_push_secret(), {}, [](DoorsRig& rig) -> Task<void> {
        const char* const headers1[] = {"", "Authorization: Bearer wrong\r\n"};
        for (const char* header : headers1) {
            Wire wire(rig.here().executor(), rig.main->port());
            (void)co_await wire.send(push_head + header + "Expect: 100-continue\r\n\r\n");
            const auto got = co_await wire.until("\r\n\r\n");
            EXPECT_EQ(status_of(got), 401) << got;
            EXPECT_FALSE(has(got, "100 Continue"));
            EXPECT_TRUE(has(got, "WWW-Authenticate: "));
        }
        const auto good = co_await rig.ask("POST /ts/video0?token=push-me", "", "x");
        EXPECT_EQ(status_of(good), 200);
        const auto basic = co_await rig.ask("POST /ts/video0", "Authorization: Basic eDpwdXNoLW1l\r\n", "x");
        EXPECT_EQ(status_of(basic), 200);
        EXPECT_EQ(rig.hub->stats().size(), 1U) << "nothing was made for the refused ones";
    });
}

TEST(RelayPush, ASilentPusherIsLetGoOnlyWhenAsked_ASK9) {
    Doors::Settings settings;
    settings.ingest_timeout = Millis(100);
    with_doors({}, settings, [](DoorsRig& rig) -> Task<void> {
        Wire wire(rig.here().executor(), rig.main->port());
        (void)co_await wire.send(push_head + "\r\n" + chunk("x"));
        const auto got = co_await wire.all();
        EXPECT_EQ(status_of(got), 408);
    });
}

TEST(RelayPush, ASilentOneEndsWithItsToken_PR13) {
    AccessSettings who;
    who.viewer_key.secret = Secret("k");
    who.loopback_only = false;
    with_doors(who, {}, [](DoorsRig& rig) -> Task<void> {
        jwt::Claims claims;
        claims.topic = "x";
        claims.booking_id = "bid0";
        claims.scopes = {"write"};
        claims.expires = rig.now() + 2;
        const auto path = "POST /ts/x?token=" + jwt::sign(claims, Secret("k"));
        const std::string rest = " HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        Wire wire(rig.here().executor(), rig.main->port());
        (void)co_await wire.send(path + rest + chunk("x"));
        const auto got = co_await wire.until("Token is expired");
        EXPECT_EQ(status_of(got), 401) << got;
    });
}

TEST(RelayPush, ASilentOneEndsWithItsBooking_PR14) {
    AccessSettings who;
    who.viewer_key.secret = Secret("k");
    who.admin_token = Secret("a");
    who.loopback_only = false;
    with_doors(who, {}, [](DoorsRig& rig) -> Task<void> {
        jwt::Claims claims;
        claims.topic = "x";
        claims.booking_id = "bid0";
        claims.scopes = {"write"};
        claims.expires = rig.now() + 600;
        const auto path = "POST /ts/x?token=" + jwt::sign(claims, Secret("k"));
        const std::string rest = " HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        Wire wire(rig.here().executor(), rig.main->port());
        (void)co_await wire.send(path + rest + chunk("x"));
        const bool there = co_await rig.until([&] { return rig.publishers("x") == 1; });
        EXPECT_TRUE(there);
        const auto denied = co_await rig.ask("POST /bids/deny?token=a&bid=bid0&exp=" + std::to_string(rig.now() + 100));
        EXPECT_EQ(status_of(denied), 204);
        const auto got = co_await wire.until("the booking was cancelled");
        EXPECT_EQ(status_of(got), 403) << got;
    });
}

TEST(RelayPush, BrokenFramingEndsThatPushAlone) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        auto viewer = co_await rig.call("/ws/video0");
        const char* const rests2[] = {"zz\r\n", "-1\r\nx", "ffffffffffffffffff\r\n", "5\r\nabcdefgh\r\n"};
        for (const char* rest : rests2) {
            Wire wire(rig.here().executor(), rig.main->port());
            (void)co_await wire.send(push_head + "\r\n" + rest);
            const auto got = co_await wire.all();
            EXPECT_EQ(status_of(got), 400) << rest;
        }
        const auto good = co_await rig.ask("POST /ts/video0", "", "still here");
        EXPECT_EQ(status_of(good), 200);
        std::string got;
        while (got != "binary still here" && got != "silent") got = co_await viewer.next();
        EXPECT_EQ(got, "binary still here");
        co_await viewer.close();
    });
}

TEST(RelayPush, OtherSitesPagesCannotPush_Lesson32) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        const char* const headers3[] = {"Origin: https://evil.example\r\n", "Origin: null\r\n"};
        for (const char* header : headers3) {
            const auto got = co_await rig.ask("POST /ts/video0", header, "x");
            EXPECT_EQ(status_of(got), 403);
            EXPECT_TRUE(has(body_of(got), "--allow-origin")) << got;
        }
        Wire wire(rig.here().executor(), rig.main->port());
        (void)co_await wire.send("POST /ts/a HTTP/1.1\r\nHost: evil.example:8888\r\nContent-Length: 1\r\n\r\nx");
        const auto rebound = co_await wire.until("\r\n\r\n");
        EXPECT_EQ(status_of(rebound), 403);
    });
}

// ------------------------------------------------------------------ /live

TEST(RelayLive, IsATransportStreamForVlcAndMpegtsJs_ASK12) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        const auto packets = null_packets(40);
        Wire viewer(rig.here().executor(), rig.main->port());
        (void)co_await viewer.send(
            "GET /live/a/b.ts HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\n\r\n");
        const auto head = co_await viewer.until("\r\n\r\n");
        EXPECT_EQ(status_of(head), 200);
        EXPECT_TRUE(has(head, "Content-Type: video/mp2t\r\n"));
        EXPECT_TRUE(has(head, "Access-Control-Allow-Origin: http://localhost:3000\r\n"));
        const auto pushed = co_await rig.ask("POST /ts/a/b", "", packets);
        EXPECT_EQ(status_of(pushed), 200);
        const auto body = co_await viewer.until(packets);
        EXPECT_EQ(body, packets);
        const auto seen = rig.doors->connected();
        EXPECT_EQ(seen.size(), 1U);
        if (!seen.empty()) {
            EXPECT_EQ(seen[0].kind, "http-ts");
            EXPECT_EQ(seen[0].topic, "a/b");
            EXPECT_GE(seen[0].sent, packets.size());
        }
        viewer.close();
        const bool gone = co_await rig.until([&] { return rig.doors->connected().empty(); });
        EXPECT_TRUE(gone);
    });
}

TEST(RelayLive, APageOfAnotherSiteWithATokenMayPlay) {
    AccessSettings who;
    who.viewer_key.secret = Secret("key");
    with_doors(who, {}, [](DoorsRig& rig) -> Task<void> {
        const std::string origin = "Origin: https://lab.example\r\n";
        const auto asked = co_await rig.ask("OPTIONS /live/x.ts", origin);
        EXPECT_EQ(status_of(asked), 204);
        EXPECT_TRUE(has(asked, "Access-Control-Allow-Origin: https://lab.example\r\n"));
        jwt::Claims claims;
        claims.topic = "x";
        claims.booking_id = "bid0";
        claims.scopes.emplace_back("read");
        const auto token = jwt::sign(claims, Secret("key"));
        const auto good = co_await rig.ask("HEAD /live/x.ts?token=" + token, origin);
        EXPECT_EQ(status_of(good), 200);
        EXPECT_TRUE(has(good, "Access-Control-Allow-Origin: https://lab.example\r\n"));
        const auto other = co_await rig.ask("HEAD /live/y.ts?token=" + token, origin);
        EXPECT_EQ(status_of(other), 403);
        EXPECT_FALSE(has(other, "Access-Control"));
        const auto none = co_await rig.ask("HEAD /live/x.ts", origin);
        EXPECT_EQ(status_of(none), 401);
    });
}

TEST(RelayLive, PushersAndViewersOnTwoShards) {
    with_doors(
        {}, {},
        [](DoorsRig& rig) -> Task<void> {
            const auto packets = null_packets(500);
            Wire first(rig.here().executor(), rig.main->port()), second(rig.here().executor(), rig.main->port());
            for (auto* viewer = &first; viewer; viewer = viewer == &first ? &second : nullptr) {
                (void)co_await viewer->send("GET /live/x.ts HTTP/1.1\r\nHost: localhost\r\n\r\n");
                (void)co_await viewer->until("\r\n\r\n");
            }
            const auto pushed = co_await rig.ask("POST /ts/x", "", packets);
            EXPECT_EQ(status_of(pushed), 200);
            const auto one = co_await first.until(packets), two = co_await second.until(packets);
            EXPECT_EQ(one, packets);
            EXPECT_EQ(two, packets);
        },
        2);
}

TEST(RelayLive, TellsWhatItIsAndForWhom) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        const auto head = co_await rig.ask("HEAD /live/video0.ts");
        EXPECT_EQ(status_of(head), 200);
        EXPECT_TRUE(has(head, "video/mp2t"));
        EXPECT_FALSE(has(head, "Access-Control"));
        const char* const paths4[] = {"/live/", "/live/video0", "/live/.ts", "/live/api.ts"};
        for (const char* path : paths4) {
            const auto got = co_await rig.ask(std::string("GET ") + path);
            EXPECT_EQ(status_of(got), 404) << path;
        }
        const auto foreign = co_await rig.ask("GET /live/video0.ts", "Origin: https://evil.example\r\n");
        EXPECT_EQ(status_of(foreign), 403);
        EXPECT_FALSE(has(foreign, "Access-Control"));
        const auto asked = co_await rig.ask("OPTIONS /live/video0.ts", "Origin: http://localhost\r\n");
        EXPECT_EQ(status_of(asked), 204);
        EXPECT_TRUE(has(asked, "Access-Control-Allow-Headers: Authorization"));
        const auto asked_by_other = co_await rig.ask("OPTIONS /live/video0.ts", "Origin: https://evil.example\r\n");
        EXPECT_EQ(status_of(asked_by_other), 403);
    });
}

TEST(RelayDoors, ConnectionsThatStayAreBounded) {
    Doors::Settings settings;
    settings.max_viewers = 1;
    settings.more_publishers = 1;
    with_doors({}, settings, [](DoorsRig& rig) -> Task<void> {
        auto first = co_await rig.call("/ws/x");
        EXPECT_TRUE(first.open());
        auto second = co_await rig.call("/ws/x");
        EXPECT_EQ(second.status(), 503);
        const auto live = co_await rig.ask("GET /live/x.ts");
        EXPECT_EQ(status_of(live), 503);
        Wire pusher(rig.here().executor(), rig.main->port());
        const std::string head_x = "POST /ts/x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        (void)co_await pusher.send(head_x + chunk("x"));
        const auto heard = co_await first.next();
        EXPECT_EQ(heard, "binary x") << "a full house takes a pusher";
        const auto push = co_await rig.ask("POST /ts/x", "", "x");
        EXPECT_EQ(status_of(push), 503);
        (void)co_await pusher.send("0\r\n\r\n");
        const auto done = co_await pusher.until("\r\n\r\n");
        EXPECT_EQ(status_of(done), 200);
        co_await first.close();
        const bool room = co_await rig.until([&] { return rig.doors->connected().empty(); });
        EXPECT_TRUE(room);
        auto third = co_await rig.call("/ws/x");
        EXPECT_TRUE(third.open());
        co_await third.close();
    });
}

// ------------------------------------------------------------------ jsmpeg's ports

TEST(RelayJsmpeg, TheSecretPathFeedsAllViewers_JS11) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        const std::vector<std::string> offered{"first", "null"};
        auto viewer = co_await rig.call("/any/path", {}, offered, rig.view.get());
        EXPECT_TRUE(viewer.open());
        if (!viewer.open()) co_return;
        EXPECT_EQ(viewer.socket().protocol(), "first");  // JS-15
        auto other = co_await rig.call("/", {}, {}, rig.view.get());
        co_await other.say("ignored");
        const char* const lines5[] = {"POST /s3cret", "PUT /s3cret/640/480"};
        for (const char* line : lines5) {
            const auto got = co_await rig.ask(*rig.ingest, line, "", line);
            EXPECT_EQ(status_of(got), 200) << line;
            const auto seen = co_await viewer.next();
            EXPECT_EQ(seen, std::string("binary ") + line);
        }
        co_await viewer.close();
        co_await other.close();
    });
}

TEST(RelayJsmpeg, AWrongSecretIsRefusedBeforeTheBody_JS13) {
    with_doors([](DoorsRig& rig) -> Task<void> {
        const char* const paths6[] = {"/", "/wrong", "/s3cre", "/s3crets", "//s3cret", "/x/s3cret"};
        for (const char* path : paths6) {
            Wire wire(rig.here().executor(), rig.ingest->port());
            (void)co_await wire.send(
                std::string("POST ") + path +
                " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
            const auto got = co_await wire.until("\r\n\r\n");
            EXPECT_EQ(status_of(got), 403) << path;
        }
        EXPECT_TRUE(rig.hub->stats().empty());
    });
}

TEST(RelayJsmpeg, APlainGetIsThePageOr426_JS15_JS19) {
    Doors::Settings settings;
    settings.page = [](Exchange& exchange) -> Task<bool> {
        const bool known = exchange.request().path == "/" || exchange.request().path == "/page/live.js";
        if (!known) co_return false;
        const auto body = Bytes::copy_of(std::string_view("<canvas>"));
        (void)co_await exchange.respond(200, "text/html", body);
        co_return true;
    };
    with_doors({}, settings, [](DoorsRig& rig) -> Task<void> {
        const auto page = co_await rig.ask(*rig.view, "GET /", "", "");
        EXPECT_EQ(body_of(page), "<canvas>");
        const auto script = co_await rig.ask(*rig.view, "GET /page/live.js", "", "");
        EXPECT_EQ(body_of(script), "<canvas>") << "the page's own files come from its port";
        const auto other = co_await rig.ask(*rig.view, "GET /x", "Origin: http://localhost\r\n", "");
        EXPECT_EQ(status_of(other), 426);
        EXPECT_EQ(body_of(other), "Upgrade Required\n");
    });
}

}  // namespace
}  // namespace weir::relay
