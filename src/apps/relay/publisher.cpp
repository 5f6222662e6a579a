#include "apps/relay/publisher.h"

#include <atomic>
#include <utility>

#include "core/ring.h"

namespace weir::relay {
namespace {

/// A publisher stops reading when so much waits for the hub's shard, and goes on at half of it.
constexpr std::uint64_t most_under_way = 2u << 20;

/// Nothing live comes faster than this (84 Mbit/s). What does is a file, and waits for viewers that take data: else they would skip
/// what could as well come later. Live ones are never held up, however slow a viewer is.
constexpr std::uint64_t fast_bytes = 1u << 20;
constexpr Millis fast_window{100}, pause{5}, long_pause{50};

/// What a publisher and the deliveries that are still under way share.
struct Link {
    explicit Link(asio::any_io_executor e) : ex(std::move(e)), room(ex) {}

    void delivered(std::uint64_t bytes) {
        const auto before = under_way.fetch_sub(bytes);
        if (before - bytes <= most_under_way / 2) wake();
    }
    void wake() {
        if (!waits.exchange(false)) return;
        asio::post(ex, [self = self.lock()] {
            if (self) self->room.notify();
        });
    }

    asio::any_io_executor ex;
    Bell room;
    std::atomic<std::uint64_t> under_way{0};
    std::atomic<bool> waits{false}, closed{false};
    std::atomic<SteadyTime> pause_until{SteadyTime{}};
    std::weak_ptr<Link> self;
};

/// What goes home in one post.
struct Delivery {
    std::vector<Item> items;
    std::uint64_t payload = 0;
    std::uint64_t cost = 0;  ///< what it takes while under way: an empty message takes memory too
    std::uint32_t epoch = 0;
    ts::PushCutter::Stats stats = {};
    bool last = false;
};

constexpr std::uint64_t item_cost = 256;  ///< as a ring counts it

std::uint64_t size_of(const std::vector<Item>& items) {
    std::uint64_t bytes = 0;
    for (const auto& item : items)
        if (const auto* chunk = std::get_if<Chunk>(&item)) bytes += chunk->bytes.size();
    return bytes;
}

bool is_fast(Topic::Lane& lane, std::uint64_t bytes, SteadyTime now) {
    if (now - lane.window >= fast_window) {
        lane.window = now;
        lane.in_window = 0;
    }
    lane.in_window += bytes;
    return lane.in_window > fast_bytes;
}

void take(HubCore& core, const std::shared_ptr<Topic>& topic, std::uint16_t lane, const Delivery& delivery,
          Link& link) {
    if (core.stopped) {
        link.closed = true;
    } else {
        auto& slot = topic->lane(lane);
        slot.epoch = std::max(slot.epoch, delivery.epoch);
        slot.in = delivery.stats;
        const auto now = core.home.clock().now();
        topic->publish(lane, delivery.items, now);
        if (is_fast(slot, delivery.payload, now)) {
            const auto behind = topic->recordings_lag();
            if (behind > 0.5)
                link.pause_until = now + long_pause;
            else if (behind > 0.25 || topic->strained(now))
                link.pause_until = now + pause;
        }
    }
    link.delivered(delivery.cost);
    if (!delivery.last) return;
    topic->free_lane(lane);
    core.let_go(topic);
}

class LanePublisher final : public Publisher {
public:
    LanePublisher(std::shared_ptr<HubCore> core, std::shared_ptr<Topic> topic, Shard& here,
                  ts::PushCutter::Settings settings)
        : core_(std::move(core)),
          topic_(std::move(topic)),
          name_(topic_->name),
          here_(here),
          lane_(settings.lane),
          origin_(settings.origin),
          cutter_(settings),
          link_(std::make_shared<Link>(here.executor())) {
        link_->self = link_;
    }

    ~LanePublisher() override {
        Delivery delivery;
        cutter_.close(delivery.items);
        delivery.last = true;
        send(std::move(delivery));
    }

    [[nodiscard]] const std::string& topic() const noexcept override { return name_; }
    [[nodiscard]] std::uint32_t origin() const noexcept override { return origin_; }

    void push(const BodyPiece& piece) override {
        Delivery delivery;
        cutter_.feed(piece.bytes, piece.borders, here_.clock().now(), delivery.items);
        if (!piece.more) cutter_.flush(delivery.items);
        send(std::move(delivery));
    }

    void message(bool text, const Bytes& payload) override {
        Delivery delivery;
        cutter_.message(payload, text, here_.clock().now(), delivery.items);
        send(std::move(delivery));
    }

    [[nodiscard]] std::uint64_t under_way() const noexcept override { return link_->under_way; }

    Task<bool> wait_for_room() override {
        const auto link = link_;
        while (link->under_way >= most_under_way && !link->closed) {
            link->waits = true;
            if (link->under_way <= most_under_way / 2) break;  // all came home before we asked to be told
            const bool rung = co_await link->room.wait();
            if (!rung) co_return false;
        }
        const auto pause_until = link->pause_until.load();
        if (pause_until > here_.clock().now()) {
            const bool slept = co_await here_.clock().sleep_until(pause_until);
            if (!slept) co_return false;
        }
        co_return !link->closed;
    }

private:
    void send(Delivery delivery) {
        // Who pushes nothing but garbage is seen too.
        const auto dropped = cutter_.stats().dropped_bytes;
        if (std::exchange(dropped_, dropped) == dropped && delivery.items.empty() && !delivery.last) return;
        delivery.payload = size_of(delivery.items);
        delivery.cost = delivery.payload + delivery.items.size() * item_cost;
        for (const auto& item : delivery.items) delivery.cost += hub::cost_beside(item);
        delivery.epoch = cutter_.epoch();
        delivery.stats = cutter_.stats();
        link_->under_way += delivery.cost;
        // What ends the lane is never taken inside of a destructor: who holds the last pin may be reading from the topic.
        if (!delivery.last && core_->home.is_here()) return take(*core_, topic_, lane_, delivery, *link_);
        auto& home = core_->home;
        home.post([core = delivery.last ? std::move(core_) : core_, topic = delivery.last ? std::move(topic_) : topic_,
                   lane = lane_, link = link_,
                   delivery = std::move(delivery)] { take(*core, topic, lane, delivery, *link); });
    }

    std::shared_ptr<HubCore> core_;
    std::shared_ptr<Topic> topic_;
    const std::string name_;
    Shard& here_;
    const std::uint16_t lane_;
    const std::uint32_t origin_;
    ts::PushCutter cutter_;
    std::uint64_t dropped_ = 0;  ///< as was told home
    std::shared_ptr<Link> link_;
};

}  // namespace

Result<std::shared_ptr<Publisher>> make_publisher(const std::shared_ptr<HubCore>& core, Shard& here,
                                                  const std::string& name, PublisherInfo who) {
    auto topic = core->topic(name, HubCore::For::use);
    if (!topic) return topic.error();
    ts::PushCutter::Settings settings;
    settings.messages = who.kind == "websocket";
    settings.origin = who.origin;
    auto lane = (*topic)->take_lane(std::move(who), core->home.clock().wall());
    if (!lane) return lane.error();
    settings.lane = *lane;
    if (settings.origin == 0) settings.origin = core->next_origin = core->next_origin % (own_origins - 1) + 1;
    settings.first_epoch = (*topic)->lane(*lane).epoch + 1;
    core->hold(**topic);
    return std::shared_ptr<Publisher>(std::make_shared<LanePublisher>(core, std::move(*topic), here, settings));
}

bool is_behind(const Publisher& publisher) noexcept {
    return publisher.under_way() > most_under_way;
}

}  // namespace weir::relay
