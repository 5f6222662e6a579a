#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "runtime/asio.h"

namespace weir {

/// A program started with a vector of arguments, never a shell: own process group, default signals, only the descriptors named,
/// limits set before exec. Ends with its parent (PDEATHSIG).
struct ChildOptions {
    std::vector<std::string> argv;           ///< argv[0] is the program; looked up in PATH when it has no slash
    std::string program = {};                ///< started in argv[0]'s place, when not empty
    std::map<std::string, std::string> env;  ///< the whole environment when clean_env, else additions
    bool clean_env = false;
    std::string working_folder;               ///< empty: ours
    std::optional<std::uint64_t> max_memory;  ///< RLIMIT_AS, bytes
    std::optional<std::uint64_t> max_cpu_seconds;
    std::optional<std::uint64_t> max_file_size;                         ///< RLIMIT_FSIZE
    bool pipe_stdin = false, pipe_stdout = false, pipe_stderr = false;  ///< else /dev/null (stderr: ours)
    int nice = 0;
};

struct ChildExit {
    int code = -1;  ///< exit status, or -1 when a signal ended it
    int signal = 0;
    [[nodiscard]] bool ok() const noexcept { return code == 0 && signal == 0; }
    [[nodiscard]] std::string text() const;  ///< "exit status 3", "killed by signal 9"
};

/// threads  one shard. The owner awaits wait() or kill() before it goes.
class Child {
public:
    static Result<std::unique_ptr<Child>> start(asio::any_io_executor ex, const ChildOptions& options);
    virtual ~Child() = default;
    [[nodiscard]] virtual int pid() const noexcept = 0;
    virtual Task<Result<>> write(std::string_view bytes) = 0;  ///< to its standard input
    virtual void close_stdin() = 0;
    virtual Task<Result<std::string>> read_line(std::size_t limit) = 0;  ///< without the newline; lost_peer at the end
    virtual Task<Result<std::string>> read_all(std::size_t limit) = 0;   ///< standard output to its end
    virtual Task<Result<std::string>> read_all_stderr(std::size_t limit) = 0;
    virtual Task<Result<std::string>> read_some_stderr() = 0;  ///< what there is, at least a byte; lost_peer at the end
    virtual Task<ChildExit> wait() = 0;                        ///< ignores cancellation
    virtual void signal(int number) = 0;                       ///< to its whole group
    virtual Task<ChildExit> kill(Millis grace) = 0;            ///< SIGTERM, then SIGKILL to the group after grace
};

/// The path of this very program, for people. Start ourselves by `own_program`: it is there even when an upgrade has
/// put another file in that place since.
[[nodiscard]] std::string own_executable();
inline constexpr std::string_view own_program = "/proc/self/exe";

}  // namespace weir
