#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "apps/tools/joiner.h"
#include "runtime/file_lane.h"
#include "runtime/shard.h"

namespace weir::faces {

/// Runs a tool on one shard; the first SIGINT or SIGTERM cancels it and waits for its clean-up.
int run_tool(std::function<Task<int>(Shard&, FileLane&)> body);

/// A bar on a terminal, else a plain line now and then. For Joiner::on_progress.
[[nodiscard]] std::function<void(const apps::JoinProgress&)> show_join_progress();

/// "part3.ts: is empty", "part3.ts: no such file": one line for one input that cannot be used.
[[nodiscard]] std::string broken_text(const apps::BrokenInput& broken);

/// The outcome of remux and concat: for people, or as one JSON object.
void print_outcome(const apps::JoinOutcome& outcome, const apps::Inputs& inputs, bool json);

}  // namespace weir::faces
