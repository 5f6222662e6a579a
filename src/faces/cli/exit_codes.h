#pragma once
#include "base/error.h"

namespace weir::faces {

/// One table for every command; `--help` prints it. A program we took the place of may have exceptions: they are named
/// there.
enum ExitCode : int {
    exit_ok = 0,         ///< done; a final file counts, also after Ctrl-C or SIGTERM
    exit_failed = 1,     ///< failed; standard error says why
    exit_wrong_use = 2,  ///< the command line or a value on it is wrong
    exit_losses = 3,     ///< `--strict` and `weir verify`: losses, all of them listed
    exit_damaged = 4,    ///< `weir verify`: damage, or a loss that is not listed
};

inline constexpr const char* exit_code_table =
    "Exit codes:\n"
    "  0  done; a finished file counts, also after Ctrl-C or SIGTERM\n"
    "  1  failed; standard error says why\n"
    "  2  wrong use of the command line\n"
    "  3  verify, and download --strict: losses, every one of them listed\n"
    "  4  verify: damaged, or a loss that is not listed\n";

}  // namespace weir::faces
