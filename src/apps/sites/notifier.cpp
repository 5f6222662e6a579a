#include "apps/sites/notifier.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"
#include "runtime/task_group.h"
#include "telemetry/notify/sender.h"

namespace weir::sites {
namespace {

using telemetry::Sender;

constexpr Millis drain_at_end{3'000}, drain_when_replaced{300'000};

}  // namespace

struct Notifier::Inner {
    Inner(Shard& s, HttpClient& h, NotifierWords w)
        : shard(s), http(h), words(std::move(w)), log(log_events()), tasks(s.executor()) {}

    void take(const Event& event);
    void retire();
    Task<void> wind_up(std::shared_ptr<Sender> old);

    Shard& shard;
    HttpClient& http;
    const NotifierWords words;
    const EventSink log;
    NotifierConfig config;
    std::shared_ptr<Sender> sender;                ///< none: nothing is sent
    std::vector<std::shared_ptr<Sender>> retired;  ///< these still send what they have
    bool stopped = false;
    TaskGroup tasks;
};

void Notifier::Inner::take(const Event& event) {
    log(event);
    if (stopped) return;
    if (!sender) {
        WEIR_LOG(debug, "notifications are off", {"event", name_of(event.kind)});
        return;
    }
    auto message = message_of(event, config, words);
    if (!message) {
        WEIR_LOG(error, "notify failed", {"event", name_of(event.kind)}, {"why", message.error().text()});
    } else if (*message) {
        sender->send(std::move(**message));
    }
}

Task<void> Notifier::Inner::wind_up(std::shared_ptr<Sender> old) {
    co_await old->stop(drain_when_replaced);
    std::erase(retired, old);
}

void Notifier::Inner::retire() {
    if (!sender) return;
    retired.push_back(sender);
    tasks.spawn(wind_up(std::exchange(sender, nullptr)), "old notifications");
}

Notifier::Notifier(Shard& shard, HttpClient& http, NotifierWords words)
    : inner_(std::make_unique<Inner>(shard, http, std::move(words))) {}
Notifier::~Notifier() = default;

Result<> Notifier::configure(const NotifierConfig& config) {
    auto& me = *inner_;
    if (me.stopped) return {};
    if (!config.enabled) {
        me.retire();
        me.config = config;
        return {};
    }
    if (auto formats = check_formats(config, me.words); !formats) return within("notifier", formats.error());
    const bool same = me.sender && me.config.urls == config.urls;
    if (!same) {
        Sender::Settings settings;
        settings.urls = config.urls;
        auto made = Sender::create(me.shard, me.http, std::move(settings));
        if (!made) return within("notifier.urls", made.error());
        me.retire();
        me.sender = std::move(*made);
    }
    me.config = config;
    return {};
}

EventSink Notifier::sink() {
    return [me = inner_.get()](const Event& event) { me->take(event); };
}

Task<void> Notifier::stop() {
    co_await uncancellable();
    auto& me = *inner_;
    me.stopped = true;
    me.retire();
    TaskGroup ends(me.shard.executor());
    const auto all = me.retired;
    for (const auto& sender : all) ends.spawn(sender->stop(drain_at_end), "notifications end");
    co_await ends.join();
    co_await ends.stop("done");
    co_await me.tasks.join();
    co_await me.tasks.stop("done");
    me.retired.clear();
}

}  // namespace weir::sites
