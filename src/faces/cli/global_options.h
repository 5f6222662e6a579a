#pragma once
#include <string>
#include <vector>

#include "base/log.h"

namespace CLI {
class App;
}

namespace weir::faces {

/// The flags of every command; the environment says the same (FC2-101).
struct GlobalOptions {
    bool debug = false, trace = false, json = false;
};
/// --debug, --trace, --log-json, --version; the log is set up once the line was read.
void add_global_options(CLI::App& app, GlobalOptions& global);
[[nodiscard]] log::Settings log_settings(const GlobalOptions& global);
[[nodiscard]] bool level_was_said(const GlobalOptions& global);

/// Reads the words of the command line and runs what they say; returns the exit code.
int run_words(CLI::App& app, std::vector<std::string> words);

}  // namespace weir::faces
