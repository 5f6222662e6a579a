#include "faces/cli/vw_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/numbers.h"
#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/relay_options.h"
#include "faces/cli/session.h"

namespace weir::faces {
namespace {

constexpr const char* help =
    "vw passes video on over websockets; this is weir's relay under vw's name.\n\n"
    "Usage:\n"
    "  vw stream     run the relay\n"
    "  vw version    which program this is\n"
    "  vw help       this text\n\n"
    "Environment (names and values in any letter case; RELAYHOST_ and WEIR_RELAY_ are as good as VW_):\n"
    "  VW_PORT        8888\n"
    "  VW_LISTEN      127.0.0.1; an address of this machine, or 0.0.0.0, opens it to others; then VW_PUSH_SECRET or\n"
    "                 VW_AUTH=none is needed\n"
    "  VW_LOG_LEVEL   panic, fatal, error, warning, info, debug, trace (VW_LOGLEVEL works too); default: info\n"
    "  VW_API         ws(s)://… that becomes the console\n"
    "  VW_RULES       a file that rules are kept in\n\n"
    "Example:\n"
    "  vw stream &\n"
    "  ffmpeg -re -i film.mp4 -f mpegts -codec:v mpeg1video -bf 0 http://localhost:8888/ts/video0\n\n"
    "Everything else: weir relay --help\n";

bool asks_for_help(std::string_view word) {
    return word == "-h" || word == "--help";
}

int unknown(std::string_view kind, std::string_view word) {
    return complain(fmt::format("unknown {} '{}' for vw; try: vw help", kind, word), exit_failed);
}

int version() {
    fmt::print("vw video websocket transporter v0.1.0\n");
    return run_version(false);
}

}  // namespace

bool is_vw(std::string_view program) noexcept {
    const auto slash = program.rfind('/');
    return (slash == std::string_view::npos ? program : program.substr(slash + 1)) == "vw";
}

int run_vw(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    std::string command;
    for (const auto& word : words) {
        if (asks_for_help(word)) command = "help";
        if (word.starts_with('-') && !asks_for_help(word)) return unknown("flag", word);
    }
    if (command.empty()) command = words.empty() ? "help" : words.front();
    if (command == "help") {
        fmt::print("{}", help);
        return exit_ok;
    }
    if (command == "version") return version();
    if (command != "stream") return unknown("command", command);
    log::Settings settings;
    settings.colour = log::colour_wanted();
    const auto json = parse_bool(env("LOG_JSON").value_or("false"));
    settings.json = json && *json;
    RelayArguments arguments;
    arguments.as_vw = true;
    const int code = run_relay(arguments, settings, false);
    return code == exit_wrong_use ? exit_failed : code;  // vw knows 1 only (VW-84)
}

}  // namespace weir::faces
