#include "faces/cli/session.h"

#include <fmt/format.h>

#include <unistd.h>
#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "runtime/signals.h"

namespace weir::faces {
namespace {

Task<void> watch_signals(const Stop& stopping, std::function<void(std::string)> ask_stop,
                         std::function<void()> reload) {
    co_await errors_not_throws();
    int asked = 0;
    while (!stopping.asked()) {
        const int number = co_await next_signal();
        if (number == SIGHUP && reload) reload();
        if (number == 0 || number == SIGHUP) continue;
        if (++asked > 1) ::_exit(128 + number);
        WEIR_LOG(info, "stopping; once more to leave at once", {"signal", number == SIGINT ? "SIGINT" : "SIGTERM"});
        ask_stop(number == SIGINT ? "interrupted" : "terminated");
    }
}

}  // namespace

int run_session(Shards& shards, std::function<Task<int>()> body, std::function<void(std::string)> ask_stop,
                std::function<void()> reload) {
    struct Session {
        static Task<int> run(Shard& shard, std::function<Task<int>()> work, std::function<void(std::string)> stop,
                             std::function<void()> again) {
            co_await errors_not_throws();
            TaskGroup signals(shard.executor());
            signals.spawn(watch_signals(signals.stopping(), std::move(stop), std::move(again)), "signals");
            const int code = co_await work();
            co_await signals.stop("done");
            co_return code;
        }
    };
    return shards.run(
        [&](Shards& all) { return Session::run(all.at(0), std::move(body), std::move(ask_stop), std::move(reload)); });
}

int complain(const std::string& text, int code) {
    log::set_status_line("");
    fmt::print(stderr, "weir: {}\n", text);
    return code;
}

}  // namespace weir::faces
