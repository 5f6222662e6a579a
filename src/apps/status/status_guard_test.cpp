#include "apps/status/guard.h"

#include <gtest/gtest.h>

namespace weir::status {
namespace {

using namespace std::chrono_literals;
using Ask = Access::Ask;
using Door = Guard::Door;
using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr const char* token = "the canary token";

ServerRequest request_with(Fields headers, std::string query = {}, std::string peer = "192.0.2.1") {
    ServerRequest r;
    r.method = "GET";
    r.path = "/";
    r.query = std::move(query);
    r.headers = std::move(headers);
    r.peer = std::move(peer);
    return r;
}

Guard::Settings door_of(bool loopback, const char* secret, Ask all = Ask::token, Ask metrics = Ask::token) {
    return {loopback, {all, metrics, Secret(secret), {}}, 3000};
}

Guard::Now at(SteadyTime::duration since_start) {
    return {SteadyTime{} + 1h + since_start,
            1'795'263'571 + std::chrono::duration_cast<std::chrono::seconds>(since_start).count()};
}

Verdict verdict_of(const Guard::Settings& settings, const ServerRequest& request, Door door = Door::pages) {
    Guard guard(settings);
    return guard.check(request, door, at(0s));
}

TEST(StatusGuard, OnLoopbackThisMachineIsWelcomeAndPretendersAreNot) {
    const auto door = door_of(true, "");
    for (const char* host : {"127.0.0.1:3000", "localhost:3000", "[::1]:3000", "127.0.0.1"})
        EXPECT_EQ(verdict_of(door, request_with({{"host", host}})), Verdict::welcome) << host;
    EXPECT_EQ(verdict_of(door, request_with({})), Verdict::welcome) << "HTTP/1.0";
    for (const char* host : {"evil.example:3000", "127.0.0.1.evil.example", "192.0.2.1:3000"})
        EXPECT_EQ(verdict_of(door, request_with({{"host", host}})), Verdict::foreign) << host;
}

TEST(StatusGuard, OnLoopbackAProxyIsNoNeighbour) {
    for (const char* field :
         {"x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-proto", "x-forwarded-host"}) {
        const Fields fields{{"host", "127.0.0.1"}, {field, "203.0.113.9"}};
        EXPECT_EQ(verdict_of(door_of(true, ""), request_with(fields)), Verdict::foreign) << field;
        EXPECT_EQ(verdict_of(door_of(true, token), request_with(fields)), Verdict::unknown) << field;
        EXPECT_EQ(verdict_of(door_of(true, "", Ask::nobody), request_with(fields)), Verdict::welcome) << field;
    }
}

TEST(StatusGuard, AnotherSitesPageStaysOutsideWhereverWeListen) {
    for (const auto& door : {door_of(true, ""), door_of(false, "", Ask::nobody)}) {
        const std::string host = door.loopback ? "127.0.0.1:3000" : "box.example:3000";
        const auto with = [&](Fields more) {
            more.emplace_back("host", host);
            return verdict_of(door, request_with(std::move(more)));
        };
        EXPECT_EQ(with({{"origin", "http://" + host}}), Verdict::welcome);
        EXPECT_EQ(with({{"origin", "http://evil.example"}}), Verdict::foreign);
        EXPECT_EQ(with({{"origin", "null"}}), Verdict::foreign);
        EXPECT_EQ(with({{"origin", "http://" + host}, {"origin", "http://evil.example"}}), Verdict::foreign);
        EXPECT_EQ(with({{"sec-fetch-site", "cross-site"}, {"sec-fetch-mode", "no-cors"}}), Verdict::foreign);
        EXPECT_EQ(with({{"sec-fetch-site", "same-site"}, {"sec-fetch-mode", "cors"}}), Verdict::foreign);
        EXPECT_EQ(with({{"sec-fetch-site", "cross-site"}, {"sec-fetch-mode", "navigate"}}), Verdict::welcome);
        EXPECT_EQ(with({{"sec-fetch-site", "same-origin"}}), Verdict::welcome);
    }
}

TEST(StatusGuard, OffLoopbackTheTokenOpensAndNothingElse) {
    const auto door = door_of(false, token);
    const auto brings = [&](Fields fields, std::string query = {}) {
        fields.emplace_back("host", "box.example:3000");
        return verdict_of(door, request_with(std::move(fields), std::move(query)));
    };
    EXPECT_EQ(brings({}), Verdict::unknown);
    EXPECT_EQ(brings({{"authorization", "Bearer the canary token"}}), Verdict::welcome);
    EXPECT_EQ(brings({{"authorization", "bearer  the canary token "}}), Verdict::welcome);
    EXPECT_EQ(brings({{"authorization", "Basic eDp0aGUgY2FuYXJ5IHRva2Vu"}}), Verdict::welcome);
    EXPECT_EQ(brings({}, "a=b&token=the%20canary%20token"), Verdict::welcome);
    for (const char* wrong :
         {"Bearer the canary toke", "Bearer the canary tokeN", "Bearer", "Basic dGhlOg==", "Bearer x"})
        EXPECT_EQ(brings({{"authorization", wrong}}), Verdict::unknown) << wrong;
    EXPECT_EQ(brings({}, "token=wrong"), Verdict::unknown);
    EXPECT_EQ(brings({{"x-forwarded-for", "127.0.0.1"}}), Verdict::unknown);
}

TEST(StatusGuard, APasswordThatABrowserRepeatsIsWorthNothingOnAnotherSitesPage) {
    const Fields evil{{"host", "box.example"}, {"origin", "http://evil.example"}};
    const auto with = [&](const char* credentials) {
        auto fields = evil;
        fields.emplace_back("authorization", credentials);
        return verdict_of(door_of(false, token), request_with(std::move(fields)));
    };
    EXPECT_EQ(with("Basic eDp0aGUgY2FuYXJ5IHRva2Vu"), Verdict::foreign);
    EXPECT_EQ(with("Bearer the canary token"), Verdict::welcome) << "a page has to know it";
}

TEST(StatusGuard, NoTokenAtAllOpensNothing) {
    const auto request = request_with({{"host", "box"}, {"authorization", "Bearer "}, {"cookie", "weir_status_3000="}});
    EXPECT_EQ(verdict_of(door_of(false, ""), request), Verdict::foreign);
}

TEST(StatusGuard, MetricsAloneMayBeEverybodys) {
    const auto request = request_with({{"host", "box.example"}});
    const auto open_numbers = door_of(false, token, Ask::token, Ask::nobody);
    EXPECT_EQ(verdict_of(open_numbers, request, Door::metrics), Verdict::welcome);
    EXPECT_EQ(verdict_of(open_numbers, request, Door::pages), Verdict::unknown);
    EXPECT_EQ(verdict_of(door_of(false, token), request, Door::metrics), Verdict::unknown);
    EXPECT_EQ(verdict_of(door_of(false, "", Ask::nobody), request, Door::metrics), Verdict::welcome);
}

TEST(StatusGuard, ASessionIsACookieThatOnlyTheTokenMakes) {
    Guard guard(door_of(false, token));
    const auto cookie = guard.session_cookie(request_with({}), at(0s));
    EXPECT_EQ(cookie.find(token), std::string::npos);
    for (const char* part : {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"})
        EXPECT_NE(cookie.find(part), std::string::npos) << part;
    EXPECT_EQ(cookie.find("Secure"), std::string::npos);
    EXPECT_NE(guard.session_cookie(request_with({{"x-forwarded-proto", "https"}}), at(0s)).find("; Secure"),
              std::string::npos);

    const auto pair = cookie.substr(0, cookie.find(';'));
    const auto brings = [&](const std::string& value, Guard::Now now, Fields more = {}) {
        more.emplace_back("host", "box.example");
        more.emplace_back("cookie", value);
        return guard.check(request_with(std::move(more)), Door::pages, now);
    };
    EXPECT_EQ(brings(pair, at(0s)), Verdict::welcome);
    EXPECT_EQ(brings("a=b; " + pair + "; c=d", at(24h)), Verdict::welcome);
    EXPECT_EQ(brings(pair, at(31 * 24h)), Verdict::unknown) << "too old";
    EXPECT_EQ(brings(pair + "x", at(0s)), Verdict::unknown);
    EXPECT_EQ(brings("x" + pair, at(0s)), Verdict::unknown);
    EXPECT_EQ(brings(pair, at(0s), {{"origin", "http://evil.example"}}), Verdict::foreign);

    Guard other(door_of(false, "another token"));
    EXPECT_EQ(other.check(request_with({{"cookie", pair}}), Door::pages, at(0s)), Verdict::unknown);
}

TEST(StatusGuard, WrongTokensAreLimitedForWhoSendsThemAlone) {
    Guard guard(door_of(false, token));
    const Fields wrong{{"authorization", "Bearer wrong"}}, right{{"authorization", "Bearer the canary token"}};
    const auto sends = [&](const Fields& fields, const char* peer, SteadyTime::duration when) {
        return guard.check(request_with(fields, {}, peer), Door::pages, at(when));
    };
    for (int i = 0; i < 10; ++i) EXPECT_EQ(sends(wrong, "2001:db8:0:1::5", 0s), Verdict::unknown) << i;
    EXPECT_EQ(sends(wrong, "2001:db8:0:1::6", 0s), Verdict::limited) << "the same network";
    EXPECT_EQ(sends(right, "2001:db8:0:1::5", 0s), Verdict::limited) << "it is not even compared";
    EXPECT_EQ(sends(right, "2001:db8:0:2::5", 0s), Verdict::welcome);
    EXPECT_EQ(sends(right, "192.0.2.1", 0s), Verdict::welcome);
    EXPECT_EQ(sends({}, "2001:db8:0:1::5", 0s), Verdict::unknown) << "who sends none is not limited";
    EXPECT_EQ(sends(wrong, "2001:db8:0:1::5", 7s), Verdict::unknown);
    EXPECT_EQ(sends(right, "2001:db8:0:1::5", 7s), Verdict::limited);
    EXPECT_EQ(sends(right, "2001:db8:0:1::5", 20s), Verdict::welcome);
}

TEST(StatusGuard, ManyAttackersCostNoMemoryAndLockNobodyKnownOut) {
    Guard guard(door_of(false, token));
    const Fields wrong{{"authorization", "Bearer wrong"}}, right{{"authorization", "Bearer the canary token"}};
    EXPECT_EQ(guard.check(request_with(right, {}, "192.0.2.1"), Door::pages, at(0s)), Verdict::welcome);
    int limited = 0;
    for (int i = 0; i < 3000; ++i) {
        const auto peer = "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250);
        limited += guard.check(request_with(wrong, {}, peer), Door::pages, at(0s)) == Verdict::limited ? 1 : 0;
    }
    EXPECT_GT(limited, 1900) << "those who came late share one allowance";
    EXPECT_EQ(guard.check(request_with(right, {}, "10.0.0.1"), Door::pages, at(1s)), Verdict::welcome);
    EXPECT_EQ(guard.check(request_with(right, {}, "10.9.9.9"), Door::pages, at(120s)), Verdict::welcome);
}

}  // namespace
}  // namespace weir::status
