#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "apps/fc2/fc2.h"
#include "apps/sites/cookie_store.h"
#include "apps/sites/watcher.h"
#include "apps/tools/cleaner.h"
#include "base/log.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/fc2_options.h"
#include "faces/cli/recording_progress.h"
#include "faces/cli/session.h"
#include "proto/fc2/member.h"
#include "runtime/task_group.h"

namespace weir::faces {
namespace {

bool in_a_hurry(const std::string& reason) {
    return reason == "terminated";
}

void print_live_text(const sites::LiveResult& r) {
    const auto units = r.asked > 0 ? fmt::format(", {} of {} segments", r.got, r.asked) : std::string();
    fmt::print("{}\n  {}, {}{}\n", r.file.string(), duration_text(r.duration), size_text(r.bytes), units);
    if (r.missing > 0 || r.gaps > 0)
        fmt::print("  {} segments are missing; see: weir verify '{}'\n", r.missing, r.file.string());
    for (const auto* beside : {&r.audio, &r.combined, &r.combined_audio, &r.chat, &r.info, &r.thumbnail})
        if (!beside->empty()) fmt::print("  {}\n", beside->string());
    std::fflush(stdout);
}

void print_live_json(const sites::LiveResult& r) {
    boost::json::object o;
    const auto absolute = [](const Path& path) { return std::filesystem::absolute(path).lexically_normal().string(); };
    o["file"] = absolute(r.file);
    o["duration_s"] = static_cast<double>(r.duration.count()) / 1e6;
    o["bytes"] = r.bytes;
    o["segments"] = boost::json::object{{"asked", r.asked}, {"got", r.got}, {"missing", r.missing}};
    o["gaps"] = r.gaps;
    o["journal"] = absolute(r.journal);
    o["end"] = std::string(name_of(r.end.reason));
    o["why"] = r.end.why;
    o["resumed"] = r.resumed;
    const std::pair<const char*, const Path*> besides[] = {
        {"audio", &r.audio}, {"combined", &r.combined}, {"combined_audio", &r.combined_audio},
        {"chat", &r.chat},   {"info", &r.info},         {"thumbnail", &r.thumbnail},
    };
    for (const auto& [name, path] : besides)
        if (!path->empty()) o[name] = absolute(*path);
    if (!r.complaints.empty()) o["complaints"] = boost::json::value_from(r.complaints);
    fmt::print("{}\n", boost::json::serialize(o));
    std::fflush(stdout);
}

std::string progress_line(const sites::LiveRecording* recording) {
    if (recording == nullptr) return "waiting for the live";
    const auto p = recording->progress();
    auto text = fmt::format("recording  {}  {}", duration_text(p.duration), size_text(p.bytes));
    if (!p.quality.empty()) text += "  " + p.quality;
    if (p.behind > 1) text += fmt::format("  {} segments behind", p.behind);
    if (p.missing > 0) text += fmt::format("  {} segments lost", p.missing);
    if (p.comments > 0) text += fmt::format("  {} comments", p.comments);
    if (p.waiting_for_space) text += "  DISK FULL, waiting for space";
    return text;
}

/// One channel, from the command line.
class OneChannel {
public:
    OneChannel(Shard& shard, const Fc2DownloadArguments& a, fc2::Params params, fc2::Hosts hosts, std::string id)
        : shard_(shard),
          a_(a),
          params_(std::move(params)),
          id_(std::move(id)),
          lane_(real_file_system(), {}),
          resolver_(Resolver::create()),
          http_(HttpClient::create(shard, resolver_, {})),
          cookies_(shard, lane_, {a.cookies_file, {}, {}}),
          site_(shard, *http_, resolver_, cookies_.jar(), {std::move(hosts)}),
          work_(shard.executor()) {}

