// The child's half: "weir media-tool".
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <new>

#include "media/libav.h"
#include "media/on_demand.h"
#include "media/partial_file.h"
#include "media/tool.h"
#include "media/tool_json.h"
#include "media/tool_work.h"

namespace weir::media {
namespace {

constexpr std::size_t max_plan = 64u << 20;

Result<std::string> read_plan() {
    std::string all;
    for (;;) {
        const std::size_t had = all.size();
        if (had >= max_plan) return Error{Errc::bad_input, "the plan is above 64 MiB"};
        all.resize(had + 65'536);
        const ssize_t got = ::read(STDIN_FILENO, all.data() + had, all.size() - had);
        all.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got == 0) return all;
        if (got < 0 && errno != EINTR) return from_errno(errno, "read the plan");
    }
}

void write_line(std::string line) {
    line += '\n';
    for (std::size_t done = 0; done < line.size();) {
        const ssize_t put = ::write(STDOUT_FILENO, line.data() + done, line.size() - done);
        if (put < 0 && errno != EINTR) return;  // the parent has gone; so shall we
        if (put > 0) done += static_cast<std::size_t>(put);
    }
}

void limit(int what, std::uint64_t value) {
    struct rlimit now {};
    if (::getrlimit(static_cast<__rlimit_resource_t>(what), &now) != 0) return;
    now.rlim_cur = std::min<rlim_t>(value, now.rlim_max);
    now.rlim_max = now.rlim_cur;
    (void)::setrlimit(static_cast<__rlimit_resource_t>(what), &now);
}

/// Bounds that follow from the size of the work: a broken file must neither spin for ever nor blow up into a full disk.
void limit_by_work(const ToolPlan& plan) {
    std::uint64_t bytes = 0;
    if (const auto* finalise = std::get_if<JoinPlan>(&plan)) {
        for (const auto& s : finalise->input) bytes += s.size + s.header_size;
        limit(RLIMIT_FSIZE, 2 * bytes + (256u << 20));
    } else if (!std::holds_alternative<PatternPlan>(plan)) {
        const auto* summarise = std::get_if<SummarisePlan>(&plan);
        const auto& path = summarise ? summarise->path : std::get<ProbePlan>(plan).path;
        struct stat about {};
        if (::stat(path.c_str(), &about) == 0) bytes = static_cast<std::uint64_t>(about.st_size);
        limit(RLIMIT_FSIZE, 4u << 20);  // its outcome may go to a file when run by hand
    } else {
        return;
    }
    constexpr std::uint64_t slowest_bytes_per_second = 4u << 20;  // of CPU; measured: about a thousand times that
    limit(RLIMIT_CPU, 120 + bytes / slowest_bytes_per_second);
}

template <class T>
Result<ToolOutcome> any_of(Result<T> one) {
    if (!one) return one.error();
    return ToolOutcome(std::move(*one));
}

Result<ToolOutcome> work(const ToolPlan& plan, const OnProgress& on_progress) {
    if (const auto* finalise = std::get_if<JoinPlan>(&plan)) return any_of(join_here(*finalise, on_progress));
    if (const auto* p = std::get_if<SummarisePlan>(&plan))
        return any_of(p->index_only ? summarise_index_here(p->path, on_progress)
                                    : summarise_here(p->path, on_progress));
    if (const auto* p = std::get_if<ProbePlan>(&plan)) return any_of(probe_here(p->path));
    if (auto r = make_pattern_here(std::get<PatternPlan>(plan), on_progress); !r) return r.error();
    return ToolOutcome(Summary{});
}

Result<ToolOutcome> run_plan() {
    auto text = read_plan();
    if (!text) return text.error();
    auto plan = parse_plan(*text);
    if (!plan) return plan.error();
    limit_by_work(*plan);

    using Clock = std::chrono::steady_clock;
    constexpr std::uint64_t look_every = 64;  // calls: reading the clock for every packet costs more than the packet
    auto last = Clock::now();
    std::uint64_t calls = 0;
    return work(*plan, [&](std::uint64_t done, std::uint64_t total) {
        if (++calls % look_every != 0 || total == 0) return;
        const auto now = Clock::now();
        if (now - last < std::chrono::milliseconds(200)) return;
        last = now;
        write_line(progress_line(static_cast<double>(done) / static_cast<double>(total)));
    });
}

}  // namespace

int tool_main() {
    std::signal(SIGXFSZ, SIG_IGN);  // the write then fails with EFBIG, and says so
    limit(RLIMIT_CORE, 0);
    remove_partial_file_on_term();
    if (const auto missing = load_libav(); !missing.empty()) {
        write_line(outcome_line(Error{Errc::unsupported, missing}));
        return 1;
    }
    capture_av_log();
    Result<ToolOutcome> outcome = Error{Errc::internal, "nothing was done"};
    try {
        outcome = run_plan();
    } catch (const std::bad_alloc&) {
        outcome = Error{Errc::bad_input, "wants more memory than the media tool may have"};
    } catch (const std::exception& e) {
        outcome = Error{Errc::internal, e.what()};
    }
    write_line(outcome_line(outcome));
    return outcome ? 0 : 1;
}

std::vector<std::pair<std::string, std::string>> library_versions() {
    return libav_versions();
}

}  // namespace weir::media
