#include "telemetry/notify/sender.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "telemetry/notify/lane.h"

namespace weir::telemetry {
namespace {

class Lanes final : public Sender {
public:
    Lanes(Shard& shard, std::vector<std::unique_ptr<Lane>> lanes)
        : shard_(shard),
          clock_(shard.clock()),
          lanes_(std::move(lanes)),
          running_(lanes_.size()),
          ended_(shard.executor()),
          tasks_(shard.executor()) {
        for (auto& lane : lanes_) tasks_.spawn(run(*lane), "notifications");
    }

    void send(notify::Message message) override {
        for (auto& lane : lanes_) lane->add(message);
    }

    Task<void> stop(Millis drain) override {
        co_await uncancellable();
        stop_by_ = std::min(stop_by_, clock_.now() + drain);
        for (auto& lane : lanes_) lane->finish();
        ended_.notify();  // another stop() that waits longer
        while (running_ > 0 && clock_.now() < stop_by_) {
            Task<bool> ring = ended_.wait();
            co_await with_deadline(clock_, stop_by_, std::move(ring));
        }
        co_await tasks_.stop("notifications end");
        for (auto& lane : lanes_) lane->drop_rest();
    }

    Task<std::vector<Outcome>> try_all(notify::Message message) override {
        std::vector<Outcome> outcomes(lanes_.size());
        TaskGroup tries(shard_.executor());
        for (std::size_t i = 0; i < lanes_.size(); ++i) tries.spawn(try_one(*lanes_[i], message, outcomes[i]), "try");
        co_await tries.join();
        co_await tries.stop("done");
        co_return outcomes;
    }

private:
    Task<void> run(Lane& lane) {
        co_await lane.run();
        --running_;
        ended_.notify();
    }

    Task<void> try_one(Lane& lane, notify::Message message, Outcome& into) {
        const auto began = clock_.now();
        into.scheme = lane.scheme();
        auto done = co_await lane.try_once(std::move(message));
        into.result = std::move(done);
        into.took = std::chrono::duration_cast<Millis>(clock_.now() - began);
    }

    Shard& shard_;
    Clock& clock_;
    std::vector<std::unique_ptr<Lane>> lanes_;
    std::size_t running_;
    SteadyTime stop_by_ = SteadyTime::max();
    Bell ended_;
    TaskGroup tasks_;
};

}  // namespace

Result<std::unique_ptr<Sender>> Sender::create(Shard& shard, HttpClient& http, Settings settings) {
    std::vector<std::unique_ptr<Lane>> lanes;
    std::string wrong;
    int number = 0;
    for (const auto& url : settings.urls) {
        ++number;
        auto service = notify::make_service(url);
        if (!service) {
            wrong += fmt::format("{}url {}: {}", wrong.empty() ? "" : "\n", number, service.error().text());
            continue;
        }
        lanes.push_back(std::make_unique<Lane>(shard, http, std::move(*service), Scrubber(url),
                                               Lane::Settings{number, settings.first_wait}));
    }
    if (!wrong.empty()) return Error{Errc::bad_input, std::move(wrong)};
    return std::unique_ptr<Sender>(std::make_unique<Lanes>(shard, std::move(lanes)));
}

}  // namespace weir::telemetry
