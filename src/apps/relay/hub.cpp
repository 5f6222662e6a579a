#include "apps/relay/hub.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>

#include "apps/relay/hub_core.h"
#include "apps/relay/publisher.h"
#include "base/log.h"

namespace weir::relay {
namespace {

constexpr std::size_t unclaimed_share = 4;        ///< of max_topics, one part
constexpr std::uint64_t topic_memory = 4u << 10;  ///< what an empty topic, or face, takes at least

constexpr std::size_t index_of(Viewers::Wire wire) noexcept {
    return static_cast<std::size_t>(wire);
}

/// A place at a topic for a destination or a recording.
class TopicPin final : public Pin {
public:
    TopicPin(std::shared_ptr<HubCore> core, std::shared_ptr<Topic> topic)
        : core_(std::move(core)), topic_(std::move(topic)), name_(topic_->name) {}
    ~TopicPin() override {
        auto& home = core_->home;
        home.post([core = std::move(core_), topic = std::move(topic_)] { core->unwatch(topic); });
    }
    [[nodiscard]] const std::string& topic() const noexcept override { return name_; }

private:
    std::shared_ptr<HubCore> core_;
    std::shared_ptr<Topic> topic_;
    const std::string name_;
};

class TopicWatcher final : public Watcher {
public:
    TopicWatcher(std::shared_ptr<HubCore> core, std::shared_ptr<Topic> topic, Viewers::Wire wire)
        : core_(std::move(core)), topic_(std::move(topic)), face_(core_->face(*topic_, wire)), name_(topic_->name) {}
    ~TopicWatcher() override {
        auto& home = core_->home;
        home.post([core = std::move(core_), topic = std::move(topic_), face = std::move(face_)] {
            core->leave(topic, face);
            core->unwatch(topic);
        });
    }
    [[nodiscard]] const std::string& topic() const noexcept override { return name_; }
    [[nodiscard]] Viewers& viewers() noexcept override { return face_->viewers(); }

private:
    std::shared_ptr<HubCore> core_;
    std::shared_ptr<Topic> topic_;
    std::shared_ptr<Face> face_;
    const std::string name_;
};

class HubFace final : public Hub {
public:
    HubFace(Shards& shards, Shard& home, Settings settings)
        : core_(std::make_shared<HubCore>(shards, home, std::move(settings))) {}

    Task<Result<std::shared_ptr<Publisher>>> publish(std::string topic, PublisherInfo who) override {
        const auto core = core_;
        auto& here = shard_here(core_->shards);
        std::function<Result<std::shared_ptr<Publisher>>()> make = [core, &here, topic = std::move(topic),
                                                                    who = std::move(who)] {
            return make_publisher(core, here, topic, who);
        };
        co_return co_await at_home(core, std::move(make));
    }

    Task<Result<std::shared_ptr<Watcher>>> watch(std::string topic, Viewers::Wire wire) override {
        const auto core = core_;
        std::function<Result<std::shared_ptr<Watcher>>()> make = [core, topic = std::move(topic),
                                                                  wire]() -> Result<std::shared_ptr<Watcher>> {
            auto found = core->topic(topic, HubCore::For::view);
            if (!found) return found.error();
            core->watch(**found);
            return std::shared_ptr<Watcher>(std::make_shared<TopicWatcher>(core, std::move(*found), wire));
        };
        co_return co_await at_home(core, std::move(make));
    }

    Result<std::pair<std::shared_ptr<Pin>, Stream*>> attach(const std::string& topic) override {
        auto found = core_->topic(topic, HubCore::For::use);
        if (!found) return found.error();
        auto* stream = &(*found)->out();
        core_->watch(**found);
        return std::pair<std::shared_ptr<Pin>, Stream*>(std::make_shared<TopicPin>(core_, std::move(*found)), stream);
    }

