#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "apps/relay/devices.h"
#include "base/env.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/relay_tools.h"
#include "faces/cli/session.h"

namespace weir::faces {

int run_relay_devices(const RelayDevicesArguments& arguments) {
    if (!arguments.url.starts_with("http://") && !arguments.url.starts_with("https://"))
        return complain("--url: must begin with http:// or https://", exit_wrong_use);
    const auto root = env("WEIR_DEVICES_ROOT");
    const auto devices = relay::find_devices(root && !root->empty() ? *root : "/");
    if (arguments.json)
        fmt::print("{}\n", relay::devices_json(devices, arguments.url));
    else
        fmt::print("{}", relay::devices_text(devices, arguments.url));
    if (std::fflush(stdout) != 0) return complain("standard output: cannot be written", exit_failed);
    return exit_ok;
}

namespace {

void add_devices(CLI::App& relay, RelayDevicesArguments& a) {
    auto* c = relay.add_subcommand("devices", "list cameras and microphones, each with the lines that make it a feed");
    c->add_option("--url", a.url, "where the relay is")->capture_default_str();
    c->add_flag("--json", a.json, "one object on standard output");
    c->footer(
        std::string("\nDevices are named so that they stay the same after a reboot. Nothing is started or changed.\n\n"
                    "Example:\n  weir relay devices\n\n") +
        exit_code_table);
    c->final_callback([&a] { throw CLI::RuntimeError(run_relay_devices(a)); });
}

void add_token_scopes(CLI::App& c, RelayTokenArguments& a) {
    c.add_flag("--read,!--no-read", a.read, "scope read")->envname("RELAY_TOKEN_SCOPE_READ");
    c.add_flag("--write,!--no-write", a.write, "scope write")->envname("RELAY_TOKEN_SCOPE_WRITE");
    c.add_flag("--admin", a.admin, "scope relay:admin: the deny list")->envname("RELAY_TOKEN_SCOPE_ADMIN");
    c.add_option("--scope", a.other_scopes, "further scopes, by commas: relay:stats")
        ->envname("RELAY_TOKEN_SCOPE_OTHER");
}

void add_token(CLI::App& relay, RelayTokenArguments& a) {
    auto* c = relay.add_subcommand("token", "print a token (JWT) for a viewer or a publisher");
    c->add_option("--topic", a.topic, "what it is good for")->envname("RELAY_TOKEN_TOPIC");
    c->add_option("--audience", a.audience,
                  "the relay's own audience; without --topic also the path, as crossbar has it: https://host/in/x")
        ->envname("RELAY_TOKEN_AUDIENCE");
    c->add_option("--lifetime", a.lifetime, "how long: 3600 (seconds), 90m, 12h")->envname("RELAY_TOKEN_LIFETIME");
    c->add_option("--booking-id", a.booking_id, "by which it can be cancelled; with --topic a random one unless given")
        ->envname("RELAY_TOKEN_BOOKING_ID");
    c->add_option("--connection-type", a.connection_type, "")
        ->envname("RELAY_TOKEN_CONNECTION_TYPE")
        ->capture_default_str();
    c->add_option("--secret-file", a.secret_file,
                  "a file with the viewer key, \"-\" for standard input; without it RELAY_TOKEN_SECRET is taken");
    add_token_scopes(*c, a);
    c->footer(
        std::string("\nExamples:\n  RELAY_TOKEN_SECRET=... weir relay token --topic video0 --lifetime 1h --no-write\n"
                    "  weir relay token --secret-file key --audience https://relay.example/in/x --lifetime 12h\n\n") +
        exit_code_table);
    c->final_callback([&a] { throw CLI::RuntimeError(run_relay_token(a)); });
}

}  // namespace

void add_relay_tools(CLI::App& relay, RelayToolArguments& a) {
    add_devices(relay, a.devices);
    add_token(relay, a.token);
}

}  // namespace weir::faces
