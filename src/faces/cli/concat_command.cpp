#include <fmt/format.h>

#include "apps/tools/parts.h"
#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/join_options.h"
#include "faces/cli/session.h"
#include "faces/cli/tool_session.h"

namespace weir::faces {
namespace {

Task<int> concat_files(Shard& shard, FileLane& lane, const JoinArguments& a, media::OutputFormat format) {
    apps::Joiner joiner(shard.executor(), lane);
    joiner.on_progress(show_join_progress());
    const std::vector<Path> files(a.files.begin(), a.files.end());
    auto inputs = co_await joiner.look_at(files);
    auto output = join_output(a, files.front(), format);
    co_return co_await join_and_print(joiner, std::move(inputs), std::move(output), format, a);
}

Task<int> concat_parts(Shard& shard, FileLane& lane, const JoinArguments& a, media::OutputFormat format) {
    apps::Joiner joiner(shard.executor(), lane);
    joiner.on_progress(show_join_progress());
    const Path prefix(a.prefix);
    auto inputs = co_await joiner.find_parts(prefix);
    if (!inputs) co_return complain(inputs.error().text(), exit_failed);
    const auto name = apps::combined_name(prefix.filename().string(), ending_of(format));
    Path output = a.output.empty() ? prefix.parent_path() / name : Path(a.output);
    co_return co_await join_and_print(joiner, std::move(*inputs), std::move(output), format, a);
}

}  // namespace

int run_concat(const JoinArguments& arguments) {
    if (arguments.files.empty() == arguments.prefix.empty())
        return complain(arguments.prefix.empty() ? "concat: give the files to join, or --prefix DIR/NAME"
                                                 : "concat: give files or --prefix, not both",
                        exit_wrong_use);
    if (!arguments.prefix.empty() && Path(arguments.prefix).filename().empty())
        return complain("--prefix: DIR/NAME, where the parts are called NAME.ts, NAME.1.ts and so on", exit_wrong_use);
    const auto format = join_format(arguments);
    if (!format) return complain(format.error().text(), exit_wrong_use);
    return run_tool([&](Shard& shard, FileLane& lane) {
        return arguments.prefix.empty() ? concat_files(shard, lane, arguments, *format)
                                        : concat_parts(shard, lane, arguments, *format);
    });
}

}  // namespace weir::faces
