#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "apps/relay/relay.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/relay_options.h"
#include "faces/cli/session.h"
#include "faces/cli/telemetry_session.h"
#include "runtime/deadline.h"
#include "telemetry/process_metrics.h"

extern char** environ;  // NOLINT: POSIX gives it no header

namespace weir::faces {
namespace {

std::span<const char* const> own_environment() {
    std::size_t count = 0;
    while (environ != nullptr && environ[count] != nullptr) ++count;
    return {environ, count};
}

/// What the flags, the environment and the files they name say together.
Result<relay::RelayOptions> options_from(const RelayArguments& a, const relay::RelayVariables& variables) {
    auto words = a.words;
    auto notes = relay::add_environment(words, variables);
    if (!notes) return notes.error();
    for (const auto& note : *notes) WEIR_LOG(warn, note);
    auto options = relay::relay_options(words);
    if (!options) return options.error();
    options->version = WEIR_VERSION;
    return options;
}

/// An open relay has an admin token, whoever forgot it: made here, shown once, kept nowhere. True: it is to be shown.
bool make_admin_token(relay::RelayOptions& options) {
    auto& access = options.access;
    if (access.loopback_only || access.auth_none || !access.admin_token.empty()) return false;
    access.admin_token = random_token();
    return true;
}

std::string url_of(std::string_view scheme, const std::string& address, std::uint16_t port) {
    const bool v6 = address.find(':') != std::string::npos;
    return fmt::format("{}://{}{}{}:{}/", scheme, v6 ? "[" : "", address, v6 ? "]" : "", port);
}

void print_addresses(const relay::Relay& relay, const relay::RelayOptions& options) {
    const bool tls = !options.tls_certificate.empty();
    fmt::print("{}\n", url_of(tls ? "https" : "http", options.address, relay.port()));
    if (relay.jsmpeg_ingest_port() != 0) {
        fmt::print("{}\n", url_of(tls ? "https" : "http", options.address, relay.jsmpeg_ingest_port()));
        fmt::print("{}\n", url_of(tls ? "wss" : "ws", options.address, relay.jsmpeg_view_port()));
    }
    std::fflush(stdout);
}

/// What signals ask of the running relay.
struct Wishes {
    explicit Wishes(asio::any_io_executor ex) : bell(std::move(ex)) {}
    Bell bell;
    bool stop = false, reload = false;
};

Task<void> follow(relay::Relay& relay, Wishes& wishes) {
    while (!wishes.stop) {
        if (std::exchange(wishes.reload, false)) {
            auto done = co_await relay.reload();
            if (done)
                WEIR_LOG(info, "the rules were read again");
            else
                WEIR_LOG(error, "the rules stay as they were", {"error", done.error().text()});
            continue;
        }
        const bool rung = co_await wishes.bell.wait();
        if (!rung) break;
    }
}

Task<int> run(relay::Relay& relay, const relay::RelayOptions& options, bool show_token, TelemetrySession& telemetry,
              Wishes& wishes) {
    telemetry.start();
    auto started = co_await relay.start();
    if (started) {
        if (show_token)
            fmt::print(stderr, "weir: admin token for this run, shown once (--admin-token sets one): {}\n",
                       options.access.admin_token.reveal());
        print_addresses(relay, options);
        co_await follow(relay, wishes);
    }
    std::string reason = "asked";
    co_await relay.stop(std::move(reason));
    co_await telemetry.stop();
    if (started) co_return exit_ok;
    const bool wrong = started.error().code == Errc::bad_input;
    co_return complain(started.error().text(), wrong ? exit_wrong_use : exit_failed);
}

}  // namespace

int run_relay(const RelayArguments& arguments, const log::Settings& log_settings, bool level_said) {
    const auto variables = relay::relay_environment(own_environment());
    auto log = log_settings;
    const auto level = relay::relay_log_level(variables);
    if (level && !level_said) log.level = *level;
    log::configure(log);

    auto options = options_from(arguments, variables);
    if (!options) return complain(options.error().text(), exit_wrong_use);
    const bool made_token = make_admin_token(*options);
    if (const auto open = relay::open_rights(*options); !open.empty() && !options->access.loopback_only)
        WEIR_LOG(warn, "some things are open to everybody who reaches this address", {"open", open},
                 {"address", options->address});

    telemetry::add_process_metrics("weir", WEIR_VERSION);
    Shards shards;
    FileLane lane(real_file_system(), {});
    relay::Relay relay(shards, lane, *options);
    auto telemetry = TelemetrySession::create(shards.at(0), arguments.telemetry);
    if (!telemetry) return complain(telemetry.error().text(), exit_wrong_use);
    Wishes wishes(shards.at(0).executor());
    return run_session(
        shards, [&] { return run(relay, *options, made_token, *telemetry, wishes); },
        [&](const std::string&) {
            wishes.stop = true;
            wishes.bell.notify();
        },
        [&] {
            wishes.reload = true;
            wishes.bell.notify();
        });
}

}  // namespace weir::faces
