#include "faces/cli/global_options.h"

#include <fmt/format.h>

#include <unistd.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "io/connect_to.h"
#include "runtime/failpoint.h"

namespace weir::faces {
namespace {

/// Only a plain yes counts: other programs use DEBUG for words of their own.
bool said_yes(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr) return false;
    const std::string_view v(value);
    return v == "1" || v == "t" || v == "T" || v == "true" || v == "TRUE" || v == "True";
}

}  // namespace

log::Settings log_settings(const GlobalOptions& global) {
    log::Settings settings;
    const bool trace = global.trace || said_yes("TRACE"), debug = global.debug || said_yes("DEBUG");
    settings.level = trace ? log::Level::trace : debug ? log::Level::debug : log::Level::info;
    settings.json = global.json || said_yes("LOG_JSON");
    settings.colour = ::isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
    return settings;
}

bool level_was_said(const GlobalOptions& global) {
    return global.debug || global.trace || said_yes("DEBUG") || said_yes("TRACE");
}

void add_global_options(CLI::App& app, GlobalOptions& global) {
    app.add_flag("--debug", global.debug, "log more (DEBUG=1)");
    app.add_flag("--trace", global.trace, "log everything: each request (TRACE=1)");
    app.add_flag("--log-json", global.json, "logs as one JSON object a line (LOG_JSON=1)");
    app.add_flag_callback(
        "-v,--version", [] { throw CLI::RuntimeError(run_version(false)); }, "weir's version and its libraries'");
    app.parse_complete_callback([&global] { log::configure(log_settings(global)); });
}

int run_words(CLI::App& app, std::vector<std::string> words) {
    if (const char* failpoint = std::getenv("WEIR_FAILPOINT")) {
        if (auto ok = configure_failpoints(failpoint); !ok) {
            fmt::print(stderr, "weir: {}\n", ok.error().text());
            return exit_wrong_use;
        }
    }
    if (auto detours = ConnectTo::from_environment(); !detours) {
        fmt::print(stderr, "weir: {}\n", detours.error().text());
        return exit_wrong_use;
    }
    try {
        std::reverse(words.begin(), words.end());  // as CLI11 takes them
        app.parse(std::move(words));
    } catch (const CLI::RuntimeError& done) {
        return done.get_exit_code();
    } catch (const CLI::Success& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        fmt::print(stderr, "weir: {}\nTry: {} --help\n", e.what(), app.get_name());
        return exit_wrong_use;
    }
    fmt::print("{}", app.help());
    return exit_ok;
}

}  // namespace weir::faces
