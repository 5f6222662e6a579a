#include "faces/cli/cli.h"

#include <CLI/CLI.hpp>

#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/fc2_options.h"
#include "faces/cli/global_options.h"
#include "faces/cli/health_command.h"
#include "faces/cli/notify_command.h"
#include "faces/cli/relay_options.h"
#include "faces/cli/relay_tools.h"
#include "faces/cli/tool_options.h"

namespace weir::faces {
namespace {

void add_download_forms(CLI::App* c, DownloadArguments& a) {
    c->add_flag("--loop", a.loop, "after the end wait for the next live and record it into a new file, until Ctrl-C");
    c->add_flag("--concat", a.concat,
                "with --loop: the parts of a live that was interrupted are joined into NAME.combined.mp4 as well");
    c->add_flag("--remux,!--no-remux", a.remux,
                "--no-remux: the final file is the raw stream as it came, with the ending of its container");
    c->add_option("--remux-format", a.remux_format, "mp4 (the default), mkv, ts, flv, m4a, mka, mov");
    c->add_flag("-x,--extract-audio", a.extract_audio, "the sound alone as well, in an .m4a beside the file");
    c->add_option("--audio", a.audio, "of sound that comes apart: default, all, none, a name or a language")
        ->capture_default_str();
    c->add_option("--label", a.labels, "KEY=VALUE, for {{ .Labels.KEY }} in a name; may be repeated")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_download(CLI::App& app, DownloadArguments& a) {
    auto* c = app.add_subcommand("download",
                                 "record a live stream, or fetch a finished one, into a file that nothing can spoil");
    c->add_option("url", a.url,
                  "an HLS playlist, an MPEG-TS, FLV or MP4 stream, or a media file, over http or https; which of them "
                  "it is shows in its first bytes")
        ->required();
    c->add_option("-o,--format", a.output,
                  "the file to write: its ending decides the container (.mp4 .mkv .ts .flv .m4a .mov); or a template: "
                  "'{{ .Date }} {{ .Title }}.{{ .Ext }}' with ChannelID, ChannelName, Title, Date, Time, Ext, Labels; "
                  "never overwritten: a taken name gets a number. Default: date, time and the stream's name");
    c->add_option("--quality", a.quality, "best, worst, 720p (or the next lower), 1500k, or a rendition's name")
        ->capture_default_str();
    c->add_flag("--from-start", a.from_start, "begin with the oldest segment the playlist still lists");
    c->add_option("--duration", a.duration, "stop after so much media: 90s, 5m, 1h30m");
    c->add_option(
         "--wait", a.wait,
         "wait so long for a stream that has not begun: 10m; for ever when no time is given. Default: not at all")
        ->expected(0, 1)
        ->default_str("forever")
        ->option_text("[TIME]");
    c->add_option("--idle-timeout", a.idle_timeout, "the live is over when nothing new came for so long (30s)");
    c->add_flag("-k,--keep-intermediates", a.keep_raw, "keep the raw files beside the finished one");
    c->add_option("--header", a.headers, "a request header, \"Name: value\"; sent to the first host only")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    c->add_option("--cookies-file", a.cookies_file, "cookies in Netscape format");
    c->add_flag("--json", a.json, "one summary object a recording, a line each, on standard output");
    c->add_flag("--strict", a.strict, "exit with 3 when losses are listed");
    add_download_forms(c, a);
    add_status_wish(*c, a.status);
    c->footer(std::string("\nExamples:\n"
                          "  weir download https://host/live.m3u8\n"
                          "  weir download --from-start --quality 720p -o talk.mp4 https://host/master.m3u8\n"
                          "  weir download --loop --concat -x --label team=red -o "
                          "'{{ .Labels.team }}/{{ .Date }} {{ .Title }}.{{ .Ext }}' https://host/live.m3u8\n"
                          "  weir download --remux-format mkv https://host/live.flv\n"
                          "  weir download --no-remux https://host/stream.ts\n"
                          "  weir download https://host/film.mkv      (goes on where it was cut off)\n"
                          "  weir download --status 127.0.0.1:3000 https://host/live.m3u8      (and look at it in a "
                          "browser)\n"
                          "  weir download --wait 2h --duration 90m --header 'Referer: https://host/' -o show.mp4 "
                          "https://host/live.m3u8\n\n"
                          "Ctrl-C ends the recording and finishes the file; a second one leaves at once (the next "
                          "start finishes it).\n"
                          "The same command after a crash or a kill goes on with the same recording; so it does with a "
                          "file that was not fetched whole.\n\n") +
              exit_code_table);
    c->final_callback([&a] { throw CLI::RuntimeError(run_download(a)); });
}

void add_verify(CLI::App& app, VerifyArguments& a) {
    auto* c = app.add_subcommand("verify", "say whether a recording is whole, and list every loss");
    c->add_option("file", a.file, "a recording (.mp4), its journal (.weir.jsonl) or a raw file")->required();
    c->add_flag("--json", a.json, "the ledger as JSON");
    c->footer(std::string("\nExample:\n  weir verify talk.mp4\n\n") + exit_code_table);
    c->final_callback([&a] { throw CLI::RuntimeError(run_verify(a)); });
}

void add_demo_source(CLI::App& app, DemoSourceArguments& a) {
    auto* c = app.add_subcommand(
        "demo-source", "serve a live test pattern (frame counter, clock, a beep a second) as HLS and HTTP-TS");
    c->add_option("--listen", a.address, "the address to listen on")->capture_default_str();
    c->add_option("--port", a.port, "0: any free one; printed")->capture_default_str();
    c->add_option("--segment", a.segment, "length of a segment")->capture_default_str();
    c->add_option("--window", a.window, "segments in the playlist")->capture_default_str()->check(CLI::Range(3, 1000));
    c->add_option("--duration", a.duration, "end the live (ENDLIST) after so long; default: never");
    c->add_option("--faults", a.faults, "what goes wrong when: 503-burst@5s,stall@9s");
    c->footer("\nExample:\n  weir demo-source --port 8080 &\n  ffplay http://127.0.0.1:8080/live.m3u8\n");
    c->final_callback([&a] { throw CLI::RuntimeError(run_demo_source(a)); });
}

void add_relay(CLI::App& app, RelayArguments& a, RelayToolArguments& tools, const GlobalOptions& global) {
    auto* c = add_relay_options(app, a);
    add_relay_tools(*c, tools);
    c->final_callback([c, &a, &global] {
        if (!c->get_subcommands().empty()) return;
        throw CLI::RuntimeError(run_relay(a, log_settings(global), level_was_said(global)));
    });
}

void add_template(CLI::App& app, TemplateArguments& a) {
    auto* c = app.add_subcommand("template", "print what a name or message template makes of some data");
    c->add_option("text", a.text, "a Go text/template: \"{{ .Date }} {{ .Title }}.{{ .Ext }}\"")->required();
    c->add_option("--data", a.data, "a JSON file with the data, \"-\" for standard input; default: none");
    c->add_option("--name", a.name, "the template's name in error texts")->capture_default_str();
    c->footer(
        std::string("\nExample:\n  echo '{\"Title\": \"Morning talk\"}' | weir template '{{ .Title }}.mp4' --data -\n\n"
                    "Numbers are float64 and objects maps, as Go reads JSON. The functions are Go's own and no "
                    "others.\n\n") +
        exit_code_table);
    c->final_callback([&a] { throw CLI::RuntimeError(run_template(a)); });
}

}  // namespace

int run_cli(int argc, char** argv) {
    CLI::App app{"weir catches live video, keeps it so that nothing can spoil it, and passes it on.", "weir"};
    app.require_subcommand(0, 1);
    app.fallthrough();
    app.footer(std::string("\nExamples:\n  weir download https://host/live.m3u8\n  weir verify talk.mp4\n  weir fc2 "
                           "watch -c config.yaml\n"
                           "  weir COMMAND --help\n\n") +
               exit_code_table);

    GlobalOptions global;
    add_global_options(app, global);

    DownloadArguments download;
    VerifyArguments verify;
    TemplateArguments text_template;
    DemoSourceArguments demo;
    ToolArguments tools;
    RelayArguments relay;
    RelayToolArguments relay_tools;
    Fc2Arguments fc2;
    NotifyTestArguments notify;
    HealthArguments health;
    bool version_json = false;
    add_download(app, download);
    add_verify(app, verify);
    add_template(app, text_template);
    add_tools(app, tools);
    add_fc2(app, fc2);
    add_relay(app, relay, relay_tools, global);
    add_notify(app, notify);
    add_demo_source(app, demo);
    add_health(app, health);
    auto* version = app.add_subcommand("version", "weir's version and its libraries'");
    version->add_flag("--json", version_json, "as JSON");
    version->final_callback([&version_json] { throw CLI::RuntimeError(run_version(version_json)); });
    app.add_subcommand("failpoints", "the named places where tests make weir fail (WEIR_FAILPOINT)")
        ->group("")
        ->final_callback([] { throw CLI::RuntimeError(run_failpoints()); });

    return run_words(app, {argv + 1, argv + argc});
}

}  // namespace weir::faces
