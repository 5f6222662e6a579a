// For unit tests: coroutines run to their end on a context of the test's own.
#pragma once
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>

#include "runtime/clock.h"
#include "runtime/task_group.h"

namespace weir::testing_support {

/// One thread, simulated time. settle() runs all that can run without time passing.
struct Bench {
    asio::io_context io{1};
    SimulatedClock clock{io.get_executor()};

    void settle() {
        io.restart();
        io.poll();
    }
    void advance(Micros by) {
        clock.advance(by);
        settle();
    }
    /// Starts `body` as one that learns of stops by results; its exceptions leave settle() and run().
    void start(Task<void> body) {
        asio::co_spawn(io, guarded(std::move(body)), [](std::exception_ptr why) {
            if (why) std::rethrow_exception(why);
        });
    }
    /// Until nothing is left to do: for real descriptors and threads.
    void run() {
        io.restart();
        io.run();
    }
    void run(Task<void> body) {
        start(std::move(body));
        run();
    }

private:
    static Task<void> guarded(Task<void> body) {
        co_await errors_not_throws();
        co_await std::move(body);
    }
};

}  // namespace weir::testing_support
