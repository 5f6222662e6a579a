#include "telemetry/profiles/profiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http_server_fixture.h"
#include "runtime/task_group.h"

namespace weir::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Task<bool> open_gate(Exchange&) {
    co_return true;
}
Task<bool> shut_gate(Exchange& exchange) {
    (void)co_await exchange.respond(401, "text/plain", Bytes::copy_of(std::string_view("no\n")));
    co_return false;
}

void with_profiles(telemetry::Gate gate, const ServerBody& body) {
    HttpServer::Settings settings;
    settings.write_timeout = Millis{500};  // of a write without progress: no limit to a profile's length
    with_server(
        settings, [&](HttpServer& server) { telemetry::add_profile_routes(server, gate); }, body);
}

Task<std::string> get(Shards& shards, const HttpServer& server, std::string path) {
    std::string text = request("GET /debug/pprof" + path);
    co_return co_await talk(shards, server, std::move(text));
}

TEST(ProfileRoutes, AnswerWithGosStatusAndTexts) {
    struct Case {
        std::string path;
        int status;
        std::string text;
        bool error;
    };
    static const Case cases[] = {
        {"/nonsense", 404, "Unknown profile\n", true},
        {"/trace?seconds=1", 501, "no execution traces", true},
        {"/heap", 501, "no heap profiler", true},
        {"/delta_heap", 501, "no heap profiler", true},
        {"/goroutine?seconds=0", 400, "invalid value for \"seconds\" - must be a positive integer\n", true},
        {"/goroutine?seconds=1&debug=1", 400, "seconds and debug params are incompatible\n", true},
        {"/goroutine?debug=1", 200, "goroutine profile: ", false},
        {"/threadcreate?debug=2", 200, "threadcreate profile: ", false},
        {"/block?debug=1", 200, "block profile: 0 stacks\n", false},
        {"/mutex?debug=1", 200, "# values: contentions/count delay/nanoseconds\n", false},
        {"/cmdline", 200, "telemetry_test", false},
        {"/", 200, "<a href=\"goroutine?debug=1\">goroutine</a>", false},
        {"", 301, "Location: /debug/pprof/\r\n", false},
    };
    const ServerBody body = [](HttpServer& server, Shards& shards) -> Task<void> {
        for (const auto& each : cases) {
            const auto answer = co_await get(shards, server, each.path);
            EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + std::to_string(each.status))) << each.path;
            EXPECT_THAT(answer, HasSubstr(each.text)) << each.path;
            EXPECT_EQ(answer.find("X-Go-Pprof: 1") != std::string::npos, each.error) << each.path;
            EXPECT_THAT(answer, Not(HasSubstr("Content-Disposition"))) << each.path;
        }
    };
    with_profiles(open_gate, body);
}

TEST(ProfileRoutes, FilesAreGzipWithTheirNames) {
    static const std::pair<std::string, std::string> cases[] = {{"/goroutine", "goroutine"},
                                                                {"/block", "block"},
                                                                {"/delta_block", "block.pprof.gz"},
                                                                {"/delta_mutex", "mutex.pprof.gz"},
                                                                {"/goroutine?seconds=1", "goroutine-delta"},
                                                                {"/profile?seconds=1", "profile"}};
    const ServerBody body = [](HttpServer& server, Shards& shards) -> Task<void> {
        for (const auto& [path, name] : cases) {
            const auto answer = co_await get(shards, server, path);
            EXPECT_THAT(answer, StartsWith("HTTP/1.1 200")) << path;
            EXPECT_THAT(answer, HasSubstr("Content-Type: application/octet-stream\r\n")) << path;
            EXPECT_THAT(answer, HasSubstr("X-Content-Type-Options: nosniff\r\n")) << path;
            EXPECT_THAT(answer, HasSubstr("Content-Disposition: attachment; filename=\"" + name + "\"\r\n")) << path;
            EXPECT_THAT(answer, HasSubstr("\r\n\r\n\x1f\x8b")) << path;
            EXPECT_THAT(answer, Not(HasSubstr("Content-Encoding"))) << path;
        }
    };
    with_profiles(open_gate, body);
}

TEST(ProfileRoutes, OneCpuProfileAtATime) {
    const ServerBody body = [](HttpServer& server, Shards& shards) -> Task<void> {
        Wire first(shards.at(0).executor(), server.port());
        const auto question = request("GET /debug/pprof/profile?seconds=1");
        co_await first.send(question);
        std::string other = request("GET /debug/pprof/goroutine");  // comes behind the first on the profiles' thread
        (void)co_await talk(shards, server, std::move(other));
        std::string again = question;
        const auto second = co_await talk(shards, server, std::move(again));
        EXPECT_THAT(second, StartsWith("HTTP/1.1 500 "));
        EXPECT_THAT(second, HasSubstr("X-Go-Pprof: 1\r\n"));
        EXPECT_THAT(second, HasSubstr("Could not enable CPU profiling: cpu profiling already in use\n"));
        const auto whole = co_await first.all();
        EXPECT_THAT(whole, StartsWith("HTTP/1.1 200 "));
    };
    with_profiles(open_gate, body);
}

TEST(ProfileRoutes, AStoppedServerDoesNotWaitForAProfile) {
    const auto began = std::chrono::steady_clock::now();
    const ServerBody body = [](HttpServer& server, Shards& shards) -> Task<void> {
        Wire wire(shards.at(0).executor(), server.port());
        const auto question = request("GET /debug/pprof/profile?seconds=600");
        co_await wire.send(question);
        std::string other = request("GET /debug/pprof/block");
        (void)co_await talk(shards, server, std::move(other));
        wire.close();
    };
    with_profiles(open_gate, body);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60));
}

TEST(ProfileRoutes, SymbolsByGetAndPost) {
    const ServerBody body = [](HttpServer& server, Shards& shards) -> Task<void> {
        const auto address = fmt::format("{:#x}", reinterpret_cast<std::uint64_t>(&telemetry::add_profile_routes));
        const auto line = address + " weir::telemetry::add_profile_routes(";
        const auto got = co_await get(shards, server, "/symbol?0x1+" + address);
        EXPECT_THAT(got, HasSubstr("\r\n\r\nnum_symbols: 1\n" + line));
        const auto length = fmt::format("Connection: close\r\nContent-Length: {}\r\n", address.size() + 4);
        std::string post = request("POST /debug/pprof/symbol", length, address + "+0x1");
        const auto posted = co_await talk(shards, server, std::move(post));
        EXPECT_THAT(posted, HasSubstr("\r\n\r\nnum_symbols: 1\n" + line));
        std::string empty = request("GET /debug/pprof/symbol");
        const auto none = co_await talk(shards, server, std::move(empty));
        EXPECT_THAT(none, testing::EndsWith("\r\n\r\nnum_symbols: 1\n"));
    };
    with_profiles(open_gate, body);
}

TEST(ProfileRoutes, TheGateIsAskedForEveryPath) {
    static const std::vector<std::string> paths{"",         "/",       "/heap",  "/profile",
                                                "/cmdline", "/symbol", "/trace", "/nonsense"};
    const ServerBody body = [](HttpServer& server, Shards& shards) -> Task<void> {
        for (const auto& path : paths) {
            const auto answer = co_await get(shards, server, path);
            EXPECT_THAT(answer, StartsWith("HTTP/1.1 401 ")) << path;
        }
    };
    with_profiles(shut_gate, body);
}

}  // namespace
}  // namespace weir::test
