#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>

#include "apps/recorder/download_loop.h"
#include "apps/recorder/file_names.h"
#include "apps/tools/names.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "faces/cli/commands.h"
#include "faces/cli/download_status.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/labels.h"
#include "faces/cli/recording_progress.h"
#include "faces/cli/session.h"
#include "faces/cli/status_options.h"
#include "io/resolver.h"
#include "media/tool.h"
#include "store/names.h"
#include "telemetry/allocator.h"
#include "telemetry/process_metrics.h"

namespace weir::faces {
namespace {

Result<std::pair<std::string, std::string>> parse_header(const std::string& text) {
    const auto colon = text.find(':');
    const auto forbidden = [](unsigned char c) { return c < 0x20 && c != '\t'; };
    if (colon == std::string::npos || colon == 0 || std::any_of(text.begin(), text.end(), forbidden))
        return Error{Errc::bad_input, "--header wants \"Name: value\" in one line"};
    auto value = text.substr(colon + 1);
    value.erase(0, value.find_first_not_of(" \t"));
    return std::pair(text.substr(0, colon), std::move(value));
}

Result<Path> checked(const Path& target) {
    const auto size = target.filename().native().size();
    if (size > store::max_name_bytes - store::room_for_endings)
        return Error{Errc::bad_input,
                     fmt::format("-o: the file name has {} bytes; at most {} leave room for weir's endings", size,
                                 store::max_name_bytes - store::room_for_endings)};
    return std::filesystem::absolute(target).lexically_normal();
}

/// The template's name of a recording that begins now (FC2-69): a plain address has a host, a path and no more.
Result<Path> templated(const std::string& text, const Url& url, const std::map<std::string, std::string>& labels,
                       std::string_view ending) {
    apps::NameData data;
    const auto address = url.without_query();
    data.channel_id = hex16(content_hash(std::as_bytes(std::span(address)))).substr(0, 8);
    data.channel_name = url.host;
    data.title = apps::title_of(url);
    data.time = std::chrono::system_clock::now();
    data.labels = labels;
    auto names = apps::FileNames::make(text, data);
    if (!names) return within("-o", names.error());
    auto path = names->plain(ending.substr(1));
    if (!path) return within("-o", path.error());
    return path;
}

using Name = std::function<Result<Path>(std::string_view ending)>;

/// Of this recording and, in a loop, of the ones after it.
Result<Name> make_name(const DownloadArguments& a, const Url& url) {
    auto labels = parse_labels(a.labels);
    if (!labels) return labels.error();
    const bool is_template = a.output.find("{{") != std::string::npos;
    if (!a.output.empty() && !is_template) return Name{};
    return Name([text = a.output, url, labels = std::move(*labels)](std::string_view ending) -> Result<Path> {
        auto name = text.empty() ? Result<Path>(apps::default_name(url, std::chrono::system_clock::now()))
                                 : templated(text, url, labels, ending);
        if (!name) return name;
        name->replace_extension(Path(ending));  // the template may name one itself
        return std::filesystem::absolute(*name).lexically_normal();
    });
}

/// A template that ends in ".mkv" wishes for that as a plain name does.
std::string plain_ending(const std::string& text) {
    const auto dot = text.rfind('.');
    if (dot == std::string::npos || text.find("}}", dot) != std::string::npos) return {};
    return text.substr(dot);
}

/// What the finished file is to end in, when the user said so: "--remux-format mkv" or the ending of -o.
Result<std::string> wished_ending(const DownloadArguments& a) {
    std::string ending;
    if (!a.remux_format.empty()) {
        auto format = apps::format_named(a.remux_format);
        if (!format) return within("--remux-format", format.error());
        const auto word = ascii_lowered(a.remux_format);
        const auto said = media::format_for("x." + word);
        ending = said ? "." + word : std::string(media::ending_of(*format));
    }
    const bool is_template = a.output.find("{{") != std::string::npos;
    const auto own = is_template ? plain_ending(a.output) : Path(a.output).extension().string();
    if (a.output.empty() || (is_template && own.empty())) return ending;
    if (auto format = media::format_for("x" + own); !format)
        return within(fmt::format("-o {}", a.output), format.error());
    if (!ending.empty() && ascii_lowered(own) != ending)
        return Error{Errc::bad_input,
                     fmt::format("-o ends in {} and --remux-format asks for {}: give one of them", own, ending)};
    return own;
}

/// Where the recording goes, and how the names of later ones (--loop) are made.
Result<> set_names(const DownloadArguments& a, apps::DownloadOptions& o) {
    auto name = make_name(a, o.source.url);
    if (!name) return name.error();
    o.name = std::move(*name);
    auto ending = wished_ending(a);
    if (!ending) return ending.error();
    o.any_ending = ending->empty();
    auto target = o.name ? o.name(ending->empty() ? ".mp4" : *ending) : checked(a.output);
    if (!target) return target.error();
    o.target = std::move(*target);
    return {};
}

Result<Millis> parse_option(const char* name, const std::string& text) {
    auto parsed = parse_duration(text);
    if (!parsed) return within(name, parsed.error());
    return parsed;
}

Result<apps::DownloadOptions> options_from(const DownloadArguments& a) {
    apps::DownloadOptions o;
    auto url = parse_url(a.url);
    if (!url) return within(fmt::format("'{}'", a.url.substr(0, 200)), url.error());
    if (url->scheme != "http" && url->scheme != "https")
        return Error{Errc::bad_input,
                     fmt::format("'{}://' cannot be downloaded: give an http:// or https:// URL", url->scheme)};
    o.source.url = std::move(*url);
    if (auto named = set_names(a, o); !named) return named.error();
    o.source.quality = a.quality;
    o.source.audio = a.audio;
    o.remux = a.remux;
    o.extract_audio = a.extract_audio;
    o.source.from_start = a.from_start;
    o.keep_raw = a.keep_raw;
    o.cookies_file = a.cookies_file;
    for (const auto& text : a.headers) {
        auto header = parse_header(text);
        if (!header) return header.error();
        o.source.headers.push_back(std::move(*header));
    }
    if (!a.duration.empty()) {
        auto d = parse_option("--duration", a.duration);
        if (!d) return d.error();
        if (*d <= Millis(0)) return Error{Errc::bad_input, "--duration: must be more than 0"};
        o.source.duration = *d;
    }
    if (a.wait == "forever") {
        o.source.wait_for_start = std::chrono::hours(24 * 365);
    } else if (!a.wait.empty()) {
        auto d = parse_option("--wait", a.wait);
        if (!d) return d.error();
        o.source.wait_for_start = *d;
    }
    if (!a.idle_timeout.empty()) {
        auto d = parse_option("--idle-timeout", a.idle_timeout);
        if (!d) return d.error();
        o.source.idle_timeout = *d;
    }
    return o;
}

std::string progress_text(const apps::DownloadProgress& p) {
    using State = apps::DownloadProgress::State;
    if (p.state == State::waiting) return "waiting for the stream";
    if (p.state == State::finishing)
        return fmt::format("finishing  {}  {}", duration_text(p.duration), size_text(p.bytes));
    auto text = fmt::format("recording  {}  {}", duration_text(p.duration), size_text(p.bytes));
    if (p.length && *p.length > 0) text += fmt::format(" of {}", size_text(*p.length));
    if (p.behind > 1) text += fmt::format("  {} segments behind", p.behind);
    if (p.missing > 0) text += fmt::format("  {} segments lost", p.missing);
    if (p.waiting_for_space) text += "  DISK FULL, waiting for space";
    return text;
}

double seconds(Micros d) {
    return static_cast<double>(d.count()) / 1e6;
}

void print_json(const apps::DownloadResult& r) {
    const auto quoted = [](const std::string& text) { return boost::json::serialize(boost::json::string(text)); };
    std::string more;
    if (!r.audio.empty()) more += fmt::format(R"(,"audio":{})", quoted(r.audio.string()));
    if (!r.combined.empty()) more += fmt::format(R"(,"combined":{})", quoted(r.combined.string()));
    fmt::print(
        R"({{"file":{},"duration_s":{:.6f},"bytes":{},"segments":{{"asked":{},"got":{},"missing":{}}},"gaps":{},)"
        R"("journal":{},"end":{},"why":{},"resumed":{}{}}})"
        "\n",
        quoted(r.file.string()), seconds(r.duration), r.bytes, r.asked, r.got, r.missing, r.gaps,
        quoted(r.journal.string()), quoted(std::string(name_of(r.end.reason))), quoted(r.end.why), r.resumed, more);
    std::fflush(stdout);
}

void print_text(const apps::DownloadResult& r) {
    const auto units = r.asked > 0 ? fmt::format(", {} of {} segments", r.got, r.asked) : std::string();
    // A file that is kept as it came is not looked into.
    const auto length = r.duration > Micros(0) ? duration_text(r.duration) + ", " : std::string();
    fmt::print("{}\n  {}{}{}\n", r.file.string(), length, size_text(r.bytes), units);
    if (r.missing > 0)
        fmt::print("  {} segments are missing; see: weir verify '{}'\n", r.missing, r.file.string());
    else if (r.gaps > 0)
        fmt::print("  interrupted {} times; see: weir verify '{}'\n", r.gaps, r.file.string());
    if (!r.audio.empty()) fmt::print("  {}\n", r.audio.string());
    if (!r.combined.empty()) fmt::print("  {}\n", r.combined.string());
    std::fflush(stdout);
}

struct Command {
    const DownloadArguments& a;
    bool losses = false;
    std::unique_ptr<status::StatusServer> page = nullptr;

