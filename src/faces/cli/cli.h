#pragma once

namespace weir::faces {

/// The whole command line; returns the exit code (exit_codes.h).
int run_cli(int argc, char** argv);

}  // namespace weir::faces
