#include "faces/cli/status_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "apps/status/token_file.h"
#include "base/env.h"
#include "base/log.h"
#include "base/text.h"

namespace weir::faces {
namespace {

constexpr const char* group = "Status page";

Result<status::Access::Ask> asked_of(const char* flag, const std::string& text) {
    if (text == "token") return status::Access::Ask::token;
    if (text == "none") return status::Access::Ask::nobody;
    return Error{Errc::bad_input, fmt::format("{} {}: token or none", flag, text.substr(0, 100))};
}

Path token_place(const Path& config) {
    if (const auto home = env("XDG_STATE_HOME"); home && home->starts_with('/'))
        return Path(*home) / "weir" / "status-token";
    return std::filesystem::absolute(config).lexically_normal().parent_path() / "weir-status-token";
}

void add_access_options(CLI::App& c, StatusArguments& a) {
    c.add_option("--auth-token-file", a.auth_token_file,
                 "the token that is asked for off this machine is in this file (or in WEIR_TOKEN); without one it is "
                 "made at the first start, kept and shown once")
        ->group(group);
    c.add_option("--auth", a.auth, "none: all of it is everybody's")->default_str("token")->group(group);
    c.add_option("--metrics-auth", a.metrics_auth, "none: /metrics is everybody's")->default_str("token")->group(group);
}

}  // namespace

void add_status_wish(CLI::App& c, StatusArguments& a) {
    a.option = "--status";
    c.add_option(a.option, a.listen,
                 "HOST:PORT of a status page with /health, /metrics and profiles while it records; port 0: any free "
                 "one, printed. Default: none")
        ->group(group);
    add_access_options(c, a);
}

void add_status_options(CLI::App& c, StatusArguments& a) {
    c.add_option(a.option, a.listen,
                 "HOST:PORT of the status page, /health, /metrics and profiles; \":3000\" is this machine alone, "
                 "0.0.0.0:3000 everybody with the token, port 0 any free one")
        ->envname("PPROF_LISTEN_ADDRESS")
        ->default_str(":3000")
        ->group(group);
    add_access_options(c, a);
}

Result<status::StatusServer::Settings> status_settings(const StatusArguments& a, const Path& config) {
    status::StatusServer::Settings s;
    auto listen = status::parse_listen(a.listen, a.option);
    if (!listen) return listen.error();
    s.listen = std::move(*listen);
    s.option = a.option;
    s.version = WEIR_VERSION;
    auto all = asked_of("--auth", a.auth);
    if (!all) return all.error();
    auto metrics = asked_of("--metrics-auth", a.metrics_auth);
    if (!metrics) return metrics.error();
    s.access.all = *all;
    s.access.metrics = *metrics;
    if (!a.auth_token_file.empty()) {
        auto token = status::read_token(a.auth_token_file);
        if (!token) return within("--auth-token-file", token.error());
        s.access.token = std::move(*token);
    } else if (auto token = env("WEIR_TOKEN"); token && !stripped(*token).empty()) {
        s.access.token = Secret(std::string(stripped(*token)));
    }
    s.access.token_file = token_place(config);
    return s;
}

Task<Result<>> start_status_page(status::StatusServer& server, bool asked_for, std::FILE* into) {
    auto started = co_await server.start();
    if (!started && asked_for) co_return started.error();
    if (!started) {
        WEIR_LOG(warn, "no status page", {"why", started.error().text()});
        co_return Result<>();
    }
    fmt::print(into, "{}\n", server.url());
    std::fflush(into);
    const auto link = server.sign_in_url();
    if (!link.empty())
        fmt::print(stderr,
                   "weir: the status page asks for a token. Sign in by this link, which is shown this once (from "
                   "elsewhere with this machine's name in it):\n  {}\n",
                   link.reveal());
    co_return Result<>();
}

}  // namespace weir::faces
