#include "runtime/shard.h"

#include <pthread.h>
#include <csignal>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/log.h"

namespace weir {

namespace {

struct Context : asio::io_context {
    using asio::execution_context::shutdown;  // destroys what still waits, while the other contexts exist
    using asio::io_context::io_context;
};

class ShardImpl final : public Shard {
public:
    explicit ShardImpl(std::size_t index)
        : index_(index), context_(1), clock_(real_clock(context_.get_executor())), work_(context_.get_executor()) {}

    [[nodiscard]] std::size_t index() const noexcept override { return index_; }
    [[nodiscard]] asio::any_io_executor executor() const noexcept override { return context_.get_executor(); }
    [[nodiscard]] Clock& clock() noexcept override { return *clock_; }
    void post(std::function<void()> f) override { asio::post(context_.get_executor(), std::move(f)); }
    [[nodiscard]] bool is_here() const noexcept override { return context_.get_executor().running_in_this_thread(); }
    void add_weight(int w) noexcept override { weight_.fetch_add(w, std::memory_order_relaxed); }
    [[nodiscard]] int weight() const noexcept override { return weight_.load(std::memory_order_relaxed); }

    Context& context() noexcept { return context_; }
    void release() { work_.reset(); }

    /// Runs until released and out of work. A handler that throws is a bug: it is logged, and the shard goes on.
    void run() {
        while (true) {
            try {
                context_.run();
                return;
            } catch (const std::exception& e) {
                WEIR_LOG(error, "a handler ended by an exception; please report this", {"shard", index_},
                         {"error", e.what()});
            } catch (...) {
                WEIR_LOG(error, "a handler ended by an exception; please report this", {"shard", index_});
            }
        }
    }

private:
    const std::size_t index_;
    mutable Context context_;
    std::unique_ptr<Clock> clock_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::atomic<int> weight_{0};
};

Task<int> guarded(Task<int> body) {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_return co_await std::move(body);
}

}  // namespace

struct Shards::State {
    std::vector<std::unique_ptr<ShardImpl>> shards;
};

Shards::Shards(std::size_t count) : state_(std::make_unique<State>()) {
    ::signal(SIGPIPE, SIG_IGN);  // a peer that left is an error of that write, also inside libcurl and OpenSSL
    ::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error of that write, too
    if (count == 0) count = usable_cores();
    for (std::size_t i = 0; i < count; ++i) state_->shards.push_back(std::make_unique<ShardImpl>(i));
}

Shards::~Shards() {
    for (const auto& shard : state_->shards) shard->release();
    for (const auto& shard : state_->shards) shard->context().shutdown();
}

std::size_t Shards::size() const noexcept {
    return state_->shards.size();
}
Shard& Shards::at(std::size_t index) noexcept {
    return *state_->shards[index];
}

Shard& Shards::lightest() noexcept {
    Shard* best = state_->shards.front().get();
    for (const auto& shard : state_->shards)
        if (shard->weight() < best->weight()) best = shard.get();
    return *best;
}

int Shards::run(std::function<Task<int>(Shards&)> main) {
    auto& shards = state_->shards;
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < shards.size(); ++i) {
        threads.emplace_back([&shard = *shards[i]] { shard.run(); });
        pthread_setname_np(threads.back().native_handle(), ("weir-shard" + std::to_string(i)).substr(0, 15).c_str());
    }
    int status = 0;
    std::exception_ptr failure;
    bool ended = false;
    asio::co_spawn(shards.front()->executor(), guarded(main(*this)), [&](std::exception_ptr why, int value) {
        failure = std::move(why);
        status = value;
        ended = true;
        // What main left behind has a moment to end; what has not by then is a bug, and must not keep the process.
        for (const auto& shard : shards) shard->release();
        shards.front()->post([&shards] {
            for (const auto& shard : shards) shard->post([&shard] { shard->context().stop(); });
        });
    });
    shards.front()->run();
    WEIR_ASSERT(ended);
    for (auto& thread : threads) thread.join();
    if (failure) std::rethrow_exception(failure);
    return status;
}

}  // namespace weir