    void tell(const apps::DownloadResult& r) {
        log::set_status_line("");
        a.json ? print_json(r) : print_text(r);
        losses = losses || r.missing > 0 || r.gaps > 0;
    }
    Task<int> run(Shard& shard, apps::DownloadLoop& download) {
        if (page) {
            auto listening = co_await start_status_page(*page, true, stderr);
            if (!listening) co_return complain(listening.error().text(), exit_failed);
        }
        const int code = co_await record(shard, download);
        if (page) co_await page->stop();
        co_return code;
    }
    Task<int> record(Shard& shard, apps::DownloadLoop& download) {
        TaskGroup progress(shard.executor());
        progress.spawn(show_recording_progress([&download] { return progress_text(download.progress()); },
                                               shard.clock(), progress.stopping()),
                       "progress");
        auto result = co_await download.run([this](const apps::DownloadResult& r) { tell(r); });
        co_await progress.stop("done");
        if (!result) co_return complain(result.error().text(), exit_failed);
        co_return a.strict&& losses ? exit_losses : exit_ok;
    }
};

}  // namespace

int run_download(const DownloadArguments& arguments) {
    if (!arguments.status.listen.empty()) telemetry::be_heap_profiled();
    auto options = options_from(arguments);
    if (!options) return complain(options.error().text(), exit_wrong_use);
    auto page = status_settings(arguments.status, options->target);
    if (!page) return complain(page.error().text(), exit_wrong_use);
    const auto host = options->source.url.host;

    Shards shards(1);
    FileLane lane(real_file_system(), {});
    auto http = HttpClient::create(shards.at(0), Resolver::create(), {});
    apps::DownloadLoop download(shards.at(0), *http, lane, std::move(*options),
                                apps::LoopSettings{arguments.loop, arguments.concat});
    DownloadStatus status(host, shards.at(0).clock(), [&] { return download.progress(); });
    Command command{arguments};
    if (!arguments.status.listen.empty()) {
        telemetry::add_process_metrics("weir", WEIR_VERSION);
        command.page = status::StatusServer::create(shards, lane, status.on(std::move(*page)));
    }
    return run_session(
        shards, [&] { return command.run(shards.at(0), download); },
        [&](std::string reason) { download.ask_stop(std::move(reason)); });
}

}  // namespace weir::faces
