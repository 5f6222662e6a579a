#include "core/mirror.h"

#include <atomic>

#include "core/stream_core.h"
#include "runtime/task_group.h"

namespace weir {
namespace {

using Items = std::vector<std::shared_ptr<const Item>>;

/// The home half reads the Stream like any other reader and posts what came in one go; it stops reading while too much
/// is under way, so that a stuck shard costs its ring's share and then a Gap. The away half only publishes. Both are
/// kept alive by the posts under way; each touches only its own members, and `under_way_`.
class MirrorLink final : public std::enable_shared_from_this<MirrorLink> {
public:
    MirrorLink(Shard& home, Stream& stream, Shard& away)
        : home_(home),
          away_(away),
          limit_(std::max<std::uint64_t>(stream.settings().ring_bytes / 2, 64u << 10)),
          image_(std::make_unique<hub::StreamFace>(away.executor(), away.clock(), stream.settings())),
          closed_(home.executor()) {}

    void start(Stream& stream) {
        Policy policy;
        policy.budget_bytes = stream.settings().ring_bytes;
        policy.budget_time = stream.settings().ring_time;
        reader_ = stream.attach(policy);
        // Weak: the reader, and with it this function, belongs to us.
        reader_->on_ready([weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->forward();
        });
        forward();
    }
    [[nodiscard]] Stream& image() noexcept { return *image_; }

    Task<void> close() {
        co_await uncancellable();
        reader_.reset();
        away_.post([self = shared_from_this()] {
            self->image_->close(End{EndReason::stopped, "the stream is gone"});
            self->image_.reset();
            self->home_.post([self] {
                self->gone_ = true;
                self->closed_.notify();
            });
        });
        while (!gone_) co_await closed_.wait();
    }

private:
    void forward() {
        while (reader_ && under_way_.load(std::memory_order_relaxed) < limit_) {
            auto batch = reader_->poll(256u << 10, 256);
            if (!batch || (*batch)->items.empty()) return;  // the end, or nothing yet: on_ready calls again
            auto cost = (*batch)->bytes + (*batch)->items.size() * hub::item_overhead;
            for (const auto& item : (*batch)->items) cost += hub::cost_beside(*item);
            post(Items((*batch)->items), cost);
        }
        stalled_ = true;
    }

    void post(Items items, std::uint64_t cost) {
        under_way_.fetch_add(cost, std::memory_order_relaxed);
        away_.post([self = shared_from_this(), items = std::move(items), cost] { self->publish(items, cost); });
    }

    void publish(const Items& items, std::uint64_t cost) {
        if (image_) {
            for (const auto& item : items) image_->core->append_shared(item);
            image_->core->wake();
        }
        const auto before = under_way_.fetch_sub(cost, std::memory_order_relaxed);
        if (before >= limit_ / 2 && before - cost < limit_ / 2)
            home_.post([self = shared_from_this()] {
                if (std::exchange(self->stalled_, false)) self->forward();
            });
    }

    Shard &home_, &away_;
    const std::uint64_t limit_;
    std::atomic<std::uint64_t> under_way_{0};
    std::unique_ptr<hub::StreamFace> image_;  ///< away
    std::unique_ptr<Reader> reader_;          ///< home, as what follows
    Bell closed_;
    bool stalled_ = false, gone_ = false;
};

class MirrorHandle final : public Mirror {
public:
    explicit MirrorHandle(std::shared_ptr<MirrorLink> link) : link_(std::move(link)) {}
    ~MirrorHandle() override { WEIR_ASSERT(!link_); }
    [[nodiscard]] Stream& stream() noexcept override { return link_->image(); }
    Task<void> close() override {
        if (!link_) co_return;
        co_await link_->close();
        link_.reset();
    }

private:
    std::shared_ptr<MirrorLink> link_;
};

}  // namespace

std::unique_ptr<Mirror> Mirror::make(Shard& home, Stream& stream, Shard& away) {
    auto link = std::make_shared<MirrorLink>(home, stream, away);
    link->start(stream);
    return std::make_unique<MirrorHandle>(std::move(link));
}

}  // namespace weir
