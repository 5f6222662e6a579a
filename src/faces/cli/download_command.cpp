#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "apps/recorder/download.h"
#include "base/log.h"
#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/session.h"
#include "io/resolver.h"
#include "store/names.h"

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

Result<Path> parse_target(const std::string& output, const Url& url) {
    if (output.empty()) return Path(apps::default_name(url, std::chrono::system_clock::now()));
    Path target(output);
    if (target.extension() != ".mp4")
        return Error{Errc::bad_input,
                     fmt::format("-o {}: a recording is finished as MP4; give a name that ends in .mp4", output)};
    if (target.filename().native().size() > store::max_name_bytes - store::room_for_endings)
        return Error{Errc::bad_input,
                     fmt::format("-o: the file name has {} bytes; at most {} leave room for weir's endings",
                                 target.filename().native().size(), store::max_name_bytes - store::room_for_endings)};
    return target;
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
    auto target = parse_target(a.output, *url);
    if (!target) return target.error();
    o.target = std::filesystem::absolute(*target).lexically_normal();
    o.source.url = std::move(*url);
    o.source.quality = a.quality;
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
    if (p.behind > 1) text += fmt::format("  {} segments behind", p.behind);
    if (p.missing > 0) text += fmt::format("  {} segments lost", p.missing);
    if (p.waiting_for_space) text += "  DISK FULL, waiting for space";
    return text;
}

/// On a terminal one line that is redrawn, else a plain line each half minute.
Task<void> show_progress(const apps::Download& download, Clock& clock, const Stop& stopping) {
    co_await errors_not_throws();
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    const auto pace = terminal ? Millis(500) : Millis(30'000);
    while (!stopping.asked()) {
        co_await clock.sleep_for(pace);
        if (stopping.asked()) break;
        if (terminal)
            log::set_status_line(progress_text(download.progress()));
        else
            WEIR_LOG(info, progress_text(download.progress()));
    }
    log::set_status_line("");
}

double seconds(Micros d) {
    return static_cast<double>(d.count()) / 1e6;
}

void print_result(const apps::DownloadResult& r, bool json) {
    if (json) {
        const auto quoted = [](const std::string& text) { return boost::json::serialize(boost::json::string(text)); };
        fmt::print(R"({{"file":{},"duration_s":{:.6f},"bytes":{},"segments":{{"asked":{},"got":{},"missing":{}}},)"
                   R"("journal":{},"end":{},"why":{},"resumed":{}}})"
                   "\n",
                   quoted(r.file.string()), seconds(r.duration), r.bytes, r.asked, r.got, r.missing,
                   quoted(r.journal.string()), quoted(std::string(name_of(r.end.reason))), quoted(r.end.why),
                   r.resumed);
        return;
    }
    fmt::print("{}\n  {}, {}, {} of {} segments\n", r.file.string(), duration_text(r.duration), size_text(r.bytes),
               r.got, r.asked);
    if (r.missing > 0) fmt::print("  {} segments are missing; see: weir verify '{}'\n", r.missing, r.file.string());
}

}  // namespace

int run_download(const DownloadArguments& arguments) {
    auto options = options_from(arguments);
    if (!options) return complain(options.error().text(), exit_wrong_use);

    Shards shards(1);
    FileLane lane(real_file_system(), {});
    auto http = HttpClient::create(shards.at(0), Resolver::create(), {});
    apps::Download download(shards.at(0), *http, lane, std::move(*options));

    struct Command {
        static Task<int> run(Shard& shard, apps::Download& download, bool json, bool strict) {
            TaskGroup progress(shard.executor());
            progress.spawn(show_progress(download, shard.clock(), progress.stopping()), "progress");
            auto result = co_await download.run();
            co_await progress.stop("done");
            if (!result) co_return complain(result.error().text(), exit_failed);
            print_result(*result, json);
            co_return strict && result->missing > 0 ? exit_losses : exit_ok;
        }
    };
    return run_session(
        shards, [&] { return Command::run(shards.at(0), download, arguments.json, arguments.strict); },
        [&](std::string reason) { download.ask_stop(std::move(reason)); });
}

}  // namespace weir::faces
