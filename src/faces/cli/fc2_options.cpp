#include "faces/cli/fc2_options.h"

#include <CLI/CLI.hpp>

#include "apps/fc2/config.h"
#include "apps/fc2/config_templates.h"
#include "apps/recorder/file_names.h"
#include "apps/tools/names.h"
#include "base/text.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/labels.h"
#include "faces/cli/status_options.h"
#include "proto/fc2/quality.h"

namespace weir::faces {
namespace {

constexpr const char* group_stream = "What is recorded";
constexpr const char* group_wait = "Waiting";
constexpr const char* group_files = "Files";
constexpr const char* group_cleaning = "Cleaning";

void add_streaming(CLI::App* c, Fc2DownloadArguments& a) {
    c->add_option("--quality", a.quality, "150Kbps, 400Kbps, 1.2Mbps, 2Mbps, 3Mbps or sound")
        ->capture_default_str()
        ->group(group_stream);
    c->add_option("--latency", a.latency, "low, high or mid; the higher, the steadier")
        ->capture_default_str()
        ->group(group_stream);
    c->add_option("--wait-for-quality-max-tries", a.quality_tries,
                  "ask so often, a second apart, for that quality before the best there is will do")
        ->capture_default_str()
        ->group(group_stream);
    c->add_flag("--allow-quality-upgrade", a.allow_upgrade,
                "having begun with a lesser quality, go over to the wished one when it appears")
        ->group(group_stream);
    c->add_option("--poll-quality-upgrade-interval", a.upgrade_interval, "how often that is looked for")
        ->capture_default_str()
        ->group(group_stream);
    c->add_option("--cookies-file", a.cookies_file, "the login, as cookies in Netscape format")->group(group_stream);
    c->add_flag("--write-chat", a.write_chat, "the chat, one JSON object a line, in NAME.fc2chat.json")
        ->group(group_stream);
    c->add_flag("--write-info-json", a.write_info_json, "what FC2 says of the live, in NAME.info.json")
        ->group(group_stream);
    c->add_flag("--write-thumbnail", a.write_thumbnail, "its picture, in NAME.jpg (or what it is)")
        ->group(group_stream);
    c->add_option("--max-packet-loss", a.max_packet_loss,
                  "read for old scripts: losses are listed and never end a recording")
        ->capture_default_str()
        ->group(group_stream);
}

void add_waiting(CLI::App* c, Fc2DownloadArguments& a) {
    c->add_flag("--no-wait", a.no_wait, "end with exit code 1 when the channel is not live now")->group(group_wait);
    c->add_option("--poll-interval", a.poll_interval, "how often is asked whether it is live")
        ->capture_default_str()
        ->group(group_wait);
    c->add_option("--max-tries", a.max_tries, "so many recordings may fail before that is the end")
        ->capture_default_str()
        ->group(group_wait);
    c->add_flag("--loop", a.loop, "one live after another, for ever")->group(group_wait);
}

void add_files(CLI::App* c, Fc2DownloadArguments& a) {
    c->add_option("--format", a.format,
                  "the name, a Go template with ChannelID, ChannelName, Title, Date, Time, Ext, MetaData and "
                  "Labels.KEY; never overwritten: a taken name gets a number")
        ->default_str(std::string(apps::default_out_format))
        ->group(group_files);
    c->add_option("--label", a.labels, "KEY=VALUE, for {{ .Labels.KEY }} in the name; may be repeated")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group(group_files);
    c->add_flag("--no-remux", a.no_remux, "the final file is the .ts as it came")->group(group_files);
    c->add_option("--remux-format", a.remux_format, "mp4, mkv, ts, m4a, flv …")
        ->capture_default_str()
        ->group(group_files);
    c->add_flag("--concat", a.concat, "all parts of a live as well in NAME.combined.mp4")->group(group_files);
    c->add_flag("-k,--keep-intermediates", a.keep_intermediates, "the .ts stays beside the finished file")
        ->group(group_files);
    c->add_flag("-x,--extract-audio", a.extract_audio, "the sound alone as well, in NAME.m4a")->group(group_files);
    c->add_flag("--no-delete-corrupted", a.no_delete_corrupted, "keep a recording that nothing can be read of")
        ->group(group_files);
    c->add_flag("--json", a.json, "one summary object a recording, a line each, on standard output")
        ->group(group_files);
    c->add_option("--scan-directory", a.scan_directory,
                  "after each recording delete there and below what joined files are proved to hold (with --concat)")
        ->group(group_cleaning);
    c->add_option("--cleaning-age,--eligible-for-cleaning-age", a.cleaning_age,
                  "how old a joined file must be for that")
        ->capture_default_str()
        ->group(group_cleaning);
}

void add_download_command(CLI::App& app, Fc2DownloadArguments& a, const std::string& program) {
    auto* c = app.add_subcommand("download", "wait for one FC2 channel to be live and record it");
    c->add_option("channel", a.channel, "the channel's number, or the address of its page")->required();
    add_streaming(c, a);
    add_waiting(c, a);
    add_files(c, a);
    c->footer(
        fmt::format("\nExamples:\n"
                    "  {0} download 91544481\n"
                    "  {0} download --loop --concat -x --write-chat https://live.fc2.com/91544481/\n"
                    "  {0} download --cookies-file cookies.txt --label team=red --format '{{{{ .Labels.team "
                    "}}}}/{{{{ .Date }}}} {{{{ .Title }}}}.{{{{ .Ext }}}}' 91544481\n\n"
                    "Ctrl-C ends the recording and finishes its file, a second one leaves at once; SIGTERM takes "
                    "five seconds at most.\nThe next start goes on with, or finishes, what is left.\n"
                    "Environment: WEIR_FC2_URL, WEIR_FC2_ID_URL (mirrors), HTTPS_PROXY, SSL_CERT_FILE.\n\n{1}",
                    program, exit_code_table));
    c->final_callback([&a] { throw CLI::RuntimeError(run_fc2_download(a)); });
}

void add_watch_command(CLI::App& app, Fc2WatchArguments& a, const std::string& program) {
    auto* c = app.add_subcommand("watch", "watch the FC2 channels of a configuration file and record each live");
    c->add_option("-c,--config", a.config, "YAML or JSON; looked at again when it changes, and at SIGHUP")->required();
    add_status_options(*c, a.status);
    c->add_option("--cookie.encryption-secret", a.cookie_secret,
                  "what the kept cookies are encrypted with; without it a key file stands beside them")
        ->envname("COOKIE_ENCRYPTION_SECRET");
    add_telemetry_options(*c, a.telemetry);
    c->footer(
        fmt::format("\nExample:\n  {} watch -c config.yaml\n\nThe configuration of fc2-live-dl-go works as it "
                    "is. A change touches only what it changes: recordings go on.\nEnvironment: WEIR_FC2_URL, "
                    "WEIR_FC2_ID_URL (mirrors), HTTPS_PROXY, SSL_CERT_FILE.\n\n{}",
                    program, exit_code_table));
    c->final_callback([&a] { throw CLI::RuntimeError(run_fc2_watch(a)); });
}

Result<Millis> duration_flag(const char* flag, const std::string& text, Millis least) {
    auto parsed = parse_duration(text);
    if (!parsed) return within(flag, parsed.error());
    if (*parsed < least) return Error{Errc::bad_input, fmt::format("{} {}: at least {} ms", flag, text, least.count())};
    return parsed;
}

Result<> set_files(const Fc2DownloadArguments& a, sites::Params& p) {
    if (!a.format.empty()) p.out_format = a.format;
    auto labels = parse_labels(a.labels);
    if (!labels) return labels.error();
    p.labels = std::move(*labels);
    if (auto fine = fc2::check_out_format(p.out_format, p.labels); !fine) return within("--format", fine.error());
    p.remux_format = ascii_lowered(a.remux_format);
    if (auto known = apps::format_named(p.remux_format); !known) return within("--remux-format", known.error());
    p.remux = !a.no_remux;
    p.concat = a.concat;
    p.keep_intermediates = a.keep_intermediates;
    p.extract_audio = a.extract_audio;
    p.delete_corrupted = !a.no_delete_corrupted;
    p.write_chat = a.write_chat;
    p.write_info_json = a.write_info_json;
    p.write_thumbnail = a.write_thumbnail;
    p.scan_directory = a.scan_directory;
    return {};
}

}  // namespace

void add_fc2_commands(CLI::App& app, Fc2Arguments& a, const std::string& program) {
    add_download_command(app, a.download, program);
    add_watch_command(app, a.watch, program);
}

void add_fc2(CLI::App& app, Fc2Arguments& a) {
    auto* c = app.add_subcommand("fc2", "record FC2 live channels by themselves");
    c->require_subcommand(1);
    add_fc2_commands(*c, a, "weir fc2");
}

Result<fc2::Params> fc2_params(const Fc2DownloadArguments& a) {
    fc2::Params p;
    if (auto code = fc2::quality_code(a.quality); !code) return within("--quality", code.error());
    if (auto code = fc2::latency_code(a.latency); !code) return within("--latency", code.error());
    if (a.quality_tries < 1) return Error{Errc::bad_input, "--wait-for-quality-max-tries: at least 1"};
    if (a.max_tries < 1) return Error{Errc::bad_input, "--max-tries: at least 1"};
    if (a.max_packet_loss < 0) return Error{Errc::bad_input, "--max-packet-loss: at least 0"};
    p.quality = a.quality;
    p.latency = a.latency;
    p.wait_for_quality_max_tries = a.quality_tries;
    p.allow_quality_upgrade = a.allow_upgrade;
    auto upgrade = duration_flag("--poll-quality-upgrade-interval", a.upgrade_interval, Millis{100});
    if (!upgrade) return upgrade.error();
    p.poll_quality_upgrade_interval = *upgrade;
    auto poll = duration_flag("--poll-interval", a.poll_interval, Millis{100});
    if (!poll) return poll.error();
    p.base.wait_poll_interval = *poll;
    p.base.wait_for_live = !a.no_wait;
    p.base.packet_loss_max = a.max_packet_loss;
    auto age = duration_flag("--cleaning-age", a.cleaning_age, Millis{0});
    if (!age) return age.error();
    if (*age > Millis{0}) p.base.eligible_for_cleaning_age = *age;
    if (auto set = set_files(a, p.base); !set) return set.error();
    return p;
}

}  // namespace weir::faces
