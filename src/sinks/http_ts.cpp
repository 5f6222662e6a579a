#include "sinks/http_ts.h"

#include <boost/asio/co_spawn.hpp>

#include "core/mirror.h"
#include "sinks/fan_out.h"

namespace weir {
namespace {

using http_ts::FanOut;

/// A Slot is touched on its own shard only, a mirror on the home shard only; between them go posts, whose order (first
/// in, first out for each shard) is what makes stop() safe.
class HttpTsImpl final : public HttpTs {
public:
    HttpTsImpl(Shards& shards, Shard& home, Stream& stream, Settings settings)
        : home_(home), stream_(stream), settings_(settings), mirrors_(shards.size()), done_(home.executor()) {
        for (std::size_t i = 0; i < shards.size(); ++i) slots_.push_back(std::make_unique<Slot>(shards.at(i)));
    }

    [[nodiscard]] HttpServer::Handler handler() override {
        return [this](Exchange& exchange) -> Task<void> { return serve(exchange); };
    }

    [[nodiscard]] Stats stats(std::size_t shard) const noexcept override {
        const auto* out = slots_[shard]->seen.load(std::memory_order_acquire);
        return out ? out->stats() : Stats{};
    }

    Task<void> stop() override {
        co_await uncancellable();
        stopping_ = true;
        std::size_t running = slots_.size();
        for (auto& slot : slots_)
            slot->shard.post([this, &slot = *slot, &running] {
                slot.closed = true;
                slot.made.notify();
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
        explicit Slot(Shard& s) : shard(s), made(s.executor()) {}
        Shard& shard;
        std::unique_ptr<FanOut> out;
        std::atomic<const FanOut*> seen{nullptr};  ///< for stats()
        bool asked = false, closed = false;
        Bell made;
    };

    static Task<void> close(Slot& slot) {
        FanOut* const out = slot.out.get();
        if (!out) co_return;
        co_await out->stop();
    }

    Task<void> serve(Exchange& exchange) {
        if (exchange.request().method != "GET") {
            std::vector<std::pair<std::string, std::string>> headers;
            headers.emplace_back("Cache-Control", "no-store");
            (void)co_await exchange.respond(200, "video/mp2t", Bytes(), std::move(headers));
            co_return;
        }
        auto connection = exchange.take();
        auto& slot = *slots_[connection->shard().index()];
        if (!slot.out) ask_for_fan_out(slot);
        while (!slot.out && !slot.closed) {
            const bool rung = co_await slot.made.wait();
            if (!rung) co_return;
        }
        if (!slot.closed) slot.out->add(std::move(connection));
    }

    void ask_for_fan_out(Slot& slot) {
        if (slot.closed || std::exchange(slot.asked, true)) return;
        if (slot.shard.index() == home_.index()) return make_fan_out(slot, stream_);
        home_.post([this, &slot] {
            if (stopping_) return;
            auto& mirror = mirrors_[slot.shard.index()];
            mirror = Mirror::make(home_, stream_, slot.shard);
            slot.shard.post([this, &slot, &image = mirror->stream()] { make_fan_out(slot, image); });
        });
    }

    void make_fan_out(Slot& slot, Stream& stream) {
        if (slot.closed) return;
        slot.out = std::make_unique<FanOut>(slot.shard, stream, settings_);
        slot.seen.store(slot.out.get(), std::memory_order_release);
        slot.made.notify();
    }

    Shard& home_;
    Stream& stream_;
    const Settings settings_;
    std::vector<std::unique_ptr<Slot>> slots_;
    std::vector<std::unique_ptr<Mirror>> mirrors_;  ///< home
    bool stopping_ = false;                         ///< home
    Bell done_;
};

}  // namespace

std::unique_ptr<HttpTs> HttpTs::create(Shards& shards, Shard& home, Stream& stream, Settings settings) {
    return std::make_unique<HttpTsImpl>(shards, home, stream, settings);
}

}  // namespace weir
