#pragma once
#include <cstdio>
#include <string>

#include "apps/status/status_server.h"
#include "base/error.h"

namespace CLI {
class App;
}

namespace weir::faces {

/// The flags of every command that has a status page.
struct StatusArguments {
    std::string listen, auth = "token", auth_token_file, metrics_auth = "token";
    std::string option = "--pprof.listen-address";  ///< what `listen` is called
};
void add_status_options(CLI::App& command, StatusArguments& arguments);
/// For a command that has a page only when it is asked for: `--status HOST:PORT`; without it `listen` stays empty.
void add_status_wish(CLI::App& command, StatusArguments& arguments);

/// What flags and WEIR_TOKEN say together. A token that has to be made is kept in XDG_STATE_HOME, else beside `config`. Reads the
/// token file: it blocks.
/// errors  bad_input naming the flag
[[nodiscard]] Result<status::StatusServer::Settings> status_settings(const StatusArguments& arguments,
                                                                     const Path& config);

/// Starts the page and prints its address to `into`, and the link to sign in with, once, on standard error. One that cannot
/// be served is no reason to miss a live: an error only where somebody asked for the address.
Task<Result<>> start_status_page(status::StatusServer& server, bool asked_for, std::FILE* into = stdout);

}  // namespace weir::faces
