#pragma once
#include "apps/tools/joiner.h"
#include "faces/cli/commands.h"

namespace weir::faces {

/// What remux and concat have in common.
Result<media::OutputFormat> join_format(const JoinArguments& a);
Path join_output(const JoinArguments& a, const Path& beside, media::OutputFormat format);
Task<int> join_and_print(apps::Joiner& joiner, apps::Inputs inputs, Path output, media::OutputFormat format,
                         const JoinArguments& a);

}  // namespace weir::faces
