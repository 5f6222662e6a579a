#pragma once
// Inside of the hub: the topics, and what its pins call.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/relay/hop.h"
#include "apps/relay/topic.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::relay {

/// Lives as long as any pin. All functions on the home shard, but for post().
class HubCore : public std::enable_shared_from_this<HubCore> {
public:
    HubCore(Shards& shards, Shard& home, Hub::Settings settings);

    using TopicPtr = std::shared_ptr<Topic>;
    /// The topic of that name; made when it is not there.
    enum class For : std::uint8_t {
        rule,  ///< not held up by any limit
        use,   ///< a publisher, destination or recording
        view,  ///< a viewer: of topics that exist for nothing else there may be only so many
    };
    Result<TopicPtr> topic(const std::string& name, For purpose);
    void hold(Topic& topic) { ++topic.holds; }
    void let_go(const TopicPtr& topic);
    /// A viewer, destination or recording of this topic more, or less.
    void watch(Topic& topic);
    void unwatch(const TopicPtr& topic);
    std::shared_ptr<Face> face(Topic& topic, Viewers::Wire wire);
    void leave(const TopicPtr& topic, const std::shared_ptr<Face>& face);

    void set_mix(const std::string& name, std::optional<std::vector<std::string>> feeds);
    [[nodiscard]] std::vector<TopicStats> stats() const;
    Task<void> stop();

    Shards& shards;
    Shard& home;
    const Hub::Settings settings;
    std::function<void(const std::string&, bool)> on_demand;
    bool stopped = false;
    std::uint32_t next_origin = 0;

private:
    void add_demand(Topic& topic);
    void drop_demand(Topic& topic);
    void look_later(const TopicPtr& topic, SteadyTime since);
    void look_at(const TopicPtr& topic, SteadyTime now);
    void claim(Topic& topic);
    void erase(const TopicPtr& topic);
    void close_face(const TopicPtr& topic, std::size_t wire);
    Task<void> closing(TopicPtr topic, std::shared_ptr<Face> face, std::size_t wire);
    Task<void> sweep();
    void give_back();

    std::map<std::string, TopicPtr> topics_;
    std::multimap<SteadyTime, TopicPtr> due_;  ///< idle ones, by when they are looked at
    bool sweeping_ = false;
    std::uint64_t freed_ = 0;    ///< memory of topics and faces that went, not yet given back
    std::size_t unclaimed_ = 0;  ///< topics that exist for viewers alone
    TaskGroup tasks_;
};

/// Runs `f` on the hub's home shard and comes back with its result. Stopped meanwhile: cancelled, and the result that comes
/// later is dropped over here.
template <class T>
Task<Result<T>> at_home(std::shared_ptr<HubCore> core, std::function<Result<T>()> f) {
    if (core->home.is_here()) co_return f();
    std::function<void(std::function<void(Result<T>)>)> question =
        [core, f = std::move(f)](const std::function<void(Result<T>)>& reply) { reply(f()); };
    auto answer = co_await ask<Result<T>>(core->home, std::move(question));
    if (!answer) co_return Error{Errc::cancelled, "stopped"};
    co_return std::move(*answer);
}

}  // namespace weir::relay
