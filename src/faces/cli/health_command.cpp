#include "faces/cli/health_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <utility>

#include "apps/status/status_server.h"
#include "base/text.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/session.h"
#include "io/http_client.h"
#include "io/resolver.h"

namespace weir::faces {
namespace {

constexpr const char* path = "/health";

/// Where what listens at such an address is reached from this machine.
Result<std::string> url_of_listener(const std::string& text) {
    auto listen = status::parse_listen(text, "PPROF_LISTEN_ADDRESS");
    if (!listen) return listen.error();
    if (listen->port == 0)
        return Error{Errc::bad_input, "PPROF_LISTEN_ADDRESS has port 0: say which URL, as weir printed it"};
    auto host = listen->address;
    if (host == "0.0.0.0") host = "127.0.0.1";
    if (host == "::") host = "::1";
    const bool v6 = host.find(':') != std::string::npos;
    return fmt::format("http://{}{}{}:{}{}", v6 ? "[" : "", host, v6 ? "]" : "", listen->port, path);
}

Result<Url> asked_url(const HealthArguments& a) {
    auto text = a.url;
    if (text.empty()) {
        auto made = url_of_listener(a.listen);
        if (!made) return made.error();
        text = std::move(*made);
    }
    if (text.find("://") == std::string::npos) text = "http://" + text;
    auto url = parse_url(text);
    if (!url) return url.error();
    if (url->scheme != "http" && url->scheme != "https")
        return Error{Errc::bad_input, fmt::format("{}: give an http or https URL", url->text())};
    if (url->path == "/") url->path = path;
    return url;
}

Task<int> ask(Shard& shard, Url url, Millis timeout) {
    co_await errors_not_throws();
    auto client = HttpClient::create(shard, Resolver::create(), {});
    const auto where = url.without_query();
    HttpRequest request;
    request.url = std::move(url);
    request.deadline = shard.clock().now() + timeout;
    request.connect_timeout = request.stall_timeout = timeout;
    request.max_body = 1u << 20;
    auto answer = co_await client->fetch(std::move(request));
    if (!answer) co_return complain(fmt::format("not healthy: {}", answer.error().text()), exit_failed);
    const int code = answer->head.status;
    if (code < 200 || code > 299)
        co_return complain(fmt::format("not healthy: http {} for {}", code, where), exit_failed);
    fmt::print("healthy\n");
    co_return exit_ok;
}

}  // namespace

void add_health(CLI::App& app, HealthArguments& a) {
    auto* c = app.add_subcommand("health", "ask a running weir whether it is healthy; for container checks");
    c->add_option("url", a.url,
                  "where it listens; without a path, /health is asked for. Default: PPROF_LISTEN_ADDRESS, else "
                  "http://127.0.0.1:3000/health");
    c->add_option("--listen-address", a.listen, "")->envname("PPROF_LISTEN_ADDRESS")->group("");
    c->add_option("--timeout", a.timeout, "not healthy when no answer came within this time")->capture_default_str();
    c->footer(std::string("\nExamples:\n  weir health\n  weir health http://127.0.0.1:8080 --timeout 2s\n"
                          "  HEALTHCHECK CMD [\"weir\", \"health\"]\n\n"
                          "Healthy: exit code 0. Else 1, and one line says why.\n\n") +
              exit_code_table);
    c->final_callback([&a] { throw CLI::RuntimeError(run_health(a)); });
}

int run_health(const HealthArguments& a) {
    auto url = asked_url(a);
    if (!url) return complain(url.error().text(), exit_wrong_use);
    auto timeout = parse_duration(a.timeout);
    if (!timeout) return complain(within("--timeout", timeout.error()).text(), exit_wrong_use);
    if (*timeout <= Millis{0}) return complain("--timeout: more than 0", exit_wrong_use);
    Shards shards(1);
    return shards.run([&](Shards& all) { return ask(all.at(0), *url, *timeout); });
}

}  // namespace weir::faces
