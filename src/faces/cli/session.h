#pragma once
#include <functional>
#include <string>

#include "runtime/shard.h"
#include "runtime/task_group.h"

namespace weir::faces {

/// Runs `body` on one shard until it ends. The first SIGINT or SIGTERM calls `ask_stop` with its name, a second one
/// leaves the process at once (128 + number): what was recorded is safe on disk, the next start finishes it. SIGHUP calls
/// `reload`, when there is one.
int run_session(Shards& shards, std::function<Task<int>()> body, std::function<void(std::string reason)> ask_stop,
                std::function<void()> reload = {});

/// A member coroutine that would end in a dangling reference, wrapped: prints "weir: TEXT" as the one line a person
/// reads.
int complain(const std::string& text, int code);

}  // namespace weir::faces
