#include "apps/fc2/watch.h"

#include <algorithm>
#include <map>
#include <utility>

#include "apps/sites/config_file.h"
#include "apps/sites/status_json.h"
#include "base/log.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "telemetry/update_check.h"

namespace weir::fc2 {
namespace {

using namespace std::chrono_literals;

constexpr Millis between_saves = 1min;
/// What the reference encrypts with when it is told nothing (FC2-102): its files are read by it, none is written.
constexpr const char* reference_secret = "FC2_LIVE_DL_GO_COOKIE_ENCRYPTION_SECRET";

/// The cookie settings of a configuration, to tell whether they changed.
struct CookieFiles {
    Path import_file, kept_file;
    bool operator==(const CookieFiles&) const = default;
};

void log_lines(log::Level level, std::string_view lines) {
    while (!lines.empty()) {
        const auto end = std::min(lines.find('\n'), lines.size());
        if (end > 0 && log::enabled(level)) log::write(level, {__FILE__, __LINE__}, lines.substr(0, end));
        lines.remove_prefix(std::min(end + 1, lines.size()));
    }
}

/// A channel as it is configured now; a new number whenever its parameters change.
struct KnownChannel {
    Params params;
    std::uint64_t number = 0;
    std::shared_ptr<sites::Channel> channel;
};

}  // namespace

struct WatchApp::Inner {
    Inner(Shard& s, HttpClient& h, std::shared_ptr<Resolver> r, FileLane& l, Settings w, sites::EventSink t)
        : shard(s),
          http(h),
          resolver(std::move(r)),
          lane(l),
          settings(std::move(w)),
          tell(std::move(t)),
          clock(s.clock()),
          file(s, l, settings.config),
          login_due(s.executor()),
          tasks(s.executor()) {}

    Task<Result<>> start();
    Task<void> stop(std::string reason);
    [[nodiscard]] Result<Config> parse(const std::string& text) const;
    void apply(Config next);
    Task<void> load_cookies();
    Task<void> save_cookies();
    Task<void> file_changed(Result<std::string> content);
    Task<void> watch_file();
    Task<void> keep_login();
    Task<Millis> probe();
    Task<void> keep_saving();
    Task<void> look_for_update();
    void login_failed(std::string why);
    void say(sites::EventKind kind, std::string text = {}) const;

