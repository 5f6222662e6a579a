#include "runtime/child.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/run_testing.h"

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing_support::Bench;

struct Outcome {
    ChildExit exit;
    std::string out, err;
    bool ended = false;
};

std::string text_of(Result<std::string> r) {
    return r ? std::move(*r) : "failed: " + r.error().text();
}

Task<void> collect(std::string& into, Child& child) {
    into = text_of(co_await child.read_all(1u << 20));
}

Task<void> run_program(ChildOptions options, Outcome& outcome) {
    options.pipe_stdout = true;
    auto child = Child::start(co_await asio::this_coro::executor, options);
    if (!child) {
        outcome.err = child.error().text();
        co_return;
    }
    outcome.out = text_of(co_await (*child)->read_all(1u << 20));
    if (options.pipe_stderr) outcome.err = text_of(co_await (*child)->read_all_stderr(1u << 20));
    outcome.exit = co_await (*child)->wait();
    outcome.ended = true;
}

Outcome run_program(ChildOptions options) {
    Bench b;
    Outcome outcome;
    b.run(run_program(std::move(options), outcome));
    return outcome;
}

ChildOptions shell(const char* script) {
    ChildOptions options;
    options.argv = {"/bin/sh", "-c", script};
    return options;
}

TEST(Child, GivesItsOutputAndExitStatus) {
    auto options = shell("echo out; echo err >&2; exit 3");
    options.pipe_stderr = true;
    const auto outcome = run_program(options);
    EXPECT_EQ(outcome.out, "out\n");
    EXPECT_EQ(outcome.err, "err\n");
    EXPECT_EQ(outcome.exit.code, 3);
    EXPECT_FALSE(outcome.exit.ok());
    EXPECT_EQ(outcome.exit.text(), "exit status 3");
}

TEST(Child, TellsTheSignalThatEndedIt) {
    const auto outcome = run_program(shell("kill -9 $$"));
    EXPECT_EQ(outcome.exit.signal, 9);
    EXPECT_EQ(outcome.exit.code, -1);
    EXPECT_EQ(outcome.exit.text(), "killed by signal 9");
}

TEST(Child, ArgumentsAreNeverReadByAShell) {
    ChildOptions options;
    options.argv = {"printf", "%s|", "$HOME; rm", "a b", ""};
    EXPECT_EQ(run_program(options).out, "$HOME; rm|a b||");
}

TEST(Child, WhatCannotStartSaysWhy) {
    ChildOptions options;
    options.argv = {"no-such-program-of-ours"};
    EXPECT_NE(run_program(options).err.find("no program 'no-such-program-of-ours' in PATH"), std::string::npos);
    options.argv = {"/no/such/program"};
    EXPECT_EQ(run_program(options).err, "start child: /no/such/program: No such file or directory");
    options.argv = {};
    EXPECT_FALSE(run_program(options).ended);
    options = shell("true");
    options.working_folder = "/no/such/folder";
    EXPECT_FALSE(run_program(options).ended);
}

TEST(Child, EnvironmentIsOursWithAdditionsOrClean) {
    ::setenv("WEIR_TEST_CHILD", "ours", 1);
    auto options = shell("echo $WEIR_TEST_CHILD-$WEIR_TEST_MORE");
    options.env = {{"WEIR_TEST_MORE", "more"}};
    EXPECT_EQ(run_program(options).out, "ours-more\n");
    options.env["WEIR_TEST_CHILD"] = "changed";
    EXPECT_EQ(run_program(options).out, "changed-more\n");
    options.clean_env = true;
    options.argv = {"/usr/bin/env"};
    EXPECT_EQ(run_program(options).out, "WEIR_TEST_CHILD=changed\nWEIR_TEST_MORE=more\n");
}

TEST(Child, InheritsNoDescriptorAndNoSignalSetting) {
    const int leaky = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as some library may open it
    const int high = ::fcntl(leaky, F_DUPFD, 777);
    const auto outcome = run_program(shell("ls /proc/self/fd; grep SigIgn /proc/self/status"));
    EXPECT_EQ(outcome.out.find("777"), std::string::npos) << outcome.out;
    const auto mask = outcome.out.find("SigIgn:\t");
    ASSERT_NE(mask, std::string::npos) << outcome.out;
    // 32 and 33 are the C library's own: nobody can set them, and whoever started us may have ignored them.
    constexpr unsigned long long of_the_library = 3ULL << 31;
    EXPECT_EQ(std::stoull(outcome.out.substr(mask + 8), nullptr, 16) & ~of_the_library, 0U) << outcome.out;
    ::close(leaky);
    ::close(high);
}

TEST(Child, LimitsHold) {
    auto options = shell("ulimit -v; ulimit -t; ulimit -f");
    options.max_memory = 512u << 20;
    options.max_cpu_seconds = 17;
    options.max_file_size = 1u << 20;
    EXPECT_EQ(run_program(options).out, "524288\n17\n2048\n");
    options = shell("pwd; nice");
    options.working_folder = "/usr";
    options.nice = 5;
    EXPECT_EQ(run_program(options).out.substr(0, 5), "/usr\n");
}

TEST(Child, WithoutPipesItReadsNothing) {
    EXPECT_EQ(run_program(shell("cat; echo end")).out, "end\n");
}

Task<void> feed(Child& child, std::size_t size, Result<>& written) {
    const std::string text(size, 'x');
    written = co_await child.write(text);
    child.close_stdin();
}

