#include "faces/cli/tool_session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/log.h"
#include "base/text.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/session.h"

namespace weir::faces {
namespace {

using Body = std::function<Task<int>(Shard&, FileLane&)>;
using Step = apps::JoinProgress::Step;

std::string_view word_for(Step step) {
    switch (step) {
        case Step::looking:
            return "looking at";
        case Step::writing:
            return "writing";
        case Step::checking:
            return "checking";
    }
    return "";
}

std::string bar(double done) {
    constexpr int width = 24;
    const auto full = static_cast<std::size_t>(std::clamp(done, 0.0, 1.0) * width);
    return fmt::format("[{}{}] {:3.0f} %", std::string(full, '#'), std::string(width - full, ' '), done * 100);
}

Task<void> work(const Body& body, Shard& shard, FileLane& lane, int& code) {
    co_await errors_not_throws();
    code = co_await body(shard, lane);
}

Task<int> in_group(const Body& body, Shard& shard, FileLane& lane, std::function<void(std::string)>& stop) {
    int code = exit_failed;
    TaskGroup group(shard.executor());
    stop = [&group](std::string reason) { group.ask_stop(std::move(reason)); };
    group.spawn(work(body, shard, lane, code), "tool");
    co_await group.join();
    stop = nullptr;
    co_await group.stop("done");
    co_return code;
}

std::string list_of(const std::vector<std::string>& quoted) {
    std::string out;
    for (const auto& q : quoted) out += (out.empty() ? "" : ",") + q;
    return "[" + out + "]";
}

void print_json(const apps::JoinOutcome& outcome, const apps::Inputs& inputs) {
    std::vector<std::string> files, read, skipped, notes;
    for (const auto& m : outcome.made) {
        std::vector<std::string> tracks;
        for (const auto& t : m.summary.tracks)
            tracks.push_back(fmt::format(R"({{"codec":{},"packets":{}}})", json_quoted(t.codec), t.packets));
        files.push_back(fmt::format(R"({{"file":{},"duration_s":{:.6f},"bytes":{},"tracks":{}}})",
                                    json_quoted(m.file.string()), static_cast<double>(m.summary.duration.count()) / 1e6,
                                    m.summary.bytes, list_of(tracks)));
    }
    for (const auto& i : inputs.good) read.push_back(json_quoted(i.path.string()));
    for (const auto& b : inputs.broken) skipped.push_back(json_quoted(b.path.string()));
    for (const auto& n : outcome.notes) notes.push_back(json_quoted(n));
    fmt::print(R"({{"files":{},"inputs":{},"skipped":{},"notes":{},"error":{}}})"
               "\n",
               list_of(files), list_of(read), list_of(skipped), list_of(notes),
               outcome.failed ? json_quoted(outcome.failed->text()) : "null");
}

}  // namespace

int run_tool(Body body) {
    Shards shards(1);
    FileLane lane(real_file_system(), {});
    std::function<void(std::string)> stop;
    return run_session(
        shards, [&] { return in_group(body, shards.at(0), lane, stop); },
        [&](std::string reason) {
            if (stop) stop(std::move(reason));
        });
}

std::function<void(const apps::JoinProgress&)> show_join_progress() {
    if (::isatty(STDERR_FILENO) == 1)
        return [](const apps::JoinProgress& p) {
            log::set_status_line(fmt::format("{}  {}  {}", word_for(p.step), p.file.filename().string(),
                                             p.step == Step::writing ? bar(p.done) : ""));
        };
    struct Last {
        SteadyTime told = std::chrono::steady_clock::now();
    };
    return [last = std::make_shared<Last>()](const apps::JoinProgress& p) {
        constexpr auto pace = std::chrono::seconds(30);
        const auto now = std::chrono::steady_clock::now();
        if (p.step != Step::writing || now - last->told < pace) return;
        last->told = now;
        WEIR_LOG(info, "writing", {"file", p.file.string()}, {"done", fmt::format("{:.0f} %", p.done * 100)});
    };
}

std::string broken_text(const apps::BrokenInput& broken) {
    std::string text;
    append_printable(text, broken.path.string());
    return text + ": " + broken.why.what;  // the trail would only say the path once more
}

void print_outcome(const apps::JoinOutcome& outcome, const apps::Inputs& inputs, bool json) {
    log::set_status_line("");
    for (const auto& note : outcome.notes) WEIR_LOG(warn, note);
    if (json) return print_json(outcome, inputs);
    for (const auto& m : outcome.made)
        fmt::print("{}\n  {}, {}\n", m.file.string(), duration_text(m.summary.duration), size_text(m.summary.bytes));
}

}  // namespace weir::faces