    Task<int> run() {
        auto loaded = co_await cookies_.load();
        if (!loaded) co_return complain(loaded.error().text(), exit_wrong_use);
        TaskGroup progress(shard_.executor());
        progress.spawn(
            show_recording_progress([this] { return progress_line(current_); }, shard_.clock(), progress.stopping()),
            "progress");
        work_.spawn(record(), "record");
        co_await work_.join();
        co_await work_.stop("done");
        co_await site_.stop();
        co_await progress.stop("done");
        co_return code_;
    }

    void ask_stop(const std::string& reason) {
        stop_.ask(reason);
        if (current_ != nullptr)
            current_->ask_stop(reason, in_a_hurry(reason));
        else
            work_.ask_stop(reason);
    }

private:
    Task<void> record() {
        co_await errors_not_throws();
        if (!a_.cookies_file.empty()) co_await say_as_whom();
        const sites::LiveRecording::Tools tools{shard_, *http_, &cookies_.jar(), lane_};
        const sites::OnceSettings once{false, a_.max_tries};
        bool again = true;
        while (again && !stop_.asked()) {
            sites::Watcher::Setup setup{id_, params_.base, site_.channel(id_, params_)};
            auto result = co_await sites::record_once(std::move(setup), tools, once, stop_, sites::log_events(),
                                                      [this](sites::LiveRecording* now) { current_ = now; });
            again = a_.loop;
            if (result) {
                tell(*result);
                co_await clean();
            } else if (!stop_.asked()) {
                again = again && result.error().code != Errc::not_found;
                code_ = complain(result.error().text(), exit_failed);
            }
            if (again && !stop_.asked()) co_await shard_.clock().sleep_for(Millis{1'000});
        }
    }

    void tell(const sites::LiveResult& r) {
        log::set_status_line("");
        code_ = exit_ok;
        if (r.file.empty()) return;
        a_.json ? print_live_json(r) : print_live_text(r);
        for (const auto& complaint : r.complaints) WEIR_LOG(warn, complaint);
    }

    Task<void> say_as_whom() {
        auto who = co_await site_.probe();
        if (!who)
            WEIR_LOG(warn, "it cannot be told whether the cookies are a login", {"why", who.error().text()});
        else if (!*who)
            WEIR_LOG(warn, "the cookies are no login (any more): going on as a visitor", {"file", a_.cookies_file});
        else
            WEIR_LOG(info, "logged in", {"user", **who});
    }

    Task<void> clean() {
        const auto& p = params_.base;
        if (stop_.asked() || p.scan_directory.empty() || !p.concat || p.keep_intermediates) co_return;
        apps::CleanOptions options;
        options.root = p.scan_directory;
        options.age = p.eligible_for_cleaning_age;
        options.delete_corrupted = p.delete_corrupted;
        apps::Cleaner cleaner(shard_.executor(), shard_.clock(), lane_, std::move(options));
        const auto report = co_await cleaner.run();
        if (report.freed > 0) WEIR_LOG(info, "cleaned", {"freed", size_text(report.freed)});
    }

    Shard& shard_;
    const Fc2DownloadArguments& a_;
    fc2::Params params_;
    std::string id_;
    FileLane lane_;
    std::shared_ptr<Resolver> resolver_;
    std::unique_ptr<HttpClient> http_;
    sites::CookieStore cookies_;
    fc2::Site site_;
    Stop stop_;
    sites::LiveRecording* current_ = nullptr;
    int code_ = exit_ok;
    TaskGroup work_;
};

}  // namespace

int run_fc2_download(const Fc2DownloadArguments& a) {
    auto id = fc2::parse_channel_id(a.channel);
    if (!id) return complain(id.error().text(), exit_wrong_use);
    auto params = fc2_params(a);
    if (!params) return complain(params.error().text(), exit_wrong_use);
    auto hosts = fc2::hosts_from_environment();
    if (!hosts) return complain(hosts.error().text(), exit_wrong_use);
    Shards shards(1);
    OneChannel one(shards.at(0), a, std::move(*params), std::move(*hosts), std::move(*id));
    return run_session(
        shards, [&] { return one.run(); }, [&](std::string reason) { one.ask_stop(reason); });
}

}  // namespace weir::faces
