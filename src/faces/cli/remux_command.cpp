#include <fmt/format.h>

#include "apps/tools/names.h"
#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/join_options.h"
#include "faces/cli/session.h"
#include "faces/cli/tool_session.h"

namespace weir::faces {

/// The container: by name, else by the output's ending, else MP4. A name and an ending that disagree are wrong use.
Result<media::OutputFormat> join_format(const JoinArguments& a) {
    std::optional<media::OutputFormat> named, by_ending;
    if (!a.format.empty()) {
        auto f = apps::format_named(a.format);
        if (!f) return within("--format", f.error());
        named = *f;
    }
    if (!a.output.empty()) {
        auto f = media::format_for(a.output);
        if (!f) return within(fmt::format("-o {}", a.output), f.error());
        by_ending = *f;
    }
    if (!named) return by_ending.value_or(media::OutputFormat::mp4);
    if (by_ending && ending_of(*named) != ending_of(*by_ending))
        return Error{Errc::bad_input, fmt::format("-o {} does not end in {}, as --format {} does", a.output,
                                                  ending_of(*named), a.format)};
    return *named;
}

Path join_output(const JoinArguments& a, const Path& beside, media::OutputFormat format) {
    return a.output.empty() ? apps::output_beside(beside, ending_of(format)) : Path(a.output);
}

Task<int> join_and_print(apps::Joiner& joiner, apps::Inputs inputs, Path output, media::OutputFormat format,
                         const JoinArguments& a) {
    for (const auto& broken : inputs.broken) {
        const bool skip = a.skip_broken && broken.why.code != Errc::cancelled;
        if (skip)
            complain(fmt::format("skipped: {}", broken_text(broken)), exit_ok);
        else
            complain(broken_text(broken), exit_failed);
        if (broken.why.code == Errc::cancelled) co_return exit_failed;
    }
    if (inputs.good.empty() || (!inputs.broken.empty() && !a.skip_broken)) {
        if (inputs.good.size() + inputs.broken.size() > 1)
            complain("nothing was written; --skip-broken joins what can be read", exit_failed);
        co_return exit_failed;
    }
    apps::JoinWish wish;
    wish.inputs = inputs.good;
    wish.output = std::move(output);
    wish.format = format;
    wish.also_audio = a.extract_audio;
    wish.content = a.check_content;
    auto outcome = co_await joiner.make(std::move(wish));
    print_outcome(outcome, inputs, a.json);
    if (outcome.failed) {
        const bool stopped = outcome.failed->code == Errc::cancelled;
        co_return complain(stopped ? "interrupted; what was not whole is gone again" : outcome.failed->text(),
                           exit_failed);
    }
    co_return exit_ok;
}

namespace {

Task<int> remux(Shard& shard, FileLane& lane, const JoinArguments& a, media::OutputFormat format) {
    apps::Joiner joiner(shard.executor(), lane);
    joiner.on_progress(show_join_progress());
    const Path file(a.files.front());
    const std::vector<Path> one{file};
    auto inputs = co_await joiner.look_at(one);
    auto output = join_output(a, file, format);
    co_return co_await join_and_print(joiner, std::move(inputs), std::move(output), format, a);
}

}  // namespace

int run_remux(const JoinArguments& arguments) {
    const auto format = join_format(arguments);
    if (!format) return complain(format.error().text(), exit_wrong_use);
    return run_tool([&](Shard& shard, FileLane& lane) { return remux(shard, lane, arguments, *format); });
}

}  // namespace weir::faces
