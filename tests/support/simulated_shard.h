#pragma once
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <exception>
#include <functional>

#include "runtime/clock.h"
#include "runtime/shard.h"
#include "runtime/task_group.h"

namespace weir::test {

/// A shard in simulated time, run by the test itself; file lanes beside it are real, and declared after it: they complete on it.
class SimulatedShard final : public Shard {
public:
    asio::io_context context{1};
    SimulatedClock time{context.get_executor()};
    [[nodiscard]] std::size_t index() const noexcept override { return 0; }
    [[nodiscard]] asio::any_io_executor executor() const noexcept override {
        return const_cast<asio::io_context&>(context).get_executor();
    }
    [[nodiscard]] Clock& clock() noexcept override { return time; }
    void post(std::function<void()> f) override { asio::post(context, std::move(f)); }
    [[nodiscard]] bool is_here() const noexcept override { return true; }
    void add_weight(int) noexcept override {}
    [[nodiscard]] int weight() const noexcept override { return 0; }

    void start(Task<void> body) {
        asio::co_spawn(context, guarded(std::move(body)), [](std::exception_ptr why) {
            if (why) std::rethrow_exception(why);
        });
    }
    /// All that can run without time passing.
    void turn() {
        context.restart();
        context.poll();
    }
    void advance(Micros by) {
        time.advance(by);
        turn();
    }
    /// Runs until it is so, be it that a file lane must work first; false when it never is.
    [[nodiscard]] bool until(const std::function<bool()>& so) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        turn();
        while (!so() && std::chrono::steady_clock::now() < deadline) {
            context.restart();
            context.run_one_for(std::chrono::milliseconds(20));
        }
        return so();
    }
    /// Runs `body` to its end; waits of simulated time in it end by advance() in other tasks only.
    [[nodiscard]] bool finish(Task<void> body) {
        bool done = false;
        start(flagged(std::move(body), done));
        return until([&] { return done; });
    }

private:
    static Task<void> guarded(Task<void> body) {
        co_await errors_not_throws();
        co_await std::move(body);
    }
    static Task<void> flagged(Task<void> body, bool& done) {
        co_await std::move(body);
        done = true;
    }
};

}  // namespace weir::test
