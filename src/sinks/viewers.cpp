#include "sinks/viewers.h"

#include <boost/asio/co_spawn.hpp>

#include "core/mirror.h"
#include "sinks/fan_out.h"

namespace weir {
namespace {

using fan_out::FanOut;

/// A Slot is touched on its own shard only, a mirror on the home shard only; between them go posts, whose order (first
/// in, first out for each shard) is what makes stop() safe.
class ViewersImpl final : public Viewers {
public:
    ViewersImpl(Shards& shards, Shard& home, Stream& stream, Settings settings)
        : home_(home), stream_(stream), settings_(settings), mirrors_(shards.size()), done_(home.executor()) {
        for (std::size_t i = 0; i < shards.size(); ++i) slots_.push_back(std::make_unique<Slot>(shards.at(i)));
    }

    std::shared_ptr<Handle> add(std::unique_ptr<Connection> connection, Plan plan) override {
        auto& slot = *slots_[connection->shard().index()];
        if (slot.closed) {
            connection.reset();
            if (plan.on_gone) plan.on_gone("stopped");
            return nullptr;
        }
        if (!slot.out) {
            slot.out = std::make_unique<FanOut>(slot.shard, settings_);
            slot.seen.store(slot.out.get(), std::memory_order_release);
            ask_for_stream(slot);
        }
        return slot.out->add(std::move(connection), std::move(plan));
    }

    [[nodiscard]] Stats stats(std::size_t shard) const noexcept override {
        const auto* out = slots_[shard]->seen.load(std::memory_order_acquire);
        return out ? out->stats() : Stats{};
    }

    [[nodiscard]] Stats stats() const noexcept override {
        Stats sum;
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            const auto one = stats(i);
            sum.viewers += one.viewers;
            sum.bytes += one.bytes;
            sum.blocked += one.blocked;
            sum.skips += one.skips;
            sum.skipped_bytes += one.skipped_bytes;
            sum.strained = std::max(sum.strained, one.strained);
        }
        return sum;
    }

    Task<void> stop() override {
        co_await uncancellable();
        stopping_ = true;
        std::size_t running = slots_.size();
        for (auto& slot : slots_)
            slot->shard.post([this, &slot = *slot, &running] {
                slot.closed = true;
                asio::co_spawn(slot.shard.executor(), close(slot), [this, &running](std::exception_ptr) {
                    home_.post([this, &running] {
                        --running;
                        done_.notify();
                    });
                });
            });
        while (running != 0) co_await done_.wait();
        for (auto& mirror : mirrors_)
            if (mirror) co_await mirror->close();
        mirrors_.clear();
    }

private:
    struct Slot {
        explicit Slot(Shard& s) : shard(s) {}
        Shard& shard;
        std::unique_ptr<FanOut> out;
        std::atomic<const FanOut*> seen{nullptr};  ///< for stats()
        bool closed = false;
    };

    static Task<void> close(Slot& slot) {
        FanOut* const out = slot.out.get();
        if (!out) co_return;
        co_await out->stop();
    }

    void ask_for_stream(Slot& slot) {
        if (slot.shard.index() == home_.index()) return slot.out->open(stream_);
        home_.post([this, &slot] {
            if (stopping_) return;
            auto& mirror = mirrors_[slot.shard.index()];
            mirror = Mirror::make(home_, stream_, slot.shard);
            slot.shard.post([&slot, &image = mirror->stream()] {
                if (!slot.closed) slot.out->open(image);
            });
        });
    }

    Shard& home_;
    Stream& stream_;
    const Settings settings_;
    std::vector<std::unique_ptr<Slot>> slots_;
    std::vector<std::unique_ptr<Mirror>> mirrors_;  ///< home
    bool stopping_ = false;                         ///< home
    Bell done_;
};

Task<void> serve(Viewers& viewers, const Bytes& head, Exchange& exchange) {
    if (exchange.request().method == "HEAD") {
        std::vector<std::pair<std::string, std::string>> headers;
        headers.emplace_back("Cache-Control", "no-store");
        (void)co_await exchange.respond(200, "video/mp2t", Bytes(), std::move(headers));
        co_return;
    }
    Viewers::Plan plan;
    plan.head = head;
    (void)viewers.add(exchange.take(), std::move(plan));
}

}  // namespace

std::unique_ptr<Viewers> Viewers::create(Shards& shards, Shard& home, Stream& stream, Settings settings) {
    return std::make_unique<ViewersImpl>(shards, home, stream, settings);
}

Bytes http_ts_head() {
    constexpr std::string_view text =
        "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nCache-Control: no-store\r\nConnection: close\r\n"
        "X-Content-Type-Options: nosniff\r\n\r\n";
    return Bytes::copy_of(text);
}

HttpServer::Handler http_ts_handler(Viewers& viewers) {
    return
        [&viewers, head = http_ts_head()](Exchange& exchange) -> Task<void> { return serve(viewers, head, exchange); };
}

}  // namespace weir
