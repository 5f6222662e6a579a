// The parent's half: starts the child, sends the plan, reads the outcome.
#include "media/tool.h"

#include <csignal>
#include <cstdlib>
#include <mutex>

#include "base/log.h"
#include "media/tool_json.h"
#include "runtime/child.h"
#include "runtime/task_group.h"

namespace weir::media {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEIR_SHADOW_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WEIR_SHADOW_MEMORY 1
#endif
#endif

constexpr std::uint64_t max_memory = 3ull
                                     << 30;  // of addresses, not of pages: libav's libraries and threads reserve much
constexpr std::uint64_t max_cpu_seconds = 6 * 3600;
constexpr std::size_t max_line = 4u << 20, max_stderr = 256u << 10;
constexpr Millis grace{2000};

std::mutex executable_lock;
std::string executable;  // empty: our own

std::string tool_executable() {
    const std::lock_guard guard(executable_lock);
    return executable;
}

ChildOptions options_for_tool() {
    ChildOptions o;
    o.program = tool_executable();
    if (o.program.empty()) o.program = own_program;
    o.argv = {o.program == own_program ? own_executable() : o.program, "media-tool"};
    o.clean_env = true;
    o.env["LC_ALL"] = "C";
    for (const char* name : {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"})
        if (const char* value = std::getenv(name)) o.env[name] = value;
#ifndef WEIR_SHADOW_MEMORY
    o.max_memory = max_memory;
#endif
    o.max_cpu_seconds = max_cpu_seconds;
    o.pipe_stdin = o.pipe_stdout = o.pipe_stderr = true;
    o.nice = 5;
    return o;
}

Task<void> collect_stderr(Child& child, std::string& into) {
    auto text = co_await child.read_all_stderr(max_stderr);
    if (text) into = std::move(*text);
}

Task<bool> cancelled() {
    const auto state = co_await asio::this_coro::cancellation_state;
    co_return state.cancelled() != asio::cancellation_type::none;
}

/// What to say of a child that ended without an outcome.
Error death(const ChildExit& exit) {
    switch (exit.signal) {
        case SIGSEGV:
        case SIGBUS:
        case SIGFPE:
        case SIGILL:
        case SIGABRT:
            return Error{Errc::bad_input, fmt::format("the media library gave up on this input ({})", exit.text())};
        case SIGXCPU:
            return Error{Errc::timed_out, "the media tool used up its CPU time on this input"};
        case SIGKILL:
            return Error{Errc::internal, "the media tool was killed, perhaps for want of memory"};
        default:
            return Error{Errc::internal, fmt::format("the media tool ended without an outcome ({})", exit.text())};
    }
}

/// Reads lines until the outcome, the end or a cancellation.
Task<std::optional<Result<ToolOutcome>>> read_outcome(Child& child, const std::function<void(double)>& on_progress) {
    for (;;) {
        auto line = co_await child.read_line(max_line);
        const bool stopped = co_await cancelled();
        if (!line || stopped) co_return std::nullopt;
        auto said = parse_line(*line);
        if (!said) co_return Result<ToolOutcome>(said.error());
        if (said->outcome) co_return std::move(said->outcome);
        if (on_progress) on_progress(said->progress);
    }
}

Task<Result<ToolOutcome>> run_tool(asio::any_io_executor ex, ToolPlan plan, std::function<void(double)> on_progress) {
    co_await errors_not_throws();
    if (co_await cancelled()) co_return Error{Errc::cancelled, "media tool not started"};
    const ChildOptions options = options_for_tool();
    auto started = Child::start(ex, options);
    if (!started) co_return within("media tool", started.error());
    auto child = std::move(*started);

    std::string complaints;
    TaskGroup aside(ex);
    aside.spawn(collect_stderr(*child, complaints), "media tool stderr");
    const std::string text = plan_text(plan);
    auto sent = co_await child->write(text);  // when it fails, the child has gone: its exit says more
    child->close_stdin();
    std::optional<Result<ToolOutcome>> outcome;
    if (sent) outcome = co_await read_outcome(*child, on_progress);
    const bool asked_to_stop = co_await cancelled();
    const bool stopped = !outcome && asked_to_stop;

    co_await uncancellable();
    ChildExit exit;
    if (outcome)
        exit = co_await child->wait();
    else
        exit = co_await child->kill(grace);
    co_await aside.join();
    co_await aside.stop("media tool ended");
    if (!complaints.empty()) WEIR_LOG(debug, "media tool", {"exit", exit.text()}, {"stderr", complaints});
    if (stopped) co_return Error{Errc::cancelled, "media tool stopped"};
    if (outcome) co_return std::move(*outcome);
    co_return death(exit);
}

template <class T>
Result<T> only(Result<ToolOutcome> any) {
    if (!any) return any.error();
    if (auto* wanted = std::get_if<T>(&*any)) return std::move(*wanted);
    return Error{Errc::internal, "the media tool answered another question"};
}

}  // namespace

void set_tool_executable(std::string path) {
    const std::lock_guard guard(executable_lock);
    executable = std::move(path);
}

// Arguments are named before each co_await: GCC 12 destroys some temporaries of such expressions twice.
Task<Result<Summary>> join(asio::any_io_executor ex, JoinPlan plan) {
    auto on_progress = std::move(plan.on_progress);
    ToolPlan any(std::move(plan));
    auto outcome = co_await run_tool(ex, std::move(any), std::move(on_progress));
    co_return only<Summary>(std::move(outcome));
}

static Task<Result<Summary>> summarise_by(asio::any_io_executor ex, SummarisePlan plan) {
    ToolPlan any(std::move(plan));
    std::function<void(double)> nobody;
    auto outcome = co_await run_tool(ex, std::move(any), std::move(nobody));
    co_return only<Summary>(std::move(outcome));
}

Task<Result<Summary>> summarise(asio::any_io_executor ex, std::string path) {
    return summarise_by(std::move(ex), SummarisePlan{std::move(path), false});
}

Task<Result<Summary>> summarise_index(asio::any_io_executor ex, std::string path) {
    return summarise_by(std::move(ex), SummarisePlan{std::move(path), true});
}

Task<Result<Probe>> probe(asio::any_io_executor ex, std::string path) {
    ProbePlan plan{std::move(path)};
    ToolPlan any(std::move(plan));
    std::function<void(double)> nobody;
    auto outcome = co_await run_tool(ex, std::move(any), std::move(nobody));
    co_return only<Probe>(std::move(outcome));
}

Task<Result<>> make_pattern(asio::any_io_executor ex, PatternPlan plan) {
    ToolPlan any(std::move(plan));
    std::function<void(double)> nobody;
    auto made = co_await run_tool(ex, std::move(any), std::move(nobody));
    if (!made) co_return made.error();
    co_return Result<>{};
}

}  // namespace weir::media
