#include <fmt/format.h>

#include <filesystem>

#include "apps/tools/cleaner.h"
#include "base/log.h"
#include "base/text.h"
#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/session.h"
#include "faces/cli/tool_session.h"

namespace weir::faces {
namespace {

using What = apps::CleanStep::What;

std::string printable(const Path& path) {
    std::string out;
    append_printable(out, path.string());
    return out;
}

void tell(const apps::CleanStep& step, const CleanArguments& a) {
    if (step.what == What::failed) {
        complain(fmt::format("{}: {}", printable(step.file), step.why), exit_failed);
    } else if (a.json) {
        return;
    } else if (step.what == What::renamed) {
        fmt::print("{} {} to {}\n", a.dry_run ? "would rename" : "renamed", printable(step.file),
                   step.to.filename().string());
    } else if (step.what == What::deleted) {
        fmt::print("{} {} ({}): {}\n", a.dry_run ? "would delete" : "deleted", printable(step.file),
                   size_text(step.bytes), step.why);
    } else {
        fmt::print("kept {}: {}\n", printable(step.file), step.why);
    }
}

void print_json(const apps::CleanReport& report, bool dry_run) {
    std::string steps;
    for (const auto& s : report.steps) {
        steps += fmt::format(R"({}{{"what":{},"file":{},"bytes":{})", steps.empty() ? "" : ",",
                             json_quoted(apps::name_of(s.what)), json_quoted(s.file.string()), s.bytes);
        if (!s.to.empty()) steps += fmt::format(R"(,"to":{})", json_quoted(s.to.string()));
        steps += fmt::format(R"(,"why":{}}})", json_quoted(s.why));
    }
    fmt::print(R"({{"dry_run":{},"folders":{},"freed":{},"complete":{},"steps":[{}]}})"
               "\n",
               dry_run, report.folders, report.freed, report.complete(), steps);
}

Task<int> clean(Shard& shard, FileLane& lane, const CleanArguments& a, apps::CleanOptions options) {
    apps::Cleaner cleaner(shard.executor(), shard.clock(), lane, std::move(options));
    std::function<void(const apps::CleanStep&)> on_step = [&a](const apps::CleanStep& step) { tell(step, a); };
    const auto report = co_await cleaner.run(std::move(on_step));
    if (a.json)
        print_json(report, a.dry_run);
    else
        fmt::print("{} {} in {} {}\n", size_text(report.freed), a.dry_run ? "would be freed" : "freed", report.folders,
                   report.folders == 1 ? "folder" : "folders");
    if (report.cancelled) co_return complain("interrupted; what was not yet proved was left alone", exit_failed);
    co_return report.complete() ? exit_ok : exit_failed;
}

}  // namespace

int run_clean(const CleanArguments& arguments) {
    apps::CleanOptions options;
    if (!arguments.age.empty()) {
        auto age = parse_duration(arguments.age);
        if (!age) return complain(within("--cleaning-age", age.error()).text(), exit_wrong_use);
        if (*age < Millis(0)) return complain("--cleaning-age: must not be negative", exit_wrong_use);
        if (*age == Millis(0)) age = options.age;  // FC2-93: 0 means the default
        if (*age < std::chrono::hours(1))
            WEIR_LOG(warn, "a cleaning age below an hour: a live that pauses may lose its parts while it goes on");
        options.age = *age;
    }
    std::error_code problem;
    options.root = std::filesystem::canonical(arguments.path, problem);
    if (problem) return complain(fmt::format("{}: {}", arguments.path, problem.message()), exit_failed);
    options.dry_run = arguments.dry_run;
    options.delete_corrupted = arguments.delete_corrupted;
    return run_tool([&](Shard& shard, FileLane& lane) { return clean(shard, lane, arguments, options); });
}

}  // namespace weir::faces