Task<void> through_cat(Outcome& outcome, Result<>& written) {
    ChildOptions options;
    options.argv = {"cat"};
    options.pipe_stdin = options.pipe_stdout = true;
    const auto child = std::move(Child::start(co_await asio::this_coro::executor, options).value());
    TaskGroup group(co_await asio::this_coro::executor);
    group.spawn(feed(*child, 900'000, written));  // more than any pipe holds
    group.spawn(collect(outcome.out, *child));
    co_await group.join();
    outcome.exit = co_await child->wait();
}

TEST(Child, TakesInputWhileItsOutputIsRead) {
    Bench b;
    Outcome outcome;
    Result<> written = Error{};
    b.run(through_cat(outcome, written));
    EXPECT_TRUE(written.has_value());
    EXPECT_EQ(outcome.out.size(), 900'000u);
    EXPECT_TRUE(outcome.exit.ok());
}

Task<void> write_to_deaf(Errc& code) {
    auto options = shell("exec <&-; echo ready; read x <&1");
    options.pipe_stdin = options.pipe_stdout = true;
    const auto child = std::move(Child::start(co_await asio::this_coro::executor, options).value());
    (void)co_await child->read_line(100);
    const std::string text(1u << 20, 'x');
    const auto written = co_await child->write(text);
    code = written ? Errc::internal : written.error().code;
    (void)co_await child->kill(0ms);
}

TEST(Child, AClosedInputIsALostPeerNotASignal) {
    Bench b;
    Errc code = Errc::internal;
    b.run(write_to_deaf(code));
    EXPECT_EQ(code, Errc::lost_peer);
}

Task<void> read_lines(std::vector<std::string>& lines) {
    auto options = shell("printf 'one\\n\\nthree\\nlast'");
    options.pipe_stdout = true;
    const auto child = std::move(Child::start(co_await asio::this_coro::executor, options).value());
    while (true) {
        auto line = co_await child->read_line(5);
        lines.push_back(line ? *line : std::string(name_of(line.error().code)));
        if (!line) break;
    }
    (void)co_await child->wait();
}

TEST(Child, ReadsLineByLine) {
    Bench b;
    std::vector<std::string> lines;
    b.run(read_lines(lines));
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "", "three", "last", "lost_peer"}));
}

Task<void> read_too_much(Errc& line, Errc& all) {
    auto options = shell("echo 123456; cat /dev/zero");
    options.pipe_stdout = true;
    const auto child = std::move(Child::start(co_await asio::this_coro::executor, options).value());
    line = (co_await child->read_line(5)).error().code;
    all = (co_await child->read_all(100'000)).error().code;
    (void)co_await child->kill(0ms);
}

TEST(Child, ReadsNoMoreThanItsLimit) {
    Bench b;
    Errc line = Errc::internal, all = Errc::internal;
    b.run(read_too_much(line, all));
    EXPECT_EQ(line, Errc::bad_input);
    EXPECT_EQ(all, Errc::bad_input);
}

Task<void> kill_group(const char* script, Millis grace, Outcome& outcome, std::string& grandchild) {
    auto options = shell(script);
    options.pipe_stdout = true;
    const auto child = std::move(Child::start(co_await asio::this_coro::executor, options).value());
    grandchild = text_of(co_await child->read_line(100));
    outcome.exit = co_await child->kill(grace);
    outcome.out = text_of(co_await child->read_all(1000));  // ends only when the grandchild is gone too
    child->signal(SIGTERM);                                 // harmless by now
    outcome.ended = true;
}

TEST(Child, KillEndsTheWholeGroup) {
    Bench b;
    Outcome outcome;
    std::string grandchild;
    b.run(kill_group("trap '' TERM; sleep 1000 & echo $!; wait; wait", 0ms, outcome, grandchild));
    EXPECT_TRUE(outcome.ended);
    EXPECT_EQ(outcome.exit.signal, SIGKILL);
    EXPECT_GT(std::atoi(grandchild.c_str()), 0);
}

TEST(Child, KillLetsItEndByItselfAtFirst) {
    Bench b;
    Outcome outcome;
    std::string ready;
    b.run(kill_group("trap 'exit 5' TERM; echo ready; while true; do sleep 0.01; done", 60s, outcome, ready));
    EXPECT_EQ(outcome.exit.code, 5);
}

TEST(Child, NothingOfTheGroupOutlivesItsLeader) {
    const auto outcome = run_program(shell("sleep 1000 & echo started"));  // read_all ends when the sleep is dead
    EXPECT_TRUE(outcome.ended);
    EXPECT_EQ(outcome.out, "started\n");
}

Task<void> wait_through_a_stop(TaskGroup& group, Outcome& outcome) {
    auto options = shell("read x; exit 4");
    options.pipe_stdin = true;
    const auto child = std::move(Child::start(co_await asio::this_coro::executor, options).value());
    group.ask_stop("over");
    child->close_stdin();
    outcome.exit = co_await child->wait();
    outcome.ended = true;
}

TEST(Child, AWaitIsNotCutShortByACancellation) {
    Bench b;
    Outcome outcome;
    TaskGroup group(b.io.get_executor());
    group.spawn(wait_through_a_stop(group, outcome));
    b.run();
    EXPECT_TRUE(outcome.ended);
    EXPECT_EQ(outcome.exit.code, 4);
}

TEST(Child, OwnExecutableIsThisTest) {
    EXPECT_TRUE(own_executable().ends_with("_test")) << own_executable();
}

}  // namespace
}  // namespace weir