    void set_mix(const std::string& name, std::optional<std::vector<std::string>> feeds) override {
        core_->set_mix(name, std::move(feeds));
    }
    void on_demand(std::function<void(const std::string&, bool)> f) override { core_->on_demand = std::move(f); }
    [[nodiscard]] std::vector<TopicStats> stats() const override { return core_->stats(); }
    [[nodiscard]] Shard& home() noexcept override { return core_->home; }
    Task<void> stop() override {
        const auto core = core_;
        co_await core->stop();
    }

private:
    std::shared_ptr<HubCore> core_;
};

}  // namespace

std::unique_ptr<Hub> Hub::create(Shards& shards, Shard& home, Settings settings) {
    return std::make_unique<HubFace>(shards, home, std::move(settings));
}

// ------------------------------------------------------------------ HubCore

HubCore::HubCore(Shards& all, Shard& at, Hub::Settings s)
    : shards(all), home(at), settings(std::move(s)), tasks_(home.executor()) {}

Result<HubCore::TopicPtr> HubCore::topic(const std::string& name, For purpose) {
    if (stopped) return Error{Errc::cancelled, "the relay is stopping", name};
    if (name.empty()) return Error{Errc::bad_input, "a feed needs a name"};
    const auto known = topics_.find(name);
    if (known != topics_.end()) {
        if (purpose != For::view) claim(*known->second);
        return known->second;
    }
    if (purpose == For::view && unclaimed_ >= std::max<std::size_t>(1, settings.max_topics / unclaimed_share))
        return Error{Errc::busy,
                     fmt::format("{} names that nobody publishes on are being watched, which is the limit", unclaimed_),
                     name};
    if (purpose != For::rule && topics_.size() >= settings.max_topics)
        return Error{Errc::busy, fmt::format("{} feeds and streams are in use, which is the limit", topics_.size()),
                     name};
    auto made = std::make_shared<Topic>(home, settings, name);
    topics_.emplace(name, made);
    ++unclaimed_;
    if (purpose != For::view) claim(*made);
    return made;
}

void HubCore::claim(Topic& topic) {
    if (!std::exchange(topic.claimed, true)) --unclaimed_;
}

void HubCore::erase(const TopicPtr& topic) {
    const auto known = topics_.find(topic->name);
    if (known == topics_.end() || known->second != topic) return;
    topics_.erase(known);
    if (!topic->claimed) --unclaimed_;
    freed_ += topic->feed().stats().ring_bytes + topic_memory;
}

void HubCore::let_go(const TopicPtr& topic) {
    if (--topic->holds != 0) return;
    if (!topic->claimed) return erase(topic);
    topic->idle_since = home.clock().now();
    look_later(topic, topic->idle_since);
}

void HubCore::add_demand(Topic& topic) {
    if (++topic.demand == 1 && on_demand && !stopped) on_demand(topic.name, true);
}

void HubCore::drop_demand(Topic& topic) {
    if (--topic.demand == 0 && on_demand && !stopped) on_demand(topic.name, false);
}

void HubCore::watch(Topic& topic) {
    hold(topic);
    add_demand(topic);
    if (++topic.watched != 1) return;
    for (const auto& input : topic.inputs()) add_demand(*input);
}

void HubCore::unwatch(const TopicPtr& topic) {
    drop_demand(*topic);
    if (--topic->watched == 0)
        for (const auto& input : topic->inputs()) drop_demand(*input);
    let_go(topic);
}

void HubCore::set_mix(const std::string& name, std::optional<std::vector<std::string>> feeds) {
    if (!is_mix_name(name)) return;  // VW-67: stored and listed, without effect
    const auto known = topics_.find(name);
    if (!feeds && (known == topics_.end() || !known->second->ruled)) return;
    auto mix = topic(name, For::rule);
    if (!mix) return;
    auto& target = **mix;
    if (feeds && !target.ruled) hold(target);
    std::vector<TopicPtr> inputs;
    for (const auto& feed : feeds ? *feeds : std::vector<std::string>()) {
        auto input = topic(feed, For::rule);
        if (!input || std::find(inputs.begin(), inputs.end(), *input) != inputs.end()) continue;  // VW-68
        inputs.push_back(std::move(*input));
    }
    // The new ones are held before the old ones go: what stays is not let go in between.
    for (const auto& input : inputs) {
        hold(*input);
        if (target.watched) add_demand(*input);
    }
    const auto before = target.inputs();
    target.set_inputs(std::move(inputs));
    for (const auto& input : before) {
        if (target.watched) drop_demand(*input);
        let_go(input);
    }
    if (!feeds) let_go(*mix);
    target.ruled = feeds.has_value();
}

std::shared_ptr<Face> HubCore::face(Topic& topic, Viewers::Wire wire) {
    auto& face = topic.faces[index_of(wire)];
    if (!face) face = std::make_shared<Face>(shards, home, topic, wire, settings);
    face->come();
    return face;
}

void HubCore::leave(const TopicPtr& topic, const std::shared_ptr<Face>& face) {
    if (!face->go(home.clock().now())) return;
    if (topic->claimed) return look_later(topic, face->idle_since());
    for (std::size_t wire = 0; wire < topic->faces.size(); ++wire)
        if (topic->faces[wire] == face && !stopped) close_face(topic, wire);
}

/// Nothing of what nobody wants any more stays for longer than `linger`, and nothing wakes up while all are wanted.
void HubCore::look_later(const TopicPtr& topic, SteadyTime since) {
    if (stopped || std::exchange(topic->queued, true)) return;
    due_.emplace(since + settings.linger, topic);
    if (!std::exchange(sweeping_, true)) tasks_.spawn(sweep(), "relay topics");
}

Task<void> HubCore::sweep() {
    while (!due_.empty()) {
        const auto next = due_.begin()->first;
        const bool came = co_await home.clock().sleep_until(next);
        if (!came) break;
        const auto now = home.clock().now();
        while (!due_.empty() && due_.begin()->first <= now) {
            const auto topic = std::move(due_.begin()->second);
            due_.erase(due_.begin());
            topic->queued = false;
            look_at(topic, now);
        }
        give_back();
    }
    sweeping_ = false;
}

/// glibc keeps what was freed below something that lives on. A crowd of short streams is given back to the system when it has
/// gone: no shard waits for that.
void HubCore::give_back() {
    constexpr std::uint64_t worth_it = 64u << 20, worth_it_at_rest = 1u << 20;
    if (!settings.aside || freed_ < (topics_.empty() ? worth_it_at_rest : worth_it)) return;
    freed_ = 0;
#ifdef __GLIBC__
    settings.aside([] { (void)::malloc_trim(0); });
#endif
}

void HubCore::look_at(const TopicPtr& topic, SteadyTime now) {
    std::optional<SteadyTime> next;
    const auto due = [&](SteadyTime since) {
        if (since + settings.linger <= now) return true;
        next = next ? std::min(*next, since) : since;
        return false;
    };
    for (std::size_t wire = 0; wire < topic->faces.size(); ++wire) {
        const auto& face = topic->faces[wire];
        if (face && face->idle() && due(face->idle_since())) close_face(topic, wire);
    }
    if (topic->holds == 0 && due(topic->idle_since)) {
        erase(topic);
    } else if (next) {
        look_later(topic, *next);
    }
}

void HubCore::close_face(const TopicPtr& topic, std::size_t wire) {
    auto face = std::move(topic->faces[wire]);
    tasks_.spawn(closing(topic, std::move(face), wire), "relay viewers");
}

/// Holds the topic, whose Stream the viewers read.
Task<void> HubCore::closing(TopicPtr topic, std::shared_ptr<Face> face, std::size_t wire) {
    co_await uncancellable();
    co_await face->close();
    const auto sums = face->viewers().stats();
    topic->served[wire].bytes += sums.bytes;
    topic->served[wire].skips += sums.skips;
    face.reset();  // before the Stream it reads
    topic.reset();
    freed_ += topic_memory;
    give_back();
}

std::vector<TopicStats> HubCore::stats() const {
    const auto now = home.clock().now();
    std::vector<TopicStats> all;
    all.reserve(topics_.size());
    for (const auto& [name, topic] : topics_) all.push_back(topic->stats(now));
    return all;
}

Task<void> HubCore::stop() {
    co_await uncancellable();
    const auto self = shared_from_this();
    if (!std::exchange(stopped, true)) {
        for (const auto& [name, topic] : topics_)
            for (std::size_t wire = 0; wire < topic->faces.size(); ++wire)
                if (topic->faces[wire]) close_face(topic, wire);
    }
    const std::string why = "the relay stops";
    co_await tasks_.stop(why);
    End end;
    end.reason = EndReason::stopped;
    end.why = why;
    const auto topics = std::exchange(topics_, {});
    for (const auto& [name, topic] : topics) topic->set_inputs({});
    for (const auto& [name, topic] : topics) topic->close(end);
    due_.clear();
}

}  // namespace weir::relay
