// The whole way through the child: this test program is its own media tool.
#include "media/tool.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "media/test_media.h"

namespace weir::media {
namespace {

using namespace std::chrono_literals;
using namespace test;

template <class T>
T run(std::function<Task<T>(asio::any_io_executor)> body) {
    asio::io_context io;
    std::optional<T> result;
    auto ex = asio::any_io_executor(io.get_executor());
    asio::co_spawn(io, body(ex), [&](std::exception_ptr e, T r) {
        if (e) std::rethrow_exception(e);
        result.emplace(std::move(r));
    });
    io.run();
    return std::move(*result);
}

bool no_children_left() {
    return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD;
}

class Tool : public testing::Test {
protected:
    void TearDown() override {
        set_tool_executable("");
        EXPECT_TRUE(no_children_left());
    }
    /// A tool that does what the lines of shell say.
    void pretend(const std::string& lines) {
        const auto path = folder_ / "tool";
        write_bytes(path, "#!/bin/sh\n" + lines + "\n");
        ::chmod(path.c_str(), 0700);
        set_tool_executable(path);
    }
    TempFolder folder_;
    std::string out_ = folder_ / "out.mp4";
};

TEST_F(Tool, MakesReadsBackAndCompares) {
    const JoinPlan plan{{whole(sample_ts())}, out_, {{"title", "x"}}, {}};
    const auto raw = run<Result<Summary>>([&](auto ex) { return join(ex, plan); });
    ASSERT_TRUE(raw) << raw.error().text();
    const auto made = run<Result<Summary>>([&](auto ex) { return summarise(ex, out_); });
    ASSERT_TRUE(made) << made.error().text();
    const auto same = same_content(*raw, *made);
    EXPECT_TRUE(same) << same.error().text();
    EXPECT_EQ(raw->tracks.size(), 2u);
}

TEST_F(Tool, MakesThePattern) {
    const PatternPlan plan{.output = folder_ / "p.ts", .width = 160, .height = 90, .fps = 10, .seconds = 1, .gop = 10};
    const auto made = run<Result<>>([&](auto ex) { return make_pattern(ex, plan); });
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_GT(fs::file_size(plan.output), 188u * 20);
}

TEST_F(Tool, ErrorsKeepTheirCodeAndText) {
    write_bytes(out_, "precious");
    const JoinPlan plan{{whole(sample_ts())}, out_, {}, {}};
    const auto taken = run<Result<Summary>>([&](auto ex) { return join(ex, plan); });
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, Errc::busy);
    EXPECT_EQ(bytes_of(out_), "precious");
    const auto missing = run<Result<Summary>>([&](auto ex) { return summarise(ex, folder_ / "none"); });
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Errc::not_found);
}

TEST_F(Tool, CancellationEndsTheChildAndItsHalfMadeFile_FC2_84) {
    const PatternPlan plan{.output = folder_ / "long.ts", .width = 1280, .height = 720, .seconds = 3600};
    asio::io_context io;
    asio::cancellation_signal stop;
    std::optional<Result<>> result;
    asio::co_spawn(io, make_pattern(io.get_executor(), plan),
                   asio::bind_cancellation_slot(stop.slot(),
                                                [&](std::exception_ptr, Result<> r) { result.emplace(std::move(r)); }));
    asio::steady_timer look(io);
    const auto give_up = std::chrono::steady_clock::now() + 60s;
    std::function<void()> until_it_writes = [&] {
        std::error_code ec;
        if (fs::exists(plan.output, ec) || std::chrono::steady_clock::now() > give_up)
            return stop.emit(asio::cancellation_type::terminal);
        look.expires_after(5ms);
        look.async_wait([&](boost::system::error_code) { until_it_writes(); });
    };
    until_it_writes();
    io.run();
    ASSERT_TRUE(result);
    ASSERT_FALSE(*result);
    EXPECT_EQ(result->error().code, Errc::cancelled);
    EXPECT_EQ(folder_.count(), 0u) << "the half-made file is still there";
}

TEST_F(Tool, HasLimitsAndACleanEnvironment) {
    ::setenv("WEIR_TEST_SECRET", "hunter2", 1);
    pretend(
        "read plan\n"
        "echo \"{\\\"error\\\":{\\\"code\\\":\\\"io\\\",\\\"trail\\\":\\\"\\\",\\\"what\\\":\\\"$1 $(ulimit -v) "
        "$(ulimit -t) [$WEIR_TEST_SECRET]\\\"}}\"");
    const auto said = run<Result<Summary>>([&](auto ex) { return summarise(ex, "x"); });
    ::unsetenv("WEIR_TEST_SECRET");
    ASSERT_FALSE(said);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    EXPECT_EQ(said.error().what, "media-tool unlimited 21600 []");
#else
    EXPECT_EQ(said.error().what, "media-tool 3145728 21600 []");
#endif
}

TEST_F(Tool, ReportsProgress) {
    pretend(
        "read plan\necho '{\"progress\":0.5}'\necho '{\"progress\":0.75}'\n"
        "echo '{\"ok\":{\"tracks\":[],\"duration\":1,\"bytes\":2,\"notes\":[]}}'");
    std::vector<double> seen;
    JoinPlan plan{{}, out_, {}, [&](double p) { seen.push_back(p); }};
    const auto made = run<Result<Summary>>([&](auto ex) { return join(ex, plan); });
    ASSERT_TRUE(made);
    EXPECT_EQ(made->bytes, 2u);
    EXPECT_EQ(seen, (std::vector<double>{0.5, 0.75}));
}

struct DeathCase {
    const char* name;
    const char* script;
    Errc code;
    const char* text;
};
class ToolDeath : public Tool, public testing::WithParamInterface<DeathCase> {};

TEST_P(ToolDeath, IsAClearError) {
    pretend(GetParam().script);
    const auto made = run<Result<Summary>>([&](auto ex) { return summarise(ex, "x"); });
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, GetParam().code) << made.error().text();
    EXPECT_NE(made.error().text().find(GetParam().text), std::string::npos) << made.error().text();
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ToolDeath,
    testing::Values(DeathCase{"Crash", "read plan; kill -SEGV $$", Errc::bad_input, "gave up on this input"},
                    DeathCase{"Killed", "read plan; kill -KILL $$", Errc::internal, "killed"},
                    DeathCase{"CpuTime", "read plan; kill -XCPU $$", Errc::timed_out, "CPU time"},
                    DeathCase{"NoOutcome", "read plan; exit 3", Errc::internal, "exit status 3"},
                    DeathCase{"NeverReads", "exit 4", Errc::internal, "exit status 4"},
                    DeathCase{"Nonsense", "read plan; echo hello", Errc::internal, "something else than an outcome"}),
    [](const auto& c) { return c.param.name; });

TEST_F(Tool, AMissingProgramIsAnError) {
    set_tool_executable(folder_ / "none");
    const auto made = run<Result<Summary>>([&](auto ex) { return summarise(ex, "x"); });
    ASSERT_FALSE(made);
}

TEST_F(Tool, NamesItsLibraries) {
    const auto all = library_versions();
    ASSERT_FALSE(all.empty());
    EXPECT_EQ(all[0].first, "libavformat");
    EXPECT_FALSE(all[0].second.empty());
}

}  // namespace
}  // namespace weir::media

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "media-tool") return weir::media::tool_main();
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
