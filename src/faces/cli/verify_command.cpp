#include <fmt/format.h>

#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/session.h"
#include "runtime/file_lane.h"
#include "store/recording.h"

namespace weir::faces {

int run_verify(const VerifyArguments& arguments) {
    Shards shards(1);
    FileLane lane(real_file_system(), {});
    struct Command {
        static Task<int> run(Shard& shard, FileLane& lane, const VerifyArguments& a) {
            auto verdict = co_await store::verify(shard.executor(), lane, a.file);
            if (!verdict)
                co_return complain(verdict.error().text(),
                                   verdict.error().code == Errc::bad_input ? exit_damaged : exit_failed);
            fmt::print("{}", a.json ? store::verdict_json(*verdict) + "\n" : store::verdict_text(*verdict));
            co_return verdict->exit_code();
        }
    };
    return run_session(
        shards, [&] { return Command::run(shards.at(0), lane, arguments); }, [](const std::string&) {});
}

}  // namespace weir::faces