    Shard& shard;
    HttpClient& http;
    std::shared_ptr<Resolver> resolver;
    FileLane& lane;
    const Settings settings;
    sites::EventSink tell;
    Clock& clock;
    sites::ConfigFile file;
    Config config;
    CookieFiles cookie_files;
    std::shared_ptr<sites::CookieStore> store;  ///< who awaits it holds it: it may be replaced meanwhile
    CookieJar jar;                              ///< everybody's; the store gets a copy to save
    std::unique_ptr<Site> site;
    std::map<std::string, KnownChannel> known;
    std::uint64_t numbers = 0;
    std::unique_ptr<sites::Watch> watch;
    Bell login_due;
    bool login_told = false, save_told = false, stopping = false;
    std::optional<std::string> as_whom;
    std::string update_told;
    bool looking_for_update = false;
    TaskGroup tasks;
};

void WatchApp::Inner::say(sites::EventKind kind, std::string text) const {
    if (!tell) return;
    sites::Event event;
    event.kind = kind;
    event.text = std::move(text);
    tell(event);
}

Result<Config> WatchApp::Inner::parse(const std::string& text) const {
    auto loaded = parse_config(text, settings.config.string());
    if (!loaded) return loaded.error();
    for (const auto& warning : loaded->warnings) log_lines(log::Level::warn, warning);
    if (settings.notify_by)
        if (auto taken = settings.notify_by(loaded->config.notifier); !taken)
            return within(settings.config.string(), taken.error());
    return std::move(loaded->config);
}

Task<Result<>> WatchApp::Inner::start() {
    auto text = co_await file.read();
    if (!text) co_return text.error();
    auto parsed = parse(*text);
    if (!parsed) co_return parsed.error();
    config = std::move(*parsed);
    co_await load_cookies();
    Site::Settings wishes;
    wishes.hosts = settings.hosts;
    wishes.limit = settings.limit;
    site = std::make_unique<Site>(shard, http, resolver, jar, std::move(wishes));
    const sites::LiveRecording::Tools tools{shard, http, &jar, lane};
    watch = std::make_unique<sites::Watch>(tools, sites::Watch::Settings{"fc2", config.polling_pacing, 1h}, tell);
    Config first = config;
    apply(std::move(first));
    tasks.spawn(watch_file(), "fc2 configuration");
    tasks.spawn(keep_login(), "fc2 login");
    tasks.spawn(keep_saving(), "fc2 cookies");
    co_return Result<>();
}

/// Channels whose parameters are the same keep their number and are left alone.
void WatchApp::Inner::apply(Config next) {
    config = std::move(next);
    std::map<std::string, KnownChannel> now;
    std::vector<sites::Watcher::Setup> setups;
    for (const auto& [id, params] : config.channels) {
        const auto before = known.find(id);
        const bool same = before != known.end() && before->second.params == params;
        KnownChannel channel;
        if (same)
            channel = before->second;
        else
            channel = {params, ++numbers, site->channel(id, params)};
        setups.push_back({id, params.base, channel.channel, std::to_string(channel.number)});
        now.emplace(id, std::move(channel));
    }
    known = std::move(now);
    watch->set_pacing(config.polling_pacing);
    watch->set_channels(std::move(setups));
    say(sites::EventKind::config_reloaded);
    WEIR_LOG(info, "configuration loaded", {"file", settings.config.string()}, {"channels", config.channels.size()});
    if (!settings.release_url.empty() && !std::exchange(looking_for_update, true))
        tasks.spawn(look_for_update(), "fc2 update check");
}

Task<void> WatchApp::Inner::look_for_update() {
    auto newer = co_await telemetry::newer_version(http, settings.release_url, settings.version);
    looking_for_update = false;
    if (!newer) {
        WEIR_LOG(warn, "it cannot be told whether there is a newer version", {"why", newer.error().text()});
    } else if (!newer->empty() && update_told != *newer) {
        update_told = *newer;
        WEIR_LOG(warn, "a newer version is available", {"version", *newer}, {"this", settings.version});
        say(sites::EventKind::update_available, std::move(*newer));
    }
}

/// What the files of the configuration hold, into the jar that is in use.
Task<void> WatchApp::Inner::load_cookies() {
    cookie_files = {config.cookies_import_file, config.cookies_file};
    sites::CookieStore::Settings wishes{cookie_files.import_file, cookie_files.kept_file, settings.cookie_secret,
                                        Secret(reference_secret)};
    auto next = std::make_shared<sites::CookieStore>(shard, lane, std::move(wishes));
    auto loaded = co_await next->load();
    if (!loaded) login_failed(loaded.error().text());
    if (!store) {
        jar = next->jar();
    } else {
        Result<> taken;
        if (!next->jar().all().empty()) taken = jar.import_netscape(next->jar().export_netscape(), clock.wall());
        if (!taken) WEIR_LOG(warn, "the new cookies cannot be used", {"error", taken.error().text()});
        next->jar() = jar;
    }
    store = std::move(next);
}

/// A login that was exported anew counts at once, and before what is kept is written over it.
Task<void> WatchApp::Inner::save_cookies() {
    const auto before = store;
    if (!before) co_return;
    const bool anew = co_await before->import_changed();
    if (anew) {
        WEIR_LOG(info, "the cookies were exported anew", {"file", cookie_files.import_file.string()});
        co_await load_cookies();
        login_due.notify();
    }
    const auto now = store;
    if (now->jar().changes() != jar.changes()) now->jar() = jar;
    auto saved = co_await now->save_if_changed();
    if (!saved && !std::exchange(save_told, true))
        WEIR_LOG(error, "the cookies could not be saved; tried again each minute", {"error", saved.error().text()});
    if (saved) save_told = false;
}

Task<void> WatchApp::Inner::file_changed(Result<std::string> content) {
    if (!content) {
        WEIR_LOG(error, "the configuration cannot be read; the one before stays", {"error", content.error().text()});
        co_return;
    }
    auto next = parse(*content);
    if (!next) {
        log_lines(log::Level::error, next.error().text());
        WEIR_LOG(error, "the configuration has mistakes; the one before stays", {"file", settings.config.string()});
        co_return;
    }
    const bool refresh_changed = config.cookies_refresh_duration != next->cookies_refresh_duration;
    apply(std::move(*next));
    const bool files_changed = !(cookie_files == CookieFiles{config.cookies_import_file, config.cookies_file});
    if (files_changed) {
        co_await save_cookies();
        co_await load_cookies();
    }
    if (files_changed || refresh_changed) login_due.notify();
}

Task<void> WatchApp::Inner::watch_file() {
    std::function<Task<void>(Result<std::string>)> changed = [this](Result<std::string> content) {
        return file_changed(std::move(content));
    };
    co_await file.watch(std::move(changed));
}

void WatchApp::Inner::login_failed(std::string why) {
    as_whom.reset();
    WEIR_LOG(warn, "not logged in to FC2", {"why", why});
    if (!std::exchange(login_told, true)) say(sites::EventKind::login_failed, std::move(why));
}

/// Returns when the next one is due.
Task<Millis> WatchApp::Inner::probe() {
    const auto refresh = config.cookies_refresh_duration;
    auto who = co_await site->probe();
    if (stopping) co_return refresh;
    if (!who) {
        WEIR_LOG(warn, "it cannot be told whether we are logged in", {"error", who.error().text()});
        if (!std::exchange(login_told, true)) say(sites::EventKind::login_failed, who.error().text());
        co_return refresh > Millis{0} ? std::min<Millis>(refresh, 10min) : Millis{10min};
    }
    if (*who) {
        if (as_whom != **who) WEIR_LOG(info, "logged in to FC2", {"as", **who});
        as_whom = **who;
        login_told = false;
    } else {
        login_failed(jar.all().empty() ? "there are no cookies" : "the cookies are not accepted: export them anew");
    }
    co_await save_cookies();
    co_return refresh;
}

/// Now and every cookiesRefreshDuration; without one, once.
Task<void> WatchApp::Inner::keep_login() {
    while (!tasks.stopping().asked()) {
        const bool wanted = config.cookies_refresh_duration > Millis{0} || !jar.all().empty();
        Millis pause{0};
        if (wanted) pause = co_await probe();
        if (tasks.stopping().asked()) break;
        const auto until = pause > Millis{0} ? clock.now() + pause : SteadyTime::max();
        Task<bool> ring = login_due.wait();
        const bool rung = co_await with_deadline(clock, until, std::move(ring));
        if (!rung && clock.now() < until) break;
    }
}

Task<void> WatchApp::Inner::keep_saving() {
    bool slept = true;
    while (slept) {
        slept = co_await clock.sleep_for(between_saves);
        if (slept) co_await save_cookies();
    }
}

Task<void> WatchApp::Inner::stop(std::string reason) {
    co_await uncancellable();
    stopping = true;
    const bool hurry = reason == "terminated";
    file.ask_stop();
    tasks.ask_stop(reason);
    if (watch) co_await watch->stop(reason, hurry);
    if (site) co_await site->stop();
    co_await tasks.stop(std::move(reason));
    co_await save_cookies();
}

WatchApp::WatchApp(Shard& shard, HttpClient& http, std::shared_ptr<Resolver> resolver, FileLane& lane,
                   Settings settings, sites::EventSink tell)
    : inner_(std::make_unique<Inner>(shard, http, std::move(resolver), lane, std::move(settings), std::move(tell))) {}
WatchApp::~WatchApp() = default;

Task<Result<>> WatchApp::start() {
    return inner_->start();
}

Task<void> WatchApp::stop(std::string reason) {
    return inner_->stop(std::move(reason));
}

Task<Result<>> WatchApp::reload() {
    inner_->file.look_now();
    co_return Result<>();
}

std::string WatchApp::status_json() const {
    return sites::json_of(statuses());
}

std::vector<sites::WatchStatus> WatchApp::statuses() const {
    return inner_->watch ? inner_->watch->statuses() : std::vector<sites::WatchStatus>();
}

}  // namespace weir::fc2
